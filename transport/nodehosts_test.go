package transport_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/transport"
)

// TestNodeWithoutRule: an image that no rule covers is not asked for at its source, whatever registry that
// is, and once it was asked for, a mirror that redirects there is refused. A registry of Inside is asked.
func TestNodeWithoutRule(t *testing.T) {
	t.Parallel()
	other := count(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	mirror := count(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
		}
	})
	end := "@sha256:" + strings.Repeat("a", 64)
	n := newNode(t, transport.NodeConfig{Tries: 1}, "source.example/team", mirror.host+"/in")
	for _, image := range []string{other.host + "/a/b", "source.example/team/app"} {
		_, err := n.Pull(t.Context(), refTo(t, image+end))
		if never := (*transport.SourceError)(nil); !errors.As(err, &never) || never.Host != other.host && image[0] != 's' {
			t.Errorf("%s: %v", image, err)
		}
	}
	if asked := other.requests(); len(asked) > 0 {
		t.Errorf("a source without a rule was asked: %v", asked)
	}
	n = newNode(t, transport.NodeConfig{Tries: 1, Inside: []string{other.host}}, "source.example/team", mirror.host+"/in")
	if _, err := n.Pull(t.Context(), refTo(t, other.host+"/a/b"+end)); err == nil || !slices.Contains(n.Hosts(), other.host) {
		t.Errorf("a registry that nodes reach was not asked: %v", err)
	}
	if hosts := n.OtherHosts(); len(hosts) > 0 {
		t.Errorf("other hosts %v", hosts)
	}
}

// TestNodeMirrorIsSource: a registry that images come from is not reached because another rule has it as a mirror.
func TestNodeMirrorIsSource(t *testing.T) {
	t.Parallel()
	source := count(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mirror := count(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	conf := fmt.Sprintf(`
[[registry]]
prefix = "%[1]s/a"
location = "%[1]s/a"
insecure = true
[[registry.mirror]]
location = "%[2]s/in"
insecure = true
[[registry]]
prefix = "other.example/b"
location = "other.example/b"
[[registry.mirror]]
location = "%[1]s/b"
insecure = true
`, source.host, mirror.host)
	cfg := transport.NodeConfig{Registries: []byte(conf), Sources: []string{source.host, "other.example"}, Named: []string{source.host}, Tries: 1, Temp: t.TempDir()}
	n, err := transport.NewNode(cfg)
	if err != nil {
		t.Fatal(err)
	}
	end := "@sha256:" + strings.Repeat("a", 64)
	for _, image := range []string{source.host + "/a/x", "other.example/b/x", source.host + "/c/x"} {
		_, err := n.Pull(t.Context(), refTo(t, image+end))
		if never := (*transport.SourceError)(nil); !errors.As(err, &never) {
			t.Errorf("%s: %v", image, err)
		}
	}
	if asked := source.requests(); len(asked) > 0 || len(mirror.requests()) == 0 {
		t.Errorf("the source was asked: %v", asked)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	cfg.Inside = []string{source.host}
	if n, err = transport.NewNode(cfg); err != nil || !n.Reaches(source.host) {
		t.Errorf("%v", err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}

// TestNodeHostForms: a host is the same in each way of writing it.
func TestNodeHostForms(t *testing.T) {
	t.Parallel()
	n := newNode(t, transport.NodeConfig{Inside: []string{"Reg.Corp:443", "[::1]:5000", "plain.corp:80", "dot.corp."}, Sources: []string{"quay.io"}}, "quay.io/team", "Mirror.Corp:5000/in")
	for registry, want := range map[string]bool{
		"mirror.corp:5000": true, "MIRROR.corp.:5000": true, "mirror.corp": false, "mirror.corp:5001": false,
		"reg.corp": true, "reg.corp.": true, "reg.corp:443": true, "reg.corp:8443": false, "reg.corp:80": false,
		"[::1]:5000": true, "[::1]": false, "plain.corp:80": true, "plain.corp:443": false, "DOT.corp": true, "quay.io": false,
	} {
		if n.Reaches(registry) != want {
			t.Errorf("%s: reached is %t", registry, !want)
		}
	}
	for _, image := range []string{"Quay.io/x/y", "quay.io:443/x/y", "quay.io:8443/x/y", "cdn.QUAY.io/x/y"} {
		_, err := n.Pull(t.Context(), refTo(t, image+"@sha256:"+strings.Repeat("a", 64)))
		if never := (*transport.SourceError)(nil); !errors.As(err, &never) {
			t.Errorf("%s: %v", image, err)
		}
	}
}

// TestNodeProxied: it is known which hosts were asked through this host's proxy.
func TestNodeProxied(t *testing.T) {
	proxy := count(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	t.Setenv("HTTPS_PROXY", proxy.URL)
	t.Setenv("NO_PROXY", "direct.invalid")
	conf := "[[registry]]\nprefix = 'source.example/team'\nlocation = 'source.example/team'\n[[registry.mirror]]\nlocation = 'mirror.invalid/in'\n[[registry.mirror]]\nlocation = 'direct.invalid/in'\n"
	n, err := transport.NewNode(transport.NodeConfig{Registries: []byte(conf), Tries: 1, Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	_, err = n.Pull(t.Context(), refTo(t, "source.example/team/app@sha256:"+strings.Repeat("a", 64)))
	refused, ok := errors.AsType[*transport.NodeError](err)
	if !ok || len(proxy.requests()) == 0 {
		t.Fatalf("%v, %v", err, proxy.requests())
	}
	if sort, words := transport.NodeTrouble(refused.Tried[0].Err); sort != transport.TroubleProxy || !strings.Contains(words, "HTTPS_PROXY") {
		t.Errorf("%d %s", sort, words)
	}
	if hosts := n.Proxied(); !slices.Equal(hosts, []string{"mirror.invalid"}) {
		t.Errorf("through the proxy: %v", hosts)
	}
}

// TestNodeProxyUnreadable: an address of a proxy that cannot be read is no direct connection, and no fault of the mirror.
func TestNodeProxyUnreadable(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://%zz")
	conf := "[[registry]]\nprefix = 'source.example/team'\nlocation = 'source.example/team'\n[[registry.mirror]]\nlocation = 'mirror.invalid/in'\n"
	n, err := transport.NewNode(transport.NodeConfig{Registries: []byte(conf), Tries: 1, Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	_, err = n.Pull(t.Context(), refTo(t, "source.example/team/app@sha256:"+strings.Repeat("a", 64)))
	wrong, ok := errors.AsType[*transport.ConfigError](err)
	if !ok || wrong.What != transport.ConfigProxy || !strings.Contains(wrong.Error(), "HTTPS_PROXY") {
		t.Errorf("%v", err)
	}
}

// TestNodeThroughProxy: what a registry answers through a proxy is not blamed on the proxy.
func TestNodeThroughProxy(t *testing.T) {
	proxy := count(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"errors":[{"code":"ODD","message":"an odd answer"}]}`)
		}
	})
	t.Setenv("HTTPS_PROXY", "")
	t.Setenv("HTTP_PROXY", proxy.URL)
	n := newNode(t, transport.NodeConfig{Tries: 1}, "source.example/team", "mirror.invalid/in")
	_, err := n.Pull(t.Context(), refTo(t, "source.example/team/app@sha256:"+strings.Repeat("a", 64)))
	refused, ok := errors.AsType[*transport.NodeError](err)
	if !ok || len(proxy.requests()) < 2 {
		t.Fatalf("%v, %v", err, proxy.requests())
	}
	if sort, words := transport.NodeTrouble(refused.Tried[0].Err); sort != transport.TroubleOther || !strings.Contains(words, "odd answer") {
		t.Errorf("%d %s", sort, words)
	}
}
