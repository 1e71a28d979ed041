package transport

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
)

// answering starts a server that counts how often it is asked for /v2/.
func answering(t *testing.T, answer http.HandlerFunc) (host string, roots *atomic.Int32) {
	t.Helper()
	roots = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/v2/" {
			roots.Add(1)
		}
		answer(w, req)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), roots
}

// files answers as a server of files does.
func files(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodPost {
		http.Error(w, "Unsupported method", http.StatusNotImplemented)
		return
	}
	http.Error(w, "File not found", http.StatusNotFound)
}

func page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, "<html>log in</html>")
}

// TestNotRegistry reads from, and pushes to, hosts that are no registries.
func TestNotRegistry(t *testing.T) {
	t.Parallel()
	content, inv := manyImages(2, 1)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string // after the host; "" where it may be a registry
	}{
		"files": {files, " does not answer as a registry (GET /v2/: 404 not found)"},
		"page":  {page, " answers with a page of text in a registry's place (GET /v2/: 200 ok)"},
		"login": {func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, "/login", http.StatusFound) }, ""},
		"a registry without this": {func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path != "/v2/" {
				files(w, req)
			}
		}, ""},
		"one that says its version": {func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
			files(w, req)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host, roots := answering(t, c.answer)
			client := NewClient(Config{RetryTimes: 1, RetryDelay: time.Millisecond})
			defer client.Close()
			_, _, pulled := client.Resolve(t.Context(), oci.Ref{Registry: host, Repository: "apps/big", Tag: "1"})
			pushed := unpacked(t.Context(), mirrorAt(client, host, 2), content, inv)
			for what, err := range map[string]error{"pull": pulled, "push": pushed} {
				if err == nil {
					t.Fatalf("%s: no error", what)
				}
				said := strings.Contains(err.Error(), "in a registry's place") || strings.Contains(err.Error(), "does not answer as a registry")
				if said && c.want == "" && name != "login" || c.want != "" && (!strings.HasSuffix(err.Error(), ": "+host+c.want) || strings.Count(err.Error(), "\n") > 0) {
					t.Errorf("%s: %v", what, err)
				}
				if e, ok := errors.AsType[*RegistryError](err); said && (!ok || !strings.HasPrefix(e.Hint(), "check host and port")) {
					t.Errorf("%s: not the hint for it: %v", what, err)
				}
			}
			if n := roots.Load(); n > 2 { // by plain HTTP, once to find out that it is
				t.Errorf("/v2/ was asked for %d times", n)
			}
		})
	}
}

// TestUnknownRepository asks for an image of a repository that the registry says it does not know.
func TestUnknownRepository(t *testing.T) {
	t.Parallel()
	host, roots := answering(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/v2/" {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}`)
		}
	})
	client := NewClient(Config{RetryTimes: 1, RetryDelay: time.Millisecond})
	defer client.Close()
	_, _, err := client.Resolve(t.Context(), oci.Ref{Registry: host, Repository: "apps/bgi", Tag: "1"})
	answer, ok := errors.AsType[*RegistryError](err)
	if !ok || !strings.HasPrefix(answer.Hint(), "this repository is not known there: check its name") {
		t.Errorf("got %v", err)
	}
	if n := roots.Load(); n != 1 { // to find out that it speaks plain HTTP
		t.Errorf("/v2/ was asked for %d times", n)
	}
}
