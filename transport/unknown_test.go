package transport

import (
	"net/http"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestRefusedIsUnknown has a mirror refuse to say what it has: that is neither there nor missing.
func TestRefusedIsUnknown(t *testing.T) {
	t.Parallel()
	c := ocitest.New(33)
	inv := images(map[string]oci.Descriptor{"a": c.Image(false, c.Layer(1000, ocitest.LayerGzip)), "b": c.Image(false, c.Layer(1000, ocitest.LayerGzip))})
	reg := registrytest.Start(t)
	mustFill(t, mirrorAt(insecure(t), reg.Host, 1), c, &oci.Inventory{Images: inv.Images[:1]})
	for _, status := range []int{401, 403, 405} {
		p := registrytest.StartProxy(t, reg.Host)
		hidden := "/team/a/"
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			return strings.Contains(r.URL.Path, hidden) && refuse(w, r, status, "DENIED", "")
		}
		m := mirrorAt(insecure(t), p.Host, 1)
		got, err := m.Missing(t.Context(), c, inv)
		if err != nil || len(got.Images) != 2 || len(got.Unknown) != 1 || !strings.HasSuffix(got.Unknown[0].Source.Repository, "/a") {
			t.Fatalf("%d: %+v, %v", status, got, err)
		}
		unknown := 0
		for _, d := range got.Blobs {
			if d.Unknown {
				unknown++
			}
		}
		if len(got.Blobs) != 4 || unknown != 2 {
			t.Errorf("%d: %d of %d blobs are unknown", status, unknown, len(got.Blobs))
		}
		hidden = "/blobs/"
		if got, err = m.Missing(t.Context(), c, &oci.Inventory{Images: inv.Images[:1]}); err != nil || len(got.Images) != 0 || len(got.Blobs) != 2 || !got.Blobs[0].Unknown {
			t.Errorf("%d: blobs alone: %+v, %v", status, got, err)
		}
	}
}

// TestSignatureRefusedBefore has a refused tag of a signature found before anything is pushed, and
// not in a repository that answers nothing yet.
func TestSignatureRefusedBefore(t *testing.T) {
	t.Parallel()
	c := ocitest.New(34)
	inv := images(map[string]oci.Descriptor{"a": c.Image(false, c.Layer(1000, ocitest.LayerGzip))})
	p := registrytest.StartProxy(t, registrytest.Start(t).Host)
	m := mirrorAt(insecure(t), p.Host, 1)
	for what, found := range map[string]bool{".sig": true, "/manifests/": false, "/none/": false} {
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			return strings.Contains(r.URL.Path, what) && refuse(w, r, http.StatusForbidden, "DENIED", "")
		}
		err := m.ProbeSignatures(t.Context(), inv.Images)
		if (err != nil) != found || found && !strings.Contains(err.Error(), "refuses to say whether the image is signed") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestProbeMayNotRead has mirrors take a push and refuse to give what was pushed: that is no
// refused push.
func TestProbeMayNotRead(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t)
	for kind, status := range map[string]int{"GET blob": http.StatusForbidden, "GET manifest": http.StatusUnavailableForLegalReasons} {
		p := registrytest.StartProxy(t, reg.Host)
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			return registrytest.Kind(r) == kind && refuse(w, r, status, "DENIED", "")
		}
		if got := problems(t, probeRepos(insecure(t), p.Host, false, "a/b"))["a/b"]; got != ProblemRead {
			t.Errorf("%s: %q", kind, got)
		}
	}
}
