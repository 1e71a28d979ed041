package probe

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// TestLike reads back the shape of what was made of a shape, and that of what it is made of.
func TestLike(t *testing.T) {
	t.Parallel()
	for _, want := range []Shape{
		plain(oci.MediaTypeManifest), plain(oci.MediaTypeDockerManifest), plain(oci.MediaTypeIndex), plain(oci.MediaTypeDockerList),
		{mediaType: oci.MediaTypeManifest, artifactType: "application/a", config: "application/b", parts: "application/c application/d", subject: true},
		{mediaType: oci.MediaTypeIndex, parts: "application/e" + markBlob + " " + oci.MediaTypeManifest + " " + oci.MediaTypeManifest + markBare},
	} {
		c, err := New(Base{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		blobs, manifests, err := c.Like(want, c.Image)
		if err != nil {
			t.Fatal(err)
		}
		known := map[digest.Digest]string{}
		for _, b := range blobs {
			if known[b.Digest] = ""; c.Body(b) == nil {
				t.Errorf("%s: the blob %s has no bytes", want, b.Digest)
			}
		}
		var got Shape
		for _, d := range manifests {
			if got, err = shapeOf(d, c.Body(d), known); err != nil {
				t.Fatal(err)
			}
			known[d.Digest] = d.MediaType
		}
		if got != want {
			t.Errorf("it is %q, want %q", got, want)
		}
	}
}
