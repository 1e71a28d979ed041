package manifests

import (
	"slices"
	"strings"
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

// TestPayloadUpdates: the updates that lead to a release, with their risks, are those of the
// graphs that chose it.
func TestPayloadUpdates(t *testing.T) {
	t.Parallel()
	m := asktest.ChannelWorld(t)
	inv, err := Resolve(t.Context(), asktest.ChannelConfig(t, "{name: stable-4.3, minVersion: 4.3.1}"), m)
	if err != nil {
		t.Fatal(err)
	}
	list, err := ReadPayloadFacts(t.Context(), inv, &m.Stored)
	if err != nil || len(list) != 4 {
		t.Fatalf("got %+v, %v", list, err)
	}
	var got []string
	for _, p := range list {
		for _, u := range p.Updates {
			word := u.From.String() + "-" + p.Version.String()
			for _, r := range u.Risks {
				word += " " + r.Name + ": " + strings.ReplaceAll(r.Message, "\n", " ") + " " + r.URL
			}
			got = append(got, word)
		}
	}
	all := strings.Join(got, "; ")
	for _, want := range []string{"4.3.1-4.3.3 Lossy: about Lossy https://example.com/Lossy", "4.3.2-4.3.3 Slow: about Slow https://example.com/Slow", "4.3.1-4.3.2"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not in %s", want, all)
		}
	}
}
