package manifests

import (
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// pinnedHost has the catalog of the tests, by tag, by digest and by both.
func pinnedHost(t *testing.T) (h *catalogHost, byDigest, byBoth string) {
	t.Helper()
	h = newCatalogHost()
	root := h.stack(testCatalog, true, ocitest.CatalogRun(), layersOfTheTest(t, h)...)
	byDigest, byBoth = "example.com/cat/index@"+root.Digest.String(), testCatalog+"@"+root.Digest.String()
	h.roots[byDigest], h.roots[byBoth] = root, root
	return h, byDigest, byBoth
}

// TestBlockedFiltered holds patterns against a catalog's reference as it is configured,
// filtered or not.
func TestBlockedFiltered(t *testing.T) {
	h, byDigest, byBoth := pinnedHost(t)
	for _, rest := range []string{"packages: [{name: etcd}]", "full: true"} {
		for _, ref := range []string{testCatalog, byDigest, byBoth} {
			for _, pattern := range []string{ref + "$", "cat/index", byBoth + "$"} {
				h.notes = nil
				inv, err := Resolve(t.Context(), parsed(t, "  - catalog: "+ref+"\n    "+rest+"\n  blockedImages: [{name: '"+pattern+"'}]\n"), h)
				if err != nil {
					t.Fatal(err)
				}
				want := pattern == byBoth+"$" && ref != byBoth
				if got := slices.ContainsFunc(inv.Images, func(i oci.Image) bool { return i.Origin == oci.OriginCatalog }); got != want {
					t.Errorf("%s, %s, %s: carried %t", ref, rest, pattern, got)
				}
				if notes := strings.Join(h.notes, "\n"); !want && (!strings.Contains(notes, "leaves out 1 image: "+ref) || !strings.Contains(notes, "leaves out the catalog "+ref+":")) {
					t.Errorf("%s, %s, %s: notes %q", ref, rest, pattern, notes)
				}
				list, err := ReadContents(t.Context(), inv, &h.kept)
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
	inv, err := Resolve(t.Context(), parsed(t, "  - catalog: "+testCatalog+"\n    packages: [{name: etcd}]\n"), h)
	must(t, err)
	inv.Images = slices.DeleteFunc(inv.Images, func(i oci.Image) bool { return i.Source.Name() < "example.com/cat" })
	files, _, err := Emit(inv, Site{Mirror: oci.Mirror{Host: "m.example"}})
	must(t, err)
	apply := string(fileOf(t, files, fileApply).Body)
	if strings.Contains(apply, "crictl pull example.com/cat/index") || !strings.Contains(apply, "crictl pull example.com/etcd") {
		t.Errorf("%s", apply)
	}
}

// TestContentsOfEntries tells two entries of one catalog apart, by where they go.
func TestContentsOfEntries(t *testing.T) {
	h, byDigest, byBoth := pinnedHost(t)
	for _, ref := range []string{testCatalog, byDigest, byBoth} {
		for _, targets := range [][2]string{{"", "targetCatalog: ours/b"}, {"targetCatalog: ours/a", "targetCatalog: ours/b"}, {"targetTag: a", "targetTag: b"}} {
			inv, err := Resolve(t.Context(), parsed(t, "  - catalog: "+ref+"\n    packages: [{name: etcd}]\n    "+targets[0]+
				"\n  - catalog: "+ref+"\n    packages: [{name: prometheus}]\n    "+targets[1]+"\n"), h)
			must(t, err)
			all := inv.Images
			for _, lost := range []string{"", "etcd", "prometheus"} {
				inv.Images = slices.DeleteFunc(slices.Clone(all), func(i oci.Image) bool {
					first := i.Path == "" && !slices.Contains(i.Tags, "b") || i.Path == "ours/a"
					return i.Origin == oci.OriginCatalog && (lost == "etcd" && first || lost == "prometheus" && !first)
				})
				list, err := ReadContents(t.Context(), inv, &h.kept)
				names := ""
				for _, c := range list {
					names += " " + c.Packages[0].Name
				}
				if want := strings.Replace(" etcd prometheus", " "+lost, "", min(len(lost), 1)); err != nil || names != want {
					t.Errorf("%s to %q without %q: got%s, want%s, %v", ref, targets, lost, names, want, err)
				}
			}
		}
	}
}
