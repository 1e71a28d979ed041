package manifests_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

const catalogDocuments = `{"schema":"olm.package","name":"etcd","defaultChannel":"stable"}
{"schema":"olm.channel","package":"etcd","name":"stable","entries":[{"name":"etcd.v1.0.0"},{"name":"etcd.v1.1.0","replaces":"etcd.v1.0.0"}]}
{"schema":"olm.bundle","package":"etcd","name":"etcd.v1.0.0","image":"q.io/etcd/bundle:1","properties":[{"type":"olm.package","value":{"packageName":"etcd","version":"1.0.0"}}],"relatedImages":[{"name":"x","image":"etcd"}]}
{"schema":"olm.bundle","package":"etcd","name":"etcd.v1.1.0","image":"q.io/etcd/bundle:2","properties":[{"type":"olm.package","value":{"packageName":"etcd","version":"1.1.0"}}]}
`

// TestReadMirrored reads what a mirror has, as it has it: indexes, whose first image counts.
func TestReadMirrored(t *testing.T) {
	t.Parallel()
	c := ocitest.New(3)
	ref := "q.io/art@sha256:" + strings.Repeat("a", 64)
	payload, err := c.Payload("4.16.3", "amd64", map[string]string{"etcd": ref})
	if err != nil {
		t.Fatal(err)
	}
	r, err := manifests.ReadRelease(t.Context(), c, c.Index(false, payload))
	if err != nil || r.Version != "4.16.3" || len(r.Components) != 1 || r.Components[0].Image.String() != ref {
		t.Errorf("%+v, %v", r, err)
	}
	catalog, err := c.Catalog("amd64", map[string][]byte{"etcd/catalog.json": []byte(catalogDocuments)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	selection := &manifests.Operator{Packages: []manifests.Package{{Name: "etcd", MinVersion: "1.1.0"}}}
	sure, err := manifests.ReadBundles(t.Context(), "catalog", c, c.Index(true, catalog), selection, func(b manifests.CatalogBundle) {
		got = append(got, fmt.Sprint(b.Package, " ", b.Name, " ", b.Images, " ", b.Chosen))
	}, func(pkg, why string) { t.Errorf("%s: %s", pkg, why) })
	want := []string{"etcd etcd.v1.0.0 [q.io/etcd/bundle:1 docker.io/library/etcd:latest] false", "etcd etcd.v1.1.0 [q.io/etcd/bundle:2] true"}
	if err != nil || !sure || !slices.Equal(got, want) {
		t.Errorf("%q, sure %v, %v; want %q", got, sure, err, want)
	}
	if _, err := manifests.ReadRelease(t.Context(), c, catalog); err == nil || !strings.Contains(err.Error(), "release payload") {
		t.Errorf("a catalog in the place of a release: %v", err)
	}
	var broken oci.Descriptor
	if broken, err = c.Catalog("amd64", map[string][]byte{"etcd/catalog.json": []byte(catalogDocuments), "bad/catalog.yaml": []byte("schema: olm.bundle\npackage: gone\nname: x\n")}); err != nil {
		t.Fatal(err)
	}
	sure, err = manifests.ReadBundles(t.Context(), "catalog", c, broken, nil, func(manifests.CatalogBundle) {}, nil)
	if err != nil || sure {
		t.Errorf("a catalog with a fault: sure %v, %v", sure, err)
	}
}
