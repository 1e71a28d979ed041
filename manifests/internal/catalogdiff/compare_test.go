package catalogdiff

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// indexOf reads the catalog that an index of images has, made of packages.
func indexOf(t *testing.T, packages ...string) *Index {
	t.Helper()
	c := ocitest.New(1)
	files := map[string][]byte{}
	for i, p := range packages {
		files[string(rune('a'+i))+"/catalog.yaml"] = []byte(p)
	}
	d, err := c.Catalog("amd64", files)
	if err != nil {
		t.Fatal(err)
	}
	x, err := Read(t.Context(), "catalog x", c, c.IndexFor(false, []string{"amd64"}, d))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

// TestWriteDocuments writes a catalog into one file, the same each time, which is the same
// catalog again.
func TestWriteDocuments(t *testing.T) {
	t.Parallel()
	c := ocitest.New(1)
	packages := []string{etcd(map[string]string{"stable": "1.0.0"}, "1.0.0"), one("aaa", "2.0.0"), `{"schema":"example.note","text":"of no package"}`}
	files := map[string][]byte{}
	for i, p := range packages {
		files[string(rune('z'-i))+"/catalog.json"] = []byte(p)
	}
	write := func(files map[string][]byte) string {
		d, err := c.Catalog("amd64", files)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := WriteDocuments(t.Context(), "catalog x", c, d, &out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	first := write(files)
	if again := write(map[string][]byte{"all.json": []byte(first)}); again != first {
		t.Errorf("written\n%s\nand again\n%s", first, again)
	}
	if n := strings.Count(first, `"schema"`); n != strings.Count(strings.Join(packages, ""), "schema") || !strings.HasPrefix(first, `{"schema":"example.note"`) {
		t.Errorf("%d documents:\n%s", n, first)
	}
	if err := WriteDocuments(t.Context(), "catalog x", c, c.Image(false), io.Discard); !errors.As(err, new(*oci.UnsupportedError)) {
		t.Errorf("an image that is no catalog: %v", err)
	}
}

func compare(t *testing.T, before, after *Index) *Changes {
	t.Helper()
	c, err := Compare(before, after)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func etcd(channels map[string]string, versions ...string) string {
	bundles := map[string]string{}
	for _, v := range versions {
		bundles[v] = ""
	}
	return asktest.FBC("etcd", channels, bundles)
}

func one(name, version string) string {
	return asktest.FBC(name, map[string]string{"stable": version}, map[string]string{version: ""})
}

// TestCompare says of pairs of catalogs what goes, what comes and what else is not the same.
func TestCompare(t *testing.T) {
	t.Parallel()
	base := etcd(map[string]string{"stable": "1.0.0 1.1.0>1.0.0", "alpha": "1.1.0"}, "1.0.0", "1.1.0")
	for _, tt := range []struct {
		name               string
		before, after      []string
		going, come, other []string
		wantGo, wantCome   Counts
	}{
		{name: "the same", before: []string{base}, after: []string{base}},
		{
			name: "a package goes", before: []string{base, one("zoo", "3.0.0")}, after: []string{base},
			going: []string{"package zoo (1 channel, 1 version)"}, wantGo: Counts{1, 1, 1},
		},
		{
			name: "a package in the middle goes, one comes", before: []string{one("b", "1.0.0"), one("c", "1.0.0")}, after: []string{one("a", "1.0.0"), one("c", "1.0.0")},
			going: []string{"package b (1 channel, 1 version)"}, come: []string{"package a (1 channel, 1 version)"}, wantGo: Counts{1, 1, 1}, wantCome: Counts{1, 1, 1},
		},
		{
			name: "a channel goes, its version stays in another", before: []string{base}, after: []string{etcd(map[string]string{"stable": "1.0.0 1.1.0>1.0.0"}, "1.0.0", "1.1.0")},
			going: []string{"channel alpha of etcd (1 version)"}, wantGo: Counts{0, 1, 1},
		},
		{
			name: "versions go", before: []string{base}, after: []string{etcd(map[string]string{"stable": "1.1.0", "alpha": "1.1.0"}, "1.1.0")},
			going: []string{"version 1.0.0 in channel stable of etcd"}, wantGo: Counts{0, 0, 1},
		},
		{
			name: "a version comes", before: []string{base}, after: []string{etcd(map[string]string{"stable": "1.0.0 1.1.0>1.0.0 1.2.0>1.1.0", "alpha": "1.1.0"}, "1.0.0", "1.1.0", "1.2.0")},
			come: []string{"version 1.2.0 in channel stable of etcd"}, other: []string{"the head of channel stable of etcd is etcd.v1.2.0, not etcd.v1.1.0"}, wantCome: Counts{0, 0, 1},
		},
		{
			name: "the default channel, a deprecation and an image", before: []string{base},
			after: []string{strings.NewReplacer("defaultChannel: stable", "defaultChannel: alpha", "image: example.com/etcd:1.0.0", "image: example.com/etcd:again").Replace(base) +
				"---\nschema: olm.deprecations\npackage: etcd\nentries:\n- reference: {schema: olm.channel, name: alpha}\n  message: old\n- reference: {schema: olm.package}\n  message: old\n"},
			other: []string{"the default channel of etcd is alpha, not stable", "deprecated in etcd: channel alpha, package", "with another image under the same name in etcd: etcd.v1.0.0"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := compare(t, indexOf(t, tt.before...), indexOf(t, tt.after...))
			if !slices.Equal(c.Going(), tt.going) || !slices.Equal(c.Coming(), tt.come) || !slices.Equal(c.Other(), tt.other) {
				t.Errorf("going %q\ncoming %q\nother %q", c.Going(), c.Coming(), c.Other())
			}
			if c.Go != tt.wantGo || c.Come != tt.wantCome || c.Shrinks() != (tt.wantGo != Counts{}) {
				t.Errorf("%+v %+v %v", c.Go, c.Come, c.Shrinks())
			}
			if same := len(tt.going)+len(tt.come)+len(tt.other) == 0; c.Same() != same {
				t.Errorf("same: %v", c.Same())
			}
			back := compare(t, indexOf(t, tt.after...), indexOf(t, tt.before...))
			if back.Go != c.Come || back.Come != c.Go || !slices.Equal(back.Going(), tt.come) || !slices.Equal(back.Coming(), tt.going) {
				t.Errorf("the other way round: going %q, coming %q", back.Going(), back.Coming())
			}
		})
	}
}

// TestJSON has the keys that scripts read.
func TestJSON(t *testing.T) {
	t.Parallel()
	before := etcd(map[string]string{"stable": "1.0.0"}, "1.0.0")
	after := etcd(map[string]string{"stable": "1.1.0"}, "1.1.0")
	got, err := json.Marshal(compare(t, indexOf(t, before), indexOf(t, after)))
	want := `{"come":{"packages":0,"channels":0,"versions":1},"go":{"packages":0,"channels":0,"versions":1},"packages":[{"name":"etcd","state":"changed",` +
		`"channels":[{"name":"stable","state":"changed","head":{"from":"etcd.v1.0.0","to":"etcd.v1.1.0"},"come":[{"version":"1.1.0","bundle":"etcd.v1.1.0"}],"go":[{"version":"1.0.0","bundle":"etcd.v1.0.0"}]}]}]}`
	if err != nil || string(got) != want {
		t.Errorf("%s %v", got, err)
	}
	if got, err := json.Marshal(&Changes{}); string(got) != `{"come":{"packages":0,"channels":0,"versions":0},"go":{"packages":0,"channels":0,"versions":0}}` || err != nil {
		t.Errorf("%s %v", got, err)
	}
}

// TestDoubts: what could not be read of either catalog is named, because it was not compared.
func TestDoubts(t *testing.T) {
	t.Parallel()
	good := one("zoo", "1.0.0")
	c := compare(t, indexOf(t, good, "schema: olm.channel\npackage: zoo\nname: [1]\n"), indexOf(t, good, "{{{\n"))
	if len(c.Doubts) != 2 || !strings.HasPrefix(c.Doubts[0], "now: ") || !strings.Contains(c.Doubts[1], "new: file /configs/b/catalog.yaml: ") {
		t.Errorf("%q", c.Doubts)
	}
}

// TestUnreadable: what is no file-based catalog is refused in a way that the caller can
// tell from a source that is away.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	c := ocitest.New(1)
	labels := map[string]string{"operators.operatorframework.io.index.database.v1": "/database/index.db"}
	for name, d := range map[string]oci.Descriptor{
		"SQLite":    c.Labelled("amd64", false, labels),
		"no label":  c.Image(false),
		"no image":  c.Artifact("application/x"),
		"no linux":  c.Index(false),
		"no layers": c.Labelled("amd64", false, map[string]string{"operators.operatorframework.io.index.configs.v1": "/configs"}),
	} {
		x, err := Read(t.Context(), "catalog x", c, d)
		if _, ok := errors.AsType[*oci.UnsupportedError](err); !ok || x != nil {
			t.Errorf("%s: %v %v", name, x, err)
		}
	}
	d, err := c.Catalog("amd64", map[string][]byte{"a.yaml": []byte(one("zoo", "1.0.0"))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), "catalog x", ocitest.New(2), d); err == nil {
		t.Error("content that is not there was read")
	} else if _, ok := errors.AsType[*oci.UnsupportedError](err); ok {
		t.Errorf("a source without the content: %v", err)
	}
}

// TestDirectoryServed: a catalog without labels is read from where its image serves it.
func TestDirectoryServed(t *testing.T) {
	t.Parallel()
	c := ocitest.New(1)
	layer, err := c.Files(ocitest.LayerDocker, ocitest.File{Name: "configs/a.yaml", Body: []byte(one("zoo", "1.0.0"))})
	if err != nil {
		t.Fatal(err)
	}
	run := ocitest.CatalogRun()
	run.Labels = nil
	x, err := Read(t.Context(), "catalog x", c, c.Running("amd64", true, run, layer))
	if err != nil {
		t.Fatal(err)
	}
	if got := compare(t, x, indexOf(t, one("zoo", "1.0.0"))); !got.Same() {
		t.Errorf("%q %q", got.Going(), got.Coming())
	}
	if err := x.Close(); err != nil {
		t.Error(err)
	}
}

// TestTwice: an index can be compared more than once.
func TestTwice(t *testing.T) {
	t.Parallel()
	a, b := indexOf(t, one("a", "1.0.0")), indexOf(t, one("b", "1.0.0"))
	first, second := compare(t, a, b), compare(t, a, b)
	if !reflect.DeepEqual(first, second) || first.Same() {
		t.Errorf("%+v, then %+v", first, second)
	}
}

// TestHostile: names of a catalog do nothing to a terminal.
func TestHostile(t *testing.T) {
	t.Parallel()
	bad := "schema: olm.package\nname: \"a\\u202eb\"\n---\nschema: olm.package\nname: \"\\u00e9\"\n"
	c := compare(t, indexOf(t, one("zoo", "1.0.0"), bad), indexOf(t, one("zoo", "1.0.0")))
	for _, line := range slices.Concat(c.Going(), c.Doubts) {
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q", line)
		}
	}
}

// TestNoRoom: a host that cannot keep the index is to blame itself.
func TestNoRoom(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/none")
	c := ocitest.New(1)
	d, err := c.Catalog("amd64", map[string][]byte{"a.yaml": []byte(one("zoo", "1.0.0"))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), "x", c, d); err == nil || !errors.Is(err, os.ErrNotExist) || errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}
