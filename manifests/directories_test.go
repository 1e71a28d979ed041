package manifests

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// TestDirectories names catalogs of directories.
func TestDirectories(t *testing.T) {
	tests := []struct{ name, in, ref, dir, image, err string }{
		{"absolute", "{catalog: 'oci:///srv/redhat-index'}", "catalogs.local/redhat-index:latest", "/srv/redhat-index", "", ""},
		{"relative", "{catalog: 'oci://./a/../b/Index/'}", "catalogs.local/index:latest", "b/Index", "", ""},
		{"relative, by a name", "{catalog: 'oci://index'}", "catalogs.local/index:latest", "index", "", ""},
		{"an image of several", "{catalog: 'oci:///srv/cat:v4.18'}", "catalogs.local/cat:latest", "/srv/cat", "v4.18", ""},
		{"a colon above", "{catalog: 'oci:///srv/a:b/cat'}", "catalogs.local/cat:latest", "/srv/a:b/cat", "", ""},
		{"targets", "{catalog: 'oci:///srv/Cat+', targetCatalog: ns/cat, targetTag: v7}", "catalogs.local/ns/cat:v7", "/srv/Cat+", "", ""},
		{"no name for a repository", "{catalog: 'oci:///srv/Cat+'}", "", "", "", `f.yaml:5:15: mirror.operators[0].catalog: a repository cannot have the name of the directory, "Cat+"; name one with targetCatalog`},
		{"the working directory", "{catalog: 'oci://.'}", "", "", "", `a repository cannot have the name of the directory, "."; name one with targetCatalog`},
		{"the root", "{catalog: 'oci:///'}", "", "", "", `a repository cannot have the name of the directory, "/"`},
		{"nothing", "{catalog: 'oci://'}", "", "", "", `a catalog in a directory is written as oci:///PATH, not "oci://"`},
		{"one slash", "{catalog: 'oci:/srv/cat'}", "", "", "", `a catalog in a directory is written as oci:///PATH, not "oci:/srv/cat"`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			c := asktest.ParseOperators(t, "  - "+tc.in+"\n")
			if err := c.CheckSupported(); tc.err == "" && err != nil || !strings.Contains(errorText(err), tc.err) {
				t.Errorf("got %v, want %s", err, tc.err)
			}
			opened := false
			err := c.OpenCatalogs(func(ref oci.Ref, dir, image string) error {
				opened = true
				if ref.String() != tc.ref || dir != tc.dir || image != tc.image {
					t.Errorf("%s, %q, %q", ref, dir, image)
				}
				return nil
			})
			if err != nil || opened != (tc.err == "") {
				t.Errorf("opened: %t, %v", opened, err)
			}
		})
	}
}

// TestDirectoriesAreTold says where what is wrong with a directory stands.
func TestDirectoriesAreTold(t *testing.T) {
	c := asktest.ParseOperators(t, "  - catalog: a.io/b:c\n  - catalog: oci:///srv/one\n  - catalog: oci:///srv/two\n")
	err := c.OpenCatalogs(func(ref oci.Ref, dir, _ string) error {
		if dir == "/srv/one" {
			return &oci.LayoutError{Dir: dir, File: "index.json", Why: "it is\n\x1b[1mwrong"}
		}
		return &os.PathError{Op: "open", Path: dir, Err: os.ErrNotExist}
	})
	want := "f.yaml:6:14: mirror.operators[1].catalog: index.json in /srv/one: it is ?[1mwrong\nf.yaml:7:14: mirror.operators[2].catalog: open /srv/two: file does not exist"
	var conf *ConfigError
	if errorText(err) != want || !errors.As(err, &conf) || !strings.Contains(conf.Hint(), "skopeo copy --all docker://CATALOG oci:DIR") {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestDirectoriesOfOneName are refused where the mirror could not tell them apart.
func TestDirectoriesOfOneName(t *testing.T) {
	const first = "mirror:\n  operators:\n  - catalog: oci:///srv/v1/index\n"
	const refused = "f.yaml:6:14: mirror.operators[1].catalog: it would have the name of the catalog of line 5; give one of them a targetCatalog or targetTag of its own"
	for second, want := range map[string]string{
		"  - catalog: oci:///srv/v2/Index\n":                        refused,
		"  - catalog: oci:///srv/v1/index\n":                        refused,
		"  - catalog: oci:///srv/x\n    targetCatalog: index\n":     refused,
		"  - catalog: oci:///srv/v2/index\n    targetTag: v2\n":     "",
		"  - catalog: oci:///srv/v2/index\n    targetCatalog: b\n":  "",
		"  - catalog: a.io/index:latest\n":                          "",
		"  - catalog: oci:///srv/v1/index:v2\n    targetTag: two\n": "",
	} {
		if _, err := Parse("f.yaml", []byte(asktest.Head+first+second)); errorText(err) != want {
			t.Errorf("%s: got %v, want %s", second, err, want)
		}
	}
}

// TestDirectoryResolved pins one as an image that is as it is, with its template.
func TestDirectoryResolved(t *testing.T) {
	h := asktest.NewCatalogs()
	root := h.PutCatalog(t, "catalogs.local/index:latest", asktest.TestFiles())
	c := asktest.ParseOperators(t, "  - {catalog: 'oci:///srv/index', full: true, targetCatalogSourceTemplate: t.yaml}\n")
	if err := c.ReadTemplates(func(string) ([]byte, error) { return []byte(goodTemplate), nil }); err != nil {
		t.Fatal(err)
	}
	inv, err := Resolve(t.Context(), c, h)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(inv.Images, func(i oci.Image) bool { return i.Origin == origin.Catalog })
	img := inv.Images[i]
	if img.Source.String() != "catalogs.local/index:latest" || img.Root.Digest != root.Digest || img.Built || img.Path != "" || !slices.Equal(img.Tags, []string{"latest"}) ||
		!slices.Equal(oci.Words(img.Reasons), []string{"catalog oci:///srv/index"}) {
		t.Errorf("%+v", img)
	}
	for key, fine := range map[string]bool{"oci:///srv/index": true, "catalogs.local/index:latest": true, "catalogs.local/index": true, "oci:///srv/other": false} {
		site := Site{Mirror: oci.Mirror{Host: "m.example:5000"}, CatalogNames: map[string]string{key: "ours"}, Templates: c.Extra.Templates}
		site.PresentImage = &ImageConfig{Sources: RegistrySources{Allowed: []string{"m.example:5000", "example.com", "quay.io", "docker.io"}}}
		files, notes, err := Emit(inv, site)
		if (err == nil) != fine {
			t.Errorf("--catalog-name %s: %v", key, err)
		}
		if err != nil {
			continue
		}
		cs := string(fileOf(t, files, "catalogsource-ours.yaml").Body)
		if !strings.Contains(cs, "image: m.example:5000/index@"+root.Digest.String()) || !strings.Contains(cs, "displayName: Our operators") {
			t.Errorf("%s", cs)
		}
		if output := strings.Join(notes, "\n"); strings.Contains(output, "catalogs.local") {
			t.Errorf("nodes do not know that name: %s", output)
		}
		for _, f := range files {
			body := string(f.Body)
			if strings.Contains(body, "source: catalogs.local") || f.Name == "registries.conf" && strings.Contains(body, "catalogs.local") || strings.Contains(body, "pull catalogs.local") {
				t.Errorf("%s has nodes ask for what no registry has:\n%s", f.Name, body)
			}
		}
	}
}
