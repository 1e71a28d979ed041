package prepare_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
)

// TestLostPlatform has a registry that lost what one platform of an image needs.
func TestLostPlatform(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 54)
	c := b.Content
	own := c.Layer(1000, ocitest.LayerTar)
	arm := c.ImageFor("arm64", false, own)
	ref := b.Push(c.Index(false, c.ImageFor("amd64", false, c.Layer(1000, ocitest.LayerTar)), arm), "team/a", "v1")
	for _, lost := range []oci.Descriptor{arm, own} {
		b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			gone := strings.HasSuffix(r.URL.Path, "/"+lost.Digest.String())
			if gone {
				w.WriteHeader(http.StatusNotFound)
			}
			return gone
		}
		o := b.Prepare(jobtest.Images(ref))
		s := prepare.New(o)
		t.Cleanup(s.Close)
		err := s.Prepare(t.Context())
		part, ok := errors.AsType[*oci.PartError](err)
		if list, gaps := oci.Gaps(err); !ok || !gaps || len(list) != 1 || !slices.Equal(part.Platforms, []string{"linux/arm64"}) || !prepare.Permanent(err) {
			t.Errorf("without %s: %v", lost.MediaType, err)
		}
		if _, blob := errors.AsType[*transport.MissingBlobError](err); blob != (lost.Digest == own.Digest) {
			t.Errorf("without %s: %v", lost.MediaType, err)
		}
	}
}
