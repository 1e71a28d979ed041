package unpack

import (
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestPayloadBytes counts each blob of a release once, and nothing of another one.
func TestPayloadBytes(t *testing.T) {
	t.Parallel()
	c := ocitest.New(7)
	shared, own, other := c.Layer(1000, ocitest.LayerGzip), c.Layer(300, ocitest.LayerGzip), c.Layer(50, ocitest.LayerGzip)
	image := func(release, path string, layers ...oci.Descriptor) oci.Image {
		return oci.Image{Origin: "release", Path: path, Root: c.Image(false, layers...), Reasons: []oci.Reason{{Kind: "release", Name: release}}}
	}
	payload, component := image("4.19.14 x86_64", "openshift/release-images", shared), image("4.19.14 x86_64", "openshift/release", shared, own)
	second := image("4.19.20 x86_64", "openshift/release-images", other)
	sums, err := bytesOf(t.Context(), &oci.Inventory{Images: []oci.Image{payload, component, second}}, c)
	if err != nil {
		t.Fatal(err)
	}
	configs := func(img oci.Image) (n int64) {
		children, err := oci.ReadChildren(t.Context(), c, img.Root)
		if err != nil {
			t.Fatal(err)
		}
		return children[0].Size
	}
	if want := configs(payload) + configs(component) + shared.Size + own.Size; sums[payload.Root.Digest] != want {
		t.Errorf("%d bytes, want %d", sums[payload.Root.Digest], want)
	}
	if want := configs(second) + other.Size; sums[second.Root.Digest] != want {
		t.Errorf("the other one: %d bytes, want %d", sums[second.Root.Digest], want)
	}
}
