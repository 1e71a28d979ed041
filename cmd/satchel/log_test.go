package main

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// logLine is one line of --log-format json.
type logLine struct {
	Level string   `json:"level"`
	Msg   string   `json:"msg"`
	Hints []string `json:"hints"`
	Exit  *int     `json:"exit"`
}

func jsonLines(t *testing.T, stderr string) (list []logLine) {
	t.Helper()
	for line := range strings.Lines(stderr) {
		var l logLine
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Level == "" || l.Msg == "" {
			t.Errorf("not a log line: %q (%v)", line, err)
		}
		list = append(list, l)
	}
	return list
}

// TestLogFlags runs one pack at each level and in each format.
func TestLogFlags(t *testing.T) {
	t.Parallel()
	reg := registrytest.StartAuth(t, "user", "geheimnis")
	proxy := registrytest.StartProxy(t, reg.Host)
	c := ocitest.New(96)
	if err := ocitest.Push(t.Context(), c, c.Image(false, c.Layer(2000, ocitest.LayerGzip)), "http://user:geheimnis@"+reg.Host, "team/app", "v1"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		flags        []string
		debug, info  bool
		json, failed bool
	}{
		{nil, false, true, false, false},
		{[]string{"--log-level", "debug"}, true, true, false, false},
		{[]string{"--log-level", "warn"}, false, false, false, false},
		{[]string{"--log-level", "error"}, false, false, false, false},
		{[]string{"-q", "--log-level", "debug"}, false, false, false, false},
		{[]string{"--log-format", "json", "--log-level", "debug"}, true, true, true, false},
		{[]string{"--log-format", "json"}, false, true, true, true},
		{[]string{"--log-format", "json", "-q"}, false, false, true, true},
		{[]string{"-q"}, false, false, false, true},
	} {
		w := newWorld(t)
		auth := filepath.Join(w.dir, "auth.json")
		password := "geheimnis"
		if tt.failed {
			password = "falschheit"
		}
		body := `{"auths":{"` + proxy.Host + `":{"auth":"` + b64("user:"+password) + `"}}}`
		if err := os.WriteFile(auth, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		w.images(proxy.Host + "/team/app:v1")
		r := w.run(append(w.pack("--authfile", auth), tt.flags...)...)
		want := exitOK
		if tt.failed {
			want = exitRegistry
		}
		if r.code != want {
			t.Errorf("%v: exit %d: %s", tt.flags, r.code, r.stderr)
		}
		for _, secret := range []string{password, b64("user:" + password)} {
			if strings.Contains(r.stdout+r.stderr, secret) {
				t.Errorf("%v tells the password", tt.flags)
			}
		}
		if strings.Contains(r.stderr, "is in the bundle") != tt.debug || strings.Contains(r.stderr, "resolving images") != tt.info {
			t.Errorf("%v: %s", tt.flags, r.stderr)
		}
		if tt.json {
			checkJSON(t, r, tt.failed)
		} else if tt.failed && (!strings.HasPrefix(r.stderr, "satchel: ") || !strings.Contains(r.stderr, "\nhint: ")) {
			t.Errorf("%v: %s", tt.flags, r.stderr)
		}
	}
}

func checkJSON(t *testing.T, r result, failed bool) {
	t.Helper()
	lines := jsonLines(t, r.stderr)
	if !failed {
		return
	}
	if n := len(lines); n == 0 || lines[n-1].Level != "ERROR" || len(lines[n-1].Hints) == 0 || lines[n-1].Exit == nil || *lines[n-1].Exit != r.code {
		t.Errorf("the last line has no hints or another exit: %s", r.stderr)
	}
}

// TestLogMistakes covers flags that cannot be.
func TestLogMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("version", "--log-level", "loud").want(exitUsage).says("unknown log level", "hint: use --log-level")
	w.run("version", "--log-format", "xml").want(exitUsage).says("unknown log format", "hint: use --log-format")
	r := w.run("version", "--log-format", "json", "--no-such-flag")
	if r.code != exitUsage {
		t.Errorf("exit %d", r.code)
	}
	checkJSON(t, r, true)
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
