package transport

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/internal/hostfile"
	"github.com/satchel-airgap/satchel/transport/registrytest"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
)

// conf is a client with a registries.conf.
func conf(t *testing.T, text string, push bool) *Client {
	t.Helper()
	return quick(t, Config{Authfile: authfile(t, nil), TLSVerify: true, RegistriesConf: writeFile(t, "registries.conf", text), Push: push})
}

// carried fills a registry with one image, at HOST/mirror/team/a:1.
func carried(t *testing.T, host string) (oci.Descriptor, oci.Descriptor) {
	t.Helper()
	content := ocitest.New(31)
	layer := content.Layer(50<<10, ocitest.LayerGzip)
	root := content.Image(false, layer)
	mustFill(t, mirrorAt(insecure(t), host, 1), content, images(map[string]oci.Descriptor{"a": root}))
	return root, layer
}

// read resolves and reads the layer of the one image.
func read(t *testing.T, c *Client, ref oci.Ref, layer oci.Descriptor) error {
	t.Helper()
	_, src, err := c.Resolve(t.Context(), ref)
	if err == nil {
		_, err = readFrom(t, oci.Verified(src), layer, 0)
	}
	return err
}

func TestRegistriesConf(t *testing.T) {
	reg := registrytest.Start(t)
	root, layer := carried(t, reg.Host)
	mirror, down := registrytest.StartProxy(t, reg.Host), "127.0.0.1:1"
	byTag := oci.Ref{Registry: "registry.example", Repository: "team/a", Tag: "1"}
	byDigest := oci.Ref{Registry: "registry.example", Repository: "team/a", Digest: root.Digest}
	registry := func(location, more string) string {
		return fmt.Sprintf("[[registry]]\nprefix = \"registry.example\"\nlocation = %q\ninsecure = true\n%s", location, more)
	}
	at := func(host, more string) string {
		return fmt.Sprintf("[[registry.mirror]]\nlocation = %q\ninsecure = true\n%s\n", host+"/mirror", more)
	}
	for name, c := range map[string]struct {
		conf     string
		ref      oci.Ref
		ok       bool
		viaProxy bool
	}{
		"location":                                {registry(mirror.Host+"/mirror", ""), byTag, true, true},
		"mirror before location":                  {registry(reg.Host+"/mirror", at(mirror.Host, "")), byTag, true, true},
		"location after mirror":                   {registry(mirror.Host+"/mirror", at(down, "")), byTag, true, true},
		"location after a mirror that has it not": {registry(reg.Host+"/mirror", at(mirror.Host+"/other", "")), byTag, true, true},
		"digest-only, by tag":                     {registry(reg.Host+"/mirror", at(mirror.Host, `pull-from-mirror = "digest-only"`)), byTag, true, false},
		"digest-only, by digest":                  {registry(down, at(mirror.Host, `pull-from-mirror = "digest-only"`)), byDigest, true, true},
		"tag-only, by tag":                        {registry(down, at(mirror.Host, `pull-from-mirror = "tag-only"`)), byTag, true, true},
		"location blocked, mirror":                {registry("registry.example", "blocked = true\n"+at(mirror.Host, "")), byDigest, true, true},
		"none has it":                             {registry(mirror.Host+"/no", at(reg.Host+"/no", "")), byTag, false, true},
	} {
		mirror.Reset()
		err := read(t, conf(t, c.conf, false), c.ref, layer)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if n := mirror.Count("GET manifest"); n > 0 != c.viaProxy && name != "digest-only, by tag" {
			t.Errorf("%s: %d requests to the proxy", name, n)
		}
		if name == "digest-only, by tag" && mirror.Count("GET manifest")+mirror.Count("HEAD manifest") > 0 {
			t.Errorf("%s: the mirror was asked for the tag", name)
		}
		if c.ok {
			continue
		}
		var all *LocationError
		if !errors.As(err, &all) || !strings.Contains(err.Error(), mirror.Host+"/no/team/a") || !strings.Contains(err.Error(), reg.Host+"/no/mirror/team/a") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestRegistriesConfBlocked(t *testing.T) {
	text := "[[registry]]\nprefix = \"*.example\"\nblocked = true\n"
	ref := oci.Ref{Registry: "registry.example", Repository: "a", Tag: "1"}
	var blocked *BlockedError
	_, _, err := conf(t, text, false).Resolve(t.Context(), ref)
	if !errors.As(err, &blocked) || blocked.Prefix != "*.example" || !strings.Contains(err.Error(), "registries.conf") {
		t.Errorf("pull: %v", err)
	}
	if _, err := conf(t, text, true).Repository(ref); !errors.As(err, &blocked) {
		t.Errorf("push: %v", err)
	}
	var unread *ConfigError
	if _, err := conf(t, "[[registry]", false).Repository(ref); !errors.As(err, &unread) {
		t.Errorf("a broken file: %v", err)
	}
	if _, err := quick(t, Config{RegistriesConf: "/does/not/exist"}).Repository(ref); !errors.As(err, &unread) {
		t.Errorf("no file: %v", err)
	}
}

// On the mirror's side location and mirrors do not count, as for podman push.
func TestRegistriesConfPush(t *testing.T) {
	reg := registrytest.Start(t)
	text := fmt.Sprintf("[[registry]]\nprefix = %q\nlocation = \"127.0.0.1:1\"\ninsecure = true\n[[registry.mirror]]\nlocation = \"127.0.0.1:2\"\n", reg.Host)
	content, inv := everything(t, 3, 1, 1000)
	mustFill(t, mirrorAt(conf(t, text, true), reg.Host, 1), content, inv)
	strict := quick(t, Config{Authfile: authfile(t, nil), TLSVerify: true, TLSStrict: true, Push: true, RegistriesConf: writeFile(t, "registries.conf", text)})
	var plain *PlainHTTPError
	if err := fill(t.Context(), mirrorAt(strict, reg.Host, 1), content, inv); !errors.As(err, &plain) {
		t.Errorf("--tls-verify against insecure: %v", err)
	}
}

func TestRegistriesConfEnvironment(t *testing.T) {
	t.Setenv("CONTAINERS_REGISTRIES_CONF", writeFile(t, "registries.conf", "[[registry]]\nlocation = \"registry.example\"\nblocked = true\n"))
	sysregistriesv2.InvalidateCache()
	t.Cleanup(sysregistriesv2.InvalidateCache)
	_, _, err := insecure(t).Resolve(t.Context(), oci.Ref{Registry: "registry.example", Repository: "a", Tag: "1"})
	var blocked *BlockedError
	if !errors.As(err, &blocked) {
		t.Errorf("error %v", err)
	}
}

// secured serves with a certificate, and asks for one of the client if wanted.
func secured(t *testing.T, conf *tls.Config) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.TLS, srv.Config.ErrorLog = conf, quiet()
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "https://")
}

func tryTLS(t *testing.T, c *Client, host string) error {
	t.Helper()
	r, err := c.Repository(oci.Ref{Registry: host, Repository: "a"})
	if err != nil {
		return err
	}
	_, err = r.Has(t.Context(), oci.Descriptor{Digest: oci.Digest(nil)})
	return err
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), os.WriteFile(to, b, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestCertificates(t *testing.T) {
	later := time.Now().Add(time.Hour)
	ca, other := registrytest.NewAuthority(t), registrytest.NewAuthority(t)
	server := ca.Server(t, "127.0.0.1", later)
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, other.Pool()
	host := secured(t, server)
	cert, key := other.Issue(t, "me", later)
	both := t.TempDir()
	copyTo(t, ca.File, filepath.Join(both, "ca.crt"))
	copyTo(t, cert, filepath.Join(both, "me.cert"))
	copyTo(t, key, filepath.Join(both, "me.key"))
	bundle, _ := os.ReadFile(other.File)
	mine, _ := os.ReadFile(ca.File)
	config := func(cfg Config) Config {
		cfg.Authfile, cfg.TLSVerify = authfile(t, nil), true
		return cfg
	}
	trouble := func(cfg Config, want Trouble) {
		t.Helper()
		var refused *RegistryError
		if err := tryTLS(t, quick(t, config(cfg)), host); !errors.As(err, &refused) || refused.Trouble() != want {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	trouble(Config{}, TroubleAuthority)
	trouble(Config{CAFile: other.File}, TroubleAuthority)
	trouble(Config{CAFile: writeFile(t, "two.pem", string(bundle)+string(mine))}, TroubleTLS) // no client certificate
	if err := tryTLS(t, quick(t, config(Config{CertDir: both})), host); err != nil {
		t.Errorf("--cert-dir: %v", err)
	}
	var unread *ConfigError
	for _, cfg := range []Config{{CAFile: "/does/not/exist"}, {CAFile: key}, {CertDir: "/does/not/exist"}, {CertDir: cert}} {
		if err := tryTLS(t, quick(t, config(cfg)), host); !errors.As(err, &unread) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	for _, base := range []string{"etc/containers/certs.d", "etc/docker/certs.d"} {
		c := quick(t, config(Config{}))
		root := t.TempDir()
		c.certificates = hostfile.NewCertificates("", "", root)
		for _, f := range []string{"ca.crt", "me.cert", "me.key"} {
			copyTo(t, filepath.Join(both, f), filepath.Join(root, base, host, f))
		}
		if err := tryTLS(t, c, host); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	for _, f := range []string{"ca.crt", "me.cert", "me.key"} {
		copyTo(t, filepath.Join(both, f), filepath.Join(home, "containers/certs.d", host, f))
	}
	if err := tryTLS(t, quick(t, config(Config{})), host); err != nil {
		t.Errorf("the user's certs.d: %v", err)
	}
}

func TestTroubles(t *testing.T) {
	ca := registrytest.NewAuthority(t)
	expired := secured(t, ca.Server(t, "127.0.0.1", time.Now().Add(-time.Minute)))
	named := secured(t, ca.Server(t, "other.example", time.Now().Add(time.Hour)))
	answers := func(status int, body string) string {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}))
		srv.TLS = ca.Server(t, "127.0.0.1", time.Now().Add(time.Hour))
		srv.StartTLS()
		t.Cleanup(srv.Close)
		return strings.TrimPrefix(srv.URL, "https://")
	}
	detail := `{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":{"Op":"write","Path":"/x","Err":28}}]}`
	for _, c := range []struct {
		host string
		want Trouble
		text string
	}{
		{expired, TroubleExpired, "is good from"},
		{named, TroubleHostName, "is for other names: other.example"},
		{"127.0.0.1:1", TroubleRefused, "connection refused by 127.0.0.1:1"},
		{"no-such-host.invalid", TroubleName, "the name no-such-host.invalid cannot be resolved"},
		{answers(401, ""), TroubleUnauthorized, "answered 401"},
		{answers(403, ""), TroubleForbidden, "answered 403"},
		{answers(404, ""), TroubleNotFound, "answered 404"},
		{answers(429, ""), TroubleTooMany, "answered 429"},
		{answers(502, ""), TroubleGateway, "answered 502"},
		{answers(507, ""), TroubleFull, "no space left"},
		{answers(500, "write /x: no space left on device"), TroubleFull, "no space left"},
		{answers(500, detail), TroubleFull, "no space left"},
	} {
		r, err := quick(t, Config{Authfile: authfile(t, nil), TLSVerify: true, CAFile: ca.File}).Repository(oci.Ref{Registry: c.host, Repository: "a"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Open(t.Context(), oci.Descriptor{Digest: oci.Digest(nil), Size: 1}, 0)
		var refused *RegistryError
		if !errors.As(err, &refused) || refused.Trouble() != c.want || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("want %d %q: %v", c.want, c.text, err)
		}
	}
}

// TestFullRegistry fills a registry's disk, a small tmpfs.
func TestFullRegistry(t *testing.T) {
	for name, start := range map[string]func(*testing.T) (host, dir string){
		"docker-registry": func(t *testing.T) (string, string) { r := registrytest.Start(t); return r.Host, r.Dir },
		"distribution v3": func(t *testing.T) (string, string) {
			r := registrytest.StartV3(t, false, "", "")
			return r.Host, r.Dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			host, dir := start(t)
			smallDisk(t, dir)
			content, d := oneBlob(host, 4<<20)
			c := insecure(t)
			r, err := c.Repository(d.Repos[0])
			if err != nil {
				t.Fatal(err)
			}
			err = r.putBlob(t.Context(), oci.Verified(content), d.Blob, oci.Ref{})
			var refused *RegistryError
			if !errors.As(err, &refused) || refused.Trouble() != TroubleFull {
				t.Errorf("error %v, %+v", err, refused)
			}
		})
	}
}

// TestProxyFromEnvironment runs itself again, with the environment set: the
// library reads it once.
func TestProxyFromEnvironment(t *testing.T) {
	if os.Getenv("SATCHEL_TEST_PROXIED") != "" {
		c := quick(t, Config{Authfile: authfile(t, nil), TLSVerify: true, CAFile: os.Getenv("SATCHEL_TEST_PROXIED")})
		if err := tryTLS(t, c, "registry.example"); err != nil {
			t.Errorf("through the proxy: %v", err)
		}
		var refused *RegistryError
		if err := tryTLS(t, c, "refused.example"); !errors.As(err, &refused) || refused.Trouble() != TroubleProxy || !strings.Contains(err.Error(), "407") {
			t.Errorf("refused by the proxy: %v", err)
		}
		if err := tryTLS(t, c, "direct.invalid"); !errors.As(err, &refused) || refused.Trouble() != TroubleName {
			t.Errorf("past the proxy: %v", err)
		}
		return
	}
	ca := registrytest.NewAuthority(t)
	target := secured(t, ca.Server(t, "registry.example", time.Now().Add(time.Hour)))
	var tunnels atomic.Int32
	proxy := connectProxy(t, target, &tunnels)
	out, err := again(t, "TestProxyFromEnvironment", "SATCHEL_TEST_PROXIED="+ca.File, "HTTPS_PROXY=http://"+proxy, "NO_PROXY=direct.invalid")
	if err != nil || tunnels.Load() != 1 {
		t.Errorf("%d tunnels, %v:\n%s", tunnels.Load(), err, out)
	}
}
