package prepare_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestDamagedAtTheSource has a registry answer 500 for ever to what it has stored of one image, and
// to the question for signatures: a gap, and not known. It is not taken for one that is away.
func TestDamagedAtTheSource(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 57)
	c := b.Content
	layer := c.Layer(1000, ocitest.LayerTar)
	good, noLayer, noManifest := c.Image(false, c.Layer(1000, ocitest.LayerTar)), c.Image(false, layer), c.Image(false, c.Layer(1000, ocitest.LayerTar))
	refs := []string{b.Push(good, "team/a", "v1"), b.Push(noLayer, "team/b", "v1"), b.Push(noManifest, "team/c", "v1")}
	b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		bad := strings.HasSuffix(r.URL.Path, layer.Digest.String()) || strings.HasSuffix(r.URL.Path, "team/c/manifests/v1") || strings.HasSuffix(r.URL.Path, ".sig")
		if bad {
			w.WriteHeader(http.StatusInternalServerError)
		}
		return bad
	}
	o := b.Prepare(jobtest.Images(refs...))
	o.KeepGoing = true
	s := prepared(t, o)
	if len(s.Graph.Images) != 1 || len(s.Gaps.Images) != 2 || !slices.Equal(s.Graph.Images[0].Unknown, []string{"sig"}) {
		t.Errorf("images %+v, gaps %+v", s.Graph.Images, s.Gaps.Images)
	}
	if log := b.Log.String(); !strings.Contains(log, "fails to say whether anything is attached to them (sig; it answered 500)") {
		t.Errorf("log:\n%s", log)
	}
	o = b.Prepare(jobtest.Images(refs[1]))
	again := prepare.New(o)
	t.Cleanup(again.Close)
	if err := again.Prepare(t.Context()); err == nil || !prepare.Permanent(err) || !strings.Contains(err.Error(), layer.Digest.String()) || !strings.Contains(err.Error(), "this blob is damaged") {
		t.Errorf("got %v", err)
	}
}
