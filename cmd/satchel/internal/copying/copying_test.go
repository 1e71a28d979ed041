package copying_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/copying"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// staged packs a bundle onto a staging disk, for drives of 6 MiB.
func staged(t *testing.T) (b *jobtest.Bench, dir string, fp bundle.Fingerprint) {
	t.Helper()
	b = jobtest.New(t, 41)
	var refs []string
	for i := range 5 {
		refs = append(refs, b.Push(b.Content.Image(false, b.Content.Layer((1900+100*i)<<10, ocitest.LayerGzip)), "team/app"+string(rune('a'+i)), "v1"))
	}
	opts := b.Pack(b.Prepare(jobtest.Images(refs...)), "staging")
	if err := os.Mkdir(opts.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	opts.Dirs, opts.Drives.Size = []string{opts.Dir}, 8<<20
	done, err := pack.Run(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return b, opts.Dir, done.Fingerprint
}

// dirsIn lists the drive directories of a staging disk.
func dirsIn(t *testing.T, dir string) (list []string) {
	t.Helper()
	all, err := bundle.DriveDirs(dir, "")
	if err != nil || len(all) < 2 {
		t.Fatalf("drive directories %v, %v", all, err)
	}
	for _, d := range all {
		list = append(list, d.Dir)
	}
	slices.Sort(list)
	return list
}

// alike fails unless two directories have the same files.
func alike(t *testing.T, a, b string) {
	t.Helper()
	out, err := proctest.Command(t, "diff", "-r", a, b).CombinedOutput()
	if err != nil {
		t.Errorf("%s and %s differ: %v\n%s", a, b, err, out)
	}
}

// mounted makes an empty drive, mounted at dir; the function takes it away and puts in the next.
func mounted(t *testing.T, dir string) {
	t.Helper()
	if _, err := exec.LookPath("mount"); err != nil || os.Getuid() != 0 {
		t.Skip("mounting a tmpfs needs root, and mount")
	}
	if out, err := proctest.Command(t, "mount", "-t", "tmpfs", "-o", "size=32m", "satchel-test", dir).CombinedOutput(); err != nil {
		t.Skipf("mounting a tmpfs is not permitted here: %s", out)
	}
}

func unmount(t *testing.T, dir string) {
	t.Helper()
	if out, err := proctest.Command(t, "umount", dir).CombinedOutput(); err != nil {
		t.Errorf("umount %s: %s", dir, out)
	}
}

// TestDrives copies a staging disk to as many directories as there are drives, in an order that
// an earlier run began, back into one, and to one slot.
func TestDrives(t *testing.T) {
	b, staging, fp := staged(t)
	from := dirsIn(t, staging)
	run := func(ctx context.Context, from, into []string, next func(context.Context, copying.NextDrive) error) (*copying.Result, error) {
		return copying.Run(ctx, copying.Options{From: from, Into: into, State: t.TempDir(), NextDrive: next, To: b.To()})
	}

	var places []string
	for range from {
		places = append(places, filepath.Join(t.TempDir(), "place"))
	}
	if _, err := run(t.Context(), from[1:2], places[:1], nil); err != nil { // drive 2 comes into the first
		t.Fatal(err)
	}
	before := len(b.Log.String())
	res, err := run(t.Context(), from, places, nil)
	for _, c := range res.Copies { // what goes where is said before, by label; there is no drive to remove
		if !strings.Contains(b.Log.String()[before:], c.Label+" from "+c.From+" into "+filepath.Dir(c.Dir)+"\"") {
			t.Errorf("nothing says that %s goes into %s", c.Label, filepath.Dir(c.Dir))
		}
	}
	if strings.Count(b.Log.String()[before:], "everything is on the disk") != 1 {
		t.Errorf("in the end is said %s", b.Log)
	}
	if err != nil || len(res.Copies) != len(from) || res.Fingerprint != fp {
		t.Fatalf("%+v, %v", res, err)
	}
	for _, c := range res.Copies {
		alike(t, c.From, c.Dir)
		if c.Drive == 2 && (filepath.Dir(c.Dir) != places[0] || !c.Unchanged) {
			t.Errorf("drive 2 was begun in %s, and is in %s", places[0], c.Dir)
		}
	}
	disk := filepath.Join(t.TempDir(), "disk")
	if _, err := run(t.Context(), places, []string{disk}, nil); err != nil {
		t.Fatal(err)
	}
	alike(t, staging, disk)
	some := []string{from[0], from[len(from)-1]}
	if _, err = run(t.Context(), some, []string{filepath.Join(t.TempDir(), "some")}, nil); is[*bundle.AwayError](err) != (len(from) > 2) {
		t.Errorf("of %d drives the first and the last: %v", len(from), err)
	}
	if _, err = run(t.Context(), from[:1], []string{t.TempDir(), t.TempDir()}, nil); !is[*copying.CountError](err) {
		t.Errorf("one drive of several, to two places: %v", err)
	}
	sent, err := copying.Send(t.Context(), copying.SendOptions{From: from[:1], Into: t.TempDir(), Most: 1 << 30, To: b.To()})
	if err != nil || len(sent.NotHere) != len(from)-1 || sent.Fingerprint != "" {
		t.Errorf("one drive of several, over a link: %+v, %v", sent, err)
	}
	before = len(b.Log.String())
	if _, err := run(t.Context(), from, places[:len(from)-1], nil); len(from) > 2 && !is[*copying.CountError](err) {
		t.Errorf("with a place too few: %v", err)
	}
	_, err = run(t.Context(), from[:2], []string{from[0]}, nil)
	if said := b.Log.String()[before:]; !is[*bundle.RefusedError](err) || is[*bundle.AwayError](err) || strings.Contains(said, "everything is on the disk") || strings.Contains(said, "not the whole bundle") {
		t.Errorf("nothing was copied: %v, and %s", err, said)
	}

	turn := filepath.Join(t.TempDir(), "turn")
	for i, dir := range from { // one after another into one directory: it says what that lacks
		before = len(b.Log.String())
		if _, err := run(t.Context(), []string{dir}, []string{turn}, nil); err != nil {
			t.Fatal(err)
		}
		said := b.Log.String()[before:]
		if last := i == len(from)-1; strings.Contains(said, "not in ") == last || strings.Contains(said, "drives of bundle") != last {
			t.Errorf("after drive %d is said %s", i+1, said)
		}
	}
	damage(t, from[0])
	damage(t, filepath.Join(turn, "drive-01"))
	_, err = run(t.Context(), from[:1], []string{turn}, nil)
	lost, ok := errors.AsType[*copying.DamageError](err)
	if !ok || lost.Sealed || !lost.Was || !strings.Contains(lost.Hint(), "satchel copy OTHER "+turn) || strings.Contains(b.Log.String(), "written anew") {
		t.Errorf("damaged in both: %v", err)
	}
}

// damage changes a byte of the first segment of a drive directory.
func damage(t *testing.T, dir string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "s-*.age"))
	if err != nil || len(found) == 0 {
		t.Fatalf("segments %v, %v", found, err)
	}
	body, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	body[len(body)/2] ^= 1
	if err := os.WriteFile(found[0], body, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSlot copies drives one after another to one place: the next one is asked for, and one
// that is not it is said to be wrong.
func TestSlot(t *testing.T) {
	b, staging, fp := staged(t)
	from, slot, kept := dirsIn(t, staging), t.TempDir(), t.TempDir()
	mounted(t, slot)
	in := 1 // drives that were in the slot
	take := func() {
		if err := os.CopyFS(filepath.Join(kept, "drive-0"+string(rune('0'+in))), os.DirFS(slot)); err != nil {
			t.Fatal(err)
		}
		unmount(t, slot)
	}
	asked := 0
	next := func(_ context.Context, want copying.NextDrive) error {
		asked++
		switch {
		case asked == 1: // the person presses Enter too early
			return nil
		case asked == 2 && want.Why == nil:
			t.Error("the drive that is still there is taken for the next one")
		case asked == 2: // and then has taken the drive out, and put none in
			take()
			return nil
		}
		if asked > 3 {
			take()
		}
		in++
		mounted(t, slot)
		return nil
	}
	o := copying.Options{From: from, Into: []string{slot}, State: t.TempDir(), To: b.To(), NextDrive: next}
	res, err := copying.Run(t.Context(), o)
	if err != nil || len(res.Copies) != len(from) || res.Fingerprint != fp {
		t.Fatalf("%+v, %v", res, err)
	}
	take()
	for i, dir := range dirsIn(t, kept) {
		alike(t, from[i], dir)
	}

	mounted(t, slot)
	defer unmount(t, slot)
	o.NextDrive = nil
	_, err = copying.Run(t.Context(), o)
	wanted, ok := errors.AsType[*copying.NextDriveError](err)
	if !ok || len(wanted.Left) != len(from)-1 || !strings.HasSuffix(wanted.Label, "-2") || !strings.HasSuffix(wanted.Finished, "-1") {
		t.Fatalf("without a terminal: %v", err)
	}
	entries, err := fs.ReadDir(os.DirFS(slot), ".")
	if err != nil || len(entries) != 1 || !strings.HasPrefix(entries[0].Name(), "satchel-") {
		t.Errorf("the drive has %v, %v", entries, err)
	}
}

// TestNotMounted: a drive that was copied to before, and is not mounted now, is missed; of a place
// that is unknown a person is asked.
func TestNotMounted(t *testing.T) {
	b, staging, _ := staged(t)
	from, drive, state := dirsIn(t, staging)[:1], t.TempDir(), t.TempDir()
	var asked []string
	answer := false
	run := func() error {
		_, err := copying.Run(t.Context(), copying.Options{From: from, Into: []string{drive}, State: state, To: b.To(), Confirm: func(_ context.Context, why string) (bool, error) {
			asked = append(asked, why)
			return answer, nil
		}})
		return err
	}
	onSystem := bundle.MountOf(drive)
	if !onSystem.Removable() {
		if err := run(); !is[*bundle.MountError](err) || len(asked) != 1 {
			t.Errorf("an empty place: %v, asked %q", err, asked)
		}
	}
	mounted(t, drive)
	asked, answer = nil, true
	err := run()
	unmount(t, drive)
	if err != nil || len(asked) != 0 {
		t.Fatalf("%v, asked %q", err, asked)
	}
	missed, ok := errors.AsType[*bundle.MountError](run())
	if !ok || !strings.Contains(missed.Error(), "was copied there") || missed.Point != drive {
		t.Errorf("a drive that is not mounted: %v", missed)
	}
	if left, err := os.ReadDir(drive); err != nil || len(left) > 0 {
		t.Errorf("its place has %v, %v", left, err)
	}
}

func is[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}
