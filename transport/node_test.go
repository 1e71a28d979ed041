package transport_test

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// counted is a server that counts what it is asked, and takes down who said who they are.
type counted struct {
	*httptest.Server
	host string

	mu     sync.Mutex
	asked  []string
	logins []string
}

func count(t *testing.T, answer http.HandlerFunc) *counted {
	t.Helper()
	c := &counted{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.asked = append(c.asked, r.Method+" "+r.URL.Path)
		if login := r.Header.Get("Authorization"); login != "" {
			c.logins = append(c.logins, login)
		}
		c.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(c.Close)
	_, c.host, _ = strings.Cut(c.URL, "://")
	return c
}

func (c *counted) requests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

// newNode is a node with rules that lead from a source to mirrors, all without TLS.
func newNode(t *testing.T, cfg transport.NodeConfig, source string, mirrors ...string) *transport.Node {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "[[registry]]\nprefix = %q\nlocation = %q\ninsecure = true\n", source, source)
	for _, m := range mirrors {
		fmt.Fprintf(&b, "[[registry.mirror]]\nlocation = %q\ninsecure = true\npull-from-mirror = \"digest-only\"\n", m)
	}
	host, _, _ := strings.Cut(source, "/")
	cfg.Registries, cfg.Sources, cfg.Temp = []byte(b.String()), append(cfg.Sources, host), t.TempDir()
	n, err := transport.NewNode(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func refTo(t *testing.T, s string) oci.Ref {
	t.Helper()
	ref, err := oci.ParseRef(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// TestNodePull pulls by a rule: from the first mirror that has the image, never from the source, and
// each blob of a repository once.
func TestNodePull(t *testing.T) {
	t.Parallel()
	c := ocitest.New(5)
	one, two := registrytest.StartOlareg(t), registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	source := count(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	root := c.Index(false, c.Image(false, c.Layer(3000, ocitest.LayerGzip)), c.ImageFor("arm64", false))
	if err := ocitest.Push(t.Context(), c, root, "http://"+two.Host, "in/app", "v1"); err != nil {
		t.Fatal(err)
	}
	two.Reset()
	n := newNode(t, transport.NodeConfig{Tries: 1}, source.host+"/team", one.Host+"/in", two.Host+"/in")
	ref := refTo(t, source.host+"/team/app@"+root.Digest.String())
	for range 2 {
		p, err := n.Pull(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if p.At.Ref.Name() != two.Host+"/in/app" || p.Rule != source.host+"/team" || len(p.Tried) != 1 || p.Root.MediaType != oci.MediaTypeIndex || p.Root.Digest != root.Digest {
			t.Errorf("served by %s, rule %q, tried %v, %v", p.At.Ref, p.Rule, p.Tried, p.Root)
		}
		if sort, words := transport.NodeTrouble(p.Tried[0].Err); sort != transport.TroubleNotFound {
			t.Errorf("the first mirror: %d %s", sort, words)
		}
		d, err := p.Choose("amd64")
		if err != nil {
			t.Fatal(err)
		}
		body, of, err := p.Manifest(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		children, err := oci.Children(of, body)
		if err != nil || len(children) != 2 {
			t.Fatalf("%v, %v", children, err)
		}
		for _, blob := range children {
			if err := p.Blob(t.Context(), blob, true); err != nil {
				t.Error(err)
			}
			blob.Size++
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := two.Count("GET blob"); n != 2 {
		t.Errorf("%d requests for 2 blobs: %v", n, two.Counts())
	}
	_, err := n.Pull(t.Context(), refTo(t, source.host+"/team/app:v1"))
	var refused *transport.NodeError
	var never *transport.SourceError
	if !errors.As(err, &refused) || !errors.As(err, &never) || len(refused.Tried) != 1 {
		t.Errorf("by tag: %v", err)
	}
	if asked := source.requests(); len(asked) > 0 {
		t.Errorf("the source was asked: %v", asked)
	}
	if hosts := n.Hosts(); !slices.Equal(hosts, slices.Sorted(slices.Values([]string{one.Host, two.Host}))) {
		t.Errorf("hosts %v", hosts)
	}
}

// TestNodeRedirected: a mirror that redirects to the source, or that has its tokens from there, is
// refused before anything is sent.
func TestNodeRedirected(t *testing.T) {
	t.Parallel()
	source := count(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	storage := count(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, source.URL+r.URL.Path, http.StatusFound)
	})
	for name, answer := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/" {
				http.Redirect(w, r, source.URL+r.URL.Path, http.StatusTemporaryRedirect)
			}
		},
		"twice": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/" {
				http.Redirect(w, r, storage.URL+r.URL.Path, http.StatusTemporaryRedirect)
			}
		},
		"token": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+source.URL+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		},
	} {
		mirror := count(t, answer)
		n := newNode(t, transport.NodeConfig{Tries: 1}, source.host+"/team", mirror.host+"/in")
		_, err := n.Pull(t.Context(), refTo(t, source.host+"/team/app@sha256:"+strings.Repeat("a", 64)))
		var never *transport.SourceError
		if !errors.As(err, &never) || never.Host != source.host {
			t.Errorf("%s: %v", name, err)
		}
		if name == "twice" && !slices.Contains(n.Hosts(), storage.host) {
			t.Errorf("hosts %v", n.Hosts())
		}
	}
	if asked := source.requests(); len(asked) > 0 {
		t.Errorf("the source was asked: %v", asked)
	}
}

// TestNodeNames: a source without a port is refused with every port, and so are hosts below it.
func TestNodeNames(t *testing.T) {
	t.Parallel()
	n := newNode(t, transport.NodeConfig{Tries: 1, Sources: []string{"quay.io", "docker.io"}}, "quay.io/team", "registry.quay.io.example/in")
	for _, name := range []string{"quay.io/a/b", "quay.io:8443/a/b", "cdn.quay.io/a/b", "docker.io/library/b"} {
		ref, err := oci.ParseRef(name + "@sha256:" + strings.Repeat("a", 64))
		if err != nil {
			continue
		}
		_, err = n.Pull(t.Context(), ref)
		if never := (*transport.SourceError)(nil); !errors.As(err, &never) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if hosts := n.Hosts(); len(hosts) > 0 {
		t.Errorf("asked %v", hosts)
	}
}

// TestNodeCredential: the credential goes to the registry that asks for one, and only that one; where
// none is asked for, none is sent, and nothing of this host is.
func TestNodeCredential(t *testing.T) {
	c := ocitest.New(6)
	root := c.Image(false, c.Layer(1000, ocitest.LayerGzip))
	open, closed := registrytest.StartOlareg(t), registrytest.StartV3(t, true, "node", "secret")
	if err := ocitest.Push(t.Context(), c, root, "http://"+open.Host, "in/app", "v1"); err != nil {
		t.Fatal(err)
	}
	front := registrytest.StartProxy(t, open.Host)
	var seen []string
	var mu sync.Mutex
	front.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Header.Get("Authorization"))
		return false
	}
	file := t.TempDir() + "/auth.json"
	login := base64.StdEncoding.EncodeToString([]byte("node:secret"))
	if err := os.WriteFile(file, fmt.Appendf(nil, `{"auths":{%q:{"auth":%q},%q:{"auth":%q}}}`, front.Host, login, closed.Host, login), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("REGISTRY_AUTH_FILE", file)
	secret := fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, front.Host, login)
	n := newNode(t, transport.NodeConfig{Tries: 1, Credentials: secret}, "source.example/team", front.Host+"/in")
	p, err := n.Pull(t.Context(), refTo(t, "source.example/team/app@"+root.Digest.String()))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if mu.Lock(); strings.Join(seen, "") != "" || len(seen) == 0 {
		t.Errorf("sent %q to a registry that asks for nothing", seen)
	}
	mu.Unlock()
	pem, err := os.ReadFile(closed.CA)
	if err != nil {
		t.Fatal(err)
	}
	n = newNode(t, transport.NodeConfig{Tries: 1, Inside: []string{closed.Host}, Credentials: secret, Authorities: map[string][]byte{closed.Host: pem}}, "source.example/team", "other.invalid/in")
	_, err = n.Pull(t.Context(), refTo(t, closed.Host+"/in/app@"+root.Digest.String()))
	if sort, words := transport.NodeTrouble(err); sort != transport.TroubleUnauthorized {
		t.Errorf("with this host's credential: %d %s", sort, words)
	}
}

// TestNodeFiles: no credential is on a disk, and nothing is left.
func TestNodeFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, err := transport.NewNode(transport.NodeConfig{Temp: dir, Credentials: []byte(`{"auths":{"a.example":{"auth":"c2VjcmV0OnNlY3JldA=="}}}`), Authorities: map[string][]byte{"a.example:5000": []byte("pem")}})
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		files++
		body, err := os.ReadFile(path)
		if info, ierr := e.Info(); ierr != nil || info.Mode().Perm() != 0o600 || runtime.GOOS == "linux" && strings.Contains(string(body), "c2Vj") {
			t.Errorf("%s: %v, %v", path, info, ierr)
		}
		return err
	})
	if err != nil || files != 3 {
		t.Errorf("%d files, %v", files, err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	for _, host := range []string{"", "a/b", "..", ".hidden"} {
		if _, err := transport.NewNode(transport.NodeConfig{Temp: dir, Authorities: map[string][]byte{host: nil}}); err == nil {
			t.Errorf("authorities for %q", host)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestNodeTries: what may go better is tried again, what is not there is known at once, and a registry
// that is away costs its tries once.
func TestNodeTries(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	busy := 2
	mirror := count(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/v2/" {
			return
		}
		if busy--; busy >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no such manifest"}]}`)
	})
	ref := refTo(t, "source.example/team/app@sha256:"+strings.Repeat("a", 64))
	n := newNode(t, transport.NodeConfig{}, "source.example/team", mirror.host+"/in")
	_, err := n.Pull(t.Context(), ref)
	if sort, words := transport.NodeTrouble(err); sort != transport.TroubleBlocked && sort != transport.TroubleNotFound || busy >= 0 {
		t.Errorf("%d %s, %d more tries", sort, words, busy+1)
	}
	asked := len(mirror.requests())
	began := time.Now()
	if _, err = n.Pull(t.Context(), ref); err == nil || len(mirror.requests()) != asked || time.Since(began) > 5*time.Second {
		t.Errorf("what is not there: %v, %v", err, mirror.requests()[asked:])
	}
	mirror.Close()
	for i := range 50 {
		ref = refTo(t, "source.example/team/app@sha256:"+fmt.Sprintf("%064x", i))
		if _, err = n.Pull(t.Context(), ref); err == nil {
			t.Error("a registry that is away gives an image")
		}
	}
	if time.Since(began) > 20*time.Second {
		t.Errorf("it took %s", time.Since(began))
	}
}

// TestNodeTLS: a place without TLS, and one whose authority nodes do not know, are told apart.
func TestNodeTLS(t *testing.T) {
	t.Parallel()
	plain := count(t, func(http.ResponseWriter, *http.Request) {})
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	secure.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	n, err := transport.NewNode(transport.NodeConfig{Tries: 1, Temp: t.TempDir(), Inside: []string{plain.host, strings.TrimPrefix(secure.URL, "https://")}})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]transport.Trouble{plain.host: transport.TroublePlainHTTP, strings.TrimPrefix(secure.URL, "https://"): transport.TroubleAuthority} {
		_, err := n.Pull(t.Context(), refTo(t, host+"/a/b@sha256:"+strings.Repeat("a", 64)))
		if sort, words := transport.NodeTrouble(err); sort != want {
			t.Errorf("%s: %d %s", host, sort, words)
		}
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}
