package manifests

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// contentsOf resolves a configuration of operators and reads the document of it.
func contentsOf(t *testing.T, h *asktest.Catalogs, c *Config) []CatalogContents {
	t.Helper()
	inv, err := Resolve(t.Context(), c, h)
	if err != nil {
		t.Fatal(err)
	}
	list, err := ReadContents(t.Context(), inv, &h.Stored)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestContents(t *testing.T) {
	const at = "  - catalog: " + asktest.TestCatalog + "\n"
	tests := []struct{ name, in, want string }{
		{"heads of every channel", at, " false ; etcd default stable, alpha etcd.v2.0.0 2.0.0=etcd.v2.0.0, next etcd.v2.0.0 2.0.0=etcd.v2.0.0, stable etcd.v1.1.0 1.1.0=etcd.v1.1.0; prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0\n"},
		{"a range", at + "    packages: [{name: etcd, channels: [{name: stable, minVersion: 1.0.0}]}]\n", " false ; etcd default stable, stable etcd.v1.1.0 1.0.0=etcd.v1.0.0 1.1.0=etcd.v1.1.0\n"},
		{"another default channel", at + "    packages: [{name: etcd, defaultChannel: next, channels: [{name: next}]}]\n", " false ; etcd default next, next etcd.v2.0.0 2.0.0=etcd.v2.0.0\n"},
		{"a full package", at + "    full: true\n    packages: [{name: prometheus}]\n", " false ; prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0\n"},
		{"whole", at + "    full: true\n", " true ; etcd default stable, alpha etcd.v2.0.0 1.1.0=etcd.v1.1.0 2.0.0=etcd.v2.0.0, next etcd.v2.0.0 2.0.0=etcd.v2.0.0, stable etcd.v1.1.0 1.0.0=etcd.v1.0.0 1.1.0=etcd.v1.1.0; prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0\n"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			h := asktest.NewCatalogs()
			h.PutCatalog(t, asktest.TestCatalog, asktest.TestFiles())
			if got := asktest.Written(contentsOf(t, h, asktest.ParseOperators(t, tc.in))); got != asktest.TestCatalog+tc.want {
				t.Errorf("got  %swant %s", got, asktest.TestCatalog+tc.want)
			}
		})
	}
}

// TestContentsOfDependencies tells what only others require.
func TestContentsOfDependencies(t *testing.T) {
	h := asktest.NewCatalogs()
	h.PutCatalog(t, asktest.TestCatalog, map[string]string{"x": needy("app", "1.0.0="+property("olm.package.required", "{packageName: foo, versionRange: '<2.0.0'}")) + needy("foo", "1.0.0", "2.0.0")})
	h.PutCatalog(t, "example.com/other:v2", map[string]string{"x": needy("alone", "1.0.0")})
	c := asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: app}]\n  - catalog: example.com/other:v2\n    full: true\n")
	c.Extra.WithDependencies = true
	const want = asktest.TestCatalog + " false ; app default stable, stable app.v1.0.0 1.0.0=app.v1.0.0; foo default stable required, stable foo.v1.0.0 1.0.0=foo.v1.0.0\n" +
		"example.com/other:v2 true ; alone default stable, stable alone.v1.0.0 1.0.0=alone.v1.0.0\n"
	if got := asktest.Written(contentsOf(t, h, c)); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	if list := contentsOf(t, h, asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    full: true\n  additionalImages: [{name: a.io/b:c}]\n")); len(list) != 1 {
		t.Errorf("%d catalogs", len(list))
	}
	if list := contentsOf(t, h, asktest.ParseOperators(t, "  additionalImages: [{name: a.io/b:c}]\n")); list != nil {
		t.Errorf("without catalogs: %+v", list)
	}
}

// TestContentsOfGaps leaves out catalogs that are not carried.
func TestContentsOfGaps(t *testing.T) {
	h := asktest.NewCatalogs()
	h.PutCatalog(t, asktest.TestCatalog, asktest.TestFiles())
	h.PutCatalog(t, "example.com/other:v2", map[string]string{"x": needy("alone", "1.0.0")})
	inv, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n  - catalog: example.com/other:v2\n"), h)
	if err != nil {
		t.Fatal(err)
	}
	inv.Images = slices.DeleteFunc(inv.Images, func(i oci.Image) bool { return i.Source.String() == asktest.TestCatalog })
	list, err := ReadContents(t.Context(), inv, &h.Stored)
	if err != nil || len(list) != 1 || list[0].Catalog != "example.com/other:v2" {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestHostileContents refuses documents that no pack writes.
func TestHostileContents(t *testing.T) {
	good := `{"catalog":"a.io/b:c","whole":false,"packages":[{"name":"etcd","channels":[{"name":"stable","head":"etcd.v1","versions":[{"version":"1.0.0","bundle":"etcd.v1"}]}]}]}`
	if _, err := documents.ParseContents([]byte(good)); err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"x": "invalid character", "{}": "", `{"catalog":"\u001b"}`: "image reference", strings.Replace(good, "a.io/b:c", "short", 1): "no registry host",
		strings.Replace(good, `"whole":false`, `"versions":"some"`, 1):  `it lists versions as "some"`,
		strings.Replace(good, `"name":"etcd"`, `"name":"\u001b[2J"`, 1): `it has the name "\x1b[2J"`,
		strings.Replace(good, `"name":"stable"`, `"name":""`, 1):        `it has the name ""`, strings.Replace(good, `"1.0.0"`, `"1.0.0\n"`, 1): `it has the name "1.0.0\n"`,
		strings.Replace(good, `"head":"etcd.v1"`, `"head":"`+strings.Repeat("x", 2000)+`"`, 1): "it has the name",
		strings.Replace(good, `"name":"etcd"`, `"name":"etcd","defaultChannel":"\u009b"`, 1):   "it has the name",
		strings.Replace(good, `"whole"`, `"path":"x\u009b","whole"`, 1):                        `it goes to "x\u009b"`,
		`{"catalog":"a.io/b:c","packages":[` + strings.Repeat("0,", 1<<20) + `0]}`:             "it is not the list of a catalog's packages",
	}
	for body, want := range tests {
		var made oci.Memory
		root, err := made.Artifact(documents.ArtifactContents, []oci.ArtifactFile{{Title: "catalog-1.json", MediaType: "application/json", Body: []byte(body)}})
		if err != nil {
			t.Fatal(err)
		}
		list, err := ReadContents(t.Context(), &oci.Inventory{Documents: []oci.Document{{Name: DocumentContents, Root: root}}}, &made)
		var fault *oci.UnsupportedError
		if !errors.As(err, &fault) || list != nil || !strings.Contains(err.Error(), want) || text.ASCII(err.Error()) != err.Error() {
			t.Errorf("%.100s: got %v, want %s", body, err, want)
		}
	}
}
