package manifests

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// FilteredImage resolves a configuration and reads the catalog's image: its index, and
// of each platform the manifest and the config.
func FilteredImage(t *testing.T, h *asktest.Catalogs, operators string) (img oci.Image, index ispec.Index, ms []ispec.Manifest, cs []ispec.Image) {
	t.Helper()
	inv, err := Resolve(t.Context(), asktest.ParseOperators(t, operators), h)
	if err != nil {
		t.Fatal(err)
	}
	img = inv.Images[slices.IndexFunc(inv.Images, func(i oci.Image) bool { return i.Origin == OriginCatalog })]
	read := func(d oci.Descriptor, to any) {
		body, err := oci.ReadBlob(t.Context(), &h.Stored, d, 1<<20)
		if err == nil {
			err = json.Unmarshal(body, to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	read(img.Root, &index)
	for _, d := range index.Manifests {
		var m ispec.Manifest
		var c ispec.Image
		read(d, &m)
		read(m.Config, &c)
		ms, cs = append(ms, m), append(cs, c)
	}
	return img, index, ms, cs
}

// TestFilteredImage holds every part of what is made: layers, entries, config, index.
func TestFilteredImage(t *testing.T) {
	for _, docker := range []bool{true, false} {
		h := asktest.NewCatalogs()
		below := asktest.LayersOfTheTest(t, h)
		root := h.Stack(asktest.TestCatalog, docker, ocitest.CatalogRun(), below...)
		img, index, ms, cs := FilteredImage(t, h, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: etcd, channels: [{name: stable}]}]\n")
		if img.Base.String() != "example.com/cat/index@"+root.Digest.String() || !img.Built || img.Source.String() != asktest.TestCatalog || !slices.Equal(img.Platforms, []string{"linux/amd64", "linux/arm64"}) {
			t.Errorf("%+v", img)
		}
		image, layer := oci.MediaTypeManifest, ocitest.LayerGzip
		if docker {
			image, layer = oci.MediaTypeDockerManifest, ocitest.LayerDocker
		}
		if img.Root.MediaType != root.MediaType || len(ms) != 2 {
			t.Fatalf("%s of %d", img.Root.MediaType, len(ms))
		}
		for i, arch := range []string{"arm64", "amd64"} {
			m, c := ms[i], cs[i]
			if d := index.Manifests[i]; d.MediaType != image || d.Platform.Architecture != arch || c.Architecture != arch {
				t.Errorf("image %d: %+v", i, d)
			}
			if len(m.Layers) != 3 || m.Layers[0].Digest != below[0].Digest || m.Layers[1].Digest != below[4].Digest || m.Layers[2].MediaType != layer {
				t.Fatalf("layers %+v", m.Layers)
			}
			list, diff, _ := h.EntriesOf(t, m.Layers[2])
			want := []string{"5 700 tmp/", "5 755 configs/", "0 644 configs/.wh..wh..opq", "5 755 configs/etcd/", "0 644 configs/etcd/catalog.json",
				"5 777 tmp/cache/", "0 644 tmp/cache/.wh..wh..opq", "5 777 tmp/cache/cache/",
				"0 644 tmp/cache/cache/etcd_stable_etcd.v1.1.0.json", "0 644 tmp/cache/cache/packages.json", "0 644 tmp/cache/digest"}
			if !slices.Equal(list, want) {
				t.Errorf("entries %q", list)
			}
			if len(c.RootFS.DiffIDs) != 3 || c.RootFS.DiffIDs[2].String() != diff || len(c.History) != 3 || c.History[2].CreatedBy != "satchel: the catalog, filtered" || c.History[2].Created != nil {
				t.Errorf("%+v, %+v", c.RootFS, c.History)
			}
			run := ocitest.CatalogRun()
			run.Cmd = append(run.Cmd, "--cache-enforce-integrity=false")
			if a, b := fmt.Sprint(c.Config), fmt.Sprint(run); a != b {
				t.Errorf("it runs %s, not %s", a, b)
			}
		}
	}
}

// TestFilteredAgain makes the same of the same, with and without what was kept.
func TestFilteredAgain(t *testing.T) {
	const ask = "  - catalog: " + asktest.TestCatalog + "\n    packages: [{name: etcd}]\n"
	var digests []string
	for range 2 {
		h := asktest.NewCatalogs()
		h.Stack(asktest.TestCatalog, true, ocitest.CatalogRun(), asktest.LayersOfTheTest(t, h)...)
		for range 2 {
			img, _, _, _ := FilteredImage(t, h, ask)
			digests = append(digests, img.Root.Digest.String())
		}
		before := len(h.Opened)
		FilteredImage(t, h, ask)
		if slices.Contains(h.Opened[before:], ocitest.LayerDocker) {
			t.Error("layers are read again")
		}
	}
	if slices.Sort(digests); digests[0] != digests[len(digests)-1] {
		t.Errorf("digests %q", digests)
	}
}

// TestFilteredCommands makes a cache where the program reads one, and not elsewhere.
func TestFilteredCommands(t *testing.T) {
	const knows = "--cache-dir=/tmp/cache --cache-enforce-integrity=false"
	tests := []struct {
		name, program   string
		entrypoint, cmd string
		want, cache     string
		note            string
	}{
		{"a program that knows", "..." + "cache-enforce-integrity", "/bin/opm", "serve /configs", "serve /configs " + knows, "tmp/cache/digest", ""},
		{"one that does not", "old", "/bin/opm", "serve /configs", "serve /configs", "", `the program "opm", which serves it, is too old to read a cache, or is no opm: the pod may need a directory for temporary files that it can write`},
		{"one that is not there", "cache-enforce-integrity", "/bin/other", "serve /configs", "serve /configs", "", `the program "other", which serves it, was not found in its image: there is no cache for it`},
		{"another directory", "old", "/bin/opm", "serve /configs --cache-dir /var/lib/c", "serve /configs --cache-dir /var/lib/c", "var/lib/c/digest", ""},
		{"its own directory", "cache-enforce-integrity", "/bin/opm", "serve /configs --cache-dir=/tmp/cache", "serve /configs " + knows, "tmp/cache/digest", ""},
		{"a directory that has more", "cache-enforce-integrity", "/bin/opm", "serve /configs --cache-dir=/bin", "serve /configs --cache-dir=/bin " + knows, "tmp/cache/digest", ""},
		{"the catalog's directory", "cache-enforce-integrity", "/bin/opm", "serve /configs --cache-dir=/configs/c", "serve /configs --cache-dir=/configs/c " + knows, "tmp/cache/digest", ""},
		{"another catalog", "cache-enforce-integrity", "/bin/opm", "serve --port 1 /other --debug", "serve --port 1 /configs --debug " + knows, "tmp/cache/digest", "its image serves /other, and its label says /configs: the filtered one serves what the label says"},
		{"another catalog, and a cache", "cache-enforce-integrity", "/bin/opm serve /other", "--cache-dir=../tmp/cache", "--cache-dir=../tmp/cache --cache-enforce-integrity=false", "tmp/cache/digest", "its image serves /other, and its label says /configs: the filtered one serves what the label says"},
		{"from where it runs", "old", "/bin/opm", "serve ../configs --cache-dir=c/d", "serve ../configs --cache-dir=c/d", "srv/c/d/digest", ""},
		{"no telling", "cache-enforce-integrity", "/bin/opm", "serve --new x /other", "serve --new x /other " + knows, "tmp/cache/digest", "which directory its image serves cannot be known; its label says /configs, and that one is filtered"},
		{"no server", "cache-enforce-integrity", "/bin/sh", "run", "run", "tmp/cache/digest", "its image does not run opm serve; its command is left as it is"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			h := asktest.NewCatalogs()
			below := asktest.LayersOfTheTest(t, h)
			below[0] = h.PutLayer(t, asktest.Entry("bin/opm", tc.program))
			run := ocitest.CatalogRun()
			run.Entrypoint, run.Cmd, run.WorkingDir = strings.Fields(tc.entrypoint), strings.Fields(tc.cmd), "/srv"
			h.Stack(asktest.TestCatalog, true, run, below...)
			_, _, ms, cs := FilteredImage(t, h, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: etcd}]\n")
			_, _, files := h.EntriesOf(t, ms[0].Layers[len(ms[0].Layers)-1])
			got := ""
			for name := range files {
				if strings.HasSuffix(name, "/digest") {
					got = name
				}
			}
			if cmd := strings.Join(cs[0].Config.Cmd, " "); cmd != tc.want || got != tc.cache || strings.Join(cs[0].Config.Entrypoint, " ") != strings.Replace(tc.entrypoint, " /other", " /configs", 1) {
				t.Errorf("it runs %s, with the cache %q", cmd, got)
			}
			if notes := strings.Join(unusual(h.Notes), "\n"); notes != strings.TrimSuffix("catalog "+asktest.TestCatalog+": "+tc.note, "catalog "+asktest.TestCatalog+": ") {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

// TestFilteredNames keeps the names by which a catalog is asked for.
func TestFilteredNames(t *testing.T) {
	h := asktest.NewCatalogs()
	root := h.Stack(asktest.TestCatalog, true, ocitest.CatalogRun(), asktest.LayersOfTheTest(t, h)...)
	by := "example.com/cat/index@" + root.Digest.String()
	h.Roots[by] = root
	h.Roots["example.com/cat/index:v1@"+root.Digest.String()] = root
	const made = "example.com/cat/index@MADE"
	for _, tc := range []struct{ ask, source, path, tags string }{
		{asktest.TestCatalog, asktest.TestCatalog, "", "[v1]"},
		{by, made, "", "[]"},
		{"example.com/cat/index:v1@" + root.Digest.String(), "example.com/cat/index:v1@MADE", "", "[v1]"},
		{by + "\n    targetCatalog: ours/index\n    targetTag: v7", made, "ours/index", "[v7]"},
	} {
		img, _, _, _ := FilteredImage(t, h, "  - catalog: "+tc.ask+"\n    packages: [{name: etcd}]\n")
		source := strings.Replace(tc.source, "MADE", img.Root.Digest.String(), 1)
		if img.Source.String() != source || img.Path != tc.path || fmt.Sprint(img.Tags) != tc.tags || img.Base.String() != by {
			t.Errorf("%s: %+v", tc.ask, img)
		}
		ref, _, _ := strings.Cut(tc.ask, "\n")
		asked, err := oci.ParseRef(ref)
		if err != nil || !img.Matches(asked) || img.Configured() != asked {
			t.Errorf("%s is not what was asked for, %v", img.Source, err)
		}
	}
}

// TestFilteredOthers keeps what is of unknown schemas and of no package.
func TestFilteredOthers(t *testing.T) {
	h := asktest.NewCatalogs()
	h.PutCatalog(t, asktest.TestCatalog, map[string]string{"a": asktest.TestFiles()["etcd/catalog.yaml"] + "---\nschema: custom\npackage: etcd\nv: 1\n---\nschema: custom\npackage: other\n---\nschema: custom\nv: 2\n"})
	_, _, ms, _ := FilteredImage(t, h, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: etcd, channels: [{name: stable}]}]\n")
	_, _, files := h.EntriesOf(t, ms[0].Layers[0])
	if got := files["configs/others.json"]; got != `{"schema":"custom","v":2}`+"\n" {
		t.Errorf("of no package: %s", got)
	}
	if got := files["configs/etcd/catalog.json"]; !strings.HasSuffix(got, `{"package":"etcd","schema":"custom","v":1}`+"\n") {
		t.Errorf("of its package: %s", got)
	}
	if want := "catalog " + asktest.TestCatalog + ": 1 of 1 package, 1 of 3 versions are carried"; !slices.Contains(h.Notes, want) {
		t.Errorf("notes %q", h.Notes)
	}
}

// TestFilteredGap leaves the operators of a catalog whose layers are not available.
func TestFilteredGap(t *testing.T) {
	h := asktest.NewCatalogs()
	h.Stack(asktest.TestCatalog, true, ocitest.CatalogRun(), asktest.LayersOfTheTest(t, h)...)
	const ask = "  - catalog: " + asktest.TestCatalog + "\n    packages: [{name: etcd}]\n"
	FilteredImage(t, h, ask)
	for key := range h.Parsed {
		if strings.HasPrefix(key, "layer-only") {
			delete(h.Parsed, key)
		}
	}
	h.Fail = errors.New("connection reset")
	inv, err := Resolve(t.Context(), asktest.ParseOperators(t, ask), h)
	gaps, ok := oci.Gaps(err)
	if !ok || len(gaps) != 1 || gaps[0].Image.Origin != OriginCatalog || gaps[0].Image.Root.Digest == "" || !strings.Contains(err.Error(), "connection reset") {
		t.Fatalf("got %v", err)
	}
	if len(inv.Images) == 0 || slices.ContainsFunc(inv.Images, func(i oci.Image) bool { return i.Origin == OriginCatalog }) {
		t.Errorf("%+v", inv.Images)
	}
}

// TestFilteredPlatforms makes images for the platforms that are wanted.
func TestFilteredPlatforms(t *testing.T) {
	h := asktest.NewCatalogs()
	h.Stack(asktest.TestCatalog, true, ocitest.CatalogRun(), asktest.LayersOfTheTest(t, h)...)
	for _, arch := range []string{"arm64", "s390x"} {
		c := asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: etcd}]\n    platforms: [{os: linux, architecture: "+arch+"}]\n")
		inv, err := Resolve(t.Context(), c, h)
		i := slices.IndexFunc(inv.Images, func(img oci.Image) bool { return img.Origin == origin.Catalog })
		switch {
		case arch == "arm64" && (err != nil || i < 0 || !inv.Images[i].Built || !slices.Equal(inv.Images[i].Platforms, []string{"linux/arm64"})):
			t.Errorf("%v, %v", inv.Images, err)
		case arch == "s390x" && (err == nil || i >= 0 || !strings.Contains(err.Error(), "linux/amd64")):
			t.Errorf("%v, %v", inv.Images, err)
		}
	}
}
