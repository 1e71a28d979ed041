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

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/satchel-airgap/satchel/oci"
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

// TestTokenOfAnotherEnds has a request refused so late that the token which another one fetched in
// the meantime has ended too.
func TestTokenOfAnotherEnds(t *testing.T) {
	t.Parallel()
	var last, ended atomic.Int32 // tokens are numbers
	service := fake(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"token":"%d"}`, last.Add(1)) })
	d := oci.Descriptor{Digest: oci.Digest(nil)}
	arrived, answered := make(chan struct{}), make(chan struct{})
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		var token int32
		_, _ = fmt.Sscanf(r.Header.Get("Authorization"), "Bearer %d", &token) // there may be none
		if r.Method == http.MethodPost && token == 1 {
			close(arrived)
			<-answered
		}
		if token <= ended.Load() {
			bearer(service)(w, r)
		}
	})
	c := withPassword(t, host, "geheim", Config{})
	repo := oci.Ref{Registry: host, Repository: "open"}
	done := make(chan error)
	if !has(t, c, repo, d) {
		t.Fatal("not there")
	}
	go func() {
		r, err := c.Repository(repo)
		if err == nil {
			var resp *http.Response
			if resp, err = r.post(auth.AppendRepositoryScope(t.Context(), r.location, auth.ActionPull), nil); err == nil && resp.StatusCode != http.StatusOK {
				err = responseError(resp)
			}
		}
		done <- err
	}()
	<-arrived
	ended.Store(1)
	if !has(t, c, repo, d) {
		t.Error("not there, with another token")
	}
	ended.Store(2)
	close(answered)
	if err := <-done; err != nil || last.Load() != 3 {
		t.Errorf("after %d tokens: %v", last.Load(), err)
	}
}
