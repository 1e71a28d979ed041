package manifests

import (
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
)

// TestPayloadFacts: a bundle carries what its releases say of updates.
func TestPayloadFacts(t *testing.T) {
	t.Parallel()
	m := asktest.NewRegistry()
	d := m.PutPayload(t, "4.12.3", "arm64", m.Components("etcd-1"))
	m.At("quay.io/ocp/rel:v", d)
	inv, err := Resolve(t.Context(), asktest.ReleaseConfig(t, "quay.io/ocp/rel:v"), m)
	if err != nil {
		t.Fatal(err)
	}
	list, err := ReadPayloadFacts(t.Context(), inv, &m.Stored)
	if err != nil || len(list) != 1 {
		t.Fatalf("got %+v, %v", list, err)
	}
	if p := list[0]; p.Payload != d.Digest || p.Version.String() != "4.12.3" || p.Architecture != "aarch64" || p.Gates["ack-4.12-a-in-4.13"] != "Something goes." {
		t.Errorf("got %+v", p)
	}
}
