package unpack_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestAsNodes: the last look before the YAML is that of a node, at the address that it pulls from
// and with its credential; what the account that pushes gets does not count.
func TestAsNodes(t *testing.T) {
	t.Parallel()
	s := newSite(t, 61)
	registry := registrytest.StartV3(t, false, "me", "a-secret")
	lb := registrytest.StartProxy(t, registry.Host)
	s.mirror = registrytest.StartProxy(t, registry.Host)
	auths := func(host, password string) []byte {
		return fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte("me:"+password)))
	}
	client := func(credentials []byte) *transport.Client {
		return transport.NewClient(transport.Config{Credentials: credentials, Push: true, RetryDelay: 1})
	}
	out := filepath.Join(t.TempDir(), "out")
	options := func(nodes []byte, from ...string) unpack.Options {
		o := s.options(t, out)
		o.AsNodes = client
		for _, host := range from {
			o.Site.PullFrom = append(o.Site.PullFrom, oci.Mirror{Host: host, Namespace: "in"})
		}
		if nodes != nil {
			var err error
			if o.Site.NodeSecret, err = manifests.ParsePullSecret("nodes", nodes); err != nil {
				t.Fatal(err)
			}
		}
		return o
	}
	push := client(auths(s.mirror.Host, "a-secret"))
	refuses := func(name string, err error, images int) {
		t.Helper()
		var wrong *unpack.NodesError
		if !errors.As(err, &wrong) || len(wrong.Images) != images || wrong.Hint() == "" || strings.Contains(err.Error(), "a-secret") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(out, "APPLY.md")); err == nil {
			t.Errorf("%s: the YAML was written", name)
		}
	}
	err := unpack.Run(t.Context(), s.reader, push, options(auths(lb.Host, "another"), lb.Host))
	refuses("a wrong password", err, 0)
	lb.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/v2/in/team/app/manifests/sha256:") {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		return false
	}
	refuses("an address that lacks an image", unpack.Render(t.Context(), s.reader, push, options(auths(lb.Host, "a-secret"), lb.Host)), 1)
	lb.Answer = nil
	refuses("another namespace", unpack.Render(t.Context(), s.reader, push, func() unpack.Options {
		o := options(auths(lb.Host, "a-secret"), lb.Host)
		o.Site.PullFrom[0].Namespace = "out"
		return o
	}()), 2)

	for name, c := range map[string]struct {
		nodes []byte
		from  []string
		asked *registrytest.Proxy
	}{
		"the mirror's own address":               {auths(s.mirror.Host, "a-secret"), nil, s.mirror},
		"another address":                        {auths(lb.Host, "a-secret"), []string{lb.Host, "elsewhere.example"}, lb},
		"another address, the mirror's password": {auths(s.mirror.Host, "a-secret"), []string{lb.Host}, lb},
		"no credential known":                    {nil, []string{lb.Host}, nil},
	} {
		if err := os.RemoveAll(out); err != nil {
			t.Fatal(err)
		}
		lb.Reset()
		s.mirror.Reset()
		if err := unpack.Render(t.Context(), s.reader, push, options(c.nodes, c.from...)); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.asked == nil && len(lb.Requests()) > 0 || c.asked != nil && c.asked.Count("GET manifest")+c.asked.Count("HEAD manifest") < 2 {
			t.Errorf("%s: asked for %v", name, lb.Counts())
		}
		page, err := os.ReadFile(filepath.Join(out, "APPLY.md"))
		if err != nil || strings.Contains(string(page), "a-secret") {
			t.Errorf("%s: %v", name, err)
		}
		if info, err := os.Stat(filepath.Join(out, "secrets", "mirror.dockerconfigjson")); (err == nil) != (c.nodes != nil) || err == nil && info.Mode() != 0o600 {
			t.Errorf("%s: the nodes' entries: %v, %v", name, info, err)
		}
		if insecure := strings.Contains(string(page), "plain HTTP, without TLS"); insecure != (c.asked != nil) {
			t.Errorf("%s: the page says that nodes need plain HTTP: %t", name, insecure)
		}
	}
	if err := unpack.Render(t.Context(), s.reader, jobtest.Client(), options(nil)); err == nil {
		t.Error("without any credential the mirror gives its images")
	}
}

// TestAddressOfNodesAway: an address that only nodes reach is named as not looked at, and the YAML
// is written.
func TestAddressOfNodesAway(t *testing.T) {
	t.Parallel()
	s := newSite(t, 62)
	out := filepath.Join(t.TempDir(), "out")
	o := s.options(t, out)
	o.AsNodes = func(credentials []byte) *transport.Client {
		return transport.NewClient(transport.Config{Credentials: credentials, RetryDelay: 1})
	}
	o.Site.PullFrom = []oci.Mirror{{Host: "nodes-only.invalid:1", Namespace: "in"}}
	var err error
	if o.Site.NodeSecret, err = manifests.ParsePullSecret("nodes", []byte(`{"auths":{"nodes-only.invalid:1":{"auth":"bWU6eA=="}}}`)); err != nil {
		t.Fatal(err)
	}
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	if all := s.Log.String(); !strings.Contains(all, "nodes pull from nodes-only.invalid:1/in, which this host does not reach, so nothing was looked at there") {
		t.Errorf("the log: %s", all)
	}
	if _, err := os.Stat(filepath.Join(out, "APPLY.md")); err != nil {
		t.Error(err)
	}
}
