package transport

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestTokenEndsInAnUpload has tokens that are good for one upload request, for the start of each upload,
// and for a second.
func TestTokenEndsInAnUpload(t *testing.T) {
	reg := registrytest.Start(t)
	for name, c := range map[string]struct {
		life    string // of each token, in the service's answer
		refuses func(kind string, uses int) bool
		good    bool
	}{
		"after a use":   {"", nil, true},
		"once":          {"", func(kind string, uses int) bool { return kind == "PUT upload" && uses == 2 }, true},
		"each":          {"", func(kind string, uses int) bool { return kind == "PUT upload" }, false},
		"for no upload": {`,"expires_in":0.001`, func(string, int) bool { return false }, true},
	} {
		var n atomic.Int32
		service := fake(t, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"token":"T%d"%s}`, n.Add(1), c.life)
		})
		var mu sync.Mutex
		puts, lastOf := 0, map[string]string{}
		pass := func(r *http.Request, authz string) bool {
			kind := registrytest.Kind(r)
			mu.Lock()
			defer mu.Unlock()
			if kind == "PUT upload" {
				puts++
			}
			if name == "for no upload" && authz != "" && kind == "PUT upload" && authz == lastOf["POST upload"] {
				return false
			}
			if c.refuses == nil { // each token is good for one request
				lastOf[authz] += "x"
				return strings.HasPrefix(authz, "Bearer T") && lastOf[authz] == "x"
			}
			lastOf[kind] = authz
			return strings.HasPrefix(authz, "Bearer T") && !c.refuses(kind, puts+1)
		}
		g := guard(t, reg.Host, pass, 0, `Bearer realm="http://`+service+`/token",service="s"`, true)
		content, d := oneBlob(g.proxy.Host, 10<<10)
		err := mirrorAt(withPassword(t, g.proxy.Host, "geheim", Config{Push: true}), g.proxy.Host, 1).Blobs(t.Context(), content, slices.Values([]Delivery{d}))
		var refused *RegistryError
		switch {
		case c.good && err != nil:
			t.Errorf("%s: %v", name, err)
		case !c.good && (!errors.As(err, &refused) || refused.Trouble() != TroubleToken || !strings.Contains(err.Error(), "the token of this upload expired")):
			t.Errorf("%s: %v", name, err)
		}
	}
}
