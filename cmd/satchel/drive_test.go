package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// smallDrive mounts a tmpfs of so many MiB as the world's drive.
func (w *world) smallDrive(mib int) {
	w.t.Helper()
	if err := os.MkdirAll(w.drive, 0o755); err != nil {
		w.t.Fatal(err)
	}
	mount(w.t, "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", mib), "tmpfs", w.drive)
}

// fill takes all the room that a drive has left.
func fill(dir string) error {
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		return err
	}
	for size := 1 << 20; size > 0; {
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	return f.Close()
}

// TestFullDrive has the drive run full at several moments.
func TestFullDrive(t *testing.T) {
	c := ocitest.New(81)
	s := newShelf(c)
	proxy, k := s.slow(t, sourceRate)
	root := c.Image(false, c.Layer(12<<20, ocitest.LayerGzip), c.Layer(7<<20, ocitest.LayerGzip), c.Layer(1<<20, ocitest.LayerTar))
	s.tag("team/app:v1", root)
	for _, at := range []int64{64 << 10, 11 << 20, c.Size() - 4096} {
		t.Run(fmt.Sprint("after ", at), func(t *testing.T) {
			w := newWorld(t)
			w.smallDrive(32)
			w.images(proxy.Host + "/team/app:v1")
			k.at(at, 0, func() {
				if err := fill(w.drive); err != nil {
					t.Error(err)
				}
			})
			pack := w.pack("--segment-size", "4MiB")
			w.run(pack...).want(exitDrive).says("no space left on device", "hint: make room on the drive")
			w.run("verify", w.drive).want(exitDamaged).says("unfinished")
			// Still full: the same again, and nothing is spoilt by trying.
			w.run(pack...).want(exitDrive)
			before := k.passed()
			if out, err := proctest.Command(t, "mount", "-o", "remount,size=96m", w.drive).CombinedOutput(); err != nil {
				t.Fatalf("remount: %v %s", err, out)
			}
			r := w.run(pack...).want(exitOK).says("resuming")
			w.run("verify", "--expect", strings.TrimSpace(r.stdout), w.drive).want(exitOK)
			if at > 15<<20 && k.passed()-before > 12<<20 {
				t.Errorf("with most of it on the drive, %d bytes were fetched again", k.passed()-before)
			}
			mirror := newMirror(t)
			w.run(w.unpack(mirror)...).want(exitOK)
			compareAll(t, c, map[string]oci.Descriptor{"team/app:v1": root}, mirror)
			if !exists(filepath.Join(w.drive, "ballast")) {
				t.Error("a file that is not the bundle's is gone")
			}
		})
	}
}

// TestNotEnoughSpace wants to hear of it before the first byte.
func TestNotEnoughSpace(t *testing.T) {
	t.Parallel()
	c := ocitest.New(82)
	s := newShelf(c)
	host := s.listen(t)
	s.tag("team/app:v1", c.Image(false, c.Layer(12<<20, ocitest.LayerGzip)))
	w := newWorld(t)
	w.smallDrive(8)
	w.images(host + "/team/app:v1")
	w.run(w.pack()...).want(exitDrive).says("has 8.0 MiB free", "hint: make room on the drive, take a larger one, or spread the bundle over several: a DIR for each, or --drive-size SIZE")
	if left, err := os.ReadDir(w.drive); err != nil || len(left) > 0 {
		t.Errorf("something was written: %v, %v", left, err)
	}
	if n := len(s.asked()); n > 1 { // the configuration of the image tells its platform
		t.Errorf("%d blobs were fetched", n)
	}
}

// TestStateDiskFull has the journal's disk run full.
func TestStateDiskFull(t *testing.T) {
	c := ocitest.New(83)
	s := newShelf(c)
	proxy, k := s.slow(t, sourceRate)
	s.tag("team/app:v1", c.Image(false, c.Layer(24<<20, ocitest.LayerGzip)))
	w := newWorld(t)
	state := filepath.Join(w.dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	mount(t, "-t", "tmpfs", "-o", "size=1m", "tmpfs", state)
	w.images(proxy.Host + "/team/app:v1")
	k.at(6<<20, 0, func() {
		if err := fill(state); err != nil {
			t.Error(err)
		}
	})
	pack := w.pack("--segment-size", "1MiB", "--lanes", "1")
	r := w.run(pack...).says("write journal ", "no space left on device")
	if r.code == exitOK {
		t.Errorf("it ended well with a journal that could not be written: %s", r.stderr)
	}
	if err := checkForm(r); err != nil {
		t.Errorf("%v\n%s", err, r.stderr)
	}
	w.run("verify", w.drive).want(exitDamaged).says("unfinished")
	if err := os.Remove(filepath.Join(state, "ballast")); err != nil {
		t.Fatal(err)
	}
	w.run(pack...).want(exitOK)
	w.run("verify", w.drive).want(exitOK)
}

// TestReadOnlyDrive packs onto a drive that cannot be written to.
func TestReadOnlyDrive(t *testing.T) {
	c := ocitest.New(84)
	s := newShelf(c)
	host := s.listen(t)
	s.tag("team/app:v1", c.Image(false, c.Layer(1<<20, ocitest.LayerGzip)))
	w := newWorld(t)
	if err := os.Mkdir(w.drive, 0o755); err != nil {
		t.Fatal(err)
	}
	readOnly(t, w.drive)
	hint := "hint: the drive is mounted read-only"
	if os.Getuid() != 0 {
		hint = "hint: give this user the right to write to the directory"
	}
	w.images(host + "/team/app:v1")
	w.run(w.pack()...).want(exitDrive).says(hint)
	if n := len(s.asked()); n > 0 {
		t.Errorf("%d blobs were fetched", n)
	}
}

// TestDriveGoesAway takes the drive's directory away while pack writes into it.
func TestDriveGoesAway(t *testing.T) {
	c := ocitest.New(85)
	s := newShelf(c)
	proxy, k := s.slow(t, sourceRate)
	s.tag("team/app:v1", c.Image(false, c.Layer(24<<20, ocitest.LayerGzip)))
	w := newWorld(t)
	w.images(proxy.Host + "/team/app:v1")
	k.at(12<<20, 0, func() {
		if err := os.Rename(w.drive, w.drive+".away"); err != nil {
			t.Error(err)
		}
		for deadline := time.Now().Add(5 * time.Second); os.RemoveAll(w.drive+".away") != nil; {
			if time.Now().After(deadline) { // pack makes files while they are removed
				t.Error("the drive cannot be taken away")
				return
			}
		}
	})
	pack := w.pack("--segment-size", "2MiB", "--lanes", "1")
	w.run(pack...).want(exitDrive).says("satchel: ", "hint: check that the drive is mounted")
	// It is still away: nothing is begun in its place, unless that is asked for.
	w.run(pack...).want(exitDrive).says("is not there now: is the drive mounted?", "hint: mount the drive")
	w.run(append(pack, "--restart")...).want(exitOK)
	w.run("verify", w.drive).want(exitOK)
}

// TestMountRoot packs into the root of a drive, where the bundle gets a
// directory of its own: stopped, resumed, started again, and a second one.
func TestMountRoot(t *testing.T) {
	c := ocitest.New(86)
	s := newShelf(c)
	proxy, k := s.slow(t, sourceRate)
	s.tag("team/app:v1", c.Image(false, c.Layer(12<<20, ocitest.LayerGzip)))
	s.tag("team/app:v2", c.Image(false, c.Layer(1<<20, ocitest.LayerGzip)))
	w := newWorld(t)
	w.smallDrive(64)
	if err := os.Mkdir(filepath.Join(w.drive, "System Volume Information"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.images(proxy.Host + "/team/app:v1")
	pack := w.pack("--segment-size", "1MiB", "--lanes", "1")
	if r, ended := w.killed(k, 6<<20, 0, 0, pack...); ended {
		t.Fatalf("it ended before: %s", r.stderr)
	}
	first := w.bundles()
	w.run("verify", w.drive).want(exitDamaged).says("unfinished")
	if r, ended := w.killed(k, 4<<20, 0, 0, pack...); ended {
		t.Fatalf("it ended before: %s", r.stderr)
	}
	if again := w.bundles(); len(first) != 1 || !slices.Equal(first, again) {
		t.Errorf("resuming made %v of %v", again, first)
	}
	w.run(append(pack, "--restart")...).want(exitOK)
	second := w.bundles()
	if len(second) != 1 || slices.Equal(first, second) {
		t.Errorf("--restart made %v of %v", second, first)
	}
	w.run("verify", w.drive).want(exitOK)
	mirror := newMirror(t)
	w.run(w.unpack(mirror)...).want(exitOK)
	// Another set on the same drive gets a directory of its own, or the one that is named.
	w.images(proxy.Host + "/team/app:v2")
	w.run(pack...).want(exitOK).says("everything is in memory (tmpfs): copy it to a drive")
	if both := w.bundles(); len(both) != 2 {
		t.Errorf("bundles %v", both)
	}
	w.drive = filepath.Join(w.drive, "satchel-mine")
	w.run(w.pack()...).want(exitOK)
	w.run("verify", w.drive).want(exitOK)
}

// bundles lists the directories satchel-* on the drive.
func (w *world) bundles() []string {
	w.t.Helper()
	list, err := filepath.Glob(filepath.Join(w.drive, "satchel-*"))
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}
