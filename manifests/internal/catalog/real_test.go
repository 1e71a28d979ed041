package catalog

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

const realData = "../../../../shared/data/fbc"

// realCatalogs are directories that are catalogs, below realData; each directory
// in those of the first list is one.
var (
	realParents  = []string{"community-v4.12", "community-v4.16", "community-v4.18", "okd-multi-file", "redhat-multi-file"}
	realCatalogs = []string{"community-v4.12", "community-v4.16", "custom-schema", "odd/json-in-yaml-file", "okd-multi-file", "redhat"}
	realFiles    = []string{"deprecations/example-operator.v0.2.0-deprecations.yaml", "deprecations/nginx70050-valid.yaml"}
)

func realTree(t *testing.T, path string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(filepath.Join(realData, path), func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		body, err := os.ReadFile(p)
		name, rerr := filepath.Rel(realData, p)
		if err == nil {
			err = rerr
		}
		files[filepath.ToSlash(name)] = string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func needReal(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(realData); err != nil {
		t.Skipf("the catalogs of other projects are not here: %v", err)
	}
}

// theirs is what operator-registry makes of the same files.
func theirs(t *testing.T, files map[string]string) *declcfg.DeclarativeConfig {
	t.Helper()
	root := fstest.MapFS{}
	for name, body := range files {
		root[name] = &fstest.MapFile{Data: []byte(body)}
	}
	cfg, err := declcfg.LoadFS(t.Context(), root)
	if err != nil {
		t.Fatalf("operator-registry: %v", err)
	}
	return cfg
}

// TestRealCatalogs reads catalogs as they are and holds them against
// operator-registry: the same packages, channels and bundles, and the same heads
// wherever its model takes the catalog.
func TestRealCatalogs(t *testing.T) {
	needReal(t)
	list := slices.Concat(realCatalogs, realFiles)
	for _, parent := range realParents {
		dirs, err := os.ReadDir(filepath.Join(realData, parent))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dirs {
			list = append(list, parent+"/"+d.Name())
		}
	}
	modelled := 0
	for _, path := range list {
		t.Run(path, func(t *testing.T) {
			files := realTree(t, path)
			cfg := theirs(t, files)
			got, err := parse(t, files)
			if err != nil {
				t.Fatal(err)
			}
			compareContent(t, got, cfg)
			m, err := declcfg.ConvertToModel(*cfg)
			if err != nil {
				t.Logf("their model refuses it: %v", err)
				return
			}
			modelled++
			for _, p := range got {
				for _, c := range p.Channels {
					want, werr := m[p.Name].Channels[c.Name].Head()
					head, err := c.Head()
					if err != nil || werr != nil || head != want.Name || p.Bundle(head) == nil {
						t.Errorf("%s, %s: got %q, %v; theirs %v, %v", p.Name, c.Name, head, err, want, werr)
					}
				}
			}
		})
	}
	if modelled < 12 {
		t.Errorf("only %d of %d catalogs were compared by their heads", modelled, len(list))
	}
}

// compareContent wants the index to have whatever the catalog has.
func compareContent(t *testing.T, got []Package, cfg *declcfg.DeclarativeConfig) {
	t.Helper()
	have, want := map[string]string{}, map[string]string{}
	for _, p := range got {
		have[p.Name] = p.DefaultChannel
		for _, c := range p.Channels {
			var entries []string
			for _, e := range c.Entries {
				entries = append(entries, e.Name, e.Replaces, strings.Join(e.Skips, "|"), e.SkipRange)
			}
			have[p.Name+"/"+c.Name] = strings.Join(entries, " ")
		}
		for _, b := range p.Bundles {
			have[p.Name+"/bundle/"+b.Name] = b.Version + " " + b.Image + " " + strings.Join(b.Related, " ")
		}
	}
	for _, p := range cfg.Packages {
		want[p.Name] = p.DefaultChannel
	}
	for _, c := range cfg.Channels {
		var entries []string
		for _, e := range c.Entries {
			entries = append(entries, e.Name, e.Replaces, strings.Join(e.Skips, "|"), e.SkipRange)
		}
		want[c.Package+"/"+c.Name] = strings.Join(entries, " ")
	}
	for _, b := range cfg.Bundles {
		v, err := b.CompositeVersion()
		if err != nil {
			t.Fatal(err)
		}
		related := map[string]bool{}
		for _, r := range b.RelatedImages {
			related[r.Image] = true
		}
		delete(related, "")
		want[b.Package+"/bundle/"+b.Name] = v.Version.String() + " " + b.Image + " " + strings.Join(slices.Sorted(maps.Keys(related)), " ")
	}
	if !maps.Equal(have, want) {
		t.Errorf("got %d things, theirs are %d", len(have), len(want))
		for k, v := range want {
			if have[k] != v {
				t.Errorf("%s: got %.300q, want %.300q", k, have[k], v)
			}
		}
	}
}

func TestRealTemplates(t *testing.T) {
	needReal(t)
	for file, want := range map[string]string{
		"templates/kubevirt-wol-semver.yaml":            "it is a template (olm.semver)",
		"templates/ecr-secret-operator-deprecated.yaml": "it is a template (olm.template.basic)",
		"odd/index_34016.db":                            "it is an SQLite database, which is not read",
	} {
		_, err := parse(t, realTree(t, file))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "/configs/"+file) {
			t.Errorf("%s: got %v", file, err)
		}
	}
}

// TestIgnored leaves out the files that operator-registry leaves out.
func TestIgnored(t *testing.T) {
	files := map[string]string{
		".indexignore":           "# notes\n*.md\n/skipped\n!kept.md\nback\\\\slash\n",
		"README.md":              "# not: a: catalog",
		"kept.md":                small1("kept"),
		"a/catalog.json":         small1("a"),
		"a/README.md":            "schema: olm.semver\n",
		"a/.indexignore":         "\n/deep/**/x.json\nonly-here\n",
		"a/deep/1/2/x.json":      "[",
		"a/deep/1/y.json":        small1("y"),
		"a/only-here":            "[",
		"only-here":              small1("here"),
		"skipped/catalog.json":   small1("skipped"),
		"b/skipped/catalog.json": small1("b"),
		"c/.indexignore":         "",
		"c/.hidden":              small1("hidden"),
		"c/.wh":                  small1("wh"),
	}
	got, err := parse(t, files)
	if err != nil {
		t.Fatal(err)
	}
	compareContent(t, got, theirs(t, files))
	if want := "a b here hidden kept wh y"; names(got) != want {
		t.Errorf("got %s, want %s", names(got), want)
	}
	files[`a\b`] = small1("s")
	if _, err := parse(t, files); err == nil || !strings.Contains(err.Error(), `file "/configs/a\\b": its name cannot be compared with the patterns of an .indexignore`) {
		t.Errorf("got %v", err)
	}
}
