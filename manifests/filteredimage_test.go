package manifests

import (
	"archive/tar"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestFilteredAround has the directories around those that are new as the image has
// them: without entries of their own they would get other modes. The layer that has
// them may be left out, and what was kept of them may be lost.
func TestFilteredAround(t *testing.T) {
	dir := func(name string, mode int64) ocitest.File {
		return ocitest.File{Name: name, Header: &tar.Header{Typeflag: tar.TypeDir, Mode: mode}}
	}
	const stale = "tmp/cache/digest"
	tests := []struct {
		name, cmd string
		upper     []ocitest.File
		want      string
	}{
		{"unknown", "", nil, "1777 tmp/"},
		{"its own", "", []ocitest.File{dir("tmp/", 0o1770), asktest.Entry("etc/x", "")}, "1770 tmp/"},
		{"of a layer left out", "", []ocitest.File{dir("tmp", 0o1775), asktest.Entry(stale, "")}, "1775 tmp/"},
		{"of a layer left out, and without a cache", "old", []ocitest.File{dir("tmp", 0o1775), asktest.Entry("configs/x", "")}, "1775 tmp/"},
		{"twice", "", []ocitest.File{dir("tmp/", 0o700), dir("./tmp/", 0o2755), asktest.Entry(stale, "")}, "2755 tmp/"},
		{"deeper", " --cache-dir=/var/tmp/a/c", []ocitest.File{dir("var/", 0o711), asktest.Entry("etc/x", "")}, "711 var/, 1777 var/tmp/, 755 var/tmp/a/"},
	}
	for _, tc := range tests {
		h := asktest.NewCatalogs()
		program := "cache-enforce-integrity"
		if tc.cmd == "old" {
			program, tc.cmd = "", ""
		}
		below := []oci.Descriptor{h.PutLayer(t, asktest.Entry("bin/opm", program), dir("opt/", 0o755)),
			h.PutLayer(t, asktest.Entry("configs/etcd/catalog.yaml", asktest.TestFiles()["etcd/catalog.yaml"]))}
		if tc.upper != nil {
			below = append(below, h.PutLayer(t, dir("tmp/", 0o711), asktest.Entry("etc/y", "")), h.PutLayer(t, tc.upper...))
		}
		run := ocitest.CatalogRun()
		run.Cmd = strings.Fields("serve /configs" + tc.cmd)
		h.Stack(asktest.TestCatalog, true, run, below...)
		for _, lost := range []string{"", "layers-around"} {
			for key := range h.Parsed {
				if lost != "" && strings.HasPrefix(key, lost) {
					delete(h.Parsed, key)
				}
			}
			_, _, ms, _ := FilteredImage(t, h, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: etcd}]\n")
			list, _, _ := h.EntriesOf(t, ms[0].Layers[len(ms[0].Layers)-1])
			var got []string
			for _, e := range list[:slices.Index(list, "5 755 configs/")] {
				got = append(got, strings.TrimPrefix(e, "5 "))
			}
			if strings.Join(got, ", ") != tc.want {
				t.Errorf("%s, lost %q: %q", tc.name, lost, got)
			}
		}
	}
}

// TestFilteredLink refuses to put the cache where a link leads.
func TestFilteredLink(t *testing.T) {
	h := asktest.NewCatalogs()
	run := ocitest.CatalogRun()
	run.Cmd = strings.Fields("serve /configs --cache-dir=/var/run/c")
	link := ocitest.File{Name: "var/run", Header: &tar.Header{Typeflag: tar.TypeSymlink, Linkname: "../run"}}
	h.Stack(asktest.TestCatalog, true, run, append(asktest.LayersOfTheTest(t, h), h.PutLayer(t, link))...)
	_, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: etcd}]\n"), h)
	var odd *oci.UnsupportedError
	if want := "catalog " + asktest.TestCatalog + ": its image has the cache in /var/run/c, and /var/run is no directory in it"; !errors.As(err, &odd) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}

// TestFilteredSystem refuses to replace a directory that has more than the catalog,
// unless there is nothing to filter.
func TestFilteredSystem(t *testing.T) {
	for _, label := range []string{"/bin", "/usr", "/srv/program"} {
		h := asktest.NewCatalogs()
		run := ocitest.CatalogRun()
		for k := range run.Labels {
			run.Labels[k] = label
		}
		run.Entrypoint, run.Cmd = []string{"/srv/program/opm"}, []string{"serve", label}
		h.Stack(asktest.TestCatalog, true, run, h.PutLayer(t, asktest.Entry("srv/program/opm", ""), asktest.Entry("bin/sh", "")), h.PutLayer(t, asktest.Entry(label[1:]+"/c.yaml", asktest.TestFiles()["etcd/catalog.yaml"])))
		_, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: etcd}]\n"), h)
		var odd *oci.UnsupportedError
		if want := "catalog " + asktest.TestCatalog + ": its label names " + label + " as its directory, which has more than a catalog"; !errors.As(err, &odd) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", label, err)
		}
	}
}

// TestFilteredUnsure does not keep what was noted of a layer that was not read to its end:
// of another platform's, whose bytes may have been others.
func TestFilteredUnsure(t *testing.T) {
	h := asktest.NewCatalogs()
	below := asktest.LayersOfTheTest(t, h)
	other := h.PutLayer(t, asktest.Entry("arm", ""), asktest.Entry("usr/x", ""))
	images := []oci.Descriptor{h.Content.Running("arm64", true, ocitest.CatalogRun(), append([]oci.Descriptor{other}, below...)...), h.Content.Running("amd64", true, ocitest.CatalogRun(), below...)}
	h.Roots[asktest.TestCatalog] = h.Content.IndexFor(true, []string{"arm64", "amd64"}, images...)
	_, _, ms, _ := FilteredImage(t, h, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: etcd}]\n")
	if ms[0].Layers[0].Digest != other.Digest || len(ms[0].Layers) != len(ms[1].Layers)+1 {
		t.Errorf("layers %+v", ms[0].Layers)
	}
	for key := range h.Parsed {
		if strings.Contains(key, other.Digest.Encoded()) {
			t.Errorf("%s is kept", key)
		}
	}
}
