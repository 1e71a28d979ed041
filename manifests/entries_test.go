package manifests

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// pinnedHost has the catalog of the tests, by tag, by digest and by both.
func pinnedHost(t *testing.T) (h *asktest.Catalogs, byDigest, byBoth string) {
	t.Helper()
	h = asktest.NewCatalogs()
	root := h.Stack(asktest.TestCatalog, true, ocitest.CatalogRun(), asktest.LayersOfTheTest(t, h)...)
	byDigest, byBoth = "example.com/cat/index@"+root.Digest.String(), asktest.TestCatalog+"@"+root.Digest.String()
	h.Roots[byDigest], h.Roots[byBoth] = root, root
	return h, byDigest, byBoth
}

// TestBlockedFiltered holds patterns against a catalog's reference as it is configured,
// filtered or not.
func TestBlockedFiltered(t *testing.T) {
	h, byDigest, byBoth := pinnedHost(t)
	for _, rest := range []string{"packages: [{name: etcd}]", "full: true"} {
		for _, ref := range []string{asktest.TestCatalog, byDigest, byBoth} {
			for _, pattern := range []string{ref + "$", "cat/index", byBoth + "$"} {
				h.Notes = nil
				inv, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+ref+"\n    "+rest+"\n  blockedImages: [{name: '"+pattern+"'}]\n"), h)
				if err != nil {
					t.Fatal(err)
				}
				want := pattern == byBoth+"$" && ref != byBoth
				if got := slices.ContainsFunc(inv.Images, func(i oci.Image) bool { return i.Origin == origin.Catalog }); got != want {
					t.Errorf("%s, %s, %s: carried %t", ref, rest, pattern, got)
				}
				if notes := strings.Join(h.Notes, "\n"); !want && (!strings.Contains(notes, "leaves out 1 image: "+ref) || !strings.Contains(notes, "leaves out the catalog "+ref+":")) {
					t.Errorf("%s, %s, %s: notes %q", ref, rest, pattern, notes)
				}
				list, err := ReadContents(t.Context(), inv, &h.Stored)
				if err != nil || len(list) == 1 != want {
					t.Errorf("%s, %s, %s: %d contents, %v", ref, rest, pattern, len(list), err)
				}
			}
		}
	}
}

// TestEmitPullsNoMade has a node pull what rules lead to: a made image has none.
func TestEmitPullsNoMade(t *testing.T) {
	h, _, _ := pinnedHost(t)
	inv, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: etcd}]\n"), h)
	asktest.NoError(t, err)
	inv.Images = slices.DeleteFunc(inv.Images, func(i oci.Image) bool { return i.Source.Name() < "example.com/cat" })
	files, _, err := Emit(inv, Site{Mirror: oci.Mirror{Host: "m.example"}})
	asktest.NoError(t, err)
	apply := string(fileOf(t, files, "APPLY.md").Body)
	if strings.Contains(apply, "crictl pull example.com/cat/index") || !strings.Contains(apply, "crictl pull example.com/etcd") {
		t.Errorf("%s", apply)
	}
}

// TestContentsOfEntries tells two entries of one catalog apart, by where they go.
func TestContentsOfEntries(t *testing.T) {
	h, byDigest, byBoth := pinnedHost(t)
	for _, ref := range []string{asktest.TestCatalog, byDigest, byBoth} {
		for _, targets := range [][2]string{{"", "targetCatalog: ours/b"}, {"targetCatalog: ours/a", "targetCatalog: ours/b"}, {"targetTag: a", "targetTag: b"}} {
			inv, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+ref+"\n    packages: [{name: etcd}]\n    "+targets[0]+
				"\n  - catalog: "+ref+"\n    packages: [{name: prometheus}]\n    "+targets[1]+"\n"), h)
			asktest.NoError(t, err)
			all := inv.Images
			for _, lost := range []string{"", "etcd", "prometheus"} {
				inv.Images = slices.DeleteFunc(slices.Clone(all), func(i oci.Image) bool {
					first := i.Path == "" && !slices.Contains(i.Tags, "b") || i.Path == "ours/a"
					return i.Origin == origin.Catalog && (lost == "etcd" && first || lost == "prometheus" && !first)
				})
				list, err := ReadContents(t.Context(), inv, &h.Stored)
				names := ""
				for i, c := range list {
					if at := c.Elsewhere(); at == "" && targets[i] != "" && lost == "" {
						t.Errorf("%s to %s goes to its own place", ref, targets[i])
					}
					names += " " + c.Packages[0].Name
				}
				if want := strings.Replace(" etcd prometheus", " "+lost, "", min(len(lost), 1)); err != nil || names != want {
					t.Errorf("%s to %q without %q: got%s, want%s, %v", ref, targets, lost, names, want, err)
				}
			}
		}
	}
}

// servedCatalog is what tests look for in a CatalogSource.
type servedCatalog struct {
	Metadata struct{ Name string }
	Spec     struct{ Image, DisplayName string }
}

// sourcesOf reads the CatalogSources, by their names.
func sourcesOf(t *testing.T, files []File) map[string]servedCatalog {
	t.Helper()
	list := map[string]servedCatalog{}
	for _, f := range files {
		if strings.HasPrefix(f.Name, "catalogsource-") {
			var cs servedCatalog
			asktest.NoError(t, yaml.Unmarshal(f.Body, &cs))
			list[cs.Metadata.Name] = cs
		}
	}
	return list
}

// TestEmitEntries has a CatalogSource for each entry of one catalog, with a name and a
// template of its own.
func TestEmitEntries(t *testing.T) {
	h, byDigest, byBoth := pinnedHost(t)
	for _, tc := range []struct {
		a, b         string // what else the entries have
		names        map[string]string
		wantA, wantB string
	}{
		{"targetCatalog: ours/a", "targetCatalog: ours/b", nil, "index", "b"},
		{"targetCatalog: ours/b", "targetCatalog: ours/a", nil, "b", "index"},
		{"targetTag: x", "targetCatalog: ours/b", nil, "index", "b"},
		{"targetTag: y", "targetTag: x", nil, "index-y", "index"},
		{"targetCatalog: a/index", "targetCatalog: b/index", nil, "index", "index-HASH"},
		{"targetCatalog: ours/a", "targetCatalog: ours/b", map[string]string{"ours/b": "mine"}, "index", "mine"},
		{"targetCatalog: ours/a", "targetCatalog: ours/b", map[string]string{"ours/a": "mine"}, "mine", "index"},
		{"targetCatalog: ours/a\n    targetTag: x", "targetCatalog: ours/a\n    targetTag: y", map[string]string{"ours/a:y": "mine", "ours/a": "other"}, "other", "mine"},
	} {
		for _, ref := range []string{asktest.TestCatalog, byDigest, byBoth} {
			c := asktest.ParseOperators(t, "  - catalog: "+ref+"\n    packages: [{name: etcd}]\n    targetCatalogSourceTemplate: etcd\n    "+tc.a+
				"\n  - catalog: "+ref+"\n    packages: [{name: prometheus}]\n    targetCatalogSourceTemplate: prometheus\n    "+tc.b+"\n")
			asktest.NoError(t, c.ReadTemplates(func(name string) ([]byte, error) {
				return []byte("apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\nspec: {displayName: " + name + "}\n"), nil
			}))
			inv, err := Resolve(t.Context(), c, h)
			asktest.NoError(t, err)
			files, _, err := Emit(inv, Site{Mirror: oci.Mirror{Host: "m.example"}, CatalogNames: tc.names, Templates: c.Extra.Templates})
			asktest.NoError(t, err)
			got := map[string]string{}
			for name, cs := range sourcesOf(t, files) {
				if i := strings.LastIndexByte(name, '-'); len(name)-i == 9 {
					name = name[:i] + "-HASH"
				}
				got[cs.Spec.DisplayName] = name
			}
			if want := map[string]string{"etcd": tc.wantA, "prometheus": tc.wantB}; !maps.Equal(got, want) {
				t.Errorf("%s, %s: got %q, want %q", ref, tc.a, got, want)
			}
		}
	}
	inv, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    targetCatalog: ours/a\n  - catalog: "+asktest.TestCatalog+"\n    targetCatalog: ours/b\n"), h)
	asktest.NoError(t, err)
	_, _, err = Emit(inv, Site{Mirror: oci.Mirror{Host: "m.example"}, CatalogNames: map[string]string{asktest.TestCatalog: "one"}})
	var site *SiteError
	if !errors.As(err, &site) || site.Hint() != "give one of them another name, for example ours/b:v1=NAME" {
		t.Errorf("got %v", err)
	}
}

// TestEmitNamesStay: the names of catalogs do not depend on what was made of them.
func TestEmitNamesStay(t *testing.T) {
	for _, tags := range [][2]string{{"", ""}, {"v1", "v1"}, {"v2", "v1"}} {
		var first []string
		for made := range 8 {
			var inv oci.Inventory
			for i, name := range []string{"A", "B"} {
				d := oci.Digest([]byte(fmt.Sprint(name, made)))
				img := oci.Image{Origin: origin.Catalog, Source: oci.Ref{Registry: "registry.redhat.io", Repository: "redhat/redhat-operator-index", Tag: tags[i], Digest: d},
					Root: oci.Descriptor{MediaType: oci.MediaTypeIndex, Digest: d, Size: 1}, Built: true, Path: "x/" + strings.ToLower(name)}
				img.Base = img.Source.WithDigest(oci.Digest([]byte(name)))
				inv.Images = append(inv.Images, img)
			}
			files, _, err := Emit(&inv, Site{Mirror: oci.Mirror{Host: "m.example"}})
			asktest.NoError(t, err)
			var names []string
			for name, cs := range sourcesOf(t, files) {
				image, _, _ := strings.Cut(cs.Spec.Image, "@")
				names = append(names, image+" "+name)
			}
			slices.Sort(names)
			if first == nil {
				first = names
			}
			if len(names) != 2 || !slices.Equal(names, first) {
				t.Errorf("%q: got %q, and before %q", tags, names, first)
			}
		}
	}
}
