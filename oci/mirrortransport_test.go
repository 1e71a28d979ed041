package oci_test

import (
	"testing"

	"github.com/satchel-airgap/satchel/oci"
)

// TestDockerTransport: references and mirrors as they are written for other tools.
func TestDockerTransport(t *testing.T) {
	t.Parallel()
	ref, err := oci.ParseRef("docker://quay.io/a/b:1")
	if err != nil || ref.String() != "quay.io/a/b:1" {
		t.Errorf("%v, %v", ref, err)
	}
	m, err := oci.ParseMirror("docker://mirror.example:8443/ocp")
	if err != nil || m.Host != "mirror.example:8443" || m.Namespace != "ocp" {
		t.Errorf("%+v, %v", m, err)
	}
	for _, s := range []string{"oci://a/b:1", "docker://docker://quay.io/a/b:1", "https://quay.io/a/b:1"} {
		if ref, err := oci.ParseRef(s); err == nil {
			t.Errorf("%s: %v", s, ref)
		}
	}
}
