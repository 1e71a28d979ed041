package transport

import (
	"net/http"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestHiddenTag has a mirror refuse to say what a tag names that names another image: nobody could
// be told, and it stays. Where the mirror refuses to speak of what is not there, it is pushed.
func TestHiddenTag(t *testing.T) {
	t.Parallel()
	c := ocitest.New(71)
	inv := images(map[string]oci.Descriptor{"a": c.Image(false, c.Layer(1000, ocitest.LayerGzip))})
	old := c.Image(false, c.Layer(2000, ocitest.LayerGzip))
	reads := func(r *http.Request) bool { return r.Method == http.MethodHead || r.Method == http.MethodGet }
	for name, k := range map[string]struct {
		status int
		hides  func(r *http.Request, there bool) bool
		was    bool // something else is there under the tag
		fails  bool
	}{
		"the tag, 403":       {403, func(r *http.Request, _ bool) bool { return strings.HasSuffix(r.URL.Path, "/manifests/1") }, true, true},
		"the tag, 401":       {401, func(r *http.Request, _ bool) bool { return strings.HasSuffix(r.URL.Path, "/manifests/1") }, true, true},
		"all manifests":      {403, func(r *http.Request, _ bool) bool { return strings.Contains(r.URL.Path, "/manifests/") }, true, true},
		"what is not there":  {403, func(r *http.Request, there bool) bool { return strings.Contains(r.URL.Path, "/team/") && !there }, false, false},
		"an unknown tag too": {401, func(r *http.Request, there bool) bool { return strings.Contains(r.URL.Path, "/manifests/") && !there }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := registrytest.Start(t).Host
			if k.was {
				if err := ocitest.Push(t.Context(), c, old, "http://"+host, "mirror/team/a", "1"); err != nil {
					t.Fatal(err)
				}
			}
			p := registrytest.StartProxy(t, host)
			p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
				if !reads(r) || strings.HasSuffix(r.URL.Path, "/v2/") {
					return false
				}
				ask, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+host+r.URL.Path, nil)
				if err != nil {
					return false
				}
				ask.Header["Accept"] = r.Header["Accept"]
				resp, err := http.DefaultClient.Do(ask)
				if err != nil {
					return false
				}
				resp.Body.Close()
				return k.hides(r, resp.StatusCode == http.StatusOK) && refuse(w, r, k.status, "DENIED", "not for you")
			}
			m := mirrorAt(insecure(t), p.Host, 1)
			missing, err := m.Missing(t.Context(), c, inv)
			if err != nil {
				t.Fatal(err)
			}
			blobs := func(yield func(Delivery) bool) {
				for _, d := range missing.Blobs {
					if !yield(d) {
						return
					}
				}
			}
			if err := m.Blobs(t.Context(), c, blobs); err != nil {
				t.Fatal(err)
			}
			err = m.Manifests(t.Context(), c, missing.Images)
			want := inv.Images[0].Root.Digest
			if k.fails {
				want = old.Digest
				if err == nil || !refuses(err) || !strings.Contains(err.Error(), "not for you") {
					t.Errorf("the refusal is not returned: %v", err)
				}
			} else if err != nil {
				t.Error(err)
			}
			p.Answer = nil
			named(t, m, "1", want)
		})
	}
}
