package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const oldConfig = `kind: ImageSetConfiguration
apiVersion: mirror.openshift.io/v1alpha2
storageConfig:
  local: {path: ./state}
mirror:
  additionalImages:
    - name: quay.io/example/app:1.0 # keep
`

// TestConvertCommand runs convert from its flags to its exit code: plan names it for an
// old file, and reads what it prints.
func TestConvertCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, body string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	satchel := func(args ...string) (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		code = run(args, nil, &out, &errs)
		return code, out.String(), errs.String()
	}
	old := file("old.yaml", oldConfig)

	code, _, stderr := satchel("plan", "-c", old)
	if code != exitUsage || !strings.Contains(stderr, "(satchel convert -c FILE)") || !strings.Contains(stderr, "storageConfig is left out") {
		t.Errorf("plan: exit %d, %s", code, stderr)
	}

	code, stdout, stderr := satchel("convert", "-c", old)
	const want = `kind: ImageSetConfiguration
apiVersion: mirror.openshift.io/v2alpha1
mirror:
  additionalImages:
    - name: quay.io/example/app:1.0 # keep
`
	if code != exitOK || stdout != want || !strings.HasPrefix(stderr, "satchel: warning: "+old+":3:1: storageConfig is left out") {
		t.Errorf("convert: exit %d\n%s\n%s", code, stdout, stderr)
	}
	if now, err := os.ReadFile(old); err != nil || string(now) != oldConfig {
		t.Errorf("the file is now %s, %v", now, err)
	}

	// What is printed is a configuration, and no second time one to be converted.
	if code, stdout, stderr = satchel("convert", "-c", file("new.yaml", stdout)); code != exitUsage || stdout != "" || !strings.Contains(stderr, "only a file of mirror.openshift.io/v1alpha2 can be rewritten") {
		t.Errorf("convert of what convert gave: exit %d\n%s\n%s", code, stdout, stderr)
	}
	// What plan would refuse is an error with its place in the file, and nothing is printed.
	wrong := file("wrong.yaml", strings.Replace(oldConfig, "quay.io/example/app:1.0", "'a b'", 1))
	if code, stdout, stderr = satchel("convert", "-c", wrong); code != exitUsage || stdout != "" || !strings.Contains(stderr, wrong+":7:13: mirror.additionalImages[0]") {
		t.Errorf("convert of a wrong one: exit %d\n%s\n%s", code, stdout, stderr)
	}
	for name, args := range map[string][]string{"no file": {"convert"}, "absent": {"convert", "-c", filepath.Join(dir, "absent.yaml")}, "an argument": {"convert", "-c", old, "more"}} {
		if code, stdout, stderr = satchel(args...); code != exitUsage || stdout != "" || !strings.Contains(stderr, "hint: ") {
			t.Errorf("%s: exit %d\n%s\n%s", name, code, stdout, stderr)
		}
	}
}
