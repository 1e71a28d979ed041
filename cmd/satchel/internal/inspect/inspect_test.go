package inspect_test

import (
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inspect"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestRun packs two images that share a layer, and counts it for each and once in total.
func TestRun(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 11)
	c := b.Content
	shared := c.Layer(1<<20, ocitest.LayerGzip)
	set := jobtest.Images(b.Push(c.Image(true, shared), "team/one", "v1"), b.Push(c.Image(true, shared, c.Layer(1<<18, ocitest.LayerGzip)), "team/two", "v1"))
	done, err := pack.Run(t.Context(), b.Pack(b.Prepare(set), "drive"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := inspect.Run(t.Context(), b.Open(done.Dir))
	if err != nil {
		t.Fatal(err)
	}
	if r.Bundle != done.Bundle || r.Fingerprint != done.Fingerprint || len(r.Images) != 2 || len(r.Documents) == 0 || len(r.Gaps) != 0 {
		t.Fatalf("%+v", r)
	}
	sum := int64(0)
	for _, img := range r.Images {
		if sum += img.Bytes; len(img.Reasons) != 1 || img.Why[0] != "additionalImages" {
			t.Errorf("%s is carried because of %v", img.Source, img.Reasons)
		}
	}
	if sum-r.BlobBytes != shared.Size {
		t.Errorf("images have %d bytes, the bundle %d: the shared layer has %d", sum, r.BlobBytes, shared.Size)
	}
}
