package manifests

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/oci"
)

// chartArchive packs a chart with one pod; more are files of it.
func chartArchive(t testing.TB, name, version string, more map[string]string) []byte {
	t.Helper()
	files := map[string]string{
		"Chart.yaml":         "apiVersion: v2\nname: " + name + "\nversion: " + version + "\n",
		"values.yaml":        "tag: one\n",
		"templates/pod.yaml": "kind: Pod\nmetadata: {name: app}\nspec: {containers: [{name: c, image: 'a.io/" + name + ":{{ .Values.tag }}'}]}\n",
	}
	maps.Copy(files, more)
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	w := tar.NewWriter(gz)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name + "/" + file, Mode: 0o644, Size: int64(len(files[file]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[file])); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// chartSite has charts at repositories, and images that they name.
func chartSite(t testing.TB) *asktest.Images {
	t.Helper()
	f := asktest.NewImages()
	f.Published = map[string][]byte{}
	for _, ref := range []string{"a.io/web:one", "a.io/web:two", "a.io/db:one", "docker.io/library/extra:latest"} {
		f.Refs[ref] = f.PutImage("linux/amd64", ref)
	}
	web1, web2, db := chartArchive(t, "web", "1.0.0", nil), chartArchive(t, "web", "1.1.0+b.1", nil), chartArchive(t, "db", "0.1.0", nil)
	f.Published["https://charts.io/repo/index.yaml"] = fmt.Appendf(nil, `entries:
  web:
  - {name: web, version: 1.0.0, urls: [web-1.0.0.tgz], digest: %s}
  - {name: web, version: 1.1.0+b.1, urls: ['https://cdn.io/x/web.tgz?a=b'], digest: 'sha256:%s'}
  - {name: web, version: 2.0.0-rc.1, urls: [web-1.0.0.tgz]}
  - {name: web, version: 0.9.0, urls: [gone.tgz]}
  - {name: web, version: 0.8.0, urls: [web-1.0.0.tgz], digest: %064d}
  - {name: web, version: 0.7.0, urls: [web-1.0.0.tgz]}
  - {name: web, version: 0.6.0, urls: ['http://cdn.io/plain.tgz']}
  - {name: web, version: 0.5.0, urls: ['file:///etc/passwd']}
  db:
  - {name: db, version: 0.1.0, urls: ['oci://reg.io/charts/db:0.1.0']}
  lib:
  - {name: lib, version: 1.0.0, type: library, urls: [lib.tgz]}
`, oci.Digest(web1).Encoded(), oci.Digest(web2).Encoded(), 0)
	f.Published["https://charts.io/repo/web-1.0.0.tgz"], f.Published["https://cdn.io/x/web.tgz?a=b"] = web1, web2
	cfg := f.PutBlob("application/vnd.cncf.helm.config.v1+json", `{"name":"db","version":"0.1.0"}`)
	layer := f.PutBlob("application/vnd.cncf.helm.chart.content.v1.tar+gzip", string(db))
	f.Refs["reg.io/charts/db:0.1.0"] = f.PutBlob(oci.MediaTypeManifest, fmt.Sprintf(
		`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		oci.MediaTypeManifest, cfg.MediaType, cfg.Digest, cfg.Size, layer.MediaType, layer.Digest, layer.Size))
	return f
}

// carriedLines writes an inventory as "SOURCE [PATH] [asktest.Registry] TAGS: WHY".
func carriedLines(inv *oci.Inventory) (list []string) {
	for _, i := range inv.Images {
		made := ""
		if i.Built {
			made = " made in " + i.Path
		}
		list = append(list, fmt.Sprintf("%s%s %v: %s", i.Source, made, i.Tags, strings.Join(oci.Words(i.Reasons), "; ")))
	}
	return list
}

func TestCharts(t *testing.T) {
	const web1 = "charts.io/repo/web:1.0.0 made in charts/web [1.0.0]: chart web 1.0.0"
	const newest = "charts.io/repo/web:1.1.0_b.1 made in charts/web [1.1.0_b.1]: chart web 1.1.0+b.1"
	const db = "reg.io/charts/db:0.1.0 [0.1.0]: chart db 0.1.0"
	const repo = "mirror: {helm: {repositories: [{url: 'https://charts.io/repo/'"
	tests := map[string]struct {
		in     string
		values []ChartValues
		want   []string
		notes  []string
	}{
		"version":    {in: repo + ", charts: [{name: web, version: 1.0.0}]}]}}\n", want: []string{"a.io/web:one [one]: chart web 1.0.0: Pod/app container c", web1}},
		"newest":     {in: repo + ", charts: [{name: web}]}]}}\n", want: []string{"a.io/web:one [one]: chart web 1.1.0+b.1: Pod/app container c", newest}},
		"constraint": {in: repo + ", charts: [{name: web, version: '>=1.0 <1.1'}]}]}}\n", want: []string{"a.io/web:one [one]: chart web 1.0.0: Pod/app container c", web1}},
		"both": {in: repo + ", charts: [{name: web, version: 1.0.0}, {name: web}]}]}}\n",
			want: []string{"a.io/web:one [one]: chart web 1.0.0: Pod/app container c; chart web 1.1.0+b.1: Pod/app container c", web1, newest}},
		"values": {in: repo + ", charts: [{name: web, version: 1.0.0}]}]}}\n", values: []ChartValues{{Chart: "web", YAML: "tag: none"}, {Chart: "web", YAML: "tag: two"}},
			want: []string{"a.io/web:two [two]: chart web 1.0.0: Pod/app container c", web1}},
		"linked to a registry": {in: repo + ", charts: [{name: db}]}]}}\n", want: []string{"a.io/db:one [one]: chart db 0.1.0: Pod/app container c", db}},
		"registry": {in: "mirror: {helm: {repositories: [{url: 'oci://reg.io/charts', charts: [{name: db, version: 0.1.0}]}]}}\n",
			want: []string{"a.io/db:one [one]: chart db 0.1.0: Pod/app container c", db}},
		"path that points at nothing": {in: repo + ", charts: [{name: web, version: 1.0.0, imagePaths: ['{.spec.image}', '.metadata.none']}]}]}}\n",
			want:  []string{"a.io/web:one [one]: chart web 1.0.0: Pod/app container c", web1},
			notes: []string{"chart web 1.0.0: imagePaths {.spec.image} points at nothing in what it renders", "chart web 1.0.0: imagePaths .metadata.none points at nothing in what it renders"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			f := chartSite(t)
			c, err := Parse("f.yaml", []byte(asktest.Head+tc.in))
			if err != nil {
				t.Fatal(err)
			}
			c.Extra.HelmValues = tc.values
			inv, err := Resolve(t.Context(), c, f)
			if err != nil {
				t.Fatal(err)
			}
			if got := carriedLines(inv); !slices.Equal(got, tc.want) || !slices.Equal(f.Notes, tc.notes) {
				t.Errorf("got  %q\nwant %q\nnotes %q", got, tc.want, f.Notes)
			}
			for _, img := range inv.Images {
				if !img.Built {
					continue
				}
				n := 0
				err := oci.Walk(t.Context(), &f.Stored, img.Root, func(oci.Descriptor, []byte) error { n++; return nil })
				if err != nil || n != 3 {
					t.Errorf("%s reaches %d, %v", img.Source, n, err)
				}
			}
		})
	}
}

// TestChartGaps has charts that is not available beside one that can.
func TestChartGaps(t *testing.T) {
	f := chartSite(t)
	f.Published["http://cdn.io/plain.tgz"] = f.Published["https://charts.io/repo/web-1.0.0.tgz"]
	f.Published["https://charts.io/repo/gone.tgz"] = nil
	delete(f.Published, "https://charts.io/repo/gone.tgz")
	in := asktest.Head + `mirror:
  helm:
    repositories:
    - url: https://charts.io/repo
    - url: https://none.io
      charts: [{name: lost, version: 1.2.3}]
    - url: oci://reg.io/charts
      charts: [{name: missing, version: 1.0.0}]
`
	c, err := Parse("f.yaml", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	inv, err := Resolve(t.Context(), c, f)
	gaps, ok := oci.Gaps(err)
	if !ok || inv == nil {
		t.Fatalf("%v is not only gaps", err)
	}
	want := []string{
		"charts.io/repo/web:0.5.0 charts/web: chart web 0.5.0: address \"file:///etc/passwd\": it is not one of https, http or oci",
		"charts.io/repo/web:0.6.0 charts/web: chart web 0.6.0: http://cdn.io/plain.tgz: it is fetched over plain HTTP, and its repository's index has no digest to check it with",
		"charts.io/repo/web:0.7.0 charts/web: chart web 0.7.0: archive of web 0.7.0: the archive is that of \"web\" \"1.0.0\"",
		"charts.io/repo/web:0.8.0 charts/web: chart web 0.8.0: get https://charts.io/repo/web-1.0.0.tgz: the bytes received for sha256:" + strings.Repeat("0", 64) + " have the digest " + oci.Digest(f.Published["https://charts.io/repo/web-1.0.0.tgz"]).String(),
		"charts.io/repo/web:0.9.0 charts/web: chart web 0.9.0: get https://charts.io/repo/gone.tgz: the server answers 404 Not Found",
		"charts.io/repo/web:2.0.0-rc.1 charts/web: chart web 2.0.0-rc.1: archive of web 2.0.0-rc.1: the archive is that of \"web\" \"1.0.0\"",
		"none.io/lost:1.2.3 charts/lost: chart lost 1.2.3: chart repository https://none.io: get https://none.io/index.yaml: the server answers 404 Not Found",
		"reg.io/charts/missing:1.0.0 : manifest unknown",
	}
	var got []string
	for _, g := range gaps {
		got = append(got, g.Image.Source.String()+" "+g.Image.Path+": "+g.Err.Error())
	}
	if !slices.Equal(got, want) {
		t.Errorf("gaps:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if n := len(inv.Images); n != 5 {
		t.Errorf("%d images are left: %q", n, carriedLines(inv))
	}
	if !slices.Contains(f.Notes, "https://charts.io/repo: no charts are named, so all 9 charts and versions that it publishes are carried") {
		t.Errorf("notes: %q", f.Notes)
	}
}

func TestLocalCharts(t *testing.T) {
	dir := t.TempDir()
	broken := map[string]string{"templates/need.yaml": "{{ required \"say who\\x1b\" .Values.who }}"}
	for name, body := range map[string][]byte{
		"web.tgz": chartArchive(t, "web", "1.0.0", nil), "broken.tgz": chartArchive(t, "broken", "1.0.0", broken),
		"bad.tgz":  chartArchive(t, "bad", "1.0.0", map[string]string{"templates/pod.yaml": "kind: Pod\nmetadata: {name: app}\nspec: {initContainers: [{name: i, image: 'A.io/b c'}]}\n"}),
		"text.tgz": []byte("text"), "upper.tgz": chartArchive(t, "Upper", "1.0.0", nil),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "tree"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tree", "Chart.yaml"), []byte("apiVersion: v2\nname: tree\nversion: 0.1.0\ntype: library\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	const broke = "image charts.local/broken:1.0.0: chart broken 1.0.0: execution error at (broken/templates/need.yaml:1:3): say who?"
	tests := map[string]struct {
		local  string
		values []ChartValues
		want   string // lines, or an error
	}{
		"archive":       {local: "{name: x, path: web.tgz}", want: "a.io/web:one [one]: chart web 1.0.0: Pod/app container c\ncharts.local/web:1.0.0 made in charts/web [1.0.0]: chart web 1.0.0"},
		"directory":     {local: "{path: ./tree, version: 0.1.0}", want: "charts.local/tree:0.1.0 made in charts/tree [0.1.0]: chart tree 0.1.0"},
		"with a path":   {local: "{path: web.tgz, imagePaths: ['{.metadata.name}']}", want: "a.io/web:one [one]: chart web 1.0.0: Pod/app container c\ncharts.local/web:1.0.0 made in charts/web [1.0.0]: chart web 1.0.0"},
		"no file":       {local: "{path: none.tgz}", want: "f.yaml:3:26: chart none.tgz: stat none.tgz: no such file or directory"},
		"no chart":      {local: "{path: text.tgz}", want: "f.yaml:3:26: chart text.tgz: it is not a chart: unexpected EOF"},
		"other version": {local: "{path: web.tgz, version: 2.0.0}", want: "f.yaml:3:26: chart web.tgz: it is version 1.0.0, not 2.0.0"},
		"its name":      {local: "{path: upper.tgz}", want: "f.yaml:3:26: chart upper.tgz: chart \"Upper\" \"1.0.0\": a registry cannot have a chart of this name and version"},
		"broken":        {local: "{path: broken.tgz}", want: broke},
		"fixed":         {local: "{path: broken.tgz}", values: []ChartValues{{Chart: "broken", YAML: "who: me\ntag: x"}}, want: "image charts.local/broken:1.0.0: chart broken 1.0.0: template broken/templates/need.yaml: it gives a string where an object belongs"},
		"bad name":      {local: "{path: bad.tgz}", want: "image charts.local/bad:1.0.0: chart bad 1.0.0: Pod/app init container i: image reference \"A.io/b c\": invalid reference format (template bad/templates/pod.yaml)"},
		"values of another": {local: "{path: web.tgz}", values: []ChartValues{{Chart: "webs", YAML: "a: b"}},
			want: "f.yaml:3:1: values were given for chart \"webs\", which is not in mirror.helm; did you mean \"web\"?"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := Parse("f.yaml", []byte(asktest.Head+"mirror: {helm: {local: ["+tc.local+"]}}\n"))
			if err != nil {
				t.Fatal(err)
			}
			plainDigest := c.Digest()
			c.Extra.HelmValues = tc.values
			if same := c.Digest() == plainDigest; same != (tc.values == nil) {
				t.Errorf("values are no part of the identity, or no values are: %v", same)
			}
			inv, err := Resolve(t.Context(), c, chartSite(t))
			got := errorText(err)
			if err == nil {
				got = strings.Join(carriedLines(inv), "\n")
			}
			if got != tc.want && !strings.HasPrefix(tc.want, "f.yaml") || strings.HasPrefix(tc.want, "f.yaml") && message(got) != message(tc.want) {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			var ce *ChartError
			if name == "broken" && (!errors.As(err, &ce) || !ce.Values || ce.Name() != "broken") {
				t.Errorf("%v does not ask for values", err)
			}
		})
	}
}

// message is a ConfigError without its place.
func message(s string) string {
	parts := strings.SplitN(s, ": ", 2)
	return parts[len(parts)-1]
}

func TestChartsCarried(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"no address":               {"repositories: [{name: a}]", "mirror.helm.repositories[0].url is missing"},
		"file":                     {"repositories: [{url: 'file:///x'}]", "mirror.helm.repositories[0].url: it must begin with https://, http:// or oci://, and a host"},
		"registry without charts":  {"repositories: [{url: 'oci://a.io/x'}]", "mirror.helm.repositories[0] names no charts, and a registry does not list them: name each under charts, with its version"},
		"registry without version": {"repositories: [{url: 'oci://a.io/x', charts: [{name: a, version: '>1'}]}]", "mirror.helm.repositories[0].charts[0]: a registry does not list versions; name the one that is to be carried"},
		"no name":                  {"repositories: [{url: 'https://a.io', charts: [{version: 1.0.0}]}]", "mirror.helm.repositories[0].charts[0].name is missing"},
		"no path":                  {"local: [{name: a}]", "mirror.helm.local[0].path is missing"},
		"address":                  {"local: [{path: 'oci://a.io/b'}]", "mirror.helm.local[0].path is an address; it must be a file or directory. Charts elsewhere go under mirror.helm.repositories"},
		"JSONPath":                 {"local: [{path: a, imagePaths: ['{.a[}']}]", "mirror.helm.local[0].imagePaths[0] is not a JSONPath expression such as {.spec.image}: "},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := Parse("f.yaml", []byte(asktest.Head+"mirror: {helm: {"+tc.in+"}}\n"))
			if err != nil {
				t.Fatal(err)
			}
			if got := message(errorText(c.CheckSupported())); !strings.HasPrefix(got, tc.want) {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestChartUnknown(t *testing.T) {
	for in, want := range map[string]string{
		"[{name: webs}]":                `https://charts.io/repo has no chart "webs"; did you mean "web"`,
		"[{name: web, version: 7.0.0}]": `chart "web" of https://charts.io/repo has no version "7.0.0"; it has 2.0.0-rc.1, 1.1.0+b.1, 1.0.0 and 5 more`,
		"[{name: web, version: soon}]":  `"soon" is neither a version nor a constraint`,
	} {
		c, err := Parse("f.yaml", []byte(asktest.Head+"mirror: {helm: {repositories: [{url: 'https://charts.io/repo', charts: "+in+"}]}}\n"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Resolve(t.Context(), c, chartSite(t))
		var ce *ConfigError
		if !errors.As(err, &ce) || !strings.Contains(ce.Msg, want) {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
	// The index is not available, and no version is named that a gap could be of.
	c, err := Parse("f.yaml", []byte(asktest.Head+"mirror: {helm: {repositories: [{url: 'https://none.io', charts: [{name: web}]}]}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Resolve(t.Context(), c, chartSite(t))
	var fe *FetchError
	if _, gap := oci.Gaps(err); gap || !errors.As(err, &fe) || fe.Status != 404 {
		t.Errorf("got %v", err)
	}
}

func TestEmitWithoutCharts(t *testing.T) {
	f := chartSite(t)
	c, err := Parse("f.yaml", []byte(asktest.Head+"mirror: {helm: {repositories: [{url: 'https://charts.io/repo', charts: [{name: web}]}]}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	inv, err := Resolve(t.Context(), c, f)
	if err != nil {
		t.Fatal(err)
	}
	files, _, err := Emit(inv, Site{Mirror: oci.Mirror{Host: "mirror.example"}, Unchecked: true})
	if err != nil {
		t.Fatal(err)
	}
	image := false
	for _, file := range files {
		image = image || bytes.Contains(file.Body, []byte("a.io/web"))
		if bytes.Contains(file.Body, []byte("charts.io")) {
			t.Errorf("%s speaks of a registry that is none:\n%s", file.Name, file.Body)
		}
	}
	if !image {
		t.Error("no file speaks of the chart's image")
	}
}
