package unpack

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// TestToPush: where only manifests are missing, no blob is counted.
func TestToPush(t *testing.T) {
	t.Parallel()
	images := make([]oci.Image, 2)
	blobs := []transport.Delivery{{Blob: oci.Descriptor{Size: 3 << 20}}}
	for want, missing := range map[string]*transport.Missing{
		"1 blob to push, 3.0 MiB":                             {Images: images, Blobs: blobs},
		"no blob to push, only manifests or tags of 2 images": {Images: images},
		"no blob to push, only manifests or tags of 1 image":  {Images: images[:1]},
	} {
		if got := toPush(missing); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestNoImageWhole: where every image needs a lost drive, nothing is said to be in the mirror.
func TestNoImageWhole(t *testing.T) {
	t.Parallel()
	u := &unpacking{lost: gaps.List{Lost: []string{"X-1"}, Images: make([]oci.Gap, 2)}}
	if got := u.inMirror(nil); !strings.Contains(got, "no image") || !strings.Contains(got, "X-1") {
		t.Error(got)
	}
}
