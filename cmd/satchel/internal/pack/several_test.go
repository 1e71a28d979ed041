package pack_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// newSpread is a set of about 9 MiB for drives of 4 MiB, in segments of 1 MiB.
func newSpread(t *testing.T, seed uint64) (*jobtest.Bench, func(dirs ...string) pack.Options) {
	t.Helper()
	b := jobtest.New(t, seed)
	c := b.Content
	var refs []string
	for i := range 4 {
		refs = append(refs, b.Push(c.Image(true, c.Layer((1700+250*i)<<10, ocitest.LayerGzip), c.Layer((30+i)<<10, ocitest.LayerGzip)), fmt.Sprint("team/app", i), "v1"))
	}
	set := jobtest.Images(refs...)
	return b, func(dirs ...string) pack.Options {
		o := b.Pack(b.Prepare(set), dirs[0])
		for _, dir := range dirs {
			path := b.Pack(o.Options, dir).Dir
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			o.Dirs = append(o.Dirs, path)
		}
		o.Job.SegmentSize, o.Job.Lanes, o.Drives.Size, o.Drives.Cluster = bundle.MinSegmentSize, 2, 3<<20+512<<10, 4096
		return o
	}
}

// checkDrives reads a bundle on several drives.
func checkDrives(t *testing.T, done *pack.Result, dirs ...string) {
	t.Helper()
	r, err := bundle.Verify(t.Context(), dirs, bundle.VerifyOptions{Expect: done.Fingerprint})
	if err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
}

// TestSeveralDirectories packs onto drives that are all there, and finds the bundle finished
// when it packs again.
func TestSeveralDirectories(t *testing.T) {
	t.Parallel()
	b, options := newSpread(t, 301)
	o := options("d1", "d2", "d3", "d4")
	done, err := pack.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	dirs := o.Dirs[:slices.Index(o.Dirs, done.Dir)+1]
	if len(dirs) < 3 {
		t.Fatalf("the last drive is %s", done.Dir)
	}
	checkDrives(t, done, dirs...)
	again, err := pack.Run(t.Context(), options("d1", "d2", "d3", "d4"))
	if err != nil || again.Fingerprint != done.Fingerprint || !strings.Contains(b.Log.String(), "nothing has changed since") {
		t.Errorf("again: %+v, %v\n%s", again, err, b.Log)
	}
	readsAllDrives(t, b, dirs, options)
}

// TestSmallDriveAmongOthers names a drive among others that has room for no layer: the others are taken before it, and the
// same command finds the bundle again.
func TestSmallDriveAmongOthers(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 318)
	c := b.Content
	set := jobtest.Images(b.Push(c.Image(true, c.Layer(9<<20, ocitest.LayerGzip), c.Layer(9<<20, ocitest.LayerGzip)), "team/app", "v1"))
	options := func() pack.Options {
		o := b.Pack(b.Prepare(set), "a")
		for _, name := range []string{"a", "b", "c"} {
			o.Dirs = append(o.Dirs, b.Pack(o.Options, name).Dir)
		}
		o.Job.SegmentSize, o.Job.Lanes = bundle.MinSegmentSize, 2
		return o
	}
	o := options()
	for i, size := range []string{"size=14m", "size=3m", "size=14m"} {
		tmpfs(t, o.Dirs[i], size)
	}
	done, err := pack.Run(t.Context(), o)
	if err != nil || !strings.Contains(b.Log.String(), "from the largest to the smallest") {
		t.Fatalf("%v\n%s", err, b.Log)
	}
	checkDrives(t, done, o.Dirs[0], o.Dirs[2])
	if again, err := pack.Run(t.Context(), options()); err != nil || again.Fingerprint != done.Fingerprint {
		t.Errorf("again: %+v, %v\n%s", again, err, b.Log)
	}
}

// readsAllDrives packs a finished bundle again: every drive that is there is read back, and the
// others are named.
func readsAllDrives(t *testing.T, b *jobtest.Bench, dirs []string, options func(...string) pack.Options) {
	t.Helper()
	if log := b.Log.String(); strings.Contains(log, "not here") || !strings.Contains(log, "-1, ") {
		t.Errorf("all drives are here:\n%s", log)
	}
	segments, err := filepath.Glob(filepath.Join(dirs[0], "s-*"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	body, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	body[len(body)/2] ^= 1
	if err := os.WriteFile(segments[0], body, 0o600); err != nil {
		t.Fatal(err)
	}
	var damage *bundle.DamageError
	if _, err := pack.Run(t.Context(), options("d1", "d2", "d3", "d4")); !errors.As(err, &damage) || damage.Dir != dirs[0] {
		t.Errorf("drive 1 is damaged: %v", err)
	}
	seal := filepath.Join(dirs[0], "drive.json")
	if err := os.Rename(seal, seal+"-away"); err != nil {
		t.Fatal(err)
	}
	if _, err := pack.Run(t.Context(), options("d1", "d2", "d3", "d4")); !errors.As(err, &damage) || damage.Dir != dirs[0] {
		t.Errorf("drive 1 has no drive.json: %v", err)
	}
	names := make([]string, len(dirs)-1)
	for i, dir := range dirs[1:] {
		names[i] = filepath.Base(dir)
	}
	done, err := pack.Run(t.Context(), options(names...))
	if err != nil || done.Fingerprint == "" || !strings.Contains(b.Log.String(), fmt.Sprintf("drive 1 of %d", len(dirs))) || !strings.Contains(b.Log.String(), "is not here: not looked at") {
		t.Errorf("without drive 1: %v\n%s", err, b.Log)
	}
}

// TestStaging writes a directory for each drive.
func TestStaging(t *testing.T) {
	t.Parallel()
	_, options := newSpread(t, 302)
	o := options("staging")
	if err := os.Remove(o.Dir); err != nil { // pack makes it
		t.Fatal(err)
	}
	done, err := pack.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob(filepath.Join(o.Dir, "drive-0*"))
	if err != nil || len(dirs) < 3 || done.Dir != dirs[len(dirs)-1] {
		t.Fatalf("%v, %v, the last is in %s", dirs, err, done.Dir)
	}
	checkDrives(t, done, dirs...)
	if names, err := os.ReadDir(o.Dir); err != nil || len(names) != len(dirs) {
		t.Errorf("%v, %v besides %v", names, err, dirs)
	}
}

// TestStagingWithoutADrive: where the directory of a finished drive is gone, not everything is on the disk.
func TestStagingWithoutADrive(t *testing.T) {
	t.Parallel()
	b, options := newSpread(t, 331)
	o := options("staging")
	if _, err := pack.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(o.Dir, "drive-02")); err != nil {
		t.Fatal(err)
	}
	before := len(b.Log.String())
	if _, err := pack.Run(t.Context(), options("staging")); err != nil {
		t.Fatal(err)
	}
	if log := b.Log.String()[before:]; strings.Contains(log, "everything is on the disk") || !strings.Contains(log, "-2, finished in an earlier run") {
		t.Errorf("without drive 2:\n%s", log)
	}
}

// TestSlots puts one drive after another into two places, a wrong one too, and goes on in a new
// run where nobody was there to do it.
func TestSlots(t *testing.T) {
	t.Parallel()
	b, options := newSpread(t, 303)
	o := options("a", "b")
	var saved []string
	take := func(dir string) { // the drive leaves
		to := fmt.Sprint(dir, len(saved))
		if err := errors.Join(os.Rename(dir, to), os.Mkdir(dir, 0o755)); err != nil {
			t.Fatal(err)
		}
		saved = append(saved, to)
	}
	var wanted *pack.NextDriveError
	if _, err := pack.Run(t.Context(), o); !errors.As(err, &wanted) || wanted.Finished == "" || wanted.Begun {
		t.Fatalf("nobody is there: %v", err)
	}
	take(wanted.Dir)
	asked := 0
	o = options("a", "b")
	o.NextDrive = func(_ context.Context, e *pack.NextDriveError) (string, error) {
		if asked++; asked == 1 { // a drive that has something else
			take(e.Dir)
			return e.Dir, os.WriteFile(filepath.Join(e.Dir, "holiday.jpg"), nil, 0o600)
		}
		if e.Why == nil {
			t.Errorf("the second time nothing is wrong")
		}
		return e.Dir, os.Remove(filepath.Join(e.Dir, "holiday.jpg"))
	}
	done, err := pack.Run(t.Context(), o)
	if err != nil {
		t.Fatalf("%v\n%s", err, b.Log)
	}
	all := slices.Concat(saved, o.Dirs)
	var dirs []string
	for _, dir := range all {
		if _, err := os.Stat(filepath.Join(dir, "drive.json")); err == nil {
			dirs = append(dirs, dir)
		}
	}
	checkDrives(t, done, dirs...)
	if asked != 0 && asked != 2 {
		t.Errorf("asked %d times for %v", asked, dirs)
	}
}
