package transport

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestBasicAfterToken has a registry offer tokens and passwords, and take no token of its own
// service: the password goes instead, and then at once. Where that is refused too, it is sent
// no more than once a request.
func TestBasicAfterToken(t *testing.T) {
	t.Parallel()
	content := ocitest.New(9)
	root := content.Image(false)
	body, err := oci.ReadManifest(t.Context(), content, root)
	if err != nil {
		t.Fatal(err)
	}
	for _, takes := range []bool{true, false} {
		var bearers, basics atomic.Int32
		host := fake(t, func(w http.ResponseWriter, r *http.Request) {
			user, _, basic := r.BasicAuth()
			switch {
			case r.URL.Path == "/token":
				fmt.Fprint(w, `{"token":"T"}`)
			case takes && basic && user == "u":
				basics.Add(1)
				w.Header().Set("Content-Type", root.MediaType)
				_, _ = w.Write(body)
			default:
				if basic {
					basics.Add(1)
				}
				if r.Header.Get("Authorization") == "Bearer T" {
					bearers.Add(1)
				}
				w.Header().Add("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token"`)
				w.Header().Add("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			}
		})
		c := quick(t, Config{Authfile: writeFile(t, "auth.json", `{"auths":{"`+host+`":{"auth":"dTpw"}}}`)})
		ref := oci.Ref{Registry: host, Repository: "a", Tag: "1"}
		for range 2 {
			if _, _, err := c.Resolve(t.Context(), ref); (err == nil) != takes || err != nil && !strings.Contains(err.Error(), "answered 401") {
				t.Errorf("takes a password: %v: %v", takes, err)
			}
		}
		if takes && (bearers.Load() > 2 || basics.Load() != 2) || !takes && basics.Load() > 4 {
			t.Errorf("takes a password: %v: %d with the token, %d with the password", takes, bearers.Load(), basics.Load())
		}
	}
}

// TestTokenServiceMoved has a token service redirect to a host that is not there: both are named.
func TestTokenServiceMoved(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]string{
		"http://localhost:1/x": ", which redirects to localhost:1: connection refused by localhost:1",
		"/token":               " redirects more than 10 times",
	} {
		host := fake(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				http.Redirect(w, r, to, http.StatusFound)
				return
			}
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token"`)
			w.WriteHeader(http.StatusUnauthorized)
		})
		_, _, err := insecure(t).Resolve(t.Context(), oci.Ref{Registry: host, Repository: "a", Tag: "1"})
		if err == nil || !strings.Contains(err.Error(), "the token service "+host) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", to, err)
		}
	}
}
