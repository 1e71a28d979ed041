package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// exfatDrive mounts an exFAT file system of so many MiB as the world's drive.
func (w *world) exfatDrive(mib int64) { w.exfat(w.drive, mib) }

// exfat mounts an exFAT file system of so many MiB on a directory.
func (w *world) exfat(dir string, mib int64) { w.stick("exfat", mib).put(dir) }

// stick is a new exFAT drive of so many MiB, in no slot yet.
func (w *world) stick(name string, mib int64) *stick {
	w.t.Helper()
	for _, bin := range []string{"mkfs.exfat", "mount.exfat-fuse", "losetup"} {
		if _, err := exec.LookPath(bin); err != nil {
			w.t.Skipf("%s is not installed (Debian packages exfatprogs, exfat-fuse, mount)", bin)
		}
	}
	image := filepath.Join(w.dir, name+".img")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Truncate(image, mib<<20); err != nil {
		w.t.Fatal(err)
	}
	must := func(args ...string) string {
		out, err := proctest.Command(w.t, args[0], args[1:]...).CombinedOutput()
		if err != nil {
			w.t.Skipf("exFAT cannot be mounted here: %s: %v %s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	s := &stick{t: w.t, loop: must("losetup", "--find", "--show", image)}
	w.t.Cleanup(func() {
		s.remove()
		if out, err := proctest.Command(w.t, "losetup", "-d", s.loop).CombinedOutput(); err != nil {
			w.t.Errorf("losetup -d: %v %s", err, out)
		}
	})
	must("mkfs.exfat", s.loop)
	probe := filepath.Join(w.dir, name+".probe") // whether it can be mounted at all
	if err := os.Mkdir(probe, 0o755); err != nil {
		w.t.Fatal(err)
	}
	must("mount.exfat-fuse", s.loop, probe)
	s.slot = probe
	s.remove()
	return s
}

// onExFAT makes every world's drive a directory on an exFAT file system.
const onExFAT = "SATCHEL_TEST_EXFAT"

// TestOnExFAT shows again on exFAT what other tests show on a file system of
// this machine: what writes to the drive; when soaking, all of it.
func TestOnExFAT(t *testing.T) {
	t.Setenv(onExFAT, "1")
	tests := map[string]func(*testing.T){"kill pack": TestKillPack, "kill seal": TestKillSeal, "nothing in clear": TestNothingInClear}
	if os.Getenv("SATCHEL_SOAK") != "" {
		maps.Copy(tests, map[string]func(*testing.T){
			"round trip": TestRoundTrip, "kill unpack": TestKillUnpack, "interrupt": TestInterrupt, "wrong bytes": TestWrongAfterKill,
		})
	}
	for name, test := range tests {
		t.Run(name, test)
	}
}

// TestExFAT packs onto an exFAT drive that has what Windows leaves on it, fills
// it in the middle, makes room, and reads the bundle back.
func TestExFAT(t *testing.T) {
	c := ocitest.New(97)
	s := newShelf(c)
	host := s.listen(t)
	root := c.Image(false, c.Layer(12<<20, ocitest.LayerGzip), c.Layer(7<<20, ocitest.LayerGzip), c.Layer(300<<10, ocitest.LayerTar))
	s.tags["team/app:v1"] = root
	w := newWorld(t)
	w.exfatDrive(64)
	system := filepath.Join(w.drive, "System Volume Information")
	if err := os.Mkdir(system, 0o755); err != nil {
		t.Fatal(err)
	}
	guid := filepath.Join(system, "IndexerVolumeGuid")
	if err := os.WriteFile(guid, []byte("{made up}"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.images(host + "/team/app:v1")
	pack := w.pack("--segment-size", "2MiB")

	// The drive runs full in the middle: what takes its room comes while pack runs.
	s.spoil[largest(c).Digest] = fillAt(t, w.drive, 6<<20)
	w.run(pack...).want(exitDrive).says("hint: make room on the drive")
	delete(s.spoil, largest(c).Digest)
	if err := os.Remove(filepath.Join(w.drive, "ballast")); err != nil {
		t.Fatal(err)
	}
	done := w.run(pack...).want(exitOK).says("resuming")
	w.run("verify", "--expect", strings.TrimSpace(done.stdout), w.drive).want(exitOK)
	mirror := newMirror(t)
	w.run(w.unpack(mirror)...).want(exitOK)
	compareAll(t, c, map[string]oci.Descriptor{"team/app:v1": root}, mirror)
	if body := readFile(t, guid); string(body) != "{made up}" {
		t.Errorf("a file of the system reads %q", body)
	}
	entries, err := os.ReadDir(w.drive)
	if err != nil || len(entries) != 2 || !strings.HasPrefix(fmt.Sprint(entries[1].Name(), entries[0].Name()), "satchel-") {
		t.Errorf("the drive holds %v, %v", entries, err)
	}
}

// largest is the largest blob of the content.
func largest(c *ocitest.Content) (d oci.Descriptor) {
	for _, x := range c.All() {
		if x.Size > d.Size {
			d = x
		}
	}
	return d
}

// fillAt fills a directory's drive when a blob has been read so far.
func fillAt(t testing.TB, dir string, at int64) func(int64, io.Reader) io.Reader {
	var once sync.Once
	return func(_ int64, r io.Reader) io.Reader {
		return readerFunc(func(p []byte) (int, error) {
			n, err := r.Read(p)
			if at -= int64(n); at <= 0 {
				once.Do(func() {
					if err := fill(dir); err != nil {
						t.Log(err) // a full drive fails on closing, too
					}
				})
			}
			return n, err
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
