package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPullSecretCommand goes through the life of a cluster's pull secret: the mirror's entry is
// added once, Insights goes and stays away, and all is taken back.
func TestPullSecretCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	put := func(name, format string, args ...any) {
		if err := os.WriteFile(in(name), fmt.Appendf(nil, format, args...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	satchel := func(args ...string) (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		code = run(append([]string{"pull-secret"}, args...), nil, &out, &errs)
		if text := out.String() + errs.String(); strings.Contains(text, "c2VjcmV0") || strings.Contains(text, "secret-") {
			t.Errorf("%v: prints a credential:\n%s", args, text)
		}
		return code, out.String(), errs.String()
	}
	const insights, quay, mirror = `"cloud.openshift.com":{"auth":"YTpzZWNyZXQtMQ=="}`, `"quay.io":{"auth":"YTpzZWNyZXQtMg=="}`, `"m:5000":{"auth":"YTpzZWNyZXQtMw=="}`
	put("before.json", `{"auths":{%s,%s}}`, insights, quay)
	put("mirror.json", `{"auths":{%s}}`, mirror)
	steps := []struct {
		now, says string
		flags     []string
		want      string
	}{
		{"before.json", "added: m:5000\nunchanged: cloud.openshift.com, quay.io\n", []string{"--add", in("mirror.json")}, insights + "," + quay + "," + mirror},
		{"0.json", "nothing to do: the pull secret is as it should be\n", []string{"--add", in("mirror.json")}, insights + "," + quay + "," + mirror},
		{"1.json", "removed: cloud.openshift.com\nunchanged: m:5000, quay.io\n", []string{"--remove", "cloud.openshift.com"}, quay + "," + mirror},
		{"2.json", "nothing to do: the pull secret is as it should be\n", []string{"--add-missing", in("mirror.json"), "--remove", "cloud.openshift.com"}, quay + "," + mirror},
		{"3.json", "added: cloud.openshift.com\nremoved: m:5000\nunchanged: quay.io\n", []string{"--restore", in("before.json"), "--host", "m:5000", "--host", "cloud.openshift.com"}, insights + "," + quay},
	}
	for i, s := range steps {
		to := in(fmt.Sprint(i, ".json"))
		code, stdout, stderr := satchel(append(s.flags, "--output", to, in(s.now))...)
		if code != exitOK || stdout != s.says || stderr != "" {
			t.Errorf("step %d: exit %d\n%s%s", i, code, stdout, stderr)
		}
		body, err := os.ReadFile(to)
		if err != nil || strings.TrimSuffix(string(body), "\n") != `{"auths":{`+s.want+"}}" {
			t.Errorf("step %d: %v\n%s", i, err, body)
		}
		if info, err := os.Stat(to); err != nil || info.Mode() != 0o600 {
			t.Errorf("step %d: others may read the file: %v, %v", i, info.Mode(), err)
		}
	}
	if before, after := readFile(t, in("before.json")), readFile(t, in("4.json")); !bytes.Equal(before, after) {
		t.Errorf("what is taken back is not what it was, byte by byte: %q, %q", before, after)
	}
	put("spaced.json", "{ \"auths\": {%s,\n%s} }", quay, mirror)
	if code, _, _ := satchel("--add", in("mirror.json"), "--output", in("new.json"), in("spaced.json")); code != exitOK || !bytes.Equal(readFile(t, in("new.json")), readFile(t, in("spaced.json"))) {
		t.Errorf("exit %d: nothing is to be done, and the file is another one:\n%s", code, readFile(t, in("new.json")))
	}
	put("narrow.json", `{"auths":{"m:5000/ocp":{"auth":"YTpzZWNyZXQtNA=="},"m:5000":{"auth":"YTpzZWNyZXQtNA=="}}}`)
	if code, stdout, _ := satchel("--add", in("mirror.json"), "--output", in("new.json"), in("narrow.json")); code != exitOK ||
		stdout != "changed: m:5000 (it had another credential)\nnote: m:5000/ocp has an entry of its own, which nodes use first there\nunchanged: m:5000/ocp\n" {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	if code, stdout, _ := satchel("--covers", "m:5000/ocp", in("0.json")); code != exitOK || stdout != "m:5000/ocp: nodes use the entry m:5000\n" {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	if code, _, stderr := satchel("--covers", "m:5000/ocp", "--covers", "lb.example", in("0.json")); code != exitFailed || !strings.Contains(stderr, "has no credential for lb.example\n") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	// Where nothing can be written, nothing of an earlier run is left to be set.
	put("cut-off.json", `{"auths":{%s`, quay)
	if code, _, stderr := satchel("--add", in("mirror.json"), "--output", in("new.json"), in("cut-off.json")); code != exitUsage || !strings.Contains(stderr, "cut-off.json:1:") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	if _, err := os.Stat(in("new.json")); err == nil {
		t.Error("the file of an earlier run is still there")
	}
	if code, _, _ := satchel("--add", in("cut-off.json"), "--output", in("0.json"), in("0.json")); code != exitUsage {
		t.Errorf("exit %d", code)
	}
	if _, err := os.Stat(in("0.json")); err != nil {
		t.Errorf("the present pull secret is gone: %v", err)
	}
}

func TestPullSecretCommandRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "now.json")
	if err := os.WriteFile(file, []byte(`{"auths":{"quay.io":{"auth":"YTpi"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"no file":           {"--remove", "quay.io", "--output", file},
		"nothing to change": {"--output", file, file},
		"no output":         {"--remove", "quay.io", file},
		"restore alone":     {"--restore", file, "--output", file, file},
		"host alone":        {"--host", "quay.io", "--output", file, file},
		"covers and more":   {"--covers", "quay.io", "--remove", "quay.io", "--output", file, file},
		"absent entries":    {"--add", file + ".no", "--output", file, file},
	} {
		var out, errs bytes.Buffer
		if code := run(append([]string{"pull-secret"}, args...), nil, &out, &errs); code != exitUsage || out.Len() > 0 || !strings.Contains(errs.String(), "hint: ") {
			t.Errorf("%s: exit %d\n%s%s", name, code, out.String(), errs.String())
		}
	}
	if body, err := os.ReadFile(file); err != nil || string(body) != `{"auths":{"quay.io":{"auth":"YTpi"}}}` {
		t.Errorf("the file is now %s, %v", body, err)
	}
}
