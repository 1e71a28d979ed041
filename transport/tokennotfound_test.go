package transport

import (
	"net/http"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestTokenServiceNotFound has a token service answer as a registry does of what it lacks: nothing
// is known of images and blobs, on either side.
func TestTokenServiceNotFound(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone} {
		host := fake(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				w.WriteHeader(status)
				return
			}
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		})
		c := ocitest.New(37)
		inv := images(map[string]oci.Descriptor{"a": c.Image(false, c.Layer(1000, ocitest.LayerGzip))})
		missing, err := mirrorAt(insecure(t), host, 1).Missing(t.Context(), c, inv)
		if err == nil || !strings.Contains(err.Error(), "the token service "+host+": it answered ") {
			t.Errorf("%d: the mirror lacks %+v, %v", status, missing, err)
		}
		r, err := insecure(t).Repository(oci.Ref{Registry: host, Repository: "team/a"})
		if err != nil {
			t.Fatal(err)
		}
		if there, err := r.Has(t.Context(), inv.Images[0].Root); err == nil || statusIn(err) != 0 {
			t.Errorf("%d: from a source: %v, %v", status, there, err)
		}
	}
}
