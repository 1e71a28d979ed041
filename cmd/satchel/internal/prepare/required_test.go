package prepare

import (
	"errors"
	"testing"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// TestRequiredSignature has the registry of releases refuse to say whether one is signed.
func TestRequiredSignature(t *testing.T) {
	t.Parallel()
	d := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest(nil), Size: 1}
	ref := oci.Ref{Registry: "quay.io", Repository: "openshift-release-dev/ocp-release"}
	for sort, required := range map[string]bool{"sig": true, "sbom": false, oci.UnknownReferrers: false} {
		s := New(Options{})
		s.Graph = &oci.Graph{Images: []oci.Image{{Origin: manifests.OriginRelease, Path: "openshift/release-images", Source: ref.WithTag("4.21.1-x86_64"), Root: d}}}
		node := oci.Node{Descriptor: d, Images: []int{0}}
		why := &transport.UnknownError{Subject: ref.WithDigest(d.Digest), Sort: sort, Err: &transport.RegistryError{Status: 403}}
		err := s.noteUnknown([]refusal{{node, ref, why}})
		var needed *RequiredError
		list, _ := oci.Gaps(err)
		if errors.As(err, &needed) != required || required != (len(list) == 1) || required != (len(s.Graph.Images[0].Unknown) == 0) {
			t.Errorf("%s: %v, noted %q", sort, err, s.Graph.Images[0].Unknown)
		}
	}
}
