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

// TestFilteredLink puts catalog and cache where the links of the image lead, reads the
// catalog through them, and finds the program behind one.
func TestFilteredLink(t *testing.T) {
	link := func(name, to string) ocitest.File {
		return ocitest.File{Name: name, Header: &tar.Header{Typeflag: tar.TypeSymlink, Linkname: to}}
	}
	etcd := asktest.TestFiles()["etcd/catalog.yaml"]
	tests := []struct {
		name, cmd string
		layers    [][]ocitest.File // besides that of the program
		want      []string         // of the new layer
		left      int              // layers that stay
	}{
		{"cache", "/configs --cache-dir=/var/run/c", [][]ocitest.File{{asktest.Entry("configs/x.yaml", etcd)}, {link("var/run", "../run")}},
			[]string{"5 755 configs/", "0 644 configs/etcd/catalog.json", "5 777 run/c/", "0 644 run/c/digest"}, 2},
		{"catalog", "/configs", [][]ocitest.File{{asktest.Entry("srv/cat/x.yaml", etcd)}, {link("configs", "/srv/cat"), asktest.Entry("etc/x", "")}},
			[]string{"5 755 configs/", "0 644 configs/etcd/catalog.json", "5 777 tmp/cache/"}, 2},
		{"a directory above", "/a/cat", [][]ocitest.File{{asktest.Entry("srv/cat/x.yaml", etcd)}, {link("a", "/srv"), asktest.Entry("srv/x", "")}},
			[]string{"5 755 srv/cat/", "0 644 srv/cat/etcd/catalog.json", "5 777 tmp/cache/"}, 2},
		{"file", "/configs", [][]ocitest.File{{asktest.Entry("srv/x", etcd)}, {link("configs/x.yaml", "../srv/x")}},
			[]string{"5 755 configs/", "0 644 configs/etcd/catalog.json", "5 777 tmp/cache/"}, 2},
		{"program", "/configs", [][]ocitest.File{{asktest.Entry("configs/x.yaml", etcd)}, {asktest.Entry("usr/bin/opm-v1", "cache-enforce-integrity"), link("bin/opm", "../usr/bin/opm-v1")}},
			[]string{"5 755 configs/", "5 777 tmp/cache/"}, 2},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			h := asktest.NewCatalogs()
			run := ocitest.CatalogRun()
			run.Cmd = strings.Fields("serve " + tc.cmd)
			if dir, _, _ := strings.Cut(tc.cmd, " "); dir != "/configs" { // as a cluster, which looks at no label
				run.Labels = nil
			}
			program := "bin/opm"
			if tc.name == "program" {
				program = "bin/sh"
			}
			list := []oci.Descriptor{h.PutLayer(t, asktest.Entry(program, "cache-enforce-integrity"))}
			for _, files := range tc.layers {
				list = append(list, h.PutLayer(t, files...))
			}
			h.Stack(asktest.TestCatalog, true, run, list...)
			_, _, ms, _ := FilteredImage(t, h, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: etcd}]\n")
			entries, _, _ := h.EntriesOf(t, ms[0].Layers[len(ms[0].Layers)-1])
			for _, want := range tc.want {
				if !slices.Contains(entries, want) {
					t.Errorf("no %s in %q", want, entries)
				}
			}
			if slices.ContainsFunc(entries, func(e string) bool { return strings.Contains(e, "var/run") }) || len(ms[0].Layers) != tc.left+1 {
				t.Errorf("%d layers, %q", len(ms[0].Layers), entries)
			}
		})
	}
}

// TestFilteredLinkAway refuses to replace a directory of the system that a link leads to.
func TestFilteredLinkAway(t *testing.T) {
	h := asktest.NewCatalogs()
	run := ocitest.CatalogRun()
	run.Cmd = strings.Fields("serve /configs --cache-dir=/x/lib")
	link := ocitest.File{Name: "x", Header: &tar.Header{Typeflag: tar.TypeSymlink, Linkname: "usr"}}
	h.Stack(asktest.TestCatalog, true, run, append(asktest.LayersOfTheTest(t, h), h.PutLayer(t, link))...)
	_, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: etcd}]\n"), h)
	var odd *oci.UnsupportedError
	if want := "its directory /x/lib is /usr/lib in its image, which has more than a catalog"; !errors.As(err, &odd) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}
