package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestLiveBundle stops pack at moments from its first file to the end of reading back: other
// commands say then that it is being written, or read what is sealed, and none changes it.
func TestLiveBundle(t *testing.T) {
	c := ocitest.New(95)
	s := newShelf(c)
	host := s.listen(t)
	s.tags["team/app:v1"] = c.Image(false, c.Layer(48<<20, ocitest.LayerGzip))
	seen := map[int]int{}
	for _, file := range sample([]string{"drive.json", "s-01-00001.age", "index.age", "bundle.json", "copy/bundle.json", "SHA256SUMS"}, 4) {
		w := newWorld(t)
		w.images(host + "/team/app:v1")
		p := w.start(w.pack()...)
		if !p.stoppedAt(filepath.Join(w.drive, file)) {
			t.Logf("%s: it had ended before it could be stopped", file)
			continue
		}
		seen[w.lookAtLive(t, file)]++
		if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		p.wait().want(exitOK)
		w.run("verify", w.drive).want(exitOK)
	}
	if seen[exitDamaged] == 0 || seen[exitOK] == 0 {
		t.Errorf("exit statuses of verify, and how often: %v", seen)
	}
}

// stoppedAt stops a process once a file is there. It is false if the process ends before.
func (p *process) stoppedAt(file string) bool {
	for range 20_000 {
		if exists(file) {
			return p.cmd.Process.Signal(syscall.SIGSTOP) == nil && stands(p.cmd.Process.Pid)
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// stands waits until a process is stopped, or has ended.
func stands(pid int) bool {
	for range 1000 {
		body, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, after, found := bytes.Cut(body, []byte(") "))
		if err != nil || !found || after[0] == 'Z' {
			return false
		}
		if after[0] == 'T' {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// lookAtLive runs other commands on a bundle whose pack stands still, and gives the exit status of verify.
func (w *world) lookAtLive(t *testing.T, at string) int {
	t.Helper()
	before := names(tree(t, w.drive))
	list := w.run("list", "-o", "json", w.drive)
	var rep listReport
	if list.code == exitOK {
		if err := json.Unmarshal([]byte(list.stdout), &rep); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range rep.Bundles {
		if !b.Running || b.Problem != "" && !strings.Contains(b.Problem, "another satchel is writing it") {
			t.Errorf("%s: list says %+v", at, b)
		}
	}
	verify := w.run("verify", w.drive)
	for what, r := range map[string]result{"verify": verify, "inspect": w.run("inspect", "-i", w.key, w.drive)} {
		switch said := r.stdout + r.stderr; {
		case r.code == exitOK && strings.Contains(r.stderr, "may not have been read back yet"):
		case r.code == exitDamaged && strings.Contains(said, "another satchel is writing it"):
		case r.code == exitDrive && len(rep.Bundles) == 0 && strings.Contains(said, "no bundle"):
		default:
			t.Errorf("%s: %s ends with %d:\n%s", at, what, r.code, said)
		}
	}
	other := strings.TrimSpace(w.run("keygen", "--file", filepath.Join(w.dir, "other.key")).want(exitOK).stdout)
	for _, args := range [][]string{w.pack(), w.pack("--restart"), {"rekey", "-i", w.key, "-r", other, w.drive}} {
		if r := w.run(args...); r.code == exitOK || len(rep.Bundles) > 0 && !strings.Contains(r.stderr, "another satchel is writing") {
			t.Errorf("%s: %s ends with %d:\n%s", at, args[0], r.code, r.stderr)
		}
	}
	if after := names(tree(t, w.drive)); !slices.Equal(after, before) {
		t.Errorf("%s: the directory has changed:\n%q\n%q", at, before, after)
	}
	return verify.code
}
