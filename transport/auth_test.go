package transport

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// authfile writes credentials, user:password by registry or repository, as
// containers-auth.json(5) has them.
func authfile(t *testing.T, logins map[string]string) string {
	t.Helper()
	auths := map[string]map[string]string{}
	for k, v := range logins {
		auths[k] = map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(v))}
	}
	b, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "auth.json", string(b))
}

func TestBasicAuth(t *testing.T) {
	reg := registrytest.StartAuth(t, "user", "geheim")
	content, d := oneBlob(reg.Host, 100<<10)
	put := func(file string) error {
		c := quick(t, Config{Authfile: file})
		return mirrorAt(c, reg.Host, 1).Blobs(t.Context(), content, slices.Values([]Delivery{d}))
	}
	var refused *RegistryError
	if err := put(authfile(t, map[string]string{"registry.example": "user:geheim"})); !errors.As(err, &refused) || refused.Status != 401 {
		t.Errorf("without a credential: %v", err)
	}
	err := put(authfile(t, map[string]string{reg.Host: "user:falsch"}))
	if !errors.As(err, &refused) || refused.Status != 401 || strings.Contains(err.Error(), "falsch") {
		t.Errorf("with a wrong password: %v", err)
	}
	// The credential of the repository goes before the registry's.
	if err := put(authfile(t, map[string]string{reg.Host: "user:falsch", reg.Host + "/mirror/one": "user:geheim"})); err != nil {
		t.Errorf("with the repository's credential: %v", err)
	}
	if err := put(authfile(t, map[string]string{reg.Host: "user:geheim"})); err != nil {
		t.Errorf("with the registry's credential: %v", err)
	}
	t.Setenv("REGISTRY_AUTH_FILE", authfile(t, map[string]string{reg.Host: "user:geheim"}))
	if err := put(""); err != nil {
		t.Errorf("with REGISTRY_AUTH_FILE: %v", err)
	}
}

func TestAuthfileErrors(t *testing.T) {
	ref := oci.Ref{Registry: "registry.example", Repository: "a"}
	for _, path := range []string{"/does/not/exist.json", writeFile(t, "bad.json", `{"auths": geheim`)} {
		_, err := quick(t, Config{Authfile: path}).Repository(ref)
		var unread *AuthfileError
		if !errors.As(err, &unread) || unread.Path != path {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestTokenService has a registry on one loopback address name another as its
// token service, and counts the tokens: one for each credential and scope.
func TestTokenService(t *testing.T) {
	var tokens atomic.Int32
	service := fake(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		tokens.Add(1)
		fmt.Fprintf(w, `{"token":"%s-%s"}`, user, password)
	})
	_, port, _ := strings.Cut(service, ":")
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		want := "Bearer anna-a"
		if strings.HasPrefix(r.URL.Path, "/v2/b/") {
			want = "Bearer bert-b"
		}
		if r.Header.Get("Authorization") != want {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://localhost:`+port+`/token?secret=geheim",service="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	c := quick(t, Config{Authfile: authfile(t, map[string]string{host: "anna:a", host + "/b": "bert:b"})})
	d := oci.Descriptor{Digest: oci.Digest(nil)}
	for range 3 {
		for _, name := range []string{"a/x", "b/x"} {
			if !has(t, c, oci.Ref{Registry: host, Repository: name}, d) {
				t.Errorf("%s was not let in", name)
			}
		}
	}
	if n := tokens.Load(); n != 2 {
		t.Errorf("%d tokens were fetched, want 2", n)
	}
}

// TestScopes has a registry that wants a token for everything and grants no
// mount. The token of the mount request must do for the upload that it became,
// and looking for a blob must already ask for the right to push it.
func TestScopes(t *testing.T) {
	service := fake(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"token":%q}`, base64.StdEncoding.EncodeToString([]byte(strings.Join(r.URL.Query()["scope"], " "))))
	})
	var mu sync.Mutex
	scopes := map[string]string{}
	var uploaded []byte
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		kind := registrytest.Kind(r)
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+service+`/token",service="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		scope, _ := base64.StdEncoding.DecodeString(token)
		mu.Lock()
		defer mu.Unlock()
		scopes[kind] = string(scope)
		switch kind {
		case "HEAD manifest":
			w.WriteHeader(http.StatusNotFound)
		case "GET blob":
			if uploaded == nil {
				w.WriteHeader(http.StatusNotFound)
			}
			w.Write(uploaded)
		case "POST mount":
			w.Header().Set("Location", "/v2/x/blobs/uploads/1")
			w.WriteHeader(http.StatusAccepted)
		case "PUT upload":
			uploaded, _ = io.ReadAll(r.Body)
			if n := int64(len(uploaded)); r.ContentLength != n || r.Header.Get("Content-Type") != "application/octet-stream" {
				t.Errorf("uploads %d bytes as Content-Length %d, %q", len(uploaded), r.ContentLength, r.Header.Get("Content-Type"))
			}
			w.WriteHeader(http.StatusCreated)
		}
	})
	content, d := oneBlob(host, 10<<10)
	d.From = oci.Ref{Registry: host, Repository: "mirror/other"}
	m := mirrorAt(insecure(t), host, 1)
	if _, err := m.Missing(t.Context(), content, images(map[string]oci.Descriptor{"a": content.Image(false, d.Blob)})); err != nil {
		t.Fatal(err)
	}
	if err := m.Blobs(t.Context(), content, slices.Values([]Delivery{d})); err != nil {
		t.Fatal(err)
	}
	look := "repository:mirror/team/a:pull,push"
	again := "repository:mirror/one:pull,push"
	mount := "repository:mirror/one:pull,push repository:mirror/other:pull"
	for kind, want := range map[string]string{"HEAD manifest": look, "GET blob": again, "POST mount": mount, "PUT upload": mount} {
		if scopes[kind] != want {
			t.Errorf("%s with the scope %q, want %q", kind, scopes[kind], want)
		}
	}
}

func TestSchemes(t *testing.T) {
	var asked atomic.Int32
	ok := func(w http.ResponseWriter, r *http.Request) { asked.Add(1) }
	plain := fake(t, ok)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(ok))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshake that is refused
	srv.StartTLS()
	t.Cleanup(srv.Close)
	secure := strings.TrimPrefix(srv.URL, "https://")
	d := oci.Descriptor{Digest: oci.Digest(nil)}
	try := func(host string, verify bool) error {
		r, err := quick(t, Config{Authfile: authfile(t, nil), TLSVerify: verify}).Repository(oci.Ref{Registry: host, Repository: "a"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Has(t.Context(), d)
		return err
	}
	if err := try(plain, false); err != nil {
		t.Errorf("plain HTTP, not verified: %v", err)
	}
	if err := try(secure, false); err != nil {
		t.Errorf("unknown certificate, not verified: %v", err)
	}
	asked.Store(0)
	var mismatch *PlainHTTPError
	if err := try(plain, true); !errors.As(err, &mismatch) || mismatch.Host != plain || !strings.Contains(err.Error(), "speaks plain HTTP") {
		t.Errorf("plain HTTP, verified: %v", err)
	}
	var cert *tls.CertificateVerificationError
	if err := try(secure, true); !errors.As(err, &cert) {
		t.Errorf("unknown certificate, verified: %v", err)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests arrived where TLS is required and was not there", n)
	}
}

// TestHangsUp has hosts that end a connection which begins with TLS: one that speaks
// plain HTTP, and one with TLS that has trouble.
func TestHangsUp(t *testing.T) {
	for status, want := range map[int]bool{http.StatusOK: true, http.StatusUnauthorized: true, http.StatusBadRequest: false} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })}
		go func() { _ = srv.Serve(noTLS{l}) }() // ends with the listener
		t.Cleanup(func() { _ = srv.Close() })
		host := l.Addr().String()
		r, err := quick(t, Config{Authfile: authfile(t, nil)}).Repository(oci.Ref{Registry: host, Repository: "a"})
		if err != nil {
			t.Fatal(err)
		}
		scheme, err := r.sender.endpoint.findScheme(t.Context(), host)
		if (err == nil && scheme == "http") != want {
			t.Errorf("a host that answers %d: %q, %v", status, scheme, err)
		}
	}
}

// noTLS closes connections that begin with a TLS handshake.
type noTLS struct{ net.Listener }

func (l noTLS) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &peeked{Conn: c}, nil
}

type peeked struct {
	net.Conn
	begun bool
}

func (p *peeked) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if !p.begun && n > 0 && b[0] == 0x16 {
		return 0, errors.Join(io.EOF, p.Conn.Close())
	}
	p.begun = true
	return n, err
}

// A host without a port may have plain HTTP on port 80 and nothing on 443.
func TestPlainHTTPOnItsOwnPort(t *testing.T) {
	plain := fake(t, func(w http.ResponseWriter, r *http.Request) {})
	c := insecure(t)
	c.mu.Lock()
	s, err := c.endpoint(endpointKey{"registry.example", true})
	c.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	s.http.Transport.(*holding).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		place := map[string]string{"registry.example:443": "127.0.0.1:1", "registry.example:80": plain}[addr]
		return new(net.Dialer).DialContext(ctx, network, place)
	}
	if !has(t, c, oci.Ref{Registry: "registry.example", Repository: "a"}, oci.Descriptor{Digest: oci.Digest(nil)}) {
		t.Error("plain HTTP is not spoken")
	}
}

// The scheme of a host is found out once, however many ask at a time.
func TestSchemeIsAskedOnce(t *testing.T) {
	proxy, c := proxied(t)
	done := make(chan error)
	for range 20 {
		go func() {
			r, err := c.Repository(oci.Ref{Registry: proxy.Host, Repository: "a"})
			if err == nil {
				_, err = r.Has(t.Context(), oci.Descriptor{Digest: oci.Digest(nil)})
			}
			done <- err
		}()
	}
	for range 20 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := proxy.Count("GET base"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestRedirects(t *testing.T) {
	plain := fake(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+plain+"/data?signature=geheim", http.StatusTemporaryRedirect)
	}))
	t.Cleanup(srv.Close)
	d := oci.Descriptor{Digest: oci.Digest([]byte("hello")), Size: 5}
	r, err := insecure(t).Repository(oci.Ref{Registry: strings.TrimPrefix(srv.URL, "https://"), Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Open(t.Context(), d, 0)
	var refused *RegistryError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "from https to http") || strings.Contains(err.Error(), "geheim") {
		t.Errorf("a redirect from TLS to plain HTTP: %v", err)
	}

	// To a host that is not there: its address may be shown, its query may not.
	away := fake(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://user:geheim@127.0.0.1:1/data?signature=geheim", http.StatusTemporaryRedirect)
	})
	if r, err = insecure(t).Repository(oci.Ref{Registry: away, Repository: "a"}); err != nil {
		t.Fatal(err)
	}
	_, err = r.Open(t.Context(), d, 0)
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "refused") || strings.Contains(err.Error(), "geheim") {
		t.Errorf("a redirect to nowhere: %v", err)
	}
}
