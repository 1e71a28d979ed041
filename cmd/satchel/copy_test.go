package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// stagedWorld is a world with a bundle of about 14 MiB on its disk.
func stagedWorld(t *testing.T, seed uint64) (w *world, staging, fingerprint string) {
	t.Helper()
	c := ocitest.New(seed)
	s := newShelf(c)
	host := s.listen(t)
	s.tags["team/app:v1"] = c.Image(false, c.Layer(9<<20, ocitest.LayerGzip), c.Layer(5<<20, ocitest.LayerGzip))
	w = newWorld(t)
	w.images(host + "/team/app:v1")
	drive := w.drive
	staging = filepath.Join(w.dir, "staging")
	w.drive = staging
	fingerprint = w.run(w.pack("--segment-size", "2MiB")...).want(exitOK).stdout
	w.drive = drive
	return w, staging, fingerprint
}

// alikeTrees fails unless two directories have the same files.
func alikeTrees(t *testing.T, a, b string) {
	t.Helper()
	if out, err := proctest.Command(t, "diff", "-r", a, b).CombinedOutput(); err != nil {
		t.Errorf("%s and %s differ: %s", a, b, out)
	}
}

// TestKillCopy kills a copy at many moments; each time the next run goes on, until it is whole.
func TestKillCopy(t *testing.T) {
	t.Parallel()
	w, staging, fingerprint := stagedWorld(t, 131)
	rnd := seeded(t)
	n := 3
	if os.Getenv("SATCHEL_SOAK") != "" {
		n = 200
	}
	dest := filepath.Join(w.dir, "copy")
	args := []string{"copy", "--limit-rate", "30MiB", staging, dest}
	for killed := 0; killed < n; {
		if killAfter(w, rnd, args...) {
			killed++
			if r := w.run("verify", dest); r.code == exitOK && exists(dest) {
				alikeTrees(t, staging, dest) // it was killed after its end
			}
			continue
		}
		alikeTrees(t, staging, dest)
		if err := os.RemoveAll(dest); err != nil {
			t.Fatal(err)
		}
	}
	if done := w.run(args...).want(exitOK); done.stdout != fingerprint {
		t.Errorf("fingerprint %q, want %q", done.stdout, fingerprint)
	}
	alikeTrees(t, staging, dest)
}

// killAfter kills a command within a second, and reports whether it had not ended by then.
func killAfter(w *world, rnd *rand.Rand, args ...string) bool {
	p := w.start(args...)
	timer := time.AfterFunc(time.Duration(50+rnd.IntN(900))*time.Millisecond, func() { _ = p.cmd.Process.Signal(syscall.SIGKILL) })
	defer timer.Stop()
	return p.wait().code < 0
}

// TestCopyPulled pulls the drive while a bundle is copied to it, and from it, and plugs it in
// again: the same command goes on.
func TestCopyPulled(t *testing.T) {
	w, staging, fingerprint := stagedWorld(t, 133)
	drive := w.fuseDrive(syscall.EIO)
	gone := []string{"satchel: ", "hint: check that the drive is still plugged in"}
	for _, at := range []int64{1 << 20, 7 << 20, 20 << 20} { // the last one while it is read back
		drive.pullAfter(at)
		w.run("copy", staging, w.drive).want(exitDrive).says(gone...)
		drive.back()
	}
	done := w.run("copy", staging, w.drive).want(exitOK).says("resuming the copy in", "unmount it, then it is safe to remove")
	if done.stdout != fingerprint {
		t.Errorf("fingerprint %q, want %q", done.stdout, fingerprint)
	}
	found, err := filepath.Glob(filepath.Join(w.drive, "satchel-*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("on the drive: %v, %v", found, err)
	}
	alikeTrees(t, staging, found[0])

	back := filepath.Join(w.dir, "back")
	drive.pullAfter(6 << 20)
	w.run("copy", w.drive, back).want(exitDrive)
	drive.back()
	w.run("copy", "--expect", strings.TrimSpace(fingerprint), w.drive, back).want(exitOK).says("resuming the copy in")
	alikeTrees(t, staging, back)
}

// TestCopyExFAT copies to an exFAT drive that is too small, and to one that is not.
func TestCopyExFAT(t *testing.T) {
	w, staging, _ := stagedWorld(t, 137)
	w.exfatDrive(40)
	if err := os.WriteFile(filepath.Join(w.drive, "ballast"), make([]byte, 26<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run("copy", staging, w.drive).want(exitDrive).says("free,", "hint: make room on the drive")
	if err := os.Remove(filepath.Join(w.drive, "ballast")); err != nil {
		t.Fatal(err)
	}
	w.run("copy", staging, w.drive).want(exitOK)
	w.run("verify", w.drive).want(exitOK)
}
