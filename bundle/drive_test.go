package bundle

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// newMounted is a large fixture whose drive is a mount of its own.
func newMounted(t *testing.T, size string) (*fixture, func(string)) {
	t.Helper()
	dir, remount := tmpfs(t, size)
	f, _ := newLarge(t, MinSegmentSize, 2)
	f.drive = dir
	return f, remount
}

// TestMountRoot packs into the root of a mount: the bundle gets a directory of
// its own there, and is found in it.
func TestMountRoot(t *testing.T) {
	f, _ := newMounted(t, "64m")
	write(t, f.drive, map[string][]byte{"holiday.jpg": {1}})
	w := f.writer(t)
	if filepath.Dir(w.Dir()) != f.drive || filepath.Base(w.Dir()) != "satchel-"+w.ID() {
		t.Errorf("the bundle is made in %s", w.Dir())
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f.finish(t)
	entries, err := os.ReadDir(f.drive)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
	var done *SealedError
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &done) || filepath.Dir(done.Dir) != f.drive {
		t.Errorf("packed again: %v", err)
	}
}

// TestFullDrive fills the drive, makes it larger, and resumes.
func TestFullDrive(t *testing.T) {
	f, remount := newMounted(t, "6m")
	w := f.writer(t)
	err := f.fill(t.Context(), w, f.content)
	var drive *DriveError
	if !errors.As(err, &drive) || !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(drive.Path, f.drive) {
		t.Fatalf("Put: %v", err)
	}
	if err := w.Put(t.Context(), f.graph.Blobs[0].Descriptor, f.content); !errors.Is(err, syscall.ENOSPC) && !has(t, w, f.graph.Blobs[0].Descriptor) {
		t.Errorf("a later Put: %v", err)
	}
	if _, err := w.Seal(t.Context(), f.inv); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Seal: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	kept := segmentFiles(t, w.Dir())
	for name := range files(t, w.Dir()) {
		if strings.HasSuffix(name, ".tmp") {
			t.Errorf("%s stays", name)
		}
	}
	if len(kept) == 0 {
		t.Error("nothing of what was written is kept")
	}
	remount("size=64m")
	w = f.writer(t)
	for _, name := range kept {
		if !slices.Contains(segmentFiles(t, w.Dir()), name) {
			t.Errorf("%s is not used", name)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f.finish(t)
}

// TestFullDriveAnywhere has the drive full at many other moments, the seal's included.
func TestFullDriveAnywhere(t *testing.T) {
	f, remount := newMounted(t, "1m")
	full := 0
	for size := 1100; ; size += 977 {
		if size > 64<<10 {
			t.Fatal("it never came to an end")
		}
		remount("size=" + strconv.Itoa(size) + "k")
		w, err := Resume(t.Context(), f.drive, f.state, f.job, nil)
		if err == nil && w == nil {
			w, err = Create(f.drive, f.state, f.job, f.inv)
		}
		if err == nil {
			if err = f.fill(t.Context(), w, f.content); err == nil {
				_, err = w.Seal(t.Context(), f.inv)
			}
			if cerr := w.Close(); cerr != nil && !errors.Is(cerr, syscall.ENOSPC) {
				t.Fatal(cerr)
			}
		}
		if err == nil {
			break
		}
		var drive *DriveError
		if full++; !errors.As(err, &drive) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("with %d KiB: %v", size, err)
		}
	}
	if full < 5 {
		t.Errorf("the drive was full %d times", full)
	}
	f.check(t)
}

func TestPrepare(t *testing.T) {
	dir, _ := tmpfs(t, "4m")
	var space *SpaceError
	if _, err := Prepare(dir, 5<<20); !errors.As(err, &space) || space.Need != 5<<20 || space.Free > 4<<20 || space.Free < 3<<20 {
		t.Errorf("5 MiB on a drive of 4: %v", err)
	}
	if unknown, err := Prepare(dir, 3<<20); unknown || err != nil {
		t.Errorf("3 MiB on a drive of 4: %v, %v", unknown, err)
	}
	same(t, dir, nil)
	sub := filepath.Join(dir, "a")
	for _, want := range []bool{true, false} {
		if made, err := MakeDir(sub); made != want || err != nil {
			t.Errorf("MakeDir: %v, %v", made, err)
		}
	}
	var drive *DriveError
	if _, err := Prepare(filepath.Join(dir, "b"), 0); !errors.As(err, &drive) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	for _, missing := range []string{filepath.Join(dir, "b", "c"), "/mnt/satchel-test", "/media/satchel-test", "/run/media/me/satchel-test"} {
		if made, err := MakeDir(missing); made || !errors.As(err, &drive) || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("MakeDir %s: %v, %v", missing, made, err)
		}
	}
	file := filepath.Join(dir, "file")
	write(t, dir, map[string][]byte{"file": {1}})
	if _, err := Prepare(file, 0); !errors.As(err, &drive) {
		t.Errorf("a file: %v", err)
	}
}

// TestReadOnlyMount reads a bundle on a medium that cannot be written, and
// refuses to write there.
func TestReadOnlyMount(t *testing.T) {
	f, remount := newMounted(t, "64m")
	remount("ro")
	var drive *DriveError
	if _, err := Prepare(f.drive, 0); !errors.As(err, &drive) || !errors.Is(err, syscall.EROFS) {
		t.Errorf("Prepare: %v", err)
	}
	if _, err := Create(f.drive, t.TempDir(), f.job, f.inv); !errors.As(err, &drive) || !errors.Is(err, syscall.EROFS) {
		t.Errorf("Create: %v", err)
	}
	remount("rw")
	w := f.writer(t)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	remount("ro")
	if err := Restart(f.drive, f.state, f.job); !errors.As(err, &drive) || !errors.Is(err, syscall.EROFS) {
		t.Errorf("Restart: %v", err)
	}
	remount("rw")
	f.pack(t)
	remount("ro")
	f.check(t)
	var done *SealedError
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &done) {
		t.Errorf("Resume of what is sealed: %v", err)
	}
}

// TestReadOnlyBetweenRuns has the drive turn read-only between two runs, with
// something left to sweep and to write.
func TestReadOnlyBetweenRuns(t *testing.T) {
	f, remount := newMounted(t, "64m")
	w := f.writer(t)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, w.Dir(), map[string][]byte{"s-00-00001.age.tmp": {1}})
	remount("ro")
	var drive *DriveError
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &drive) || !errors.Is(err, syscall.EROFS) {
		t.Errorf("Resume: %v", err)
	}
	remount("rw")
	f.finish(t)
}
