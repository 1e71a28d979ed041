package transport

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestLostUpload has a registry forget uploads, some times or always.
func TestLostUpload(t *testing.T) {
	t.Parallel()
	for times, tries := range map[int]int{1: 2, 2: 3, 9: 3} {
		proxy := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
		var n atomic.Int32
		proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if registrytest.Kind(r) != "PUT upload" || int(n.Add(1)) > times {
				return false
			}
			return refuse(w, r, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
		}
		content, d := oneBlob(proxy.Host, 100<<10)
		err := mirrorAt(insecure(t), proxy.Host, 1).Blobs(t.Context(), content, slices.Values([]Delivery{d}))
		if got := proxy.Count("PUT upload"); (err == nil) != (times < 3) || got != tries {
			t.Errorf("%d times: %d tries, %v", times, got, err)
		}
		var lost *RegistryError
		if err != nil && (!errors.As(err, &lost) || lost.Permanent() || classify(err) != ProblemOther || !strings.Contains(lost.Hint(), "sticky") || strings.Count(err.Error(), "push ") != 1 || !strings.Contains(err.Error(), "no longer knew the upload")) {
			t.Errorf("%v", err)
		}
	}
}
