package operator

import (
	"fmt"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/oci"
)

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
	about := documents.CatalogContents{Catalog: asktest.TestCatalog, Whole: true}
	selected := func(left int, packages ...*catalog.Package) (*selection, int) {
		s := &selection{what: "catalog x", gathered: gathering{about: about}}
		for _, p := range packages {
			s.gathered.whole(p)
		}
		s.storeContents(&left)
		return s, left
	}
	read := func(s *selection) documents.CatalogContents {
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
	s, left := selected(documents.MaxAllContents, bulky("a", 30, 1000), bulky("b", 1, 10))
	if c := read(s); c.Heads() || len(c.Packages) != 2 || len(c.Packages[0].Channels[29].Versions) != 1000 || left+len(s.contents[0].Body) != documents.MaxAllContents {
		t.Errorf("%d bytes, %d left", len(s.contents[0].Body), left)
	}
	few, fewLeft := selected(left/20, bulky("a", 30, 1000), bulky("b", 1, 10)) // others have taken most
	if c := read(few); !c.Heads() || len(c.Packages) != 2 || len(c.Packages[0].Channels) != 30 || fewLeft >= left/20 {
		t.Errorf("%s, %d left", c.Versions, fewLeft)
	}
	s, _ = selected(documents.MaxAllContents, bulky("a", 100, 1000), bulky("b", 1, 10))
	if c := read(s); !c.Heads() || asktest.Written([]documents.CatalogContents{{Packages: c.Packages[1:]}}) != " false ; b default c, c00000 b.v1.000009 1.9.0=b.v1.000009\n" || c.Packages[0].Channels[7].Head != "a.v1.000999" {
		t.Errorf("%s", c.Versions)
	}
	if packages, channels, bundles := read(s).Count(); packages != 2 || channels != 101 || bundles != 2 {
		t.Errorf("%d, %d, %d", packages, channels, bundles)
	}
	var many []*catalog.Package
	for i := range 100 {
		many = append(many, bulky(fmt.Sprintf("p%03d", i), 600, 1))
	}
	s, left = selected(documents.MaxAllContents, many...)
	if len(s.contents) != 0 || left != documents.MaxAllContents || len(s.notes) != 1 || !strings.Contains(s.notes[0], "too many packages and versions to list them") {
		t.Errorf("%d files, %q", len(s.contents), s.notes)
	}
	commas := &catalog.Package{Name: strings.Repeat(",", 1000), Channels: []catalog.Channel{{Name: "c"}}}
	if s, _ = selected(documents.MaxAllContents, commas); len(s.contents) != 0 || len(s.notes) != 1 {
		t.Errorf("commas: %d files, %q", len(s.contents), s.notes)
	}
}

// TestContentsOfOddNames writes what catalogs call their parts as a terminal can bear it.
func TestContentsOfOddNames(t *testing.T) {
	p := &catalog.Package{Name: "a\x1b\u009b\x7f\xff", DefaultChannel: " ", Channels: []catalog.Channel{
		{Name: "", Entries: []catalog.Entry{{Name: "x\n"}, {Name: "gone"}, {Name: "y", Replaces: "x\n"}, {Name: "z"}}}},
		Bundles: []catalog.Bundle{{Name: "x\n", Version: "1.0.0", Release: "2"}, {Name: "y", Version: "1.0.0", Release: "10"}, {Name: "z", Version: "1.0.0", Release: "9"}}}
	s := &selection{gathered: gathering{about: documents.CatalogContents{Catalog: asktest.TestCatalog}}}
	s.gathered.whole(p)
	left := documents.MaxAllContents
	s.storeContents(&left)
	var made oci.Memory
	if _, err := made.Artifact(documents.ArtifactContents, s.contents); err != nil {
		t.Fatal(err)
	}
	c, err := documents.ParseContents(s.contents[0].Body)
	if got, want := asktest.Written([]documents.CatalogContents{c}), asktest.TestCatalog+" false ; a???? default ?, ? y 1.0.0-2=x? 1.0.0-9=z 1.0.0-10=y\n"; err != nil || got != want {
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
