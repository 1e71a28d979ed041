package manifests

import (
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/oci"
)

// TestCatalogFaults has things in a catalog that cannot be right: each is a gap where it is
// asked for, and the rest is carried; blockedImages and packages leave it out.
func TestCatalogFaults(t *testing.T) {
	etcd := asktest.FBC("etcd", map[string]string{"stable": "1.0.0 1.1.0>1.0.0 1.2.0>1.1.0"}, map[string]string{"1.0.0": "example.com/server:1.0", "1.1.0": "Example/UPPER:x example.com/server:1.1", "1.2.0": "example.com/server:1.2"})
	noVersion := strings.Replace(etcd, "packageName: etcd, version: 1.1.0", "packageName: etcd, version: v1", 1)
	oddImage := strings.Replace(etcd, "image: example.com/etcd:1.1.0\n", "image: example.com/ETCD:1.1.0\n", 1)
	oddCSV := strings.Replace(etcd, "{packageName: etcd, version: 1.1.0}}", "{packageName: etcd, version: 1.1.0}}, {type: olm.csv.metadata, value: {annotations: 1}}", 1)
	other := map[string]string{"other/x": asktest.FBC("other", map[string]string{"stable": "1.0.0"}, map[string]string{"1.0.0": ""})}
	const etcdAlone, all, whole = "    packages: [{name: etcd}]\n", "    full: true\n    packages: [{name: etcd}]\n", "    full: true\n"
	const from = "    packages: [{name: etcd, minVersion: 1.1.0}]\n"
	tests := []struct {
		name, body, in string
		gaps           string // what each says, joined
		carried        string // tags of example.com/etcd and example.com/server
	}{
		{"an odd image, not asked for", etcd, etcdAlone, "", "1.2.0 1.2"},
		{"an odd image in a range", etcd, from, `UPPER`, "1.1.0 1.2.0 1.1 1.2"},
		{"an odd image, all", etcd, all, `UPPER`, "1.0.0 1.1.0 1.2.0 1.0 1.1 1.2"},
		{"an odd image, as it is", etcd, whole, `UPPER`, "1.0.0 1.1.0 1.2.0 1.0 1.1 1.2"},
		{"an odd image, blocked", etcd, all + "  blockedImages: [{name: UPPER}]\n", "", "1.0.0 1.1.0 1.2.0 1.0 1.1 1.2"},
		{"an odd image, another package", etcd, "    packages: [{name: other}]\n", "", ""},
		{"an odd bundle", oddImage, all, "ETCD", "1.0.0 1.2.0 1.0 1.2"},
		{"an odd bundle, head", oddImage, etcdAlone, "", "1.2.0 1.2"},
		{"an odd bundle, blocked", oddImage, all + "  blockedImages: [{name: ETCD}]\n", "", "1.0.0 1.2.0 1.0 1.2"},
		{"no version", noVersion, all, `"v1"`, "1.0.0 1.2.0 1.0 1.2"},
		{"no version, head", noVersion, etcdAlone, "", "1.2.0 1.2"},
		{"no version, as it is", noVersion, whole, `UPPER`, "1.0.0 1.1.0 1.2.0 1.0 1.1 1.2"},
		{"no version, blocked", noVersion, all + "  blockedImages: [{name: 'etcd:1.1.0'}]\n", "", "1.0.0 1.2.0 1.0 1.2"},
		{"a bundle that cannot be served", oddCSV, all, "UPPER csv.metadata", "1.0.0 1.1.0 1.2.0 1.0 1.1 1.2"},
		{"a bundle that cannot be served, head", oddCSV, etcdAlone, "", "1.2.0 1.2"},
		{"a bundle that cannot be served, blocked", oddCSV, all + "  blockedImages: [{name: etcd:1.1.0}, {name: UPPER}]\n", "", "1.0.0 1.2.0 1.0 1.1 1.2"},
		{"a broken channel, named", strings.Replace(etcd, "name: stable\nentries:\n", "name: stable\nentries: none\nx:\n", 1), "    packages: [{name: etcd, channels: [{name: stable}]}, {name: other}]\n", "channel", ""},
		{"a broken package, named", strings.Replace(etcd, "name: etcd\ndefault", "name: 7\ndefault", 1), "    packages: [{name: etcd}, {name: other}]\n", "document 1", ""},
		{"a broken file", "schema: [", whole, "document 1", ""},
		{"a broken file of another", "schema: [", "    packages: [{name: other}]\n", "", ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			h := asktest.NewCatalogs()
			files := map[string]string{"etcd/x": tc.body}
			for name, body := range other {
				files[name] = body
			}
			h.PutCatalog(t, asktest.TestCatalog, files)
			inv, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n"+tc.in), h)
			gaps, ok := oci.Gaps(err)
			words := strings.Fields(tc.gaps)
			if !ok || len(gaps) != len(words) && tc.gaps != "document 1" {
				t.Fatalf("got %v", err)
			}
			for _, w := range words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v does not name %s", err, w)
				}
			}
			var got []string
			for _, repo := range []string{"etcd", "server"} {
				for _, i := range inv.Images {
					if i.Source.Repository == repo {
						got = append(got, i.Source.Tag)
					}
				}
			}
			if !slices.Equal(got, strings.Fields(tc.carried)) {
				t.Errorf("carried %q, notes %q", got, h.Notes)
			}
			if !slices.ContainsFunc(inv.Images, func(i oci.Image) bool { return i.Source.Repository == "cat/index" }) {
				t.Error("the catalog is not carried")
			}
		})
	}
}
