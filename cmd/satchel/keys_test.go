package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"filippo.io/age/plugin"

	"github.com/satchel-airgap/satchel/bundle/keystest"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// bench is a configuration that can be packed, and a home.
type bench struct {
	t      *testing.T
	config string
	dir    string
	env    []string
	stdin  bool // typed has the terminal as standard input too
}

func newBench(t *testing.T) *bench {
	t.Helper()
	registry := newSource(t)
	b := &bench{t: t, dir: t.TempDir()}
	c := ocitest.New(3)
	if err := ocitest.Push(context.Background(), c, c.Image(false, c.Layer(1<<16, "application/vnd.oci.image.layer.v1.tar+gzip")), "http://"+registry, "team/app", "1"); err != nil {
		t.Fatal(err)
	}
	b.config = keystest.Write(t, fmt.Sprintf("kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror:\n  additionalImages:\n    - name: %s/team/app:1\n",
		registry))
	b.env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(b.dir, "state"), "XDG_CACHE_HOME="+filepath.Join(b.dir, "cache"))
	return b
}

// run runs satchel without a terminal, its standard input a pipe.
func (b *bench) run(args ...string) (code int, said string) {
	b.t.Helper()
	cmd := proctest.Command(b.t, "satchel", args...)
	cmd.Env = b.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stdin = strings.NewReader("not a passphrase\n")
	return finish(b.t, cmd)
}

// typed runs satchel on a terminal, where lines are typed as it asks, and its
// standard input is a pipe all the same, unless stdin is set.
func (b *bench) typed(lines []string, args ...string) (code int, said string) {
	b.t.Helper()
	return b.typedAfter(func(int) {}, lines, args...)
}

// typedAfter is typed; before the line of that number is typed, before is called.
func (b *bench) typedAfter(before func(n int), lines []string, args ...string) (code int, said string) {
	b.t.Helper()
	keystest.Program(b.t, "script")
	var words []string
	for _, a := range args {
		words = append(words, "'"+a+"'")
	}
	line := "satchel " + strings.Join(words, " ")
	if !b.stdin {
		line = "echo no | " + line
	}
	cmd := proctest.Command(b.t, "script", "-qec", line, "/dev/null")
	cmd.Env = b.env
	in, err := cmd.StdinPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	var out watched
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	seen := 0
	for n, line := range lines {
		b.wait(&out, &seen)
		before(n)
		if _, err := in.Write([]byte(line)); err != nil {
			b.t.Fatal(err)
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.text()
}

// wait waits for a prompt: words that end without a line's end. The terminal
// breaks one that fills its 80 columns, between any two characters, and ends the
// line where one was answered.
func (b *bench) wait(out *watched, seen *int) {
	b.t.Helper()
	for range 1000 {
		text := strings.ReplaceAll(out.text(), "\r\n", "")
		if len(text) > *seen && (strings.HasSuffix(text, ": ") || strings.HasSuffix(text, ") ")) {
			*seen = len(text)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.t.Fatalf("it asked for nothing; it said %q", out.text())
}

// watched is output that is read while it grows.
type watched struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func (w *watched) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

func finish(t *testing.T, cmd *exec.Cmd) (int, string) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// want checks an exit code, and that words are said and a secret is not.
func want(t *testing.T, what string, code, wantCode int, said string, words ...string) {
	t.Helper()
	if code != wantCode {
		t.Fatalf("%s: exit %d, want %d; it said %s", what, code, wantCode, said)
	}
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("%s: it said %q, want %q in it", what, said, w)
		}
	}
	for _, secret := range []string{"hunter2", "hunter3", "AGE-SECRET-KEY-1"} {
		if strings.Contains(said, secret) {
			t.Errorf("%s: it showed the secret %s: %s", what, secret, said)
		}
	}
}

func (b *bench) pack(dir string, more ...string) []string {
	return append([]string{"pack", "-c", b.config, "--src-tls-verify=false", "-q", dir}, more...)
}

func (b *bench) drive(name string) string { return filepath.Join(b.dir, name) }

func TestPassphraseOnTerminal(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	drive := b.drive("drive")
	code, said := b.typed([]string{"hunter2\r", "hunter3\r"}, b.pack(drive, "--passphrase", "--yes")...)
	want(t, "a typing error", code, exitUsage, said, "the two passphrases differ")
	code, said = b.run(b.pack(drive, "--passphrase")...)
	want(t, "pack without a terminal", code, exitUsage, said, "no terminal", "--passphrase-file")
	code, said = b.typed([]string{"hunter2\r", "hunter2\r"}, b.pack(drive, "--passphrase", "--yes")...)
	want(t, "pack", code, exitOK, said)
	code, said = b.typed(nil, b.pack(drive, "--passphrase", "--yes")...)
	want(t, "pack again", code, exitOK, said)

	code, said = b.typed([]string{"hunter2\n"}, "inspect", "--passphrase", drive)
	want(t, "inspect", code, exitOK, said, "team/app:1")
	code, said = b.typed([]string{"hunter3\r"}, "inspect", "--passphrase", drive)
	want(t, "a wrong passphrase", code, exitKey, said, "wrong passphrase")
	code, said = b.typed([]string{"hun\x03"}, "inspect", "--passphrase", drive)
	want(t, "Ctrl-C", code, exitInterrupted, said, "interrupted")
	code, said = b.run("inspect", "--passphrase", drive)
	want(t, "inspect without a terminal", code, exitKey, said, "no terminal", "--passphrase-file")
	code, said = b.run("inspect", "--passphrase-file", keystest.Write(t, "hunter2\nmore\n"), drive)
	want(t, "a passphrase from a file", code, exitOK, said, "team/app:1")
	code, said = b.run("inspect", drive)
	want(t, "no key at all", code, exitKey, said, "--passphrase")
}

func TestRekeyCommand(t *testing.T) {
	keystest.Plugin(t)
	b := newBench(t)
	drive := b.drive("drive")
	key := b.drive("key.txt")
	code, said := b.run("keygen", "--file", key)
	want(t, "keygen", code, exitOK, said)
	recipient := strings.TrimSpace(said)
	code, said = b.run(b.pack(drive, "-r", recipient)...)
	want(t, "pack", code, exitOK, said)
	fingerprint := strings.TrimSpace(said)

	ssh := keystest.SSHKey(t, "ed25519", "hunter2")
	code, said = b.run("rekey", "-i", key, "-R", ssh+".pub", "--new-passphrase-file", keystest.Write(t, "hunter3\n"), drive)
	want(t, "rekey", code, exitOK, said, "key-2.age, key-3.age", "fingerprint is the same")
	code, said = b.run("verify", "--expect", fingerprint, drive)
	want(t, "verify", code, exitOK, said)
	code, said = b.typed([]string{"hunter2\r"}, "inspect", "-i", ssh, drive)
	want(t, "an encrypted SSH key", code, exitOK, said, "team/app:1")
	code, said = b.typed([]string{"hunter3\r"}, "inspect", "-i", ssh, drive)
	want(t, "its wrong passphrase", code, exitKey, said, "wrong passphrase")
	code, said = b.run("inspect", "-i", ssh, drive)
	want(t, "an encrypted SSH key without a terminal", code, exitKey, said, "no terminal")

	device, identity := keystest.PluginKey(keystest.Classic, true, 4)
	code, said = b.typed([]string{"hunter3\r", "hunter4\r", "hunter4\r"}, "rekey", "--passphrase", "-r", device, "--new-passphrase", drive)
	want(t, "rekey by passphrases on a terminal", code, exitOK, said, "key-4.age, key-5.age")
	code, said = b.typed([]string{keystest.PIN + "\r"}, "inspect", "-i", keystest.Write(t, identity), drive)
	want(t, "a plugin that asks", code, exitOK, said, "team/app:1", "PIN")
	code, said = b.run("inspect", "-i", keystest.Write(t, identity), drive)
	want(t, "a plugin that asks without a terminal", code, exitKey, said, "no terminal")
	code, said = b.run("inspect", "-i", key, "--expect", fingerprint, drive)
	want(t, "the first key, after all this", code, exitOK, said, "team/app:1")

	code, said = b.run("rekey", "-i", key, drive)
	want(t, "rekey for nobody", code, exitUsage, said, "new recipients")
	code, said = b.run("rekey", "-r", recipient, drive)
	want(t, "rekey without a key", code, exitKey, said)
	body, err := os.ReadFile(filepath.Join(drive, "key-1.age"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(drive, "copy", "key-6.age"), body, 0o644); err != nil {
		t.Fatal(err)
	}
	code, said = b.run("verify", drive)
	want(t, "an interrupted rekey", code, exitDamaged, said, "UNFINISHED   copy/key-6.age", "rekey again")
	code, said = b.run("verify", "-o", "json", drive)
	want(t, "the same for machines", code, exitDamaged, said, `"unfinishedRekey": [`, `"ok": false`)
	code, said = b.run("inspect", "-i", key, drive)
	want(t, "a key that opened it before", code, exitOK, said)
	code, said = b.run("rekey", "-i", key, "-r", recipient, drive)
	want(t, "rekey for one who can open it", code, exitOK, said, "already can open bundle")
	code, said = b.run("verify", drive)
	want(t, "verify at the end", code, exitOK, said)
}

func TestMixturesRefused(t *testing.T) {
	keystest.Plugin(t)
	b := newBench(t)
	classic, quantum := b.drive("key.txt"), b.drive("quantum.txt")
	_, x := b.run("keygen", "--file", classic)
	_, pq := b.run("keygen", "--file", quantum, "--post-quantum")
	x, pq = strings.TrimSpace(x), strings.TrimSpace(pq)
	ssh := keystest.Public(t, keystest.SSHKey(t, "ed25519", ""))
	device, _ := keystest.PluginKey(keystest.PostQuantum, false, 1)
	alone, _ := keystest.PluginKey(keystest.Alone, false, 2)
	broken, _ := keystest.PluginKey(keystest.Broken, false, 3)
	word := keystest.Write(t, "hunter2\n")
	for name, c := range map[string]struct {
		flags []string
		why   string
	}{
		"X25519 and post-quantum":      {[]string{"-r", x, "-r", pq}, "post-quantum and classic recipients cannot be mixed"},
		"SSH and post-quantum":         {[]string{"-r", ssh, "-r", pq, "--passphrase-file", word}, "post-quantum and classic recipients cannot be mixed"},
		"a plugin says post-quantum":   {[]string{"-r", x, "-r", device}, "post-quantum and classic recipients cannot be mixed"},
		"a plugin wants its like":      {[]string{"-r", alone, "-r", x}, "satcheltest"},
		"a plugin and a passphrase":    {[]string{"-r", alone, "--passphrase-file", word}, "satcheltest"},
		"a plugin that fails":          {[]string{"-r", broken}, "the device is not there"},
		"a plugin that is missing":     {[]string{"-r", plugin.EncodeRecipient("nosuch", []byte{1})}, "install it"},
		"a secret key for a recipient": {[]string{"-R", classic}, "a secret key was given"},
	} {
		drive := b.drive(strings.ReplaceAll(name, " ", "-"))
		code, said := b.run(b.pack(drive, c.flags...)...)
		want(t, name, code, exitUsage, said, c.why)
		if left, err := filepath.Glob(filepath.Join(drive, "*")); err != nil || len(left) > 0 {
			t.Errorf("%s: the drive has %v, %v", name, left, err)
		}
	}
	drive := b.drive("drive")
	code, said := b.run(b.pack(drive, "-r", pq, "--passphrase-file", word)...)
	want(t, "post-quantum and a passphrase", code, exitOK, said)
	code, said = b.run("rekey", "-i", quantum, "-r", x, drive)
	want(t, "rekey to a classic key", code, exitUsage, said, "post-quantum recipients: a classic recipient")
	code, said = b.run("rekey", "-i", quantum, "-r", device, drive)
	want(t, "rekey to a post-quantum plugin", code, exitOK, said)
	code, said = b.run("verify", drive)
	want(t, "verify", code, exitOK, said)
}
