package manifests

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// contentsOf resolves a configuration of operators and reads the document of it.
func contentsOf(t *testing.T, h *catalogHost, c *Config) []CatalogContents {
	t.Helper()
	inv, err := Resolve(t.Context(), c, h)
	if err != nil {
		t.Fatal(err)
	}
	list, err := ReadContents(t.Context(), inv, &h.kept)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// written writes contents as "CATALOG WHOLE VERSIONS; PACKAGE default DEFAULT: CHANNEL HEAD VERSIONS, ...; ..."
func written(list []CatalogContents) string {
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "%s %t %s", c.Catalog, c.Whole, c.Versions)
		for _, p := range c.Packages {
			fmt.Fprintf(&b, "; %s default %s", p.Name, p.DefaultChannel)
			if p.Dependency {
				b.WriteString(" required")
			}
			for _, ch := range p.Channels {
				fmt.Fprintf(&b, ", %s %s", ch.Name, ch.Head)
				for _, v := range ch.Versions {
					fmt.Fprintf(&b, " %s=%s", v.Version, v.Bundle)
				}
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestContents(t *testing.T) {
	const at = "  - catalog: " + testCatalog + "\n"
	tests := []struct{ name, in, want string }{
		{"heads of every channel", at, " false ; etcd default stable, alpha etcd.v2.0.0 2.0.0=etcd.v2.0.0, next etcd.v2.0.0 2.0.0=etcd.v2.0.0, stable etcd.v1.1.0 1.1.0=etcd.v1.1.0; prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0\n"},
		{"a range", at + "    packages: [{name: etcd, channels: [{name: stable, minVersion: 1.0.0}]}]\n", " false ; etcd default stable, stable etcd.v1.1.0 1.0.0=etcd.v1.0.0 1.1.0=etcd.v1.1.0\n"},
		{"another default channel", at + "    packages: [{name: etcd, defaultChannel: next, channels: [{name: next}]}]\n", " false ; etcd default next, next etcd.v2.0.0 2.0.0=etcd.v2.0.0\n"},
		{"a full package", at + "    full: true\n    packages: [{name: prometheus}]\n", " false ; prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0\n"},
		{"whole", at + "    full: true\n", " true ; etcd default stable, alpha etcd.v2.0.0 1.1.0=etcd.v1.1.0 2.0.0=etcd.v2.0.0, next etcd.v2.0.0 2.0.0=etcd.v2.0.0, stable etcd.v1.1.0 1.0.0=etcd.v1.0.0 1.1.0=etcd.v1.1.0; prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0\n"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			h := newCatalogHost()
			h.catalog(t, testCatalog, testFiles())
			if got := written(contentsOf(t, h, parsed(t, tc.in))); got != testCatalog+tc.want {
				t.Errorf("got  %swant %s", got, testCatalog+tc.want)
			}
		})
	}
}

// TestContentsOfDependencies tells what only others require.
func TestContentsOfDependencies(t *testing.T) {
	h := newCatalogHost()
	h.catalog(t, testCatalog, map[string]string{"x": needy("app", "1.0.0="+property("olm.package.required", "{packageName: foo, versionRange: '<2.0.0'}")) + needy("foo", "1.0.0", "2.0.0")})
	h.catalog(t, "example.com/other:v2", map[string]string{"x": needy("alone", "1.0.0")})
	c := parsed(t, "  - catalog: "+testCatalog+"\n    packages: [{name: app}]\n  - catalog: example.com/other:v2\n    full: true\n")
	c.Extra.WithDependencies = true
	const want = testCatalog + " false ; app default stable, stable app.v1.0.0 1.0.0=app.v1.0.0; foo default stable required, stable foo.v1.0.0 1.0.0=foo.v1.0.0\n" +
		"example.com/other:v2 true ; alone default stable, stable alone.v1.0.0 1.0.0=alone.v1.0.0\n"
	if got := written(contentsOf(t, h, c)); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	if list := contentsOf(t, h, parsed(t, "  - catalog: "+testCatalog+"\n    full: true\n  additionalImages: [{name: a.io/b:c}]\n")); len(list) != 1 {
		t.Errorf("%d catalogs", len(list))
	}
	if list := contentsOf(t, h, parsed(t, "  additionalImages: [{name: a.io/b:c}]\n")); list != nil {
		t.Errorf("without catalogs: %+v", list)
	}
}

// TestContentsOfGaps leaves out catalogs that are not carried.
func TestContentsOfGaps(t *testing.T) {
	h := newCatalogHost()
	h.catalog(t, testCatalog, testFiles())
	h.catalog(t, "example.com/other:v2", map[string]string{"x": needy("alone", "1.0.0")})
	inv, err := Resolve(t.Context(), parsed(t, "  - catalog: "+testCatalog+"\n  - catalog: example.com/other:v2\n"), h)
	if err != nil {
		t.Fatal(err)
	}
	inv.Images = slices.DeleteFunc(inv.Images, func(i oci.Image) bool { return i.Source.String() == testCatalog })
	list, err := ReadContents(t.Context(), inv, &h.kept)
	if err != nil || len(list) != 1 || list[0].Catalog != "example.com/other:v2" {
		t.Errorf("%+v, %v", list, err)
	}
}

// bulky is a package with so many versions, of which the names say nothing much.
func bulky(name string, channels, versions int) *catalog.Package {
	p := &catalog.Package{Name: name, DefaultChannel: "c"}
	for k := range channels {
		ch := catalog.Channel{Name: fmt.Sprintf("c%05d", k)}
		for i := range versions {
			ch.Entries = append(ch.Entries, catalog.Entry{Name: fmt.Sprintf("%s.v1.%06d", name, i), Skips: []string{fmt.Sprintf("%s.v1.%06d", name, i-1)}})
		}
		p.Channels = append(p.Channels, ch)
	}
	for i := range versions {
		p.Bundles = append(p.Bundles, catalog.Bundle{Name: fmt.Sprintf("%s.v1.%06d", name, i), Version: fmt.Sprintf("1.%d.0", i)})
	}
	return p
}

// TestContentsTooLarge lists less of what is too much, and never fails.
func TestContentsTooLarge(t *testing.T) {
	about := CatalogContents{Catalog: testCatalog, Whole: true}
	settled := func(left int, packages ...*catalog.Package) (*selection, int) {
		s := &selection{what: "catalog x", gathered: gathering{about: about}}
		for _, p := range packages {
			s.gathered.whole(p)
		}
		s.settle(&left)
		return s, left
	}
	read := func(s *selection) CatalogContents {
		t.Helper()
		if len(s.contents) != 1 || len(s.notes) != 0 {
			t.Fatalf("%d files, %q", len(s.contents), s.notes)
		}
		c, err := documents.ParseContents(s.contents[0].Body)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	s, left := settled(documents.MaxAllContents, bulky("a", 30, 1000), bulky("b", 1, 10))
	if c := read(s); c.Heads() || len(c.Packages) != 2 || len(c.Packages[0].Channels[29].Versions) != 1000 || left+len(s.contents[0].Body) != documents.MaxAllContents {
		t.Errorf("%d bytes, %d left", len(s.contents[0].Body), left)
	}
	few, fewLeft := settled(left/20, bulky("a", 30, 1000), bulky("b", 1, 10)) // others have taken most
	if c := read(few); !c.Heads() || len(c.Packages) != 2 || len(c.Packages[0].Channels) != 30 || fewLeft >= left/20 {
		t.Errorf("%s, %d left", c.Versions, fewLeft)
	}
	s, _ = settled(documents.MaxAllContents, bulky("a", 100, 1000), bulky("b", 1, 10))
	if c := read(s); !c.Heads() || written([]CatalogContents{{Packages: c.Packages[1:]}}) != " false ; b default c, c00000 b.v1.000009 1.9.0=b.v1.000009\n" || c.Packages[0].Channels[7].Head != "a.v1.000999" {
		t.Errorf("%s", c.Versions)
	}
	if packages, channels, bundles := read(s).Count(); packages != 2 || channels != 101 || bundles != 2 {
		t.Errorf("%d, %d, %d", packages, channels, bundles)
	}
	var many []*catalog.Package
	for i := range 100 {
		many = append(many, bulky(fmt.Sprintf("p%03d", i), 600, 1))
	}
	s, left = settled(documents.MaxAllContents, many...)
	if len(s.contents) != 0 || left != documents.MaxAllContents || len(s.notes) != 1 || !strings.Contains(s.notes[0], "too many packages and versions to list them") {
		t.Errorf("%d files, %q", len(s.contents), s.notes)
	}
	commas := &catalog.Package{Name: strings.Repeat(",", 1000), Channels: []catalog.Channel{{Name: "c"}}}
	if s, _ = settled(documents.MaxAllContents, commas); len(s.contents) != 0 || len(s.notes) != 1 {
		t.Errorf("commas: %d files, %q", len(s.contents), s.notes)
	}
}

// TestContentsOfOddNames writes what catalogs call their parts as a terminal can bear it.
func TestContentsOfOddNames(t *testing.T) {
	p := &catalog.Package{Name: "a\x1b\u009b\x7f\xff", DefaultChannel: " ", Channels: []catalog.Channel{
		{Name: "", Entries: []catalog.Entry{{Name: "x\n"}, {Name: "gone"}, {Name: "y", Replaces: "x\n"}, {Name: "z"}}}},
		Bundles: []catalog.Bundle{{Name: "x\n", Version: "1.0.0", Release: "2"}, {Name: "y", Version: "1.0.0", Release: "10"}, {Name: "z", Version: "1.0.0", Release: "9"}}}
	s := &selection{gathered: gathering{about: CatalogContents{Catalog: testCatalog}}}
	s.gathered.whole(p)
	left := documents.MaxAllContents
	s.settle(&left)
	var made oci.Memory
	if _, err := made.Artifact(documents.ArtifactContents, s.contents); err != nil {
		t.Fatal(err)
	}
	c, err := documents.ParseContents(s.contents[0].Body)
	if got, want := written([]CatalogContents{c}), testCatalog+" false ; a???? default ?, ? y 1.0.0-2=x? 1.0.0-9=z 1.0.0-10=y\n"; err != nil || got != want {
		t.Errorf("got  %q\nwant %q, %v", got, want, err)
	}
}

// TestContentsHead takes the bundle that no other updates, not the highest version.
func TestContentsHead(t *testing.T) {
	p := &catalog.Package{Name: "a", Bundles: []catalog.Bundle{{Name: "one", Version: "1.0.0"}, {Name: "two", Version: "2.0.0"}}}
	c, head := channelContents(p, catalog.Channel{Name: "c", Entries: []catalog.Entry{{Name: "two"}, {Name: "one", Skips: []string{"two"}}}})
	if c.Head != "one" || len(head) != 1 || head[0].Version != "1.0.0" || c.Versions[1].Bundle != "two" {
		t.Errorf("%+v, %+v", c, head)
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
