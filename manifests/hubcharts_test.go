package manifests

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/oci"
)

// TestHubCharts: charts of one name are told apart in a hub by version and repository, and one
// that nothing decides on is refused.
func TestHubCharts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(f *asktest.Images, name, version string) oci.Descriptor {
		cfg := f.PutBlob("application/vnd.cncf.helm.config.v1+json", `{}`)
		layer := f.PutBlob("application/vnd.cncf.helm.chart.content.v1.tar+gzip", string(chartArchive(t, name, version, nil)))
		return f.PutBlob(oci.MediaTypeManifest, fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
			oci.MediaTypeManifest, cfg.MediaType, cfg.Digest, cfg.Size, layer.MediaType, layer.Digest, layer.Size))
	}
	f := chartSite(t)
	f.Refs["reg.io/other/web:3.0.0"] = put(f, "web", "3.0.0")
	for _, v := range []string{"1.0.0", "2.0.0"} {
		file := filepath.Join(dir, v, "web.tgz")
		if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, chartArchive(t, "web", v, nil), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const repos = "    repositories:\n    - {url: 'https://charts.io/repo', charts: [{name: web}, {name: db}]}\n    - {url: 'oci://reg.io/other', charts: [{name: web, version: 3.0.0}]}\n"
	local := func(version, more string) string {
		return fmt.Sprintf("    - {path: '%s'%s}\n", filepath.Join(dir, version, "web.tgz"), more)
	}
	both := repos + "    local:\n" + local("1.0.0", "") + local("2.0.0", "")
	in, inv := toInside(t, parseCharts(t, both), f, f, &f.Stored)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		set   string
		all   bool
		fails string
	}{
		"the same":         {both, true, ""},
		"by version":       {repos + "    local:\n" + local("2.0.0", ", version: 2.0.0") + local("1.0.0", ", version: 1.0.0"), true, ""},
		"one by version":   {"    local:\n" + local("2.0.0", ", version: 2.0.0"), false, ""},
		"one of them":      {"    local:\n" + local("2.0.0", ""), false, "several charts of this file name, such as web "},
		"not in one way":   {"    local:\n" + local("1.0.0", "") + local("2.0.0", ", imagePaths: ['{.spec.x}']"), false, "say which one with version"},
		"no such version":  {"    local:\n" + local("1.0.0", ", version: 4.0.0"), false, "no such file"},
		"repositories":     {repos, false, ""},
		"another registry": {"    repositories:\n    - {url: 'oci://reg.io/none', charts: [{name: web, version: 3.0.0}]}\n", false, "manifest unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			one := *in
			one.Images = asktest.NewImages()
			cfg := parseCharts(t, c.set)
			cfg.Extra.Hub = in.hub
			got, err := Resolve(t.Context(), cfg, &one)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want, has := placed(inv), placed(got)
			if c.all != slices.Equal(want, has) {
				t.Errorf("the hub has\n%s\nits bundle\n%s", strings.Join(want, "\n"), strings.Join(has, "\n"))
			}
			for _, img := range got.Images {
				if !slices.ContainsFunc(inv.Images, func(o oci.Image) bool { return o.Source == img.Source && o.Root.Digest == img.Root.Digest }) {
					t.Errorf("the hub does not have %s", img.Source)
				}
				if name == "one by version" && img.Built && img.Source.Tag != "2.0.0" {
					t.Errorf("it has %s", img.Source)
				}
			}
			if name == "repositories" && !slices.ContainsFunc(got.Images, func(img oci.Image) bool { return img.Source.String() == "charts.io/repo/web:1.1.0_b.1" }) {
				t.Errorf("the repository's own chart is not there: %q", has)
			}
		})
	}
}

func parseCharts(t *testing.T, charts string) *Config {
	t.Helper()
	c, err := imageset.Parse("f.yaml", []byte(asktest.Head+"mirror:\n  helm:\n"+charts))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
