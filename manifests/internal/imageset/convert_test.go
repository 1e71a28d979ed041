package imageset

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

const versionOne = `# our set
kind: ImageSetConfiguration
apiVersion: mirror.openshift.io/v1alpha2
storageConfig:
  local: {path: ./state}
mirror:
  platform:
    channels:
      - name: stable-4.16 # keep
  operators:
    - catalog: a.io/b/index:v4.16
      targetName: mine
      headsOnly: false
      packages:
        - name: web
          minBundle: web.v1
          channels:
            - name: stable
              bundles: []
`

// TestConvert rewrites a file of oc-mirror v1, and lists what is lost.
func TestConvert(t *testing.T) {
	t.Parallel()
	out, changes, err := Convert("f.yaml", []byte(versionOne))
	const want = `# our set
kind: ImageSetConfiguration
apiVersion: mirror.openshift.io/v2alpha1
mirror:
  platform:
    channels:
      - name: stable-4.16 # keep
  operators:
    - catalog: a.io/b/index:v4.16
      targetCatalog: b/mine
      packages:
        - name: web
          channels:
            - name: stable
`
	if err != nil || string(out) != want {
		t.Errorf("converted to\n%s\n%v", out, err)
	}
	var lines []string
	for _, c := range changes {
		lines = append(lines, c.Error())
	}
	for i, part := range []string{"f.yaml:4:1: storageConfig is left out", "f.yaml:12:7: mirror.operators[0].targetName mine becomes targetCatalog b/mine",
		"f.yaml:13:7: mirror.operators[0].headsOnly", "f.yaml:16:11: mirror.operators[0].packages[0].minBundle", "f.yaml:19:15: mirror.operators[0].packages[0].channels[0].bundles"} {
		if len(lines) != 5 || !strings.HasPrefix(lines[i], part) {
			t.Fatalf("changes %q, want %q", lines, part)
		}
	}
	// Whoever packs it is told the same.
	for i, c := range changes {
		c.Msg = "in v2alpha1, " + c.Msg
		lines[i] = c.Error()
	}
	_, err = Parse("f.yaml", []byte(versionOne))
	if err == nil || !strings.Contains(err.Error(), "apiVersion mirror.openshift.io/v1alpha2 is the format of oc-mirror v1") || !strings.Contains(err.Error(), strings.Join(lines, "\n")) {
		t.Errorf("the error is %v", err)
	}
}

// TestConvertRefuses: no result for another format, nor for one that plan would refuse. The
// places are those of the file.
func TestConvertRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		header + "mirror: {}\n": "f.yaml:2:13: only a file of mirror.openshift.io/v1alpha2 can be rewritten",
		"a: [":                  "not valid YAML",
		"kind: X\n":             "only a file of",
		strings.Replace(versionOne, "stable-4.16", "'a b'", 1):                                    "f.yaml:9:15: mirror.platform.channels[0].name",
		headerOne + "storageConfig: {}\nmirror:\n  samples: [{name: a.io/b:1}]\n":                 "f.yaml:5:3: there is nothing to carry",
		headerOne + "storageConfig:\n  local: {}\nmirror:\n  additionalImages: [{name: 'A b'}]\n": "f.yaml:6:29: mirror.additionalImages[0].name",
		headerOne + "a: &a [x]\nb: &b [*a, *a]\nmirror: {}\nmirror: {}\n":                         `f.yaml:6:1: key "mirror" at the top level is there twice`,
		headerOne + "storageConfig: &s {local: *s}\nmirror: {}\n":                                 "more than",
	} {
		if out, _, err := Convert("f.yaml", []byte(in)); out != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v, want %q", in, out, err, want)
		}
	}
}

const headerOne = "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v1alpha2\n"

// TestConvertKeys: each key of v1alpha2 (oc-mirror, pkg/api/v1alpha2) stays, becomes another,
// or is left out and listed; plan takes what comes of it.
func TestConvertKeys(t *testing.T) {
	t.Parallel()
	image := "mirror:\n  additionalImages: [{name: a.io/b:1}]\n"
	catalog := "mirror:\n  operators:\n  - catalog: a.io/b/c:1\n    "
	for _, tc := range []struct{ in, out, change string }{
		{"archiveSize: 4\n" + image, "archiveSize: 4", ""},
		{"storageConfig: {registry: {imageURL: a.io/b, skipTLS: true}}\n" + image, "", "f.yaml:3:1: storageConfig is left out"},
		{"mirror: {platform: {graph: true}}", "graph: true", ""},
		{"mirror: {platform: {architectures: [multi], channels: [{name: a, type: ocp, minVersion: 4.1.0, maxVersion: 4.1.1, shortestPath: true}]}}", "shortestPath: true", ""},
		{"mirror: {platform: {channels: [{name: a, full: true, type: OKD}]}}", "full: true, type: okd", ""},
		{catalog + "targetName: d", "targetCatalog: b/d", "f.yaml:6:5: mirror.operators[0].targetName d becomes"},
		{catalog + "targetName: d\n    targetCatalog: e/f", "targetCatalog: e/f", "targetName is left out"},
		{catalog + "targetName: D d", "", "targetName is left out"},
		{catalog + "targetTag: d\n    full: true\n    skipDependencies: true", "skipDependencies: true", ""},
		{catalog + "originalRef: a.io/x", "", "originalRef is left out"},
		{catalog + "packages: [{name: p, defaultChannel: d, minBundle: p.v1, channels: [{name: d, minBundle: p.v1, bundles: [{name: x}]}]}]", "channels: [{name: d}]", "minBundle is left out"},
		{catalog + "full: true\n    packages: [{name: p, minVersion: 1.0.0}]", "{name: p, minVersion: 1.0.0}", "full is left out"},
		{catalog + "packages: [{name: p, minVersion: 1.0.0, maxVersion: 2.0.0, channels: [{name: d, minVersion: 3.0.0}, {name: e}]}]", "{name: e, minVersion: 1.0.0, maxVersion: 2.0.0}", "minVersion is left out"},
		{"mirror: {operators: [{catalog: 'oci:/a/b'}]}", "oci:///a/b", "becomes oci:///a/b"},
		{"mirror: {operators: [{catalog: 'oci:///a/b', targetName: d}]}", "targetCatalog: d", "becomes targetCatalog d"},
		{"mirror: {operators: [{catalog: a.io/b/c, targetName: d}]}", "targetCatalog: b/d", "catalog a.io/b/c becomes a.io/b/c:latest"},
		{"mirror: {additionalImages: [{name: ubuntu}]}", "docker.io/library/ubuntu:latest", "f.yaml:3:36: mirror.additionalImages[0].name ubuntu becomes"},
		{"mirror: {additionalImages: [{name: a.io/b:1}], blockedImages: [{name: x}], samples: [{name: y}]}", "blockedImages: [{name: x}]", "samples is left out"},
		{"mirror: {helm: {repositories: [{name: r, url: 'https://a.io', charts: [{name: c, version: 1.0.0, imagePaths: ['{.a}']}]}], local: [{name: l, path: /l}]}}", "local: [{name: l, path: /l}]", ""},
		{"storageConfig: &s {local: &l {path: x}}\nmirror: {<<: *s, additionalImages: [{name: a.io/b:1, <<: *l}]}", "additionalImages: [{name: 'a.io/b:1'}]", "mirror.local is left out"},
	} {
		out, changes, err := Convert("f.yaml", []byte(headerOne+tc.in))
		var list strings.Builder
		for _, c := range changes {
			list.WriteString(c.Error() + "\n")
		}
		if err != nil || !strings.Contains(string(out), tc.out) || !strings.Contains(list.String(), tc.change) || tc.change == "" && len(changes) > 0 {
			t.Errorf("%s\nbecomes\n%schanges:\n%s%v", tc.in, out, &list, err)
		}
		checkConverted(t, []byte(headerOne+tc.in), out, err)
	}
}

// checkConverted checks that plan takes what Convert writes, and that all that it finds wrong
// has a place in the file.
func checkConverted(t *testing.T, in, out []byte, err error) {
	t.Helper()
	if err == nil {
		if err := usable(Parse("f.yaml", out)); err != nil {
			t.Errorf("%s\nbecomes\n%s\nwhich is refused: %v", in, out, err)
		}
		return
	}
	if out != nil {
		t.Errorf("a result in spite of %v", err)
	}
	lines := bytes.Count(in, []byte("\n")) + 1
	if joined, ok := err.(interface{ Unwrap() []error }); ok && len(joined.Unwrap()) > 0 {
		first := joined.Unwrap()[0]
		if c, ok := errors.AsType[*ConfigError](first); ok && (c.Line < 1 || c.Line > lines) {
			t.Errorf("%s\nhas no line %d: %v", in, c.Line, c)
		}
	}
}

// TestConvertRandom converts what is put together at random of the keys of v1alpha2.
func TestConvertRandom(t *testing.T) {
	t.Parallel()
	const seed, runs = 12, 2000
	r := rand.New(rand.NewPCG(seed, 0))
	right := 0
	for range runs {
		in := headerOne + "storageConfig: {local: {path: s}}\nmirror: " + randomOne(r, "mirror", 0) + "\n"
		out, _, err := Convert("f.yaml", []byte(in))
		checkConverted(t, []byte(in), out, err)
		if err == nil {
			right++
		}
	}
	if right < runs/4 {
		t.Errorf("seed %d: %d of %d could be converted", seed, right, runs)
	}
}

// keysOne are the keys of v1alpha2 below each key, and the values of those that have none.
var keysOne = map[string][]string{
	"mirror": {"platform", "operators[]", "additionalImages[]", "helm", "blockedImages[]", "samples[]"}, "platform": {"graph", "channels[]", "architectures"},
	"channels[]": {"name", "type", "minVersion", "maxVersion", "shortestPath", "full", "minBundle", "bundles"}, "helm": {"repositories[]", "local[]"},
	"operators[]":        {"catalog", "packages[]", "targetName", "targetCatalog", "targetTag", "full", "skipDependencies", "originalRef"},
	"packages[]":         {"name", "channels[]", "minVersion", "maxVersion", "minBundle", "bundles", "defaultChannel"},
	"additionalImages[]": {"name"}, "blockedImages[]": {"name"}, "samples[]": {"name"}, "repositories[]": {"name", "url", "charts[]"},
	"charts[]": {"name", "version", "imagePaths"}, "local[]": {"name", "path", "imagePaths"},
}

var valuesOne = map[string][]string{
	"graph": {"true", "false"}, "architectures": {"[amd64]", "[multi, arm64]", "[]"}, "type": {"ocp", "OKD", "''"}, "minVersion": {"1.0.0", "2.0.0-0"}, "maxVersion": {"3.0.0", "2.1.0+x"},
	"shortestPath": {"true"}, "full": {"true", "false"}, "minBundle": {"a.v1"}, "bundles": {"[{name: a}]", "[]", "null"}, "catalog": {"a.io/b/c:1", "a.io/c", "'oci:/a/b'", "'oci:///a/d'", "docker://a.io/x:1"},
	"targetName": {"mine", "A b"}, "targetCatalog": {"a/b"}, "targetTag": {"v1"}, "skipDependencies": {"true"}, "originalRef": {"a.io/b"}, "defaultChannel": {"a"},
	"name": {"abc", "a.io/b:1"}, "url": {"https://a.io/charts"}, "version": {"1.0.0"}, "imagePaths": {"['{.a.b}']"}, "path": {"/charts/a.tgz"},
}

// randomOne writes a value of a key of v1alpha2.
func randomOne(r *rand.Rand, key string, depth int) string {
	if list := valuesOne[key]; list != nil {
		return list[r.IntN(len(list))]
	}
	var parts []string
	for i, k := range keysOne[key] {
		if i == 0 && depth > 0 || r.IntN(3) == 0 || k == "url" || k == "path" || k == "catalog" {
			name, isList := strings.CutSuffix(k, "[]")
			v := randomOne(r, k, depth+1)
			if isList {
				v = "[" + v + "]"
			}
			parts = append(parts, name+": "+v)
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
