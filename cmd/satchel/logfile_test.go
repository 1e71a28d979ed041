package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

var keptLine = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO |WARN |ERROR) .`)

// TestLogFile keeps every line of quiet runs with its time, the mistakes too, and no secret.
func TestLogFile(t *testing.T) {
	t.Parallel()
	const password, phrase = "s3cret-word-9", "correct horse 7 battery"
	const token = "eyJhbGciOi5.tok3n-of-the-test"
	registry, w := newMirror(t), newWorld(t)
	c := ocitest.New(19)
	push(t, c, c.Image(true, c.Layer(50<<10, ocitest.LayerGzip)), registry, "team/app", "v1")
	source := registrytest.StartProxy(t, registry)
	basic := base64.StdEncoding.EncodeToString([]byte("puller:" + password))
	source.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.URL.Path == "/token" && r.Header.Get("Authorization") == "Basic "+basic:
			fmt.Fprintf(rw, `{"token":%q}`, token)
		case r.URL.Path == "/token":
			http.Error(rw, "no", http.StatusUnauthorized)
		case r.Header.Get("Authorization") == "Bearer "+token:
			return false
		default:
			rw.Header().Set("WWW-Authenticate", `Bearer realm="http://`+source.Host+`/token",service="x"`)
			http.Error(rw, "no", http.StatusUnauthorized)
		}
		return true
	}
	w.images(source.Host + "/team/app:v1")
	file := func(name, body string) string {
		name = filepath.Join(w.dir, name)
		if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	auth := func(name, word string) string {
		return file(name, fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, source.Host, base64.StdEncoding.EncodeToString([]byte("puller:"+word))))
	}
	log := filepath.Join(w.dir, "run.log")
	if err := os.WriteFile(log, []byte("an earlier line\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	keep := []string{"--log-file", log, "-q", "--no-progress", "--authfile"}
	w.run(w.pack(append(keep, auth("wrong.json", "wr0ng-word"))...)...).want(exitRegistry)
	if r := w.run(w.pack(append(keep, auth("right.json", password), "--passphrase-file", file("phrase", phrase+"\n"))...)...).want(exitOK); r.stderr != "" {
		t.Errorf("quiet: %s", r.stderr)
	}
	w.run("inspect", "--log-file", log, "-q", "--passphrase-file", filepath.Join(w.dir, "phrase"), w.drive).want(exitOK)
	w.run("inspect", "--log-file", log, "-q", "-i", w.key, "--bogus", w.drive).want(exitUsage)

	info, err := os.Stat(log)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	body := string(readFile(t, log))
	if !strings.HasPrefix(body, "an earlier line\n") {
		t.Error("what was there is gone")
	}
	for _, secret := range []string{password, "wr0ng-word", basic, token, phrase, w.secret, "Authorization", "Bearer "} {
		if strings.Contains(body, secret) {
			t.Errorf("it has the secret %q", secret)
		}
	}
	for i, line := range strings.Split(strings.TrimSuffix(body, "\n"), "\n")[1:] {
		if !keptLine.MatchString(line) {
			t.Errorf("line %d has another form: %q", i, line)
		}
	}
	for _, want := range []string{"INFO  satchel devel: satchel pack -c ", "DEBUG ", "401", "ERROR hint: ", "INFO  the exit status is 7\n", "INFO  writing bundle ", "INFO  the exit status is 0\n", "ERROR unknown flag: --bogus", "INFO  the exit status is 2\n"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in:\n%s", want, body)
		}
	}
}

// TestLogFileJSON has the form of the other lines, and the hints with the last error.
func TestLogFileJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	log := filepath.Join(w.dir, "run.log")
	if r := w.run("--log-format", "json", "--log-file", log, "verify", "--bogus"); r.code != exitUsage {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
	}
	lines := strings.Split(strings.TrimSpace(string(readFile(t, log))), "\n")
	for _, line := range lines {
		var v struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(line), &v); err != nil || v.Time == "" || v.Level == "" || v.Msg == "" {
			t.Errorf("%v: %s", err, line)
		}
	}
	if n := len(lines); n < 3 || !strings.Contains(lines[n-2], `"hints":[`) || !strings.Contains(lines[n-2], `"exit":2`) {
		t.Errorf("%q", lines)
	}
}

// TestLogFileUnwritable finds that before anything is done.
func TestLogFileUnwritable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.images("127.0.0.1:1/a:b")
	for name, code := range map[string]int{w.dir + "/none/log": exitUsage, w.dir: exitUsage, "/dev/full": exitDrive} {
		r := w.run(w.pack("--log-file", name)...).want(code)
		if !strings.HasPrefix(r.stderr, "satchel: write the log to "+name+": ") || !strings.Contains(r.stderr, "hint: ") {
			t.Errorf("%s:\n%s", name, r.stderr)
		}
	}
	w.run(w.pack("--log-file", "")...).want(exitUsage).says("--log-file", "it is empty")
	if _, err := os.Stat(w.drive); err == nil {
		t.Error("it has begun")
	}
}

// TestLogFileLost warns of a log that ends too early, and the run goes on.
func TestLogFileLost(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "log")
	l, err := openLogFile(name, false, []string{"verify"})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.f.Close(); err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	a := &app{stderr: &stderr, file: l, flags: logFlags{file: name, level: "info", format: formatText}}
	log, err := a.newLogger()
	if err != nil {
		t.Fatal(err)
	}
	log.Info("a line")
	a.closeLog(exitOK)
	if got := stderr.String(); !strings.HasPrefix(got, "a line\nsatchel: warning: the log in "+name+" is not whole: ") {
		t.Errorf("%q", got)
	}
}

// TestWithoutSecrets takes secrets out of lines, and leaves what only looks like one.
func TestWithoutSecrets(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"key AGE-SECRET-KEY-1QQQQ is":                  "key AGE-SECRET-KEY-(hidden) is",
		"AGE-PLUGIN-YUBIKEY-1ABC":                      "AGE-PLUGIN-(hidden)",
		`Authorization: Basic abc`:                     `Authorization: (hidden)`,
		`"authorization":"Bearer x", "a":1`:            `"authorization":"(hidden)", "a":1`,
		"sent Bearer eyJhbGciOi.eyJ9.x-_ to":           "sent Bearer (hidden) to",
		"sent Basic dXNlcjpwYXNz to":                   "sent Basic (hidden) to",
		"get https://user:pa55@host.example/v2/ again": "get https://user:(hidden)@host.example/v2/ again",
		"mirror \"me:pa55@host.example:5000/x\"":       "mirror \"me:(hidden)@host.example:5000/x\"",
		"https://a/?access_token=abc&x=1":              "https://a/?access_token=(hidden)&x=1",
		"https://a/?X-Amz-Signature=abc&x=1":           "https://a/?X-Amz-Signature=(hidden)&x=1",

		"'--sign-key=-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl+/=\n-----END OPENSSH PRIVATE KEY-----\n' dir": "'--sign-key=-----BEGIN OPENSSH PRIVATE KEY-----(hidden)' dir",

		"quay.io/a/b:v1@sha256:abc":            "quay.io/a/b:v1@sha256:abc",
		"basic authentication, bearer token":   "basic authentication, bearer token",
		"--passphrase-file=x --pull-secret=ps": "--passphrase-file=x --pull-secret=ps",
		"host.example:5000/a at 10:00:00":      "host.example:5000/a at 10:00:00",
	} {
		if got := withoutSecrets(line); got != want {
			t.Errorf("%q becomes %q, want %q", line, got, want)
		}
	}
}
