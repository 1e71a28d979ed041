package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// TestMain puts the test binary itself on the path under these names, so that
// every test runs the command as a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"satchel":        main,
		"satchel-worker": work,
		"stubborn":       stubborn,
	})
}

// world is one user's machine: a home, a key, a configuration, a drive.
type world struct {
	t         testing.TB
	dir       string
	drive     string
	key       string // file of the identity
	secret    string // the identity
	recipient string
	config    string   // file
	releases  []string // environment: who signs the releases
	alone     bool     // each command has a process of its own
	worker    *worker
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, drive: filepath.Join(dir, "drive"), key: filepath.Join(dir, "inside.key"), config: filepath.Join(dir, "imageset.yaml"), worker: &worker{}}
	if os.Getenv(onExFAT) != "" {
		disk := filepath.Join(dir, "disk")
		w.exfat(disk, 1<<10)
		w.drive = filepath.Join(disk, "drive")
	}
	w.releases = signedReleases(t)
	var said bytes.Buffer
	if err := runKeygen(&app{stdout: &said}, w.key, false); err != nil {
		t.Fatal(err)
	}
	w.recipient = strings.TrimSpace(said.String())
	w.secret = secretOf(t, w.key)
	return w
}

func secretOf(t testing.TB, file string) string {
	t.Helper()
	body := readFile(t, file)
	i := bytes.Index(body, []byte("AGE-SECRET-KEY-"))
	if i < 0 {
		t.Fatalf("%s holds no secret key", file)
	}
	return strings.TrimSpace(string(body[i:]))
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// images writes the configuration that names them.
func (w *world) images(refs ...string) {
	w.t.Helper()
	text := "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror:\n  additionalImages:\n"
	for _, r := range refs {
		text += "  - name: " + r + "\n"
	}
	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// pack is the command line that packs the configuration onto the drive.
func (w *world) pack(more ...string) []string {
	return append([]string{"pack", "-c", w.config, "-r", w.recipient, "--tls-verify=false", w.drive}, more...)
}

// unpack is the command line that pushes the drive into the mirror.
func (w *world) unpack(mirror string, more ...string) []string {
	return append([]string{"unpack", "-i", w.key, "--to", mirror, "--tls-verify=false", w.drive}, more...)
}

func (w *world) command(args ...string) *exec.Cmd {
	cmd := proctest.Command(w.t, "satchel", args...)
	cmd.Dir = w.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "TMPDIR=" + w.dir, "XDG_STATE_HOME=" + filepath.Join(w.dir, "state"),
		"XDG_CACHE_HOME=" + filepath.Join(w.dir, "cache"), "XDG_CONFIG_HOME=" + filepath.Join(w.dir, "config"), "XDG_RUNTIME_DIR=" + filepath.Join(w.dir, "run"),
	}
	cmd.Env = append(cmd.Env, w.releases...)
	return cmd
}

// result is what a process left.
type result struct {
	t              testing.TB
	args           []string
	code           int // -1 when a signal ended it
	stdout, stderr string
	took           time.Duration
}

func (w *world) run(args ...string) result {
	w.t.Helper()
	if r, ok := w.worker.run(w, args); ok {
		w.keepsSecret(r)
		return r
	}
	return w.start(args...).wait()
}

// process is a command that runs.
type process struct {
	w        *world
	cmd      *exec.Cmd
	out, err bytes.Buffer
	began    time.Time
}

func (w *world) prepare(args ...string) *process {
	p := &process{w: w, cmd: w.command(args...), began: time.Now()}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	return p
}

func (w *world) start(args ...string) *process {
	w.t.Helper()
	p := w.prepare(args...)
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// disturbed runs a command to its end and has act called with its process at a
// mark of the tap, in bytes or requests.
func (w *world) disturbed(k *tap, bytes int64, requests int, act func(*os.Process), args ...string) result {
	w.t.Helper()
	p := w.prepare(args...)
	started := make(chan struct{})
	k.at(bytes, requests, func() {
		<-started
		act(p.cmd.Process)
	})
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	close(started)
	r := p.wait()
	k.at(0, 0, nil)
	return r
}

func (p *process) wait() result {
	p.w.t.Helper()
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.w.t.Fatal(err)
	}
	r := result{p.w.t, p.cmd.Args, p.cmd.ProcessState.ExitCode(), p.out.String(), p.err.String(), time.Since(p.began)}
	p.w.keepsSecret(r)
	return r
}

func (w *world) keepsSecret(r result) {
	w.t.Helper()
	if w.secret != "" && strings.Contains(r.stdout+r.stderr, w.secret) {
		w.t.Errorf("%s prints the secret key", strings.Join(r.args, " "))
	}
}

// want ends the test for another exit code, and for errors of another form.
func (r result) want(code int) result {
	r.t.Helper()
	if r.code != code {
		r.t.Fatalf("%s: exit %d, want %d\n%s%s", strings.Join(r.args, " "), r.code, code, r.stdout, r.stderr)
	}
	if err := checkForm(r); err != nil {
		r.t.Errorf("%s: %v\n%s", strings.Join(r.args, " "), err, r.stderr)
	}
	return r
}

// says wants each text on stderr.
func (r result) says(texts ...string) result {
	r.t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.stderr, text) {
			r.t.Errorf("%s does not say %q:\n%s", strings.Join(r.args, " "), text, r.stderr)
		}
	}
	return r
}

// checkForm holds the end of a failed run against the form of errors: one or
// more lines "satchel: ", then nothing but "hint: " lines, and no data but a report.
func checkForm(r result) error {
	if r.code == exitOK || r.code == exitInterrupted || r.code < 0 {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(r.stderr, "\n"), "\n")
	n := len(lines)
	for n > 0 && strings.HasPrefix(lines[n-1], "hint: ") {
		n--
	}
	if n == 0 || !strings.HasPrefix(lines[n-1], "satchel: ") {
		return errors.New("stderr does not end in an error line and its hints")
	}
	for _, line := range lines[:n] {
		if strings.HasPrefix(line, "hint: ") {
			return fmt.Errorf("a hint stands before the error: %q", line)
		}
	}
	if r.stdout != "" && !reports(r.args) {
		return fmt.Errorf("data on stdout of a failed run: %q", r.stdout)
	}
	return nil
}

// reports reports whether a command prints what it has found also where it fails: a table, or
// the object of -o json; also where applications of a cluster are unknown.
func reports(args []string) bool {
	return args[1] == "verify" || args[1] == "repair" || args[1] == "check" || args[1] == "missing" || slices.ContainsFunc(args, func(arg string) bool {
		return arg == "--dry-run" || arg == "--from-cluster" || arg == "json" || arg == "-ojson" || arg == "--output=json"
	})
}
