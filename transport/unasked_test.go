package transport

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
)

// TestUnaskedAtOnce has two tags of one repository asked for at once, where the registry never asks
// for credentials: what the first request finds out holds for the second, which was refused before.
func TestUnaskedAtOnce(t *testing.T) {
	var both sync.WaitGroup
	both.Add(2)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v2/":
		case r.Header.Get("Authorization") == userGeheim:
			w.Header().Set("Content-Type", oci.MediaTypeManifest)
			io.WriteString(w, `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"`+oci.Digest(nil).String()+`","size":0},"layers":[]}`)
		default:
			if strings.HasPrefix(r.URL.Path, "/v2/both/") {
				both.Done()
				both.Wait()
			}
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(srv.Close)
	host := strings.TrimPrefix(srv.URL, "https://")
	c := withPassword(t, host, "geheim", Config{TLSVerify: true, CAFile: certFile(t, srv)})
	resolve := func(repo, tag string) error {
		_, _, err := c.Resolve(t.Context(), oci.Ref{Registry: host, Repository: repo, Tag: tag})
		return err
	}
	if err := resolve("first", "1"); err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	for _, tag := range []string{"1", "2"} {
		g.Go(func() error { return resolve("both", tag) })
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// TestOtherScope has a challenge that wants more of the repository than a pull: it is answered once,
// and not for each request.
func TestOtherScope(t *testing.T) {
	var refused atomic.Int32
	service := fake(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"token":"`+strings.ReplaceAll(r.URL.Query().Get("scope"), ":", "-")+`"}`)
	})
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer repository-a-pull,push" {
			refused.Add(1)
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+service+`/token",service="s",scope="repository:a:pull,push"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	c := insecure(t)
	for _, name := range []string{"1", "2", "3", "4"} {
		if !has(t, c, oci.Ref{Registry: host, Repository: "a"}, oci.Descriptor{Digest: oci.Digest([]byte(name))}) {
			t.Error("it is not there")
		}
	}
	if n := refused.Load(); n > 3 { // of the API root and of the first request
		t.Errorf("%d requests were refused", n)
	}
}

// TestTokenServiceGoesAway has a token service that refuses one repository, and is not available when
// it is asked whether the password is right: then that is not known to be wrong.
func TestTokenServiceGoesAway(t *testing.T) {
	service := fake(t, func(w http.ResponseWriter, r *http.Request) {
		switch scope := r.URL.Query().Get("scope"); {
		case strings.Contains(scope, "closed"):
			w.WriteHeader(http.StatusUnauthorized)
		case scope == "":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			io.WriteString(w, `{"token":"T"}`)
		}
	})
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer T" {
			bearer(service)(w, r)
		}
	})
	c := withPassword(t, host, "geheim", Config{})
	d := oci.Descriptor{Digest: oci.Digest(nil)}
	r, err := c.Repository(oci.Ref{Registry: host, Repository: "closed"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Has(t.Context(), d); err == nil {
		t.Error("the closed repository is no error")
	}
	if !has(t, c, oci.Ref{Registry: host, Repository: "open"}, d) {
		t.Error("the other repository is not there")
	}
}
