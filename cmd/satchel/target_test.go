package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestTargets: what is written in another tool's form, or in the other's place, is a mistake
// of usage, and the hint has the line that is likely meant.
func TestTargets(t *testing.T) {
	here := t.TempDir()
	t.Chdir(here)
	config := []byte("kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror: {additionalImages: [{name: 'h.example/a:1'}]}\n")
	if err := os.WriteFile("x.yaml", config, 0o600); err != nil {
		t.Fatal(err)
	}
	recipient := "age1ge0a2l0jrnyky6cxfdsdqt7cvkvuzx5g0cg5k3wjrsxhf5yt34dsd6j2rd"
	pack := []string{"pack", "-c", "x.yaml", "-r", recipient}
	for _, tc := range []struct {
		args []string
		want []string
	}{
		{append(pack, "docker://h.example/x"), []string{"pack writes to a directory or drive", "unpack pushes into a registry", "satchel unpack -i KEY --to h.example/x DIR"}},
		{append(pack, "oci://h.example:5000/x:1"), []string{"names a registry", "--to h.example:5000/x DIR"}},
		{append(pack, "https://h.example/x/"), []string{"names a registry", "--to h.example/x DIR"}},
		{append(pack, "h.example:5000/x"), []string{"names a registry", "--to h.example:5000/x DIR"}},
		{append(pack, "s3://bucket/x"), []string{"not the name of a directory", "hint: name the directory that it is mounted on"}},
		{append(pack, "oci:///mnt/x"), []string{"hint: write the path alone: satchel pack ... /mnt/x"}},
		{append(pack, "dir:/mnt/x"), []string{"hint: write the path alone: satchel pack ... /mnt/x"}},
		{[]string{"pack", "x.yaml", "/mnt/x"}, []string{"hint: did you mean: satchel pack -c x.yaml -r RECIPIENT /mnt/x"}},
		{[]string{"plan", "x.yaml"}, []string{"hint: did you mean: satchel plan -c x.yaml"}},
		{[]string{"unpack", "-i", "k", "--to", here, "docker://h.example/x"}, []string{"names a registry", "satchel unpack -i KEY --to h.example/x " + here}},
		{[]string{"unpack", "-i", "k", "/mnt/x", "docker://h.example/x"}, []string{"hint: did you mean: satchel unpack -i KEY --to h.example/x /mnt/x"}},
		{[]string{"unpack", "-i", "k", "--to", here, here}, []string{"is a directory", "hint: for example --to mirror.example:5000/ocp"}},
		{[]string{"unpack", "-i", "k", "--to", "http://h.example:5000/x", here}, []string{"hint: did you mean --to h.example:5000/x --tls-verify=false?"}},
		{[]string{"unpack", "-i", "k", "--to", "h.example/x:1", here}, []string{"hint: did you mean --to h.example/x?"}},
		{[]string{"unpack", "-i", "k", "--to", "mirror", here}, []string{"hint: did you mean --to mirror:443?"}},
		{[]string{"verify", "docker://h.example/x"}, []string{"verify reads a directory or drive", "satchel verify DIR"}},
		{append(pack[:3:3], "-r", "age1xyz", here), []string{`recipient "age1xyz": it has 7 characters and must have 62`}},
		{append(pack[:3:3], "-R", recipient, here), []string{"hint: -R takes the name of a file; give a recipient itself with -r"}},
		{append(pack[:3:3], "-r", here, here), []string{"is a file: -R " + here}},
	} {
		var stderr bytes.Buffer
		code := run(tc.args, nil, &bytes.Buffer{}, &stderr)
		for _, want := range tc.want {
			if code != exitUsage || !strings.Contains(stderr.String(), want) {
				t.Errorf("%q: exit %d, %swant %q", tc.args, code, &stderr, want)
			}
		}
	}
}
