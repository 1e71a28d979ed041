package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/keystest"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// shelved is a bundle on three drives, in the directories of a staging disk, and one slot for them.
type shelved struct {
	*bench
	source                    *registrytest.Proxy
	passphrase, staging, slot string
}

func newShelved(t *testing.T) *shelved {
	t.Helper()
	s := toShelve(t)
	if code, said := s.run(s.pack(s.staging)...); code != exitOK {
		t.Fatal(said)
	}
	return s
}

// toShelve is newShelved before it is packed.
func toShelve(t *testing.T) *shelved {
	t.Helper()
	b := newBench(t)
	from, c, list := registrytest.StartProxy(t, newSource(t)), ocitest.New(5), ""
	registry := from.Host
	for i := range 3 {
		root := c.Image(false, c.Layer((4500+10*i)<<10, ocitest.LayerGzip))
		if err := ocitest.Push(context.Background(), c, root, "http://"+registry, fmt.Sprint("app", i), "1"); err != nil {
			t.Fatal(err)
		}
		list += fmt.Sprintf("    - name: %s/app%d:1\n", registry, i)
	}
	b.config = keystest.Write(t, "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror:\n  additionalImages:\n"+list)
	s := &shelved{b, from, keystest.Write(t, "correct horse battery staple\n"), filepath.Join(b.dir, "staging"), filepath.Join(b.dir, "slot")}
	if err := os.Mkdir(s.staging, 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

// pack gives the arguments of a pack.
func (s *shelved) pack(dir string) []string {
	return []string{"pack", "-c", s.config, "--passphrase-file", s.passphrase, "--tls-verify=false", "--segment-size", "1MiB", "--drive-size", "8MiB", dir}
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
	want(t, "inspect", code, exitGaps, said, "not here     drive 2, ", "NOT WHOLE    ", "listed in "+listed, "hint: have the packing host make a supplement of what is lost")
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

// take moves what was written into the slot to where a drive belongs.
func (s *shelved) take(t *testing.T, n int) {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(s.slot, "satchel-*"))
	if err != nil || len(list) != 1 {
		t.Fatalf("%q, %v", list, err)
	}
	if err := errors.Join(os.CopyFS(s.drive(n), os.DirFS(list[0])), os.RemoveAll(list[0])); err != nil {
		t.Fatal(err)
	}
}

// TestBeginAgainOnTerminal: a drive that was begun is lost, and "new" at the question for it writes it anew.
func TestBeginAgainOnTerminal(t *testing.T) {
	s := toShelve(t)
	s.stdin = true
	if err := os.Mkdir(s.slot, 0o755); err != nil {
		t.Fatal(err)
	}
	mount(t, "-t", "tmpfs", "-o", "size=64m", "tmpfs", s.slot)
	args := s.pack(s.slot)
	code, said := s.run(args...)
	want(t, "drive 1", code, exitDrive, said, "-2")
	s.take(t, 1)
	s.source.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		refused := r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/")
		if refused {
			w.WriteHeader(http.StatusNotFound)
		}
		return refused
	}
	code, said = s.run(args...)
	want(t, "drive 2, which is begun", code, exitRegistry, said, "404")
	s.take(t, 0) // nobody has it any more
	s.source.Answer = nil
	code, said = s.typedAfter(func(n int) {
		if n == 1 {
			s.take(t, 2)
		}
	}, []string{"new\n", "\n"}, args...)
	want(t, "a new drive", code, exitOK, said, "If it cannot come back, mount a new one", "-2 is begun again")
	code, said = s.run("verify", s.drive(1), s.drive(2), s.slot)
	want(t, "verify", code, exitOK, said)
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
