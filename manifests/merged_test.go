package manifests

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/oci"
)

// mergedWeek is one week's catalog as the mirror would have it.
type mergedWeek struct {
	img  oci.Image
	docs []byte
	inv  *oci.Inventory
}

// resolveMerged resolves a configuration of one catalog, joined with those of earlier weeks.
func resolveMerged(t *testing.T, h *asktest.Catalogs, operators string, weeks ...*mergedWeek) (w mergedWeek, err error) {
	t.Helper()
	c := asktest.ParseOperators(t, operators)
	c.Extra.Merge = true
	for _, kept := range weeks {
		c.Extra.Kept = append(c.Extra.Kept, KeptCatalog{Path: kept.img.MirrorPath(), Tags: kept.img.MirrorTags(), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(kept.docs)), nil
		}})
	}
	if w.inv, err = Resolve(t.Context(), c, h); err != nil {
		return w, err
	}
	w.img = w.inv.Images[slices.IndexFunc(w.inv.Images, func(i oci.Image) bool { return i.Origin == OriginCatalog })]
	var docs bytes.Buffer
	if err := WriteCatalog(t.Context(), "catalog", &h.Stored, w.img.Root, &docs); err != nil {
		t.Fatal(err)
	}
	w.docs = docs.Bytes()
	return w, nil
}

// changesTo compares two weeks.
func (w mergedWeek) changesTo(t *testing.T, h *asktest.Catalogs, next mergedWeek) *CatalogChanges {
	t.Helper()
	var list []*CatalogIndex
	for _, k := range []mergedWeek{w, next} {
		x, err := ReadCatalog(t.Context(), "catalog", &h.Stored, k.img.Root)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = x.Close() }()
		list = append(list, x)
	}
	c, err := CompareCatalogs(list[0], list[1])
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func carries(inv *oci.Inventory, ref string) bool {
	return slices.ContainsFunc(inv.Images, func(i oci.Image) bool { return strings.HasPrefix(i.Source.String(), ref) })
}

// TestMergedCatalog packs a catalog three weeks in a row: its operators go from the catalog,
// and from the configuration, and the mirror's keeps them, with their images.
func TestMergedCatalog(t *testing.T) {
	t.Parallel()
	h := asktest.NewCatalogs()
	etcd := func(channels map[string]string, versions ...string) string {
		bundles := map[string]string{}
		for _, v := range versions {
			bundles[v] = "example.com/operand:" + v
		}
		return asktest.FBC("etcd", channels, bundles)
	}
	zoo := asktest.FBC("zoo", map[string]string{"stable": "3.0.0"}, map[string]string{"3.0.0": ""})
	h.PutCatalog(t, asktest.TestCatalog, map[string]string{
		"etcd/c.yaml": etcd(map[string]string{"stable": "1.0.0 1.1.0>1.0.0", "alpha": "0.9.0"}, "0.9.0", "1.0.0", "1.1.0"), "zoo/c.yaml": zoo, "other/c.yaml": asktest.FBC("other", map[string]string{"stable": "1.0.0"}, map[string]string{"1.0.0": ""}),
	})
	all := "  - catalog: " + asktest.TestCatalog + "\n    packages: [{name: etcd}, {name: zoo}]\n"
	first, err := resolveMerged(t, h, all)
	if err != nil {
		t.Fatal(err)
	}
	// A week later zoo and the channel alpha are withdrawn, 1.2.0 skips 1.1.0, and the
	// configuration names etcd alone.
	h.PutCatalog(t, asktest.TestCatalog, map[string]string{
		"etcd/c.yaml":  strings.Replace(etcd(map[string]string{"stable": "1.0.0 1.2.0>1.0.0"}, "1.0.0", "1.2.0"), "  replaces: etcd.v1.0.0\n", "  replaces: etcd.v1.0.0\n  skips: [etcd.v1.1.0]\n", 1),
		"other/c.yaml": asktest.FBC("other", map[string]string{"stable": "1.0.0 2.0.0>1.0.0"}, map[string]string{"1.0.0": "", "2.0.0": ""}),
	})
	h.Notes = nil
	one := "  - catalog: " + asktest.TestCatalog + "\n    packages: [{name: etcd}]\n"
	second, err := resolveMerged(t, h, one, &first)
	if err != nil {
		t.Fatal(err)
	}
	c := first.changesTo(t, h, second)
	if c.Shrinks() || !slices.Equal(c.Coming(), []string{"version 1.2.0 in channel stable of etcd"}) {
		t.Errorf("goes: %q, comes: %q", c.Going(), c.Coming())
	}
	for _, ref := range []string{"example.com/etcd:0.9.0", "example.com/operand:1.1.0", "example.com/operand:1.2.0", "example.com/zoo:3.0.0"} {
		if !carries(second.inv, ref) {
			t.Errorf("%s is not carried", ref)
		}
	}
	if carries(second.inv, "example.com/other") {
		t.Error("what nobody asked for is carried")
	}
	for _, want := range []string{
		`package "etcd": withdrawn from its catalog and kept: channel alpha, etcd.v1.1.0 from channel stable`,
		`package "zoo": withdrawn from its catalog and kept as a whole`,
		`stays as an earlier bundle carried it, and nothing asks for it: 1 version of package "etcd", package "zoo"`,
	} {
		if !slices.ContainsFunc(h.Notes, func(n string) bool { return strings.HasSuffix(n, want) }) {
			t.Errorf("no note %q in %q", want, h.Notes)
		}
	}
	// The same again is the same image.
	third, err := resolveMerged(t, h, one, &second)
	if err != nil || third.img.Root.Digest != second.img.Root.Digest {
		t.Errorf("again %v: %q", err, second.changesTo(t, h, third).Coming())
	}
	// A configuration that names what only the kept one has.
	if _, err := resolveMerged(t, h, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: zoo, channels: [{name: stable, minVersion: 3.0.0}]}]\n", &second); err != nil {
		t.Errorf("a package that was withdrawn: %v", err)
	}
	var wrong *ConfigError
	if _, err := resolveMerged(t, h, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: zoo, minVersion: 9.0.0}]\n", &second); !errors.As(err, &wrong) {
		t.Errorf("a version that nothing has: %v", err)
	}
}

// TestMergedCatalogRefused names each package that cannot be joined.
func TestMergedCatalogRefused(t *testing.T) {
	t.Parallel()
	h := asktest.NewCatalogs()
	put := func(version string) {
		files := map[string]string{}
		for _, name := range []string{"a", "b"} {
			files[name+"/c.yaml"] = asktest.FBC(name, map[string]string{"stable": version}, map[string]string{version: ""})
		}
		h.PutCatalog(t, asktest.TestCatalog, files)
	}
	put("2.0.0")
	set := "  - catalog: " + asktest.TestCatalog + "\n    packages: [{name: a}, {name: b}]\n"
	first, err := resolveMerged(t, h, set)
	if err != nil {
		t.Fatal(err)
	}
	put("1.0.0")
	_, err = resolveMerged(t, h, set, &first)
	var refused *CatalogMergeError
	if !errors.As(err, &refused) || refused.Package != "a" || !strings.Contains(err.Error(), `package "b": join it with what an earlier bundle carried: channel "stable": b.v2.0.0 was withdrawn from it`) {
		t.Errorf("%v", err)
	}
	first.docs = first.docs[:len(first.docs)-10]
	if _, err := resolveMerged(t, h, set, &first); err == nil || errors.As(err, &refused) || !strings.Contains(err.Error(), "as an earlier bundle carried it") {
		t.Errorf("documents that are not whole: %v", err)
	}
	// A catalog that is carried whole is not joined.
	whole := asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    full: true\n")
	whole.Extra.Merge, whole.Extra.Kept = true, []KeptCatalog{{Path: first.img.MirrorPath(), Tags: first.img.MirrorTags(), Open: func() (io.ReadCloser, error) {
		return nil, errors.New("it was opened")
	}}}
	if _, err := Resolve(t.Context(), whole, h); err != nil {
		t.Errorf("whole: %v", err)
	}
}

// TestMergedWithSeveral joins today's catalog with the newest one, which may never have arrived and
// carries less, and with the older one that did: nothing goes from either.
func TestMergedWithSeveral(t *testing.T) {
	t.Parallel()
	h := asktest.NewCatalogs()
	pkg := func(name, entries string, versions ...string) string {
		bundles := map[string]string{}
		for _, v := range versions {
			bundles[v] = "example.com/" + name + ":" + v
		}
		return asktest.FBC(name, map[string]string{"stable": entries}, bundles)
	}
	zoo, gone := pkg("zoo", "3.0.0", "3.0.0"), pkg("gone", "7.0.0", "7.0.0")
	h.PutCatalog(t, asktest.TestCatalog, map[string]string{"etcd/c.yaml": pkg("etcd", "1.0.0", "1.0.0"), "zoo/c.yaml": zoo, "gone/c.yaml": gone})
	set := func(names string) string {
		return "  - catalog: " + asktest.TestCatalog + "\n    packages: [" + names + "]\n"
	}
	arrived, err := resolveMerged(t, h, set("{name: etcd, minVersion: 1.0.0}, {name: zoo}, {name: gone}"))
	if err != nil {
		t.Fatal(err)
	}
	h.PutCatalog(t, asktest.TestCatalog, map[string]string{"etcd/c.yaml": pkg("etcd", "1.0.0 1.1.0>1.0.0", "1.0.0", "1.1.0"), "zoo/c.yaml": zoo})
	lost, err := resolveMerged(t, h, set("{name: etcd}"))
	if err != nil {
		t.Fatal(err)
	}
	if changes := arrived.changesTo(t, h, lost); !changes.Shrinks() {
		t.Fatalf("%+v", changes)
	}
	h.PutCatalog(t, asktest.TestCatalog, map[string]string{"etcd/c.yaml": pkg("etcd", "1.0.0 1.1.0>1.0.0 1.2.0>1.1.0", "1.0.0", "1.1.0", "1.2.0"), "zoo/c.yaml": zoo})
	now, err := resolveMerged(t, h, set("{name: etcd}"), &lost, &arrived)
	if err != nil {
		t.Fatal(err)
	}
	for _, before := range []mergedWeek{arrived, lost} {
		if changes := before.changesTo(t, h, now); changes.Shrinks() {
			t.Errorf("%+v", changes)
		}
	}
	for _, want := range []string{"etcd:1.0.0", "etcd:1.1.0", "etcd:1.2.0", "zoo:3.0.0", "gone:7.0.0"} {
		if !carries(now.inv, "example.com/"+want) {
			t.Errorf("%s is not carried", want)
		}
	}
}
