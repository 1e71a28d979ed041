package operator

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
)

func TestList(t *testing.T) {
	t.Parallel()
	h := asktest.NewCatalogs()
	root := h.PutCatalog(t, asktest.TestCatalog, asktest.TestFiles())
	for name, tc := range map[string]struct{ catalog, pkg, channel, want string }{
		"all":        {asktest.TestCatalog, "", "", "; etcd default stable, alpha etcd.v2.0.0 2.0.0=etcd.v2.0.0, next etcd.v2.0.0 2.0.0=etcd.v2.0.0, stable etcd.v1.1.0 1.1.0=etcd.v1.1.0; prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0"},
		"a package":  {asktest.TestCatalog, "etcd", "", "; etcd default stable, alpha etcd.v2.0.0 1.1.0=etcd.v1.1.0 2.0.0=etcd.v2.0.0, next etcd.v2.0.0 2.0.0=etcd.v2.0.0, stable etcd.v1.1.0 1.0.0=etcd.v1.0.0 1.1.0=etcd.v1.1.0"},
		"a channel":  {asktest.TestCatalog, "etcd", "stable", "; etcd default stable, stable etcd.v1.1.0 1.0.0=etcd.v1.0.0 1.1.0=etcd.v1.1.0"},
		"by digest":  {"example.com/cat/index@" + root.Digest.String(), "prometheus", "", "; prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0"},
		"no package": {asktest.TestCatalog, "etdc", "", `catalog example.com/cat/index:v1 has no package "etdc"; did you mean "etcd"?`},
		"no channel": {asktest.TestCatalog, "etcd", "beta", `package "etcd" of catalog example.com/cat/index:v1 has no channel "beta"; it has alpha, next, stable`},
		"no name":    {"example.com/Cat", "", "", "catalog example.com/Cat: "},
		"no image":   {"none.example.com/cat:v1", "", "", "read the catalog none.example.com/cat:v1: manifest unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			h.Roots["example.com/cat/index@"+root.Digest.String()] = root
			got, err := List(t.Context(), &imageset.Operator{Catalog: tc.catalog}, tc.pkg, tc.channel, h)
			var none *NotThereError
			if errors.As(err, &none) && none.Hint() == "" {
				t.Error("no hint")
			}
			if err != nil {
				if !strings.HasPrefix(err.Error(), tc.want) {
					t.Errorf("got %v", err)
				}
				return
			}
			if w := asktest.Written([]documents.CatalogContents{{Packages: got.Packages}}); w != " false "+tc.want+"\n" || got.Catalog != tc.catalog || got.Digest != root.Digest {
				t.Errorf("got  %s of %s\nwant %s", w, got.Catalog, tc.want)
			}
		})
	}
}

// TestListReal lists a package as it was published.
func TestListReal(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(filepath.Join(asktest.SharedData(t, "fbc"), "redhat", "test-operator-catalog.json"))
	if err != nil {
		t.Skip(err)
	}
	h := asktest.NewCatalogs()
	h.PutCatalog(t, asktest.TestCatalog, map[string]string{"x/catalog.json": string(body)})
	got, err := List(t.Context(), &imageset.Operator{Catalog: asktest.TestCatalog}, "", "", h)
	if err != nil || len(got.Packages) == 0 {
		t.Fatalf("got %+v, %v", got, err)
	}
	for _, p := range got.Packages {
		if p.DefaultChannel == "" || len(p.Channels) == 0 {
			t.Errorf("got %+v", p)
		}
		for _, ch := range p.Channels {
			if len(ch.Versions) > 1 || len(ch.Versions) == 1 && ch.Versions[0].Bundle != ch.Head { // some have no bundle here
				t.Errorf("channel %s of %s: %+v", ch.Name, p.Name, ch)
			}
		}
	}
}
