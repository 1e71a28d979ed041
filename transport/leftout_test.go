package transport

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestLeftOutOfOneRepository has two attachments in two repositories share a blob, which one
// repository does not take: the other attachment is pushed. What may pass is no refusal.
func TestLeftOutOfOneRepository(t *testing.T) {
	t.Parallel()
	for status, leftOut := range map[int]bool{http.StatusForbidden: true, http.StatusInternalServerError: true, http.StatusServiceUnavailable: false, http.StatusBadGateway: false} {
		p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			return strings.HasPrefix(r.URL.Path, "/v2/mirror/team/a/blobs/uploads/") && refuse(w, r, status, "DENIED", "")
		}
		content := ocitest.New(28)
		root := content.Image(false, content.Layer(1000, ocitest.LayerGzip))
		inv := images(map[string]oci.Descriptor{"a": root, "b": root})
		for i := range inv.Images {
			inv.Images[i].Subject = oci.Digest([]byte("an image"))
		}
		m := mirrorAt(insecure(t), p.Host, 1)
		m.Optional = func(img oci.Image) bool { return img.Subject != "" }
		missing, err := m.Missing(t.Context(), content, inv)
		if err != nil {
			t.Fatal(err)
		}
		err = m.Blobs(t.Context(), content, slices.Values(missing.Blobs))
		if (err == nil) != leftOut {
			t.Errorf("%d: %v", status, err)
			continue
		}
		if !leftOut {
			continue
		}
		if err := m.Manifests(t.Context(), content, missing.Images); err != nil {
			t.Errorf("%d: %v", status, err)
		}
		if refused := m.Refused(); len(refused) != 1 || refused[0].Image.Source.Repository != "team/a" {
			t.Errorf("%d: left out are %+v", status, refused)
		}
		if !has(t, insecure(t), oci.Ref{Registry: p.Host, Repository: "mirror/team/b"}, root) {
			t.Errorf("%d: the other is not there", status)
		}
		stored, err := m.Stored(t.Context(), content, inv.Images)
		for _, d := range stored {
			if len(d.Repos) != 1 || d.Repos[0].Repository != "mirror/team/b" {
				t.Errorf("%d: %v is said to be in %v", status, d.Blob.Digest, d.Repos)
			}
		}
		if err != nil || len(stored) != 2 {
			t.Errorf("%d: %d blobs, %v", status, len(stored), err)
		}
	}
}

// TestConfirmWaitsOnce has a mirror that gives none of its manifests: they are waited for once,
// not once for each.
func TestConfirmWaitsOnce(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	content := ocitest.New(29)
	roots := map[string]oci.Descriptor{}
	for name := range maxNamed + 2 {
		roots[fmt.Sprint(name)] = content.Image(false, content.Layer(1000, ocitest.LayerGzip))
	}
	inv := images(roots)
	m := mirrorAt(insecure(t), p.Host, 1)
	mustFill(t, m, content, inv)
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		return registrytest.Kind(r) == "GET manifest" && refuse(w, r, http.StatusNotFound, "MANIFEST_UNKNOWN", "")
	}
	p.Reset()
	err := m.Confirm(t.Context(), content, inv.Images)
	if err == nil || strings.Count(err.Error(), "does not have it") != maxNamed+1 || !strings.Contains(err.Error(), "\n2 more in the same way, such as check") {
		t.Errorf("%v", err)
	}
	if n := p.Count("GET manifest"); n != 2+2*len(roots) { // each in other words too, and the first twice more
		t.Errorf("%d GETs", n)
	}
	p.Reset()
	if got := problems(t, m.Probe(t.Context(), repos(p.Host, "x/1", "x/2", "x/3"), nil)); got["x/1"] != ProblemDrops || got["x/3"] != ProblemDrops {
		t.Errorf("the probe finds %v", got)
	}
	if n := p.Count("GET manifest"); n != 2+2*3 {
		t.Errorf("%d GETs by the probe", n)
	}
}
