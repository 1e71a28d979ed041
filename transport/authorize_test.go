package transport

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// guarded is a real registry behind a gate of its own rules: what it does not let pass gets the
// status, and the challenge if it is asked for it.
type guarded struct {
	proxy *registrytest.Proxy
	mu    sync.Mutex
	seen  map[string]int // requests by what they were sent with
}

func guard(t *testing.T, reg string, pass func(r *http.Request, authz string) bool, status int, header string, everywhere bool) *guarded {
	t.Helper()
	g := &guarded{proxy: registrytest.StartProxy(t, reg), seen: map[string]int{}}
	g.proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		authz := r.Header.Get("Authorization")
		g.mu.Lock()
		g.seen[strings.SplitN(authz, " ", 2)[0]]++
		g.mu.Unlock()
		r.Header.Del("Authorization")
		base := registrytest.Kind(r) == "GET base"
		if pass(r, authz) && !(base && authz == "" && header != "") {
			return false
		}
		if header != "" && (base || everywhere) {
			w.Header().Set("WWW-Authenticate", header)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		return true
	}
	return g
}

var userGeheim = "Basic " + base64.StdEncoding.EncodeToString([]byte("user:geheim"))

func withPassword(t *testing.T, host, password string, cfg Config) *Client {
	t.Helper()
	cfg.Authfile = authfile(t, map[string]string{host: "user:" + password})
	return quick(t, cfg)
}

// TestRootChallengesAlone has registries that refuse without a challenge, as those do that let anyone
// read: 404 hides a private repository, 403 refuses a push.
func TestRootChallengesAlone(t *testing.T) {
	reg := registrytest.Start(t)
	c := ocitest.New(5)
	inv := images(map[string]oci.Descriptor{"a": c.Image(false, c.Layer(1<<16, ocitest.LayerGzip)), "b": c.Image(true)})
	for _, status := range []int{http.StatusForbidden, http.StatusNotFound, http.StatusUnauthorized} {
		private := func(_ *http.Request, authz string) bool { return authz == userGeheim }
		if status == http.StatusForbidden {
			private = func(r *http.Request, authz string) bool {
				return authz == userGeheim || r.Method == http.MethodGet || r.Method == http.MethodHead
			}
		}
		g := guard(t, reg.Host, private, status, `Basic realm="r"`, false)
		m := mirrorAt(withPassword(t, g.proxy.Host, "geheim", Config{Push: true}), g.proxy.Host, 4)
		mustFill(t, m, c, inv)
		src := oci.Ref{Registry: g.proxy.Host, Repository: "mirror/team/a", Tag: "1"}
		if _, _, err := withPassword(t, g.proxy.Host, "geheim", Config{}).Resolve(t.Context(), src); err != nil {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestNoChallengeAnywhere has registries with TLS that refuse who sends no credentials and never ask
// for them. To pull, they are sent for a manifest, once for each repository until they are refused;
// to push, never, and that is the error.
func TestNoChallengeAnywhere(t *testing.T) {
	var mu sync.Mutex
	sent := map[string]int{} // with credentials, by path
	body := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + oci.Digest(nil).String() + `","size":0},"layers":[]}`)
	takes := true
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch authz := r.Header.Get("Authorization"); {
		case r.URL.Path == "/v2/":
		case authz == userGeheim:
			mu.Lock()
			sent[r.Method+" "+r.URL.Path]++
			mu.Unlock()
			if takes {
				w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
				w.Write(body)
				return
			}
			fallthrough
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(srv.Close)
	host := strings.TrimPrefix(srv.URL, "https://")
	client := func(cfg Config) *Client {
		cfg.TLSVerify, cfg.CAFile = true, certFile(t, srv)
		return withPassword(t, host, "geheim", cfg)
	}
	resolve := func(c *Client, name string) error {
		_, _, err := c.Resolve(t.Context(), oci.Ref{Registry: host, Repository: name, Tag: "1"})
		return err
	}
	c := client(Config{})
	for range 2 {
		if err := resolve(c, "a"); err != nil {
			t.Fatal(err)
		}
	}
	if sent["GET /v2/a/manifests/1"] == 0 {
		t.Errorf("sent for %v", sent)
	}
	takes = false
	clear(sent)
	c = client(Config{})
	for _, name := range []string{"b", "c", "b"} {
		var refused *RegistryError
		if err := resolve(c, name); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(sent) != 2 || sent["GET /v2/b/manifests/1"] != 1 || sent["GET /v2/c/manifests/1"] != 1 {
		t.Errorf("where nothing is there they were sent for %v", sent)
	}
	takes = true
	clear(sent)
	var refused *RegistryError
	if err := resolve(client(Config{Push: true}), "d"); !errors.As(err, &refused) || len(sent) > 0 {
		t.Errorf("on the mirror's side: %v, sent for %v", err, sent)
	}
}

// certFile is a PEM file with the certificate of a test's server.
func certFile(t *testing.T, srv *httptest.Server) string {
	t.Helper()
	return writeFile(t, "ca.pem", "-----BEGIN CERTIFICATE-----\n"+base64.StdEncoding.EncodeToString(srv.Certificate().Raw)+"\n-----END CERTIFICATE-----\n")
}

// TestRefusalsSaySo wants of each refusal what became of the credentials, and no hint that asks for
// some that were sent.
func TestRefusalsSaySo(t *testing.T) {
	never := func(*http.Request, string) bool { return false }
	known := func(r *http.Request, authz string) bool {
		return authz == userGeheim && registrytest.Kind(r) == "GET base"
	}
	for name, c := range map[string]struct {
		pass     func(*http.Request, string) bool
		status   int
		header   string
		password string // "": none is configured
		trouble  Trouble
		says     string
	}{
		"no credentials":       {never, 401, `Basic realm="r"`, "", TroubleUnauthorized, "no credentials are configured for it"},
		"no credentials, 403":  {never, 403, "", "", TroubleForbidden, "no credentials are configured for it"},
		"a wrong password":     {never, 401, `Basic realm="r"`, "falsch", TroublePassword, `does not take the user name and password of user "user"`},
		"a user who may not":   {known, 403, `Basic realm="r"`, "geheim", TroubleDenied, `403 forbidden (to user "user")`},
		"not asked for":        {never, 403, "", "geheim", TroubleSilent, "asks for no credentials"},
		"Negotiate":            {never, 401, "Negotiate", "geheim", TroubleScheme, "it asks for Negotiate, which is not supported"},
		"NTLM and Digest":      {never, 401, `NTLM, Digest realm="x",nonce="1"`, "geheim", TroubleScheme, "it asks for NTLM and Digest, which is not supported"},
		"Negotiate, and none":  {never, 401, "Negotiate", "", TroubleScheme, "it asks for Negotiate"},
		"a service of nowhere": {never, 401, `Bearer realm="ldap://x"`, "geheim", TroubleScheme, `names no token service that can be used (realm "ldap://x`},
	} {
		g := guard(t, "127.0.0.1:1", c.pass, c.status, c.header, c.status == 401)
		client := insecure(t)
		if c.password != "" {
			client = withPassword(t, g.proxy.Host, c.password, Config{})
		}
		_, _, err := client.Resolve(t.Context(), oci.Ref{Registry: g.proxy.Host, Repository: "a", Tag: "1"})
		var refused *RegistryError
		if !errors.As(err, &refused) || refused.Trouble() != c.trouble || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		asks := strings.Contains(refused.Hint(), "credentials")
		if c.password != "" && c.trouble != TroubleSilent && asks || c.password == "" && c.trouble != TroubleScheme && !asks {
			t.Errorf("%s: hint %q", name, refused.Hint())
		}
	}
}

// TestWrongPasswordIsSentOnce has many repositories wait for the first: accounts are locked after a
// few wrong passwords.
func TestWrongPasswordIsSentOnce(t *testing.T) {
	var wrong atomic.Int32
	service := fake(t, func(w http.ResponseWriter, r *http.Request) {
		wrong.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"details":"incorrect username or password"}`)
	})
	for name, header := range map[string]string{"Basic": `Basic realm="r"`, "Bearer": `Bearer realm="http://` + service + `/token",service="s"`} {
		g := guard(t, "127.0.0.1:1", func(*http.Request, string) bool { return false }, 0, header, true)
		wrong.Store(0)
		m := mirrorAt(withPassword(t, g.proxy.Host, "falsch", Config{Push: true}), g.proxy.Host, 8)
		var names []string
		for i := range 20 {
			names = append(names, fmt.Sprint("team/", i))
		}
		err := m.Probe(t.Context(), repos(g.proxy.Host, names...), nil)
		if got := problems(t, err); len(got) != len(names) || got["team/7"] != ProblemCredentials {
			t.Errorf("%s: %d problems: %v", name, len(got), err)
		}
		var wrongly *LoginError
		if !errors.As(err, &wrongly) || wrongly.User != "user" || wrongly.Host != g.proxy.Host || strings.Contains(err.Error(), "falsch") {
			t.Errorf("%s: %v", name, err)
		}
		if name == "Bearer" && (wrong.Load() > 2 || wrongly.Reason != "incorrect username or password" || wrongly.By != "the token service "+service) {
			t.Errorf("asked %d times, %+v", wrong.Load(), wrongly)
		}
		if name == "Basic" && g.seen["Basic"] > 2 { // of the repository, then of the root
			t.Errorf("sent %d times", g.seen["Basic"])
		}
	}
}

// TestOneRepositoryIsRefused has a token service that answers 401 for one repository, to a user whom it
// knows.
func TestOneRepositoryIsRefused(t *testing.T) {
	service := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Query().Get("scope"), "closed") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		io.WriteString(w, `{"token":"T"}`)
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
	var refused *RegistryError
	if _, err = r.Has(t.Context(), d); !errors.As(err, &refused) || refused.Trouble() != TroubleDenied || !strings.Contains(err.Error(), "the token service "+service+" answered 401") {
		t.Errorf("the one: %v", err)
	}
	if !has(t, c, oci.Ref{Registry: host, Repository: "open"}, d) {
		t.Error("the other is not there")
	}
}

// TestTokensOrBasic has registries that offer both, and a token service that is not there.
func TestTokensOrBasic(t *testing.T) {
	absent := fake(t, http.NotFound)
	for _, service := range []string{absent, "127.0.0.1:1"} {
		for _, both := range []bool{true, false} {
			host := fake(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") == userGeheim {
					return
				}
				bearer(service)(discardStatus{w}, r)
				if both {
					w.Header().Add("WWW-Authenticate", `Basic realm="r"`)
				}
				w.WriteHeader(http.StatusUnauthorized)
			})
			r := repositoryAt(t, withPassword(t, host, "geheim", Config{}), host)
			there, err := r.Has(t.Context(), oci.Descriptor{Digest: oci.Digest(nil)})
			var refused *RegistryError
			if both && (err != nil || !there) || !both && (!errors.As(err, &refused) || refused.Status != 0 || !strings.Contains(err.Error(), "the token service "+service)) {
				t.Errorf("%s, Basic too: %v: %v, %v", service, both, there, err)
			}
		}
	}
}

// discardStatus leaves the status to who comes later.
type discardStatus struct{ http.ResponseWriter }

func (discardStatus) WriteHeader(int) {}

// TestTokenAnswers has token services that answer in all ways.
func TestTokenAnswers(t *testing.T) {
	for answer, good := range map[string]bool{
		`{"token":"T"}`: true, `{"access_token":"T"}`: true, `{"token":"T","access_token":"other"}`: true,
		`{"token":"T","expires_in":0}`: true, `{"token":"T","expires_in":"60","issued_at":"yesterday"}`: true, `{"token":"T","expires_in":null}`: true,
		`{}`: false, `{"token":""}`: false, `<html>`: false, ``: false,
	} {
		var tokens atomic.Int32
		service := fake(t, func(w http.ResponseWriter, r *http.Request) {
			tokens.Add(1)
			io.WriteString(w, answer)
		})
		realm := "http://" + service + "/token"
		host := fake(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer T" {
				w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q", realm))
				w.WriteHeader(http.StatusUnauthorized)
			}
		})
		c := withPassword(t, host, "geheim", Config{})
		r, err := c.Repository(oci.Ref{Registry: host, Repository: "a"})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			_, err = r.Has(t.Context(), oci.Descriptor{Digest: oci.Digest(nil)})
			if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "the token service "+service) {
				t.Errorf("%s: %v", answer, err)
			}
		}
		if good && tokens.Load() != 1 {
			t.Errorf("%s: %d tokens", answer, tokens.Load())
		}
	}
}

// TestIdentityToken has the form of OAuth 2, and a service that does not take it.
func TestIdentityToken(t *testing.T) {
	service := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.FormValue("grant_type") != "refresh_token" || r.FormValue("scope") != "repository:a:pull" || r.FormValue("refresh_token") != "good" {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"error":"invalid_grant","error_description":"it has ended"}`)
			return
		}
		io.WriteString(w, `{"access_token":"T"}`)
	})
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer T" {
			w.Header().Add("WWW-Authenticate", `Basic realm="r"`)
			w.Header().Add("WWW-Authenticate", `Bearer realm="http://`+service+`/token",service="s"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	for _, secret := range []string{"good", "old"} {
		file, err := json.Marshal(map[string]any{"auths": map[string]any{host: map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte("u:")), "identitytoken": secret}}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := quick(t, Config{Authfile: writeFile(t, "auth.json", string(file))}).Repository(oci.Ref{Registry: host, Repository: "a"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Has(t.Context(), oci.Descriptor{Digest: oci.Digest(nil)})
		var wrongly *LoginError
		if secret == "good" && err != nil || secret == "old" && (!errors.As(err, &wrongly) || !wrongly.Token || wrongly.Reason != "it has ended") {
			t.Errorf("%s: %v", secret, err)
		}
	}
}
