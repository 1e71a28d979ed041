package manifests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/operator"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

func TestOperators(t *testing.T) {
	const at = "  - catalog: " + asktest.TestCatalog + "\n"
	tests := []struct{ name, in, bundles string }{
		{"every head", at, "etcd:1.1.0 etcd:2.0.0 prometheus:0.5.0"},
		{"a package", at + "    packages: [{name: etcd}]\n", "etcd:1.1.0 etcd:2.0.0"},
		{"packages", at + "    packages: [{name: prometheus}, {name: etcd}]\n", "etcd:1.1.0 etcd:2.0.0 prometheus:0.5.0"},
		{"a channel", at + "    packages: [{name: etcd, channels: [{name: stable}]}]\n", "etcd:1.1.0"},
		{"channels that share a head", at + "    packages: [{name: etcd, defaultChannel: next, channels: [{name: next}, {name: alpha}]}]\n", "etcd:2.0.0"},
		{"a range of a channel", at + "    packages: [{name: etcd, channels: [{name: stable, minVersion: 1.0.0}]}]\n", "etcd:1.0.0 etcd:1.1.0"},
		{"a range of a package", at + "    packages: [{name: etcd, maxVersion: 1.1.0}, {name: prometheus, minVersion: 0.4.0}]\n", "etcd:1.0.0 etcd:1.1.0 prometheus:0.5.0"},
		{"one version", at + "    packages: [{name: etcd, minVersion: 2.0.0, maxVersion: 2.0.0, defaultChannel: next}]\n", "etcd:2.0.0"},
		{"full", at + "    full: true\n", "etcd:1.0.0 etcd:1.1.0 etcd:2.0.0 prometheus:0.4.0 prometheus:0.5.0"},
		{"a full package", at + "    full: true\n    packages: [{name: etcd}]\n", "etcd:1.0.0 etcd:1.1.0 etcd:2.0.0"},
		{"a full channel", at + "    full: true\n    packages: [{name: etcd, channels: [{name: alpha}]}]\n", "etcd:1.1.0 etcd:2.0.0"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			h := asktest.NewCatalogs()
			root := h.PutCatalog(t, asktest.TestCatalog, asktest.TestFiles())
			inv, err := Resolve(t.Context(), asktest.ParseOperators(t, tc.in), h)
			if err != nil {
				t.Fatal(err)
			}
			if err := inv.Validate(); err != nil {
				t.Error(err)
			}
			var bundles []string
			for _, img := range inv.Images {
				if img.Origin == origin.Catalog {
					base := ""
					if tc.name != "full" {
						base = "example.com/cat/index@" + root.Digest.String()
					}
					if img.Built != (base != "") || (img.Root.Digest == root.Digest) == img.Built || base != strings.TrimPrefix(img.Base.String(), "/") || img.Path != "" || !slices.Equal(img.Tags, []string{"v1"}) ||
						!slices.Equal(img.Platforms, []string{"linux/amd64", "linux/arm64"}) || !slices.Equal(oci.Words(img.Reasons), []string{"catalog"}) {
						t.Errorf("catalog: %+v", img)
					}
				} else if img.Origin != origin.Operator {
					t.Errorf("origin: %+v", img)
				}
				if strings.HasSuffix(strings.Join(oci.Words(img.Reasons), ";"), ": bundle") {
					bundles = append(bundles, img.Source.Repository+":"+img.Source.Tag)
				}
			}
			if got := strings.Join(bundles, " "); got != tc.bundles {
				t.Errorf("got %s, want %s", got, tc.bundles)
			}
		})
	}
}

// TestOperatorImages holds every field of what one selection carries.
func TestOperatorImages(t *testing.T) {
	h := asktest.NewCatalogs()
	h.PutCatalog(t, asktest.TestCatalog, asktest.TestFiles())
	c := asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: etcd, channels: [{name: alpha}]}, {name: prometheus}]\n  additionalImages:\n  - name: example.com/proxy:v1\n")
	inv, err := Resolve(t.Context(), c, h)
	if err != nil {
		t.Fatal(err)
	}
	d := asktest.NewImages().PutImage("linux/amd64", "operand").Digest.String()
	want := []string{
		"operator docker.io/library/busybox:latest [latest] operator etcd 2.0.0: related image",
		"catalog " + asktest.TestCatalog + " [v1] catalog",
		"operator example.com/etcd/server@" + d + " [] operator etcd 2.0.0: related image",
		"operator example.com/etcd:2.0.0 [2.0.0] operator etcd 2.0.0: bundle",
		"operator example.com/prometheus:0.5.0 [0.5.0] operator prometheus 0.5.0: bundle",
		"operator example.com/proxy:v1 [v1] additionalImages; operator prometheus 0.5.0: related image",
		"operator example.com/proxy:v3@" + d + " [] operator etcd 2.0.0: related image",
		"operator quay.io/untagged:latest [latest] operator prometheus 0.5.0: related image",
	}
	var got []string
	for _, img := range inv.Images {
		got = append(got, fmt.Sprintf("%s %s %v %s", img.Origin, img.Source, img.Tags, strings.Join(oci.Words(img.Reasons), "; ")))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestOperatorsAreKept(t *testing.T) {
	h := asktest.NewCatalogs()
	root := h.PutCatalog(t, asktest.TestCatalog, asktest.TestFiles())
	run := func(ref string) *oci.Inventory {
		h.Opened = nil
		inv, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+ref+"\n    packages: [{name: etcd}]\n"), h)
		if err != nil {
			t.Fatal(err)
		}
		return inv
	}
	first := run(asktest.TestCatalog)
	if n := len(slices.DeleteFunc(h.Opened, func(mt string) bool { return mt != ocitest.LayerDocker })); n != 1 {
		t.Errorf("%d layers were opened at first", n)
	}
	second := run(asktest.TestCatalog)
	if slices.Contains(h.Opened, ocitest.LayerDocker) {
		t.Errorf("a layer was opened again: %q", h.Opened)
	}
	if a, b := documents.Canonical(first), documents.Canonical(second); string(a) != string(b) {
		t.Errorf("first  %s\nsecond %s", a, b)
	}
	pinned := "example.com/cat/index@" + root.Digest.String()
	h.Roots[pinned] = root
	third := run(pinned)
	i := slices.IndexFunc(third.Images, func(img oci.Image) bool { return img.Origin == origin.Catalog })
	k := slices.IndexFunc(first.Images, func(img oci.Image) bool { return img.Origin == origin.Catalog })
	if img := third.Images[i]; slices.Contains(h.Opened, ocitest.LayerDocker) || img.Base.String() != pinned || img.Tags != nil ||
		img.Root.Digest != first.Images[k].Root.Digest || img.Source.String() != "example.com/cat/index@"+img.Root.Digest.String() {
		t.Errorf("by digest: opened %q, %+v", h.Opened, img)
	}
}

func TestOperatorsNotThere(t *testing.T) {
	h := asktest.NewCatalogs()
	h.PutCatalog(t, asktest.TestCatalog, asktest.TestFiles())
	h.PutCatalog(t, "example.com/other:v2", map[string]string{"x": asktest.FBC("only", map[string]string{"stable": "1.0.0"}, map[string]string{"1.0.0": ""})})
	c := asktest.ParseOperators(t, `  - catalog: example.com/cat/index:v1
    packages:
    - name: prometheuss
    - name: etcd
      channels:
      - name: stabel
      - name: stable
      - name: beta
  - catalog: none.example.com/index:v1
    packages: [{name: x}]
  - catalog: example.com/other:v2
    packages:
    - {name: nothing-like-it}
`)
	_, err := Resolve(t.Context(), c, h)
	want := `f.yaml:7:13: mirror.operators[0].packages[0].name: catalog example.com/cat/index:v1 has no package "prometheuss"; did you mean "prometheus"?
f.yaml:10:15: mirror.operators[0].packages[1].channels[0].name: package "etcd" of catalog example.com/cat/index:v1 has no channel "stabel"; did you mean "stable"?
f.yaml:12:15: mirror.operators[0].packages[1].channels[2].name: package "etcd" of catalog example.com/cat/index:v1 has no channel "beta"; it has alpha, next, stable
f.yaml:17:14: mirror.operators[2].packages[0].name: catalog example.com/other:v2 has no package "nothing-like-it"; it has only`
	var ce *ConfigError
	if errorText(err) != want || !errors.As(err, &ce) {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestOperatorsRanges names what a range or a default channel lacks, where it is
// asked for.
func TestOperatorsRanges(t *testing.T) {
	h := asktest.NewCatalogs()
	h.PutCatalog(t, asktest.TestCatalog, asktest.TestFiles())
	c := asktest.ParseOperators(t, `  - catalog: example.com/cat/index:v1
    packages:
    - name: prometheus
      minVersion: 0.6.0
    - name: etcd
      channels:
      - name: stable
        minVersion: 1.0.1
        maxVersion: 1.0.9
      - name: alpha
`)
	_, err := Resolve(t.Context(), c, h)
	want := `f.yaml:8:19: mirror.operators[0].packages[0].minVersion: package "prometheus" of catalog example.com/cat/index:v1: no version of any channel is in the range >=0.6.0; the highest that is there is 0.5.0
f.yaml:12:21: mirror.operators[0].packages[1].channels[0].minVersion: package "etcd" of catalog example.com/cat/index:v1: channel "stable": no version is in the range >=1.0.1 <=1.0.9; the nearest that are there are 1.0.0 and 1.1.0`
	var ce *ConfigError
	if errorText(err) != want || !errors.As(err, &ce) {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	c = asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: etcd, channels: [{name: next}, {name: alpha}]}]\n")
	_, err = Resolve(t.Context(), c, h)
	want = `f.yaml:6:23: mirror.operators[0].packages[0].name: package "etcd" of catalog example.com/cat/index:v1: the default channel of the catalog is "stable", which is left out: set defaultChannel to one of alpha, next`
	if errorText(err) != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	c = asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: etcd, channels: [{name: next}]}]\n")
	if _, err := Resolve(t.Context(), c, h); err != nil {
		t.Error(err)
	}
	if want := []string{`catalog example.com/cat/index:v1: package "etcd": the default channel of the catalog is "stable", which is left out; "next" becomes the default channel`}; !slices.Equal(unusual(h.Notes), want) {
		t.Errorf("notes %q", h.Notes)
	}
}

func TestOperatorsFaults(t *testing.T) {
	bundles := map[string]string{"1.0.0": "", "2.0.0": ""}
	tests := []struct{ name, body, in, want string }{
		{"several heads", asktest.FBC("etcd", map[string]string{"a": "1.0.0 2.0.0"}, bundles), "", ""},
		{"no head", asktest.FBC("etcd", map[string]string{"a": "1.0.0>2.0.0 2.0.0>1.0.0"}, bundles), "", `package "etcd", channel "a": it has no head: each of its 2 entries is replaced or skipped by another`},
		{"empty channel", asktest.FBC("etcd", map[string]string{"a": ""}, bundles), "", `package "etcd": none of its channels has a bundle that can be carried`},
		{"no channel", asktest.FBC("etcd", nil, bundles), "", `package "etcd": it has no channel`},
		{"entries without bundles", asktest.FBC("etcd", map[string]string{"a": "3.0.0>2.0.0 2.0.0>0.1.0 0.1.0"}, bundles), "", ""},
		{"images that are none", asktest.FBC("etcd", map[string]string{"a": "1.0.0"}, map[string]string{"1.0.0": "Example/UPPER:x"}), "",
			`package "etcd", bundle "etcd.v1.0.0": image reference "Example/UPPER:x": invalid reference format: `},
		{"images with other digests", asktest.FBC("etcd", map[string]string{"a": "1.0.0"}, map[string]string{"1.0.0": "example.com/y@sha512:" + strings.Repeat("0", 128) + " example.com/z@sha512:" + strings.Repeat("0", 128)}), "",
			`package "etcd", bundle "etcd.v1.0.0": image reference "example.com/y@sha512:` + strings.Repeat("0", 128) + `": digest sha512:` + strings.Repeat("0", 128) + `: only sha256 digests are carried` + "\n" +
				"image " + asktest.TestCatalog + ` (operator etcd 1.0.0: related image): package "etcd", bundle "etcd.v1.0.0": image reference "example.com/z@sha512:`},
		{"not chosen", asktest.FBC("etcd", map[string]string{"a": "1.0.0 2.0.0", "b": "1.0.0"}, bundles), "    packages: [{name: etcd, channels: [{name: b}]}]\n", ""},
		{"not chosen by package", asktest.FBC("other", map[string]string{"a": "1.0.0"}, bundles) + asktest.FBC("etcd", map[string]string{"a": "9.0.0"}, nil), "    packages: [{name: other}]\n", ""},
		{"broken", "schema: [", "", `file "/configs/x": document 1: `},
		{"sqlite", "SQLite format 3\x00", "", `file "/configs/x": it is an SQLite database`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			h := asktest.NewCatalogs()
			h.PutCatalog(t, asktest.TestCatalog, map[string]string{"x": tc.body})
			_, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n"+tc.in), h)
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var ue *oci.UnsupportedError
			if errors.As(err, &ue) && strings.HasPrefix(err.Error(), "catalog "+asktest.TestCatalog+": "+tc.want) {
				return // there is no package in it
			}
			var fault *ask.FaultError
			_, after, _ := strings.Cut(errorText(err), "): ")
			if !errors.As(err, &fault) || !strings.HasPrefix(after, tc.want) {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
			if _, gaps := oci.Gaps(err); !gaps {
				t.Error("a fault of the catalog is no gap")
			}
		})
	}
}

func TestOperatorsManyFaults(t *testing.T) {
	h := asktest.NewCatalogs()
	var related []string
	for i := range 150 {
		related = append(related, fmt.Sprintf("example.com/x%d@sha512:%0128d", i, i))
	}
	h.PutCatalog(t, asktest.TestCatalog, map[string]string{"x": asktest.FBC("etcd", map[string]string{"a": "1.0.0"}, map[string]string{"1.0.0": strings.Join(related, " ")})})
	_, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n"), h)
	if n := strings.Count(errorText(err), "\n"); n != operator.MaxCatalogErrors || !strings.HasSuffix(errorText(err), "the rest of the catalog: 50 more things in it cannot be carried") {
		t.Errorf("%d errors", n)
	}
}

func TestOperatorsNoCatalog(t *testing.T) {
	h := asktest.NewCatalogs()
	layer := h.Content.Layer(1000, ocitest.LayerGzip)
	h.Roots["a.io/plain:v1"] = h.Content.Image(false, layer)
	h.Roots["a.io/sqlite:v1"] = h.Content.Labelled("amd64", true, map[string]string{"operators.operatorframework.io.index.database.v1": "/database/index.db"}, layer)
	h.Roots["a.io/linked:v1"] = h.Content.Labelled("amd64", true, map[string]string{ocitest.CatalogLabel: "/data"}, h.Content.Blob([]byte("no gzip"), ocitest.LayerGzip))
	h.Roots["a.io/artifact:v1"] = h.Content.Artifact("application/x")
	_, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: a.io/plain:v1\n  - catalog: a.io/sqlite:v1\n  - catalog: a.io/linked:v1\n  - catalog: a.io/artifact:v1\n"), h)
	lines := strings.Split(errorText(err), "\n")
	want := []string{
		"catalog a.io/plain:v1: it is not an operator catalog: it has no label operators.operatorframework.io.index.configs.v1",
		"catalog a.io/sqlite:v1: it is an SQLite catalog (it has the label operators.operatorframework.io.index.database.v1), which is not read; use a file-based catalog, as those of OpenShift 4.11 and newer are",
		"catalog a.io/linked:v1: layer sha256:",
		"catalog a.io/artifact:v1: manifest sha256:",
	}
	if len(lines) != len(want) {
		t.Fatalf("got %v", err)
	}
	for i, w := range want {
		if !strings.HasPrefix(lines[i], w) {
			t.Errorf("got  %s\nwant %s", lines[i], w)
		}
	}
}

// TestOperatorsGaps continues without a catalog that is not available.
func TestOperatorsGaps(t *testing.T) {
	h := asktest.NewCatalogs()
	h.PutCatalog(t, asktest.TestCatalog, asktest.TestFiles())
	h.Fail = errors.New("connection reset")
	c := asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n  - catalog: none.example.com/index:v1\n  additionalImages: [{name: a.io/b:c}]\n")
	inv, err := Resolve(t.Context(), c, h)
	gaps, ok := oci.Gaps(err)
	if !ok || len(gaps) != 2 || len(inv.Images) != 1 {
		t.Fatalf("got %v, %v", inv, err)
	}
	for i, want := range []string{"image " + asktest.TestCatalog + ": read the catalog: open layer sha256:", "image none.example.com/index:v1: manifest unknown"} {
		if !strings.HasPrefix(gaps[i].Error(), want) || gaps[i].Image.Origin != origin.Catalog || gaps[i].Image.Tags[0] != "v1" {
			t.Errorf("got %+v, want %s", gaps[i], want)
		}
	}
	if h.Fail = nil; len(h.Parsed) != 0 {
		t.Error("a catalog that could not be read is kept")
	}
	if inv, err = Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n"), h); err != nil || len(inv.Images) < 5 {
		t.Errorf("later: got %v, %v", inv, err)
	}
}

// fullCache is an [ask.Images] that cannot keep anything, or gives something else.
type fullCache struct {
	*asktest.Catalogs
	err  error
	body string
}

func (f fullCache) Derived(context.Context, string, func(io.Writer) error) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(f.body)), f.err
}

func TestOperatorsCacheFails(t *testing.T) {
	h := asktest.NewCatalogs()
	h.PutCatalog(t, asktest.TestCatalog, asktest.TestFiles())
	for _, tc := range []struct {
		images fullCache
		want   string
	}{
		{fullCache{h, errors.New("no space"), ""}, "catalog " + asktest.TestCatalog + ": keep what was read of it: no space"},
		{fullCache{h, nil, `{"format":5,"packages":1}` + "\n"}, "catalog " + asktest.TestCatalog + ": read what was stored of it: package 1 of 1: unexpected EOF"},
	} {
		_, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n"), tc.images)
		if errorText(err) != tc.want {
			t.Errorf("got  %v\nwant %s", err, tc.want)
		}
	}
}
