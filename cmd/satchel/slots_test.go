package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/keystest"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// shelved is a bundle on three drives, in the directories of a staging disk, and one slot for them.
type shelved struct {
	*bench
	passphrase, staging, slot string
}

func newShelved(t *testing.T) *shelved {
	t.Helper()
	b := newBench(t)
	registry, c, list := newSource(t), ocitest.New(5), ""
	for i := range 3 {
		root := c.Image(false, c.Layer((4500+10*i)<<10, ocitest.LayerGzip))
		if err := ocitest.Push(context.Background(), c, root, "http://"+registry, fmt.Sprint("app", i), "1"); err != nil {
			t.Fatal(err)
		}
		list += fmt.Sprintf("    - name: %s/app%d:1\n", registry, i)
	}
	b.config = keystest.Write(t, "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror:\n  additionalImages:\n"+list)
	s := &shelved{b, keystest.Write(t, "correct horse battery staple\n"), filepath.Join(b.dir, "staging"), filepath.Join(b.dir, "slot")}
	if err := os.Mkdir(s.staging, 0o755); err != nil {
		t.Fatal(err)
	}
	if code, said := b.run("pack", "-c", b.config, "--passphrase-file", s.passphrase, "--tls-verify=false", "--segment-size", "1MiB", "--drive-size", "8MiB", s.staging); code != exitOK {
		t.Fatal(said)
	}
	return s
}

// drive is the directory of a drive.
func (s *shelved) drive(n int) string { return filepath.Join(s.staging, fmt.Sprintf("drive-%02d", n)) }

// put puts a drive into the slot.
func (s *shelved) put(t *testing.T, n int) {
	_ = os.Remove(s.slot)
	if err := os.Symlink(s.drive(n), s.slot); err != nil {
		t.Error(err)
	}
}

// unpack gives the arguments of an unpack.
func (s *shelved) unpack(mirror string, more ...string) []string {
	return append([]string{"unpack", "--passphrase-file", s.passphrase, "--to", mirror, "--tls-verify=false"}, more...)
}

// TestLostOnTerminal: of a drive that is not here it is asked whether it will come. Without it what is whole is pushed, and
// the rest listed, as inspect lists it.
func TestLostOnTerminal(t *testing.T) {
	t.Parallel()
	s := newShelved(t)
	mirror, lost, listed := newSource(t), filepath.Join(s.dir, "lost.json"), filepath.Join(s.dir, "listed.json")
	args := s.unpack(mirror+"/in", "--keep-going", "--gaps", lost, s.drive(3), s.slot)
	s.put(t, 1)
	code, said := s.typed([]string{"2\n"}, args...)
	want(t, "a drive that will not come", code, exitGaps, said, "drive 2 of 3 (", "is not here. What now? (1: wait for it, 2: ", "not pushed: ", "1 image of the bundle is not in")
	code, said = s.run("inspect", "--passphrase-file", s.passphrase, "--gaps", listed, s.drive(3), s.drive(1))
	want(t, "inspect", code, exitGaps, said, "not here     drive 2, ", "NOT WHOLE    ", "listed in "+listed)
	if pushed, err := os.ReadFile(lost); err != nil || !bytes.Equal(pushed, readFile(t, listed)) {
		t.Errorf("unpack lists %s, %v", pushed, err)
	}
	code, said = s.typedAfter(func(n int) {
		if n == 1 {
			s.put(t, 2)
		}
	}, []string{"1\n", "\n"}, args...)
	want(t, "a drive that is waited for", code, exitOK, said, "What now?", "Mount drive ")
}

// TestDrivesOnTerminal unpacks a bundle on three drives from one slot: each is asked for by its
// label, a wrong one is refused and asked for again, and without a terminal the run ends.
func TestDrivesOnTerminal(t *testing.T) {
	t.Parallel()
	b := newShelved(t)
	if err := os.Mkdir(b.drive(0), 0o755); err != nil { // without a bundle
		t.Fatal(err)
	}
	put := func(n int) { b.put(t, n) }
	args := b.unpack(newSource(t)+"/in", b.slot)
	put(3)
	code, said := b.run(args...)
	if code != exitDrive || !strings.Contains(said, "drive 1 of 3 (") || !strings.Contains(said, "-2)") || !strings.Contains(said, "satchel copy "+b.slot+" DISK") {
		t.Fatalf("without a terminal: exit %d: %s", code, said)
	}
	if code, said := b.typed([]string{"q\n"}, args...); code != exitInterrupted || !strings.Contains(said, "everything so far is saved") {
		t.Errorf("q at the question for a drive: exit %d: %s", code, said)
	}
	put(1)
	order := []int{0, 3, 3, 2, 2, 1}
	code, said = b.typedAfter(func(n int) { put(order[n]) }, slices.Repeat([]string{"\n"}, len(order)), args...)
	if code != exitOK || !strings.Contains(said, "holds no bundle") || !strings.Contains(said, "may leave") || !strings.Contains(said, "which is not needed now") {
		t.Errorf("exit %d: %s", code, said)
	}
	if code, said := b.run(args...); code != exitDrive { // drive 1 is in the slot, and the last one comes first
		t.Errorf("exit %d: %s", code, said)
	}
	put(3)
	if code, said := b.run(args...); code != exitOK {
		t.Errorf("the mirror has all: exit %d: %s", code, said)
	}
}
