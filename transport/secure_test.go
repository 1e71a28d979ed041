package transport

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// thief is a host that notes what credentials it is given.
type thief struct {
	mu   sync.Mutex
	seen []string
	n    int
}

func (f *thief) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	if a := r.Header.Get("Authorization"); a != "" {
		f.seen = append(f.seen, a)
	}
	body, _ := io.ReadAll(r.Body)
	if len(body) > 0 {
		f.seen = append(f.seen, string(body))
	}
	if strings.HasPrefix(r.URL.Path, "/ask") {
		w.Header().Set("WWW-Authenticate", `Basic realm="give"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	io.WriteString(w, "hello")
}

func (f *thief) check(t *testing.T, what string, asked bool) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.seen) > 0 {
		t.Errorf("%s: another host was given %q", what, f.seen)
	}
	if f.n > 0 != asked {
		t.Errorf("%s: another host got %d requests", what, f.n)
	}
	f.n, f.seen = 0, nil
}

// basic is a registry that wants a password, and answers by h then.
func basic(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); registrytest.Kind(r) != "GET base" && (user != "user" || password != "geheim") {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h(w, r)
	}
}

// A blob is often redirected to another host. The credential is not sent there, also
// when that host asks for it.
func TestRedirectLeavesTheCredential(t *testing.T) {
	f := &thief{}
	other := fake(t, f.ServeHTTP)
	hello := oci.Descriptor{Digest: oci.Digest([]byte("hello")), Size: 5}
	for path, status := range map[string]int{"/data": 0, "/ask": 401} {
		host := fake(t, basic(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+other+path, http.StatusTemporaryRedirect)
		}))
		c := quick(t, Config{Authfile: authfile(t, map[string]string{host: "user:geheim"})})
		r, err := c.Repository(oci.Ref{Registry: host, Repository: "a"})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // with and without the cached credential
			_, err = readFrom(t, oci.Verified(r), hello, 0)
			var refused *RegistryError
			if status == 0 && err != nil || status != 0 && (!errors.As(err, &refused) || refused.Status != status || refused.Host != other) {
				t.Errorf("%s: %v", path, err)
			}
		}
		f.check(t, path, true)
	}
}

// challenged is a registry that names a token service.
func challenged(realm *string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if registrytest.Kind(r) == "GET base" || r.Header.Get("Authorization") == "Bearer good" {
			return
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service="test"`, *realm))
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// onTwo serves on 127.0.0.2: another private host.
func onTwo(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skipf("127.0.0.2 is not available here: %v", err)
	}
	srv := httptest.NewUnstartedServer(h)
	srv.Listener.Close()
	srv.Listener = l
	srv.Start()
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// TestTokenServiceElsewhere has the token service on another private host than
// the registry: it gets the credential, by the rules of validateRealm.
func TestTokenServiceElsewhere(t *testing.T) {
	service := onTwo(t, func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user == "user" && password == "geheim" {
			io.WriteString(w, `{"token":"good"}`)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
	realm := "http://" + service + "/token"
	host := fake(t, challenged(&realm))
	d := oci.Descriptor{Digest: oci.Digest(nil)}
	if !has(t, quick(t, Config{Authfile: authfile(t, map[string]string{host: "user:geheim"})}), oci.Ref{Registry: host, Repository: "a"}, d) {
		t.Error("not let in")
	}
	c := quick(t, Config{Authfile: authfile(t, map[string]string{host: "user:falsch"})})
	r, err := c.Repository(oci.Ref{Registry: host, Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	var refused *RegistryError
	if _, err = r.Has(t.Context(), d); !errors.As(err, &refused) || refused.Trouble() != TroublePassword || strings.Contains(err.Error(), "falsch") {
		t.Errorf("a wrong password: %v", err)
	}
}

// A registry reached by TLS may not name a token service without, nor may that
// redirect there. What addresses are refused, TestBlockedRealms shows.
func TestRealmsRefused(t *testing.T) {
	f := &thief{}
	plain := fake(t, f.ServeHTTP)
	var realm string
	srv := httptest.NewTLSServer(challenged(&realm))
	t.Cleanup(srv.Close)
	moved := httptest.NewTLSServer(http.RedirectHandler("http://"+plain+"/token", http.StatusTemporaryRedirect))
	t.Cleanup(moved.Close)
	host := strings.TrimPrefix(srv.URL, "https://")
	refused := func(what, host string) {
		t.Helper()
		r, err := quick(t, Config{Authfile: authfile(t, map[string]string{host: "user:geheim"})}).Repository(oci.Ref{Registry: host, Repository: "a"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Has(t.Context(), oci.Descriptor{Digest: oci.Digest(nil)})
		var answer *RegistryError
		if !errors.As(err, &answer) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", what, err)
		}
		f.check(t, what, false)
	}
	realm = "http://" + plain + "/token"
	refused("plain HTTP", host)
	realm = moved.URL + "/token"
	refused("a redirect to plain HTTP", host)
	realm = "ftp://" + plain + "/token"
	refused("another scheme", host)
}

// TestTwoUsersOnOneHost has a repository for each of two users, who cannot read
// each other's: the mount is refused, and the blob uploaded.
func TestTwoUsersOnOneHost(t *testing.T) {
	reg := registrytest.Start(t)
	proxy := registrytest.StartProxy(t, reg.Host)
	users := map[string]string{"/v2/mirror/team/a/": "anna", "/v2/mirror/team/b/": "bert"}
	var mu sync.Mutex
	wrong := []string{}
	proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		user, password, _ := r.BasicAuth()
		r.Header.Del("Authorization")
		for prefix, want := range users {
			from := "/v2/" + r.URL.Query().Get("from") + "/"
			if !strings.HasPrefix(r.URL.Path, prefix) {
				continue
			}
			if user == want && password == "p-"+want && (!r.URL.Query().Has("mount") || users[from] == user) {
				return false
			}
			if user != "" && user != want {
				mu.Lock()
				wrong = append(wrong, user+" at "+r.URL.Path)
				mu.Unlock()
			}
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	}
	content := ocitest.New(12)
	shared := content.Layer(100<<10, ocitest.LayerGzip)
	inv := images(map[string]oci.Descriptor{"a": content.Image(false, shared), "b": content.Image(false, shared, content.Layer(1000, ocitest.LayerGzip))})
	file := authfile(t, map[string]string{proxy.Host + "/mirror/team/a": "anna:p-anna", proxy.Host + "/mirror/team/b": "bert:p-bert"})
	mustFill(t, mirrorAt(quick(t, Config{Authfile: file}), proxy.Host, 2), content, inv)
	pulled(t, quick(t, Config{Authfile: file}), proxy.Host, inv)
	if len(wrong) > 0 || proxy.Count("POST mount") == 0 {
		t.Errorf("wrong users: %q; %v", wrong, proxy.Counts())
	}
}

// TestCredentialPlaces has the credential in each place that
// containers-auth.json(5) names, with nothing before it.
func TestCredentialPlaces(t *testing.T) {
	reg := registrytest.StartAuth(t, "user", "geheim")
	auths := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, reg.Host, base64.StdEncoding.EncodeToString([]byte("user:geheim")))
	bin := t.TempDir()
	helper := "#!/bin/sh\nread host\n[ \"$1\" = get ] && [ \"$host\" = \"" + reg.Host + "\" ] && echo '{\"ServerURL\":\"x\",\"Username\":\"user\",\"Secret\":\"geheim\"}'\n"
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-test"), []byte(helper), 0o700); err != nil {
		t.Fatal(err)
	}
	helpers := fmt.Sprintf(`{"credHelpers":{%q:"test"}}`, reg.Host)
	for name, place := range map[string]struct{ file, body string }{
		"XDG_RUNTIME_DIR":         {"run/containers/auth.json", auths},
		"XDG_CONFIG_HOME":         {"config/containers/auth.json", auths},
		"docker's":                {"home/.docker/config.json", auths},
		"a helper":                {"home/.docker/config.json", helpers},
		"a helper, in containers": {"config/containers/auth.json", helpers},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("REGISTRY_AUTH_FILE", "")
			t.Setenv("DOCKER_CONFIG", "")
			t.Setenv("HOME", filepath.Join(dir, "home"))
			t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "run"))
			t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
			t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
			file := filepath.Join(dir, place.file)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(place.body), 0o600)); err != nil {
				t.Fatal(err)
			}
			if has(t, quick(t, Config{}), oci.Ref{Registry: reg.Host, Repository: "a"}, oci.Descriptor{Digest: oci.Digest(nil)}) {
				t.Error("an empty registry has something")
			}
		})
	}
}

// TestCloudCredentials has registries named as those of clouds: no helper is run that the user's
// files do not name, and nothing but the registry is asked.
func TestCloudCredentials(t *testing.T) {
	dir := t.TempDir()
	mark := filepath.Join(dir, "run")
	for _, name := range []string{"ecr-login", "gcr", "gcloud", "acr-env", "acr", "desktop", "secretservice", "pass"} {
		program := []byte("#!/bin/sh\necho \"$0\" >> " + mark + "\n")
		if err := os.WriteFile(filepath.Join(dir, "docker-credential-"+name), program, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"} {
		t.Setenv(name, dir)
	}
	t.Setenv("REGISTRY_AUTH_FILE", "")
	t.Setenv("DOCKER_CONFIG", "")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	var asked []string
	proxy := fake(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.Host)
		w.WriteHeader(http.StatusForbidden)
	})
	t.Setenv("HTTPS_PROXY", "http://"+proxy)
	t.Setenv("HTTP_PROXY", "http://"+proxy)
	for _, registry := range []string{"1234.dkr.ecr.us-east-1.amazonaws.com", "gcr.io", "europe-docker.pkg.dev", "mine.azurecr.io"} {
		asked = nil
		repo, err := quick(t, Config{TLSVerify: true}).Repository(oci.Ref{Registry: registry, Repository: "a"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = repo.Tags(t.Context()); err == nil {
			t.Errorf("%s: no error", registry)
		}
		if slices.ContainsFunc(asked, func(r string) bool { return r != "CONNECT "+registry+":443" }) || len(asked) == 0 {
			t.Errorf("%s: asked %q", registry, asked)
		}
	}
	if body, err := os.ReadFile(mark); err == nil {
		t.Errorf("run: %s", body)
	}
}

// A token that ran out is renewed inside a read that continues.
func TestExpiredTokenInsideARead(t *testing.T) {
	content, d := oneBlob("", 1<<20)
	whole, err := readFrom(t, content, d.Blob, 0)
	if err != nil {
		t.Fatal(err)
	}
	tokens, gets := 0, 0
	service := fake(t, func(w http.ResponseWriter, r *http.Request) {
		tokens++
		fmt.Fprintf(w, `{"token":"t%d"}`, tokens)
	})
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case registrytest.Kind(r) == "GET base":
		case r.Header.Get("Authorization") != fmt.Sprintf("Bearer t%d", gets+1):
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+service+`/token",service="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		case gets == 0:
			gets++ // and with it the token
			w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
			w.Write(whole[:1000])
		default:
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(whole)))
		}
	})
	r, err := insecure(t).Repository(oci.Ref{Registry: host, Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readFrom(t, oci.Verified(r), d.Blob, 0); err != nil || tokens != 2 {
		t.Errorf("%d tokens: %v", tokens, err)
	}
}
