package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/satchel-airgap/satchel/manifests/internal/filter"
	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

const what = "catalog example.com/index:v1"

// parse wraps files into a catalog image, on top of other layers, and reads it
// as [Parse] and [Read] do.
func parse(t *testing.T, files map[string]string, below ...func(c *ocitest.Content) oci.Descriptor) ([]Package, error) {
	t.Helper()
	c := ocitest.New(1)
	var lower []oci.Descriptor
	for _, f := range below {
		lower = append(lower, f(c))
	}
	in := map[string][]byte{}
	for name, body := range files {
		in[name] = []byte(body)
	}
	root, err := c.Catalog("amd64", in, lower...)
	if err != nil {
		t.Fatal(err)
	}
	return parseImage(t, c, root)
}

func parseImage(t *testing.T, src oci.Source, root oci.Descriptor) ([]Package, error) {
	t.Helper()
	list, _, err := parseAll(t, src, root)
	return list, err
}

// parseAll gives what could not be read too.
func parseAll(t *testing.T, src oci.Source, root oci.Descriptor) ([]Package, []FileFault, error) {
	t.Helper()
	image, err := layers.Pick(t.Context(), src, root)
	if err != nil {
		t.Fatal(err)
	}
	config, err := layers.Config(t.Context(), src, image)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := Dir(what, config.Config.Labels)
	if err != nil {
		return nil, nil, err
	}
	c, err := Parse(t.Context(), what, src, image, dir, nil)
	if err != nil {
		return nil, nil, err
	}
	var lines bytes.Buffer
	if err := errors.Join(c.Write(&lines), c.Close()); err != nil {
		t.Fatal(err)
	}
	in, err := NewReader(&lines)
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	var list []Package
	for {
		p, _, err := in.Next()
		if errors.Is(err, io.EOF) {
			return list, in.Faults, nil
		}
		if err != nil {
			return nil, nil, err
		}
		if p.Name != "" {
			list = append(list, *p)
		}
	}
}

// faultsOf lists all that could not be read of a catalog of these files, a line each.
func faultsOf(t *testing.T, files map[string]string) (list []string) {
	t.Helper()
	c, in := ocitest.New(1), map[string][]byte{}
	for name, body := range files {
		in[name] = []byte(body)
	}
	root, err := c.Catalog("amd64", in)
	if err != nil {
		t.Fatal(err)
	}
	pkgs, faults, err := parseAll(t, c, root)
	if err != nil {
		return []string{err.Error()}
	}
	for _, f := range faults {
		list = append(list, fmt.Sprintf("file %q: %s", f.File, f.Why))
	}
	for _, p := range pkgs {
		for _, f := range p.Faults {
			list = append(list, fmt.Sprintf("file %q: %s %q: %s", f.File, f.Schema, f.Name, f.Why))
		}
	}
	return list
}

// Documents of a small catalog.
func pkgDoc(name string) string {
	return fmt.Sprintf(`{"schema":"olm.package","name":%q,"defaultChannel":"stable"}`+"\n", name)
}

func channelDoc(pkg, name string, entries ...string) string {
	return fmt.Sprintf(`{"schema":"olm.channel","package":%q,"name":%q,"entries":[%s]}`+"\n", pkg, name, strings.Join(entries, ","))
}

func bundleDoc(pkg, version string, related ...string) string {
	for i, r := range related {
		related[i] = fmt.Sprintf(`{"name":"r%d","image":%q}`, i, r)
	}
	return fmt.Sprintf(`{"schema":"olm.bundle","package":%q,"name":"%s.v%s","image":"example.com/%s:%s","properties":[{"type":"olm.package","value":{"packageName":%q,"version":%q}}],"relatedImages":[%s]}`+"\n",
		pkg, pkg, version, pkg, version, pkg, version, strings.Join(related, ","))
}

func small1(pkg string) string {
	return pkgDoc(pkg) + channelDoc(pkg, "stable", `{"name":"`+pkg+`.v1.0.0"}`) + bundleDoc(pkg, "1.0.0")
}

func names(list []Package) string {
	var out []string
	for _, p := range list {
		out = append(out, p.Name)
	}
	return strings.Join(out, " ")
}

func TestParse(t *testing.T) {
	files := map[string]string{
		"b/catalog.json": channelDoc("b", "stable", `{"name":"b.v1.1.0","replaces":"b.v1.0.0","skips":["b.v1.0.1"],"skipRange":"<1.1.0"}`, `{"name":"b.v1.0.0"}`) +
			channelDoc("b", "alpha", `{"name":"b.v1.1.0"}`) +
			bundleDoc("b", "1.1.0", "example.com/z:1", "", "example.com/a:1", "example.com/z:1") + bundleDoc("b", "1.0.0"),
		"b/package.yaml": "---\n# the package\nschema: olm.package\nname: b\ndefaultChannel: stable\nicon: {base64data: aGk=, mediatype: image/png}\n",
		"a.yaml":         small1("a"),
		"deprecated":     `{"schema":"olm.deprecations","package":"nobody","entries":[{"reference":{"schema":"olm.package"},"message":"old"}]}`,
		"custom.txt":     "schema: io.example.lifecycle\nanything: [1, 2]\n---\nschema: custom\npackage: b\nname: 7x\n",
		"empty.json":     "",
		"old.json": pkgDoc("old") + `{"schema":"olm.bundle","package":"old","name":"old.v1","properties":[{"value":{"packageName":"old","version":"1.0.0","release":"r.2"},"type":"olm.package"},` +
			`{"type":"olm.bundle.object","value":{"data":"` + many("eHh4", 10000) + `"}},{"type":"other","value":"` + many("x", 10000) + `"}]}`,
	}
	list, err := parse(t, files)
	if err != nil {
		t.Fatal(err)
	}
	if names(list) != "a b old" {
		t.Fatalf("got %+v", list)
	}
	b := &list[1]
	if b.DefaultChannel != "stable" || len(b.Channels) != 2 || b.Channels[0].Name != "alpha" || b.Channel("stable") != &b.Channels[1] || b.Channel("beta") != nil {
		t.Errorf("channels: %+v", b)
	}
	e := b.Channels[1].Entries
	if len(e) != 2 || e[0].Name != "b.v1.1.0" || e[0].Replaces != "b.v1.0.0" || !slices.Equal(e[0].Skips, []string{"b.v1.0.1"}) || e[0].SkipRange != "<1.1.0" {
		t.Errorf("entries: %+v", e)
	}
	if b.Bundles[0].Name != "b.v1.0.0" || b.Bundle("b.v1.1.0") != &b.Bundles[1] || b.Bundle("b.v2") != nil {
		t.Errorf("bundles: %+v", b.Bundles)
	}
	v := b.Bundles[1]
	if v.FullVersion() != "1.1.0" || v.Image != "example.com/b:1.1.0" || !slices.Equal(v.Related, []string{"example.com/a:1", "example.com/z:1"}) {
		t.Errorf("bundle: %+v", v)
	}
	if old := list[2].Bundles[0]; old.FullVersion() != "1.0.0-r.2" || old.Image != "" || old.Related != nil {
		t.Errorf("bundle in the catalog: %+v", old)
	}
}

func TestParseFaults(t *testing.T) {
	prop := func(s string) string {
		return `{"schema":"olm.bundle","package":"a","name":"a.v2","image":"example.com/a:2","properties":[` + s + `]}`
	}
	tests := []struct{ name, file, body, want string }{
		{"readme", "README.md", "# A catalog\n\nSome: text: here\n", `file "/configs/README.md": document 1: `},
		{"json that ends", "x.json", `{"schema":"a"}{"schema":"b"`, `file "/configs/x.json": document 2: unexpected EOF`},
		{"no schema", "x.yaml", "---\nschema: ok\n---\nname: x\n", `file "/configs/x.yaml": document 2: it has no schema`},
		{"semver template", "t.yaml", "---\nSchema: olm.semver\nGenerateMajorChannels: true\n", `file "/configs/t.yaml": document 1: it is a template (olm.semver), from which opm alpha render-template makes a catalog`},
		{"basic template", "t.yaml", "schema: olm.template.basic\nentries: []\n", "it is a template (olm.template.basic)"},
		{"sqlite", "index.db", "SQLite format 3\x00\x10", `file "/configs/index.db": it is an SQLite database, which is not read; use a file-based catalog`},
		{"package name", "x", pkgDoc("A_b"), ""},
		{"no package name", "x", `{"schema":"olm.package"}`, `document 1: olm.package "": its name is empty`},
		{"package twice", "x", small1("a"), `file "/configs/x": olm.package "a": it is defined twice, in "/configs/a" and "/configs/x"`},
		{"channel twice", "x", channelDoc("a", "stable"), `olm.channel "stable": it is defined twice, in "/configs/a" and "/configs/x"`},
		{"bundle twice", "x", bundleDoc("a", "1.0.0"), `olm.bundle "a.v1.0.0": it is defined twice, in "/configs/a" and "/configs/x"`},
		{"entry twice", "x", channelDoc("a", "c", `{"name":"b"}`, `{"name":"b"}`), `olm.channel "c": it has the entry "b" twice`},
		{"entry without name", "x", channelDoc("a", "c", `{}`), `olm.channel "c": the name of an entry is empty`},
		{"channel of nobody", "x", channelDoc("z", "c"), `file "/configs/x": channel "c" is of package "z", which is missing`},
		{"channel without package", "x", channelDoc("", "c"), `olm.channel "c": it has no package`},
		{"channel without name", "x", channelDoc("a", ""), `olm.channel "": its name is empty`},
		{"channel that draws", "x", strings.Replace(channelDoc("a", "c"), `"c"`, `"c\u001b[2J"`, 1), `olm.channel "c\x1b[2J": its name "c\x1b[2J" has characters that cannot be shown`},
		{"bundle of nobody", "x", bundleDoc("z", "1.0.0"), `file "/configs/x": bundle "z.v1.0.0" is of package "z", which is missing`},
		{"bundle without package", "x", bundleDoc("", "1.0.0"), `olm.bundle ".v1.0.0": it has no package`},
		{"bundle with a long name", "x", `{"schema":"olm.bundle","package":"a","name":"` + many("x", 300) + `"}`, "its name has 300 bytes, more than 253"},
		{"bundle without version", "x", prop(""), `olm.bundle "a.v2": it has 0 olm.package properties, not 1`},
		{"bundle of another", "x", prop(`{"type":"olm.package","value":{"packageName":"b","version":"2.0.0"}}`), `its olm.package property is of package "b", not "a"`},
		{"bundle with no version", "x", prop(`{"type":"olm.package","value":{"packageName":"a","version":"v2"}}`), `its version "v2": `},
		{"bundle with no release", "x", prop(`{"type":"olm.package","value":{"packageName":"a","version":"2.0.0","release":"a+b"}}`), `its release "a+b" is not`},
		{"bundle with a huge version", "x", prop(`{"type":"olm.package","value":{"packageName":"a","version":"` + many("1", 70000) + `"}}`), "its olm.package property: "},
		{"bundle without image", "x", strings.Replace(bundleDoc("a", "2.0.0"), "example.com/a:2.0.0", "", 1), `olm.bundle "a.v2.0.0": it has no image`},
		{"wrong type", "x", `{"schema":"olm.channel","package":"a","name":"c","entries":"none"}`, `olm.channel "c": json: cannot unmarshal string`},
		{"control characters", "x\x1b", "schema: ok\n\x1b[2J: [", `file "/configs/x\x1b": document 1: `},
		{"too large", "x", `{"schema":"x","y":"` + many("z", maxDocument) + `"}`, `file "/configs/x": document 1: it has more than 16 MiB`},
		{"ignore file too large", "sub/.indexignore", many("#\n", maxIgnore), `file "/configs/sub/.indexignore": it has more than 1048576 bytes`},
		{"ignore file with a long line", ".indexignore", many("x", 1<<17), "its .indexignore: bufio.Scanner: token too long"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			list := faultsOf(t, map[string]string{"a": small1("a"), tc.file: tc.body})
			if tc.want == "" && len(list) == 0 {
				return
			}
			if !slices.ContainsFunc(list, func(s string) bool { return tc.want != "" && strings.Contains(s, tc.want) }) {
				t.Fatalf("got  %q\nwant %s", list, tc.want)
			}
			for _, s := range list {
				if strings.ContainsAny(s, "\n\x1b") || len(s) > 700 {
					t.Errorf("not for one line of a terminal: %q", s)
				}
			}
		})
	}
}

// TestParseGoesOn reads what is right, whatever else there is, in the same file too.
func TestParseGoesOn(t *testing.T) {
	files := map[string]string{"good": small1("a"), "b": "---\nname: x\n---\n" + strings.ReplaceAll(small1("b"), "\n", "\n---\n"), "c": small1("c") + bundleDoc("c", "v2") + channelDoc("c", "next", `{"name":"c.v1.0.0"}`)}
	for i := range maxFaults + 15 {
		files[fmt.Sprintf("bad-%03d/x", i)] = "name: x\n"
	}
	list, err := parse(t, files)
	if err != nil || names(list) != "a b c" || len(list[2].Channels) != 2 || len(list[2].Bundles) != 2 || list[2].Bundles[1].Fault == "" || list[2].Bundles[1].Image == "" {
		t.Errorf("got %+v, %v", list, err)
	}
	faults := faultsOf(t, files)
	if len(faults) != maxFaults+1 || !slices.IsSorted(faults[:maxFaults]) || !strings.Contains(faults[0], `"/configs/b": document 1: it has no schema`) || !strings.Contains(faults[1], `"/configs/bad-000/x"`) {
		t.Errorf("got %q", faults)
	}
	delete(files, "good")
	delete(files, "b")
	delete(files, "c")
	if got := faultsOf(t, files); len(got) != 1 || strings.Count(got[0], "it has no schema") != maxShownFaults {
		t.Errorf("got %q", got)
	}
}

// TestParseTwice reads the last of a file that a layer has twice.
func TestParseTwice(t *testing.T) {
	c := ocitest.New(1)
	file := func(body string) ocitest.File { return ocitest.File{Name: "configs/x", Body: []byte(body)} }
	layer, err := c.Files(ocitest.LayerGzip, file(small1("old")+bundleDoc("new", "1.0.0")+"{}"), ocitest.File{Name: "configs/y", Body: []byte(small1("y"))}, file(small1("new")))
	if err != nil {
		t.Fatal(err)
	}
	list, faults, err := parseAll(t, c, c.Labelled("amd64", false, map[string]string{labelConfigs: "/configs"}, layer))
	if err != nil || names(list) != "new y" || len(faults) > 0 || len(list[0].Faults) > 0 || len(list[0].Bundles) != 1 {
		t.Errorf("%+v, %+v, %v", list, faults, err)
	}
}

// TestParseTrims leaves white space out of references, and what is no reference out of
// documents alone.
func TestParseTrims(t *testing.T) {
	files := map[string]string{"a": pkgDoc("a") + channelDoc("a", "stable", `{"name":"a.v1.0.0"}`) + strings.Replace(bundleDoc("a", "1.0.0", " example.com/x:1", "example.com/x:1\n", "\t", "Not This", "example.com/<y>", "example.com/z:2"), `"example.com/a:1.0.0"`, `"\nexample.com/a:1.0.0 "`, 1)}
	list, err := parse(t, files)
	if err != nil || len(list) != 1 || list[0].Faults != nil {
		t.Fatalf("%+v, %v", list, err)
	}
	b := list[0].Bundles[0]
	if b.Image != "example.com/a:1.0.0" || !slices.Equal(b.Related, []string{"Not This", "example.com/<y>", "example.com/x:1", "example.com/z:2"}) || !slices.Equal(b.Trimmed, []string{"example.com/a:1.0.0", "example.com/x:1"}) {
		t.Errorf("%+v", b)
	}
	out, lost := filtered(t, written(t, files), func(*Package) (filter.Request, bool) { return filter.Request{}, true })
	want := `"image":"example.com/a:1.0.0","name":"a.v1.0.0","package":"a","properties":[{"type":"olm.package","value":{"packageName":"a","version":"1.0.0"}}],` +
		`"relatedImages":[{"name":"r0","image":"example.com/x:1"},{"name":"r1","image":"example.com/x:1"},{"name":"r2","image":""},{"name":"r5","image":"example.com/z:2"}],"schema":"olm.bundle"}` + "\n"
	if got := string(out["a/catalog.json"].Data); !strings.HasSuffix(got, want) || lost != nil {
		t.Errorf("got  %s, %q\nwant %s", got, lost, want)
	}
}

// TestUsual knows no reference that is none.
func TestUsual(t *testing.T) {
	hex := many("0", 64)
	for name, want := range map[string]bool{
		"quay.io/a/b-c.d@sha256:" + hex: true, "registry.redhat.io/x/y:v4.18-2.1": true, "a.b/c": true,
		"quay.io/a/B": false, "quay.io/a//b": false, "quay.io/a/b@sha256:" + hex[1:]: false, "quay.io/a/b@sha256:" + many("g", 64): false, "quay.io:5000/a": false,
		"quay.io/a/": false, "/a.b": false, "": false, "busybox": false, "quay.io/a:": false, "quay.io/a b": false, "quay.io/-a": false, "a.b/" + many("c", 300): false, ".a.b/c": false, "a.b./c": false,
	} {
		_, err := reference.ParseNormalizedNamed(name)
		if got := isUsual(name); got != want || got && err != nil {
			t.Errorf("%q: %t, %v", name, got, err)
		}
	}
}

// TestObjectsByRef puts into documents what they name by file, and finds what is missing.
func TestObjectsByRef(t *testing.T) {
	ref := func(pkg, v, name string) string {
		return strings.Replace(bundleDoc(pkg, v), `"properties":[`, `"properties":[{"type":"olm.bundle.object","value":{"ref":"`+name+`"}},{"type":"olm.bundle.object","value":{"data":"e30="}},`, 1)
	}
	files := map[string]string{
		".indexignore":        "**/objects/*\nout.yaml\n",
		"a/catalog.json":      pkgDoc("a") + channelDoc("a", "stable", `{"name":"a.v1.0.0"}`) + ref("a", "1.0.0", "objects/o.yaml"),
		"a/objects/o.yaml":    "kind: X\nname: <o>\n",
		"b/deep/catalog.json": pkgDoc("b") + channelDoc("b", "stable", `{"name":"b.v1.0.0"}`) + ref("b", "1.0.0", "../../out.yaml"),
		"out.yaml":            "",
		"c.json":              small1("c") + ref("c", "1.1.0", "objects/none.yaml") + ref("c", "1.2.0", "../etc/passwd") + ref("c", "1.3.0", "/configs/out.yaml"),
	}
	out, lost := filtered(t, written(t, files), func(p *Package) (filter.Request, bool) { return filter.Request{Full: true}, true })
	for name, want := range map[string]string{
		"a": `{"type":"olm.bundle.object","value":{"data":"a2luZDogWApuYW1lOiA8bz4K"}},{"type":"olm.bundle.object","value":{"data":"e30="}}`,
		"b": `{"type":"olm.bundle.object","value":{"data":""}},{"type":"olm.bundle.object","value":{"data":"e30="}}`,
	} {
		if got := string(out[name+"/catalog.json"].Data); !strings.Contains(got, want) {
			t.Errorf("%s: got %s", name, got)
		}
	}
	if len(lost) > 0 || strings.Contains(string(out["c/catalog.json"].Data), "bundle.object") {
		t.Errorf("%q, %s", lost, out["c/catalog.json"].Data)
	}
	faults := faultsOf(t, files)
	if len(faults) != 3 || !strings.HasPrefix(faults[0], `file "/configs/c.json": olm.bundle "c.v1.1.0": its object "objects/none.yaml", which it names by ref, is not in the catalog`) {
		t.Errorf("got %q", faults)
	}
}

func TestParseNothing(t *testing.T) {
	for _, files := range []map[string]string{{}, {"x": "schema: custom\n"}, {"x": small1("a"), ".indexignore": "x\n"}} {
		_, err := parse(t, files)
		if err == nil || err.Error() != what+": there is no package in its directory /configs" {
			t.Errorf("%v: got %v", slices.Collect(maps.Keys(files)), err)
		}
	}
}

func TestIndexBound(t *testing.T) {
	related := make([]string, 20000)
	files := map[string]string{}
	for i := range 30 {
		for k := range related {
			related[k] = fmt.Sprintf("example.com/%s/%d/%d@sha256:%s", many("x", 30), i, k, many("0", 64))
		}
		files[fmt.Sprint(i)] = bundleDoc("a", fmt.Sprintf("1.%d.0", i), related...)
	}
	_, err := parse(t, files)
	if want := what + ": its names, versions and images alone take more than 64 MiB"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}
