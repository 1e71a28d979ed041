package available_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/available"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/cache"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
)

const packages = `{"schema":"olm.package","name":"logging","defaultChannel":"stable"}
{"schema":"olm.channel","package":"logging","name":"stable","entries":[{"name":"logging.v1"},{"name":"logging.v2","replaces":"logging.v1"}]}
{"schema":"olm.bundle","package":"logging","name":"logging.v1","image":"quay.io/l/b:1","properties":[{"type":"olm.package","value":{"packageName":"logging","version":"1.0.0"}}]}
{"schema":"olm.bundle","package":"logging","name":"logging.v2","image":"quay.io/l/b:2","properties":[{"type":"olm.package","value":{"packageName":"logging","version":"2.0.0"}}]}
`

// bench serves the catalog as that of Red Hat, and nothing in place of the others.
func bench(t *testing.T) (b *jobtest.Bench, host func() available.Host) {
	t.Helper()
	b = jobtest.New(t, 5)
	root, err := b.Content.Catalog("amd64", map[string][]byte{"logging/catalog.json": []byte(packages)})
	if err != nil {
		t.Fatal(err)
	}
	b.Push(root, "redhat/redhat-operator-index", "v4.18")
	conf := filepath.Join(t.TempDir(), "registries.conf")
	text := fmt.Sprintf("[[registry]]\nprefix = \"registry.redhat.io\"\nlocation = %q\ninsecure = true\n", b.Proxy.Host)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return b, func() available.Host {
		return available.Host{To: b.To(), Client: transport.NewClient(transport.Config{RegistriesConf: conf}),
			Cache: cache.Optional(dir, dir, func(err error) { t.Error(err) })}
	}
}

func TestOperators(t *testing.T) {
	t.Parallel()
	_, host := bench(t)
	const index = "registry.redhat.io/redhat/redhat-operator-index:v4.18"
	got, err := available.Operators(t.Context(), host(), index, "logging", "stable")
	if err != nil || got.Catalog != index || got.Digest == "" || len(got.Packages) != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if versions := got.Packages[0].Channels[0].Newest(); strings.Join(versions, " ") != "2.0.0 1.0.0" {
		t.Errorf("got %q", versions)
	}
	var none *manifests.NoOperatorError
	if _, err := available.Operators(t.Context(), host(), index, "loging", ""); !errors.As(err, &none) {
		t.Errorf("got %v", err)
	}
	var answer *transport.RegistryError
	if _, err := available.Operators(t.Context(), host(), "registry.redhat.io/none:v1", "", ""); !errors.As(err, &answer) {
		t.Errorf("got %v", err)
	}
}

// TestDirectory lists a catalog in a directory of this host.
func TestDirectory(t *testing.T) {
	t.Parallel()
	c, dir := ocitest.New(6), filepath.Join(t.TempDir(), "index")
	root, err := c.Catalog("amd64", map[string][]byte{"logging/catalog.json": []byte(packages)})
	if err == nil {
		err = c.WriteLayout(dir, root)
	}
	if err != nil {
		t.Fatal(err)
	}
	host := available.Host{Client: jobtest.Client(), Cache: cache.Optional(t.TempDir(), t.TempDir(), func(err error) { t.Error(err) })}
	got, err := available.Operators(t.Context(), host, "oci://"+dir, "", "")
	if err != nil || got.Catalog != "oci://"+dir || len(got.Packages) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestCatalogs(t *testing.T) {
	t.Parallel()
	_, host := bench(t)
	got, err := available.Catalogs(t.Context(), host(), "4.18")
	if err != nil || len(got) != 4 || got[0].Digest == "" || got[1].Digest != "" || got[1].Problem == "" {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := available.Catalogs(t.Context(), host(), "4.22"); err == nil || strings.Contains(err.Error(), "marketplace") {
		t.Errorf("got %v", err) // none is there
	}
	var none *manifests.NoReleaseError
	if _, err := available.Catalogs(t.Context(), host(), "newest"); !errors.As(err, &none) {
		t.Errorf("got %v", err)
	}
}

func TestReleases(t *testing.T) {
	t.Parallel()
	_, host := bench(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("channel") != "stable-4.18" || r.URL.Query().Get("arch") != "arm64" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = fmt.Fprintf(w, `{"version":1,"nodes":[{"version":"4.18.1","payload":"quay.io/r/r@sha256:%s"}],"edges":[]}`, strings.Repeat("a", 64))
	}))
	defer server.Close()
	q := manifests.ReleaseQuery{Arch: "arm64", Channel: "stable-4.18", UpdateURL: server.URL}
	got, err := available.Releases(t.Context(), host(), q)
	if err != nil || len(got.Releases) != 1 || got.Releases[0].Version != "4.18.1" {
		t.Errorf("got %+v, %v", got, err)
	}
	q.Channel = "stable-4.19"
	var none *manifests.NoReleaseError
	if _, err := available.Releases(t.Context(), host(), q); !errors.As(err, &none) {
		t.Errorf("got %v", err)
	}
}
