package manifests

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
)

func TestCarried(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"images", "mirror:\n  additionalImages: [{name: a.io/b:c}]\n", ""},
		{"empty sections", "mirror:\n  operators: []\n  platform: {graph: false, channels: []}\n  helm: {local: []}\n  samples:\n  blockedImages: []\n", ""},
		{"empty fields", "mirror:\n  additionalImages: [{name: a.io/b:c, targetRepo: '', platforms: []}]\n", ""},
		{"release", "mirror:\n  platform: {release: 'a.io/b:c'}\n", ""},
		{"release and its architecture", "mirror:\n  platform: {release: 'a.io/b:c', architectures: [amd64]}\n", ""},
		{"release and architectures", "mirror:\n  platform:\n    release: a.io/b:c\n    architectures: [amd64, arm64]\n", "f.yaml:6:5: mirror.platform.architectures: the payload that mirror.platform.release names has one architecture, or multi; name that one or none"},
		{"architectures of nothing", "mirror:\n  platform: {architectures: [amd64, multi]}\n", ""},
		{"channels and their architectures", "mirror:\n  platform:\n    release: a.io/b:c\n    architectures: [amd64, arm64]\n    channels: [{name: stable-4.12}]\n", ""},
		{"graph", "mirror: {platform: {graph: true}}\n", ""},
		{"platforms and kubevirt", "mirror:\n  platform:\n    release: a.io/b:c\n    platforms: [{os: linux, architecture: amd64}]\n    kubeVirtContainer: true\n", ""},
		{"operators", "mirror:\n  Operators: [{catalog: a.io/b:c, full: true, skipDependencies: true, packages: [{name: d, channels: [{name: e}]}]}]\n", ""},
		{"operators elsewhere", "mirror:\n  operators:\n  - catalog: a.io/b:c\n    targetCatalog: x\n    targetTag: y\n    targetCatalogSourceTemplate: z\n    platforms: [{os: linux, architecture: amd64}]\n",
			""},
		{"operators by version", "mirror:\n  operators:\n  - catalog: a.io/b:c\n    packages:\n    - name: d\n      defaultChannel: e\n      minVersion: 1.0.0\n      maxVersion: 2.0.0\n    - name: f\n      channels:\n      - name: g\n        minVersion: 1.0.0\n        maxVersion: 2.0.0\n", ""},
		{"operators in a directory", "mirror:\n  operators: [{catalog: 'oci:///tmp/catalog'}]\n", ""},
		{"samples", "mirror:\n  samples: [{name: a}]\n", "f.yaml:4:3: mirror.samples: oc-mirror reads it and carries nothing for it; name the images under mirror.additionalImages"},
		{"blocked, then the rest", "mirror:\n  blockedImages: [{name: a}]\n  additionalImages:\n  - name: a.io/b:c\n    targetRepo: x\n    targetTag: y\n    platforms: [{os: linux, architecture: amd64}]\n",
			""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			c, err := Parse("f.yaml", []byte(asktest.Head+tc.in))
			if err != nil {
				t.Fatal(err)
			}
			err = c.CheckSupported()
			if got := errorText(err); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			var ce *ConfigError
			if err != nil && (!errors.As(err, &ce) || !strings.HasPrefix(ce.Hint(), "remove mirror.")) {
				t.Errorf("%+v is no ConfigError with a hint", err)
			}
		})
	}
}

// peerUnparsed and peerUncarried hold the files that oc-mirror's own tests use.
var peerUnparsed = map[string]string{
	"exit_codes/isc-generic-error.yaml":                 `3:1: unknown key "storageConfig" at the top level`,
	"operators/isc-operator-invalid-version-range.yaml": "13:23: mirror.operators[0].packages[0].channels[0]: minVersion 0.3.1 is higher than maxVersion 0.2.0",
	"signatures/disc-signatures.yaml":                   "1:7: a DeleteImageSetConfiguration says what to delete from a mirror; only an ImageSetConfiguration can be packed",
}

// peerUncarried lists what is refused as "LINE KEY".
var peerUncarried = map[string]string{
	"dry_run/isc-manifest-list.yaml":                 "",
	"exit_codes/isc-operator-error.yaml":             "",
	"exit_codes/isc-release-error.yaml":              "",
	"happy_path/isc-happy-path.yaml":                 "",
	"incremental/isc-incremental-narrow.yaml":        "",
	"operators/isc-operator-extra-blobs.yaml":        "",
	"operators/isc-operator-incremental-update.yaml": "",
	"operators/isc-operator-version-range.yaml":      "",
	"parallel_copy/isc-parallel-images.yaml":         "",
	"secure_policy/isc-operators-only.yaml":          "",
	"sparse_manifest/isc-additional-amd64.yaml":      "",
	"sparse_manifest/isc-archs-multi.yaml":           "",
	"sparse_manifest/isc-sparse-full-multi.yaml":     "",
	"sparse_manifest/isc-sparse-mixed.yaml":          "",
}

// TestPeerFiles reads the files that oc-mirror's own tests use. What is refused
// must be refused for the reasons here and no other.
func TestPeerFiles(t *testing.T) {
	const dir = "../../shared/data/peer-inputs/imagesetconfigs"
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the files of other projects are not here: %v", err)
	}
	seen := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		seen[name] = true
		c, err := Parse(name, data)
		if want, ok := peerUnparsed[name]; ok || err != nil {
			if errorText(err) != name+":"+want {
				t.Errorf("%s: got %v, want %s", name, err, want)
			}
			return nil
		}
		if got, want := refusals(c.CheckSupported()), peerUncarried[name]; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(slices.Collect(maps.Keys(peerUnparsed)), slices.Collect(maps.Keys(peerUncarried))...) {
		if !seen[name] {
			t.Errorf("%s is not there any more", name)
		}
	}
	if len(seen) != len(peerUnparsed)+len(peerUncarried) {
		t.Errorf("there are %d files, %d are in the table", len(seen), len(peerUnparsed)+len(peerUncarried))
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// refusals writes what Carried refused as "LINE KEY, LINE KEY".
func refusals(err error) string {
	if err == nil {
		return ""
	}
	var list []string
	for _, line := range strings.Split(err.Error(), "\n") {
		parts := strings.SplitN(line, ":", 4)
		path, _, _ := strings.Cut(strings.TrimSpace(parts[3]), ":")
		list = append(list, parts[1]+" "+path[strings.LastIndexByte(path, '.')+1:])
	}
	return strings.Join(list, ", ")
}
