package transport

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
)

func TestUnreadableProxy(t *testing.T) {
	for _, value := range []string{"http://user:geheim@proxy.example:31z8", "htp://user:geheim@proxy.example", "user:geheim@proxy.example:31z8", "http://user:geheim@proxy example"} {
		for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
			t.Setenv("HTTPS_PROXY", "")
			t.Setenv("https_proxy", "")
			t.Setenv(name, value)
			t.Setenv("NO_PROXY", "direct.invalid")
			c := quick(t, Config{Authfile: authfile(t, nil), TLSVerify: true})
			err := tryTLS(t, c, "registry.invalid")
			var bad *ConfigError
			if !errors.As(err, &bad) || bad.What != ConfigProxy || !strings.HasPrefix(bad.Path, name+"=") || !strings.Contains(bad.Path, "proxy") || strings.Contains(err.Error(), "geheim") || strings.Contains(bad.Error(), "geheim") {
				t.Errorf("%s=%s: %v", name, value, err)
			}
			if _, err := c.proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: "direct.invalid"}}); err != nil {
				t.Errorf("past the proxy: %v", err)
			}
		}
	}
}

// TestProxyIsNamed has proxies that are not there, refuse, or answer in the registry's place.
func TestProxyIsNamed(t *testing.T) {
	refuses := func(status int) func(w http.ResponseWriter, r *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Proxy-Authenticate", `Basic realm="p"`)
			w.WriteHeader(status)
			io.WriteString(w, "<html>no</html>")
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		proxy   string
		plain   bool // the registry speaks plain HTTP
		trouble Trouble
		says    string
		hint    string
	}{
		"nobody there":     {nobody, false, TroubleProxy, "cannot be used: connection refused by " + nobody, "correct HTTPS_PROXY in the environment, or name registry.invalid in NO_PROXY"},
		"no such name":     {"proxy.invalid:3128", false, TroubleProxy, "the name proxy.invalid cannot be resolved", "correct HTTPS_PROXY"},
		"407":              {fake(t, refuses(407)), false, TroubleProxy, "answered 407 proxy authentication required", "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"},
		"403":              {fake(t, refuses(403)), false, TroubleProxy, "answered 403 forbidden", "have the proxy allow connections to registry.invalid"},
		"502":              {fake(t, refuses(502)), false, TroubleProxy, "answered 502 bad gateway", "check that the proxy can reach registry.invalid"},
		"407, plain HTTP":  {fake(t, refuses(407)), true, TroubleProxy, "answered 407 proxy authentication required", "HTTP_PROXY=http://USER:PASSWORD@HOST:PORT"},
		"413, plain HTTP":  {fake(t, refuses(413)), true, TroubleGateway, "or one before the registry, answered 413", "client_max_body_size"},
		"502, plain HTTP":  {fake(t, refuses(502)), true, TroubleGateway, "or one before the registry, answered 502", ""},
		"nobody, for HTTP": {nobody, true, TroubleProxy, "connection refused by " + nobody, "correct HTTP_PROXY"},
	} {
		variable := "HTTPS_PROXY"
		if c.plain {
			variable = "HTTP_PROXY"
		}
		t.Setenv("HTTPS_PROXY", "")
		t.Setenv("HTTP_PROXY", "")
		t.Setenv(variable, "http://user:geheim@"+c.proxy)
		client := quick(t, Config{Authfile: authfile(t, nil), TLSVerify: !c.plain})
		r, err := client.Repository(oci.Ref{Registry: "registry.invalid", Repository: "a"})
		if err != nil {
			t.Fatal(err)
		}
		if c.plain {
			r.sender.endpoint.scheme = "http"
		}
		_, err = r.Open(t.Context(), oci.Descriptor{Digest: oci.Digest(nil), Size: 1}, 0)
		var refused *RegistryError
		if !errors.As(err, &refused) || refused.Trouble() != c.trouble || !strings.Contains(err.Error(), c.says) ||
			!strings.Contains(err.Error(), variable+"=http://"+c.proxy) || strings.Contains(err.Error(), "geheim") || !strings.Contains(refused.Hint(), c.hint) {
			t.Errorf("%s: %v (%v)", name, err, refused.Hint())
		}
	}
}

// TestGatewayIsNamed tells a registry's 413 and 502 from those of a proxy before it.
func TestGatewayIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		status       int
		header, body string
		gateway      bool
	}{
		"nginx, 413":      {413, "nginx/1.18.0", "<html><head><title>413 Request Entity Too Large</title></head></html>", true},
		"nothing, 502":    {502, "", "", true},
		"registry's, 413": {413, "nginx", `{"errors":[{"code":"SIZE_INVALID","message":"too large"}]}`, false},
		"registry's, 502": {502, "", `{"errors":[{"code":"UNKNOWN","message":"storage is away"}]}`, false},
		"500":             {500, "nginx", "<html>", false},
	} {
		host := fake(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Server", c.header)
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		_, err := readFrom(t, repositoryAt(t, insecure(t), host), oci.Descriptor{Digest: oci.Digest(nil), Size: 1}, 0)
		var refused *RegistryError
		if !errors.As(err, &refused) || (refused.Trouble() == TroubleGateway) != c.gateway || strings.Contains(err.Error(), "a proxy before the registry") != c.gateway || c.gateway && !strings.Contains(err.Error(), c.header) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func repositoryAt(t *testing.T, c *Client, host string) *Repository {
	t.Helper()
	r, err := c.Repository(oci.Ref{Registry: host, Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestGuiltyHostIsNamed has a token service and the target of a redirect that are not there, and
// one of each that refuses.
func TestGuiltyHostIsNamed(t *testing.T) {
	away := "127.0.0.1:1"
	refusing := fake(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"errors":[{"code":"DENIED","message":"not for you"}]}`)
	})
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		says   string
	}{
		"token service away":    {bearer(away), "the token service " + away + ": connection refused by " + away},
		"token service refuses": {bearer(refusing), "the token service " + refusing + " answered 403 not for you"},
		"target away":           {redirectTo(away), "the registry redirects to " + away + ": connection refused by " + away},
		"target refuses":        {redirectTo(refusing), refusing},
	} {
		host := fake(t, c.answer)
		for _, mediaType := range []string{oci.MediaTypeManifest, "application/octet-stream"} {
			_, err := readFrom(t, repositoryAt(t, insecure(t), host), oci.Descriptor{MediaType: mediaType, Digest: oci.Digest([]byte("x")), Size: 1}, 0)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s, %s: %v", name, mediaType, err)
			}
		}
	}
}

func bearer(service string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+service+`/token",service="s"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func redirectTo(target string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+target+r.URL.Path, http.StatusTemporaryRedirect)
	}
}

// TestThroughAProxy wants the proxy in the error of a registry that is behind it.
func TestThroughAProxy(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(backend.Close)
	to, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }})
	t.Cleanup(proxy.Close)
	t.Setenv("HTTP_PROXY", proxy.URL)
	r := repositoryAt(t, insecure(t), "registry.invalid")
	r.sender.endpoint.scheme = "http"
	_, err = r.Open(t.Context(), oci.Descriptor{Digest: oci.Digest(nil), Size: 1}, 0)
	if err == nil || !strings.HasSuffix(err.Error(), ", through the proxy of HTTP_PROXY="+proxy.URL) {
		t.Error(err)
	}
}
