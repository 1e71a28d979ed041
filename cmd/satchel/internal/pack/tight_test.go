package pack_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/places"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// must runs a program, and skips the test where it cannot be run.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := proctest.Command(t, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Skipf("not possible here: %s: %v %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// exfat mounts an exFAT file system of so many MiB, with clusters of that size, on dir.
func exfat(t *testing.T, dir string, mib, cluster int64) {
	t.Helper()
	for _, bin := range []string{"mkfs.exfat", "mount.exfat-fuse", "losetup"} {
		if _, err := exec.LookPath(bin); err != nil {
			t.Skipf("%s is not installed (Debian packages exfatprogs, exfat-fuse, mount)", bin)
		}
	}
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, mib<<20); err != nil {
		t.Fatal(err)
	}
	loop := must(t, "losetup", "--find", "--show", image)
	t.Cleanup(func() { release(t, "losetup", "-d", loop) })
	must(t, "mkfs.exfat", "-c", fmt.Sprint(cluster), loop)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	must(t, "mount.exfat-fuse", loop, dir)
	t.Cleanup(func() { release(t, "umount", dir) })
}

func release(t *testing.T, args ...string) {
	if out, err := proctest.Command(t, args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Errorf("%s: %v %s", strings.Join(args, " "), err, out)
	}
}

// ballast leaves so many bytes free on the drive of dir, as near as its clusters allow.
func ballast(t *testing.T, dir string, free int64) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
	room, err := bundle.SpaceOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	if room.Free < free {
		t.Fatalf("the drive has %d bytes, %d are to be left", room.Free, free)
	}
	if err := os.WriteFile(name, make([]byte, (room.Free-free)/room.Cluster*room.Cluster), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTightDrive packs onto drives with large clusters that have just the room that plan
// asks for, and refuses those that have less.
func TestTightDrive(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	for i, c := range []struct {
		cluster, segment int64
	}{
		{1 << 20, bundle.MinSegmentSize},
		{128 << 10, 4 << 20},
	} {
		t.Run(fmt.Sprint(c.cluster), func(t *testing.T) {
			t.Parallel()
			b := jobtest.New(t, 80+uint64(i))
			var refs []string
			for n := range 3 {
				var layers []oci.Descriptor
				for _, kib := range []int{1300, 700, 90, 10} {
					layers = append(layers, b.Content.Layer(kib<<10+n, ocitest.LayerGzip))
				}
				refs = append(refs, b.Push(b.Content.Image(false, layers...), fmt.Sprint("team/app", n), "v1"))
			}
			set := jobtest.Images(refs...)
			o := b.Pack(b.Prepare(set), "drive")
			o.Job.SegmentSize = c.segment
			exfat(t, o.Dir, 64, c.cluster)
			p := plan.Options{Options: b.Prepare(set), Job: o.Job, Drives: places.Drives{Size: 1, Cluster: c.cluster}}
			p.Job.Recipients = o.Job.Recipients
			planned := func(free int64) *plan.Report {
				t.Helper()
				p.Options, p.Drives.Size = b.Prepare(set), free
				r, err := plan.Run(t.Context(), p)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			need := planned(1 << 30).Written.OnDrive
			if r := planned(need); r.Drives[0].Count != 1 {
				t.Errorf("%d bytes are needed, and %+v", need, r.Drives)
			}
			ballast(t, o.Dir, need-c.cluster)
			var space *bundle.SpaceError
			if _, err := pack.Run(t.Context(), o); !errors.As(err, &space) || space.Need != need || space.Cluster != c.cluster {
				t.Errorf("a cluster less than the %d that plan says: %v", need, err)
			}
			ballast(t, o.Dir, need)
			o.Options = b.Prepare(set)
			done, err := pack.Run(t.Context(), o)
			if err != nil {
				t.Fatalf("with the %d bytes that plan says: %v", need, err)
			}
			room, err := bundle.SpaceOf(done.Dir)
			if err != nil || room.Free > 12*c.cluster+64<<10 {
				t.Errorf("%d bytes were asked for, and %d are left, %v", need, room.Free, err)
			}
		})
	}
}
