package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/operator-framework/operator-registry/alpha/declcfg"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/filter"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// takes reports why an opm does not make its cache of a catalog; nil if it does.
func takes(t *testing.T, opm string, files fstest.MapFS) error {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "configs"), files); err != nil {
		t.Fatal(err)
	}
	out, err := proctest.Command(t, opm, "serve", filepath.Join(dir, "configs"), "--cache-dir", filepath.Join(dir, "cache"), "--cache-only", "--termination-log", filepath.Join(dir, "log")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// newest asks the operator-registry that is linked.
func newest(t *testing.T, files fstest.MapFS) error {
	t.Helper()
	cfg, err := declcfg.LoadFS(t.Context(), files)
	if err == nil {
		_, err = declcfg.ConvertToModel(*cfg)
	}
	return err
}

// TestOldestOpm has catalogs that opm 1.26 and the newest operator-registry judge
// differently: what is filtered of each is one that both take. The rules are the table
// in package filter.
func TestOldestOpm(t *testing.T) {
	t.Parallel()
	opm := asktest.OldestOpm(t)
	doc := func(v string, more string) string {
		return strings.Replace(bundleDoc("a", v), `"properties":[`, `"properties":[`+more, 1)
	}
	chain := channelDoc("a", "stable", `{"name":"a.v2.0.0","replaces":"a.v1.1.0","skips":["a.v1.1.0","a.v1.0.0"]}`, `{"name":"a.v1.1.0","replaces":"a.v1.0.0"}`, `{"name":"a.v1.0.0","replaces":"a.v1.1.0"}`)
	bundles := bundleDoc("a", "1.0.0") + bundleDoc("a", "1.1.0") + bundleDoc("a", "2.0.0")
	tests := []struct {
		name     string
		files    map[string]string
		old, new bool // who takes the catalog as it is published
	}{
		{"nothing odd", map[string]string{"a/x": small1("a")}, true, true},
		{"a circle behind an entry that is skipped", map[string]string{"a/x": pkgDoc("a") + chain + bundles}, false, true},
		{"properties that are no list of properties", map[string]string{"a/x": small1("a") + `{"schema":"x","package":"a","properties":{"a":1}}` + `{"schema":"y","Properties":[{"type":1}]}`}, false, true},
		{"an object by ref and data", map[string]string{"a/x": pkgDoc("a") + channelDoc("a", "stable", `{"name":"a.v1.0.0"}`) + doc("1.0.0", `{"type":"olm.bundle.object","value":{"ref":"o.yaml","data":"e30="}},`)}, false, true},
		{"an object by ref", map[string]string{".indexignore": "o.yaml\n", "a/o.yaml": "kind: X\n", "a/x": pkgDoc("a") + channelDoc("a", "stable", `{"name":"a.v1.0.0"}`) + doc("1.0.0", `{"type":"olm.bundle.object","value":{"ref":"o.yaml"}},`)}, true, true},
		{"an object by ref that is missing", map[string]string{"a/x": pkgDoc("a") + channelDoc("a", "stable", `{"name":"a.v1.0.0"}`) + bundleDoc("a", "1.0.0") + strings.Replace(doc("1.1.0", `{"type":"olm.bundle.object","value":{"ref":"o.yaml"}},`), "a.v1.1.0", "a.v1.1.0", 1)}, false, false},
		{"replaced and skipped", map[string]string{"a/x": pkgDoc("a") + channelDoc("a", "stable", `{"name":"a.v2.0.0","replaces":"a.v1.1.0","skips":["a.v1.1.0"]}`, `{"name":"a.v1.1.0","replaces":"a.v1.0.0"}`, `{"name":"a.v1.0.0"}`) + bundles}, true, false},
		{"white space", map[string]string{"a/x": pkgDoc("a") + channelDoc("a", "stable", `{"name":"a.v1.0.0"}`) + bundleDoc("a", "1.0.0", "example.com/x:1 ")}, true, false},
		{"a version twice", map[string]string{"a/x": pkgDoc("a") + channelDoc("a", "stable", `{"name":"a.v1.0.0"}`, `{"name":"b","replaces":"a.v1.0.0"}`) + bundleDoc("a", "1.0.0") + strings.Replace(bundleDoc("a", "1.0.0"), `"a.v1.0.0"`, `"b"`, 1)}, true, false},
		{"a deprecation of nothing", map[string]string{"a/x": small1("a") + `{"schema":"olm.deprecations","package":"a","entries":[{"reference":{"schema":"olm.bundle","name":"x"},"message":"old"}]}`}, true, false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			published := fstest.MapFS{}
			for name, body := range tc.files {
				published[name] = &fstest.MapFile{Data: []byte(body)}
			}
			if old, now := takes(t, opm, published), newest(t, published); (old == nil) != tc.old || (now == nil) != tc.new {
				t.Errorf("as published: %v; %v", old, now)
			}
			out, lost := filtered(t, written(t, tc.files), func(*Package) (filter.Request, bool) { return filter.Request{Full: true}, true })
			if err := errors.Join(takes(t, opm, out), newest(t, out)); err != nil || len(lost) > 0 {
				t.Errorf("filtered: %v, %q", err, lost)
			}
			var all bytes.Buffer
			for _, f := range out {
				all.Write(f.Data)
			}
			if !strings.Contains(all.String(), `"schema":"olm.bundle"`) {
				t.Error("nothing is left")
			}
		})
	}
	t.Run("real", func(t *testing.T) { oldestReal(t, opm) })
}

// oldestReal filters real catalogs for it.
func oldestReal(t *testing.T, opm string) {
	t.Helper()
	needReal(t)
	few := 3
	if os.Getenv("SATCHEL_SOAK") != "" {
		few = 100
	}
	for _, path := range []string{"redhat", "community-v4.18/rabbitmq-messaging-topology-operator", "okd-multi-file/odf-operator", "community-v4.18/kubevirt-wol"} {
		lines := written(t, realTree(t, path))
		for n := range few {
			some := false
			out, _ := filtered(t, lines, func(p *Package) (filter.Request, bool) {
				list := ways(p)
				if len(list) == 0 || len(p.Bundles) == 0 {
					return filter.Request{}, false
				}
				some = some || n < len(list)
				return list[n%len(list)], true
			})
			if !some || len(out) == 0 {
				continue
			}
			if err := takes(t, opm, out); err != nil {
				t.Errorf("%s, way %d: %v", path, n, err)
			}
		}
	}
}
