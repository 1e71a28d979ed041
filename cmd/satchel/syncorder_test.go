package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// call is one system call of a run that made, opened, renamed or synced something.
type call struct{ name, path string }

// How strace -y writes them: a file descriptor has its path behind it.
var (
	madeDir    = regexp.MustCompile(`mkdir(?:at)?\((?:AT_FDCWD|\d+)?(?:<([^>]*)>)?(?:, )?"([^"]*)".* = 0`)
	created    = regexp.MustCompile(`openat2?\((?:AT_FDCWD|\d+)(?:<([^>]*)>)?, "([^"]*)".*O_CREAT.* = \d`)
	synced     = regexp.MustCompile(`fsync\(\d+<([^>]*)>()\).* = 0`)
	unfinished = regexp.MustCompile(`^(\d+) +(.*) <unfinished \.\.\.>\n`)
	resumed    = regexp.MustCompile(`^(\d+) +<\.\.\. \w+ resumed>`)
)

// callsOf reads what strace has written: what was made and what was synced, in order.
func callsOf(trace string) (list []call) {
	parts := map[string]string{} // of calls that had not ended when another thread made one
	for line := range strings.Lines(trace) {
		if m := unfinished.FindStringSubmatch(line); m != nil {
			parts[m[1]] = m[2]
			continue
		}
		if m := resumed.FindStringSubmatch(line); m != nil {
			line = parts[m[1]] + strings.TrimPrefix(line, m[0])
		}
		for name, pattern := range map[string]*regexp.Regexp{"mkdir": madeDir, "create": created, "fsync": synced} {
			m := pattern.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			path := m[2]
			if !filepath.IsAbs(path) {
				path = filepath.Join(m[1], path)
			}
			list = append(list, call{name, path})
		}
	}
	return list
}

// TestSyncOrder: whatever is written into a directory that pack has made, on the root of a
// drive or above its journal, the directory's own name is durable before.
func TestSyncOrder(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	c := ocitest.New(95)
	s := newShelf(c)
	host := s.listen(t)
	s.tags["team/app:v1"] = c.Image(false, c.Layer(64<<10, ocitest.LayerGzip))
	w := newWorld(t)
	w.smallDrive(32)
	w.images(host + "/team/app:v1")
	state := filepath.Join(w.dir, "a", "b", "state")
	cmd := w.command(w.pack()...)
	log := filepath.Join(w.dir, "strace.log")
	traced := w.command()
	traced.Env = append(slices.Clone(cmd.Env), "XDG_STATE_HOME="+state)
	traced.Path, traced.Args = strace, append([]string{"strace", "-f", "-y", "-qq", "-s", "4096", "-o", log, "-e", "trace=mkdir,mkdirat,openat,openat2,fsync", cmd.Path}, cmd.Args[1:]...)
	if out, err := traced.CombinedOutput(); err != nil {
		if _, serr := os.Stat(log); serr != nil || strings.Contains(string(out), "ptrace") {
			t.Skipf("strace cannot follow a program here: %s", out)
		}
		t.Fatalf("%v\n%s", err, out)
	}
	body, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	calls := callsOf(string(body))
	checked := 0
	for i, c := range calls {
		onDrive, inState := filepath.Dir(c.path) == w.drive, strings.HasPrefix(c.path, filepath.Join(w.dir, "a"))
		if c.name != "mkdir" || !onDrive && !inState {
			continue
		}
		checked++
		durable := slices.Index(calls[i:], call{"fsync", filepath.Dir(c.path)})
		inside := slices.IndexFunc(calls[i+1:], func(o call) bool { return o.name != "fsync" && strings.HasPrefix(o.path, c.path+"/") })
		if durable < 0 || inside < 0 || inside+1 < durable {
			t.Errorf("%s: its name is synced %d calls later, something is written in it %d calls later", c.path, durable, inside+1)
		}
	}
	if checked != 9 { // a/b/state/satchel, there ledgers/NAME and bundles/ID, and satchel-ID
		t.Errorf("%d directories were made\n%s", checked, body)
	}
}
