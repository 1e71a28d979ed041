package imageset

import (
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
	_, err = Parse("f.yaml", []byte(versionOne))
	if err == nil || !strings.Contains(err.Error(), "apiVersion mirror.openshift.io/v1alpha2 is the format of oc-mirror v1") || !strings.Contains(err.Error(), strings.Join(lines, "\n")) {
		t.Errorf("the error is %v", err)
	}
}

// TestConvertRefuses: no result for another format, and one that names what is still wrong.
func TestConvertRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		header + "mirror: {}\n": "only a file of mirror.openshift.io/v1alpha2 can be rewritten",
		"a: [":                  "not valid YAML",
		"kind: X\n":             "only a file of",
	} {
		if out, _, err := Convert("f.yaml", []byte(in)); out != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v", in, out, err)
		}
	}
	out, _, err := Convert("f.yaml", []byte(strings.Replace(versionOne, "stable-4.16", "'a b'", 1)))
	if out == nil || err == nil || !strings.Contains(err.Error(), "not the name of a channel") {
		t.Errorf("%s, %v", out, err)
	}
}
