package transport

import (
	"net/http"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestMirrorWithoutHead has a mirror that refuses every HEAD: what is there is found all the same.
func TestMirrorWithoutHead(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented} {
		p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			return r.Method == http.MethodHead && refuse(w, r, status, "UNSUPPORTED", "")
		}
		content := ocitest.New(30)
		root := content.Index(false, content.Image(false, content.Layer(1000, ocitest.LayerGzip)), content.ImageFor("arm64", false, content.Layer(1000, ocitest.LayerGzip)))
		inv := images(map[string]oci.Descriptor{"a": root})
		m := mirrorAt(quick(t, Config{Push: true, Authfile: writeFile(t, "auth.json", `{"auths":{}}`)}), p.Host, 2)
		mustFill(t, m, content, inv)
		if missing, err := m.Missing(t.Context(), content, inv); err != nil || missing.Present != 1 || len(missing.Blobs) > 0 {
			t.Errorf("%d: %+v, %v", status, missing, err)
		}
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodHead {
				return refuse(w, r, status, "UNSUPPORTED", "")
			}
			if !strings.HasSuffix(r.URL.Path, "/manifests/1") {
				return false
			}
			_, _ = w.Write(make([]byte, oci.MaxManifestSize+1))
			return true
		}
		if missing, err := m.Missing(t.Context(), content, inv); err != nil || missing.Present != 0 {
			t.Errorf("%d, a tag of something else: %+v, %v", status, missing, err)
		}
		p.Answer = nil
		if err := m.Confirm(t.Context(), content, inv.Images); err != nil {
			t.Errorf("%d: %v", status, err)
		}
	}
}
