package bundle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// started is a bundle that has its first files and no segment.
func started(t *testing.T, f *fixture) *Writer {
	t.Helper()
	w := f.writer(t)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestCrashAtTheBeginning leaves what a crash leaves between the journal's first record
// and the first segment: the same job then begins again or resumes, and finishes.
func TestCrashAtTheBeginning(t *testing.T) {
	leave := map[string]func(dir, journal string) error{
		"the directory": func(dir, journal string) error {
			return errors.Join(os.Remove(dir+"/drive.json"), os.Remove(dir+"/key-1.age"))
		},
		"drive.json unfinished": func(dir, journal string) error {
			return errors.Join(os.Rename(dir+"/drive.json", dir+"/drive.json.tmp"), os.Remove(dir+"/key-1.age"))
		},
		"drive.json": func(dir, journal string) error { return os.Remove(dir + "/key-1.age") },
		"a key file unfinished": func(dir, journal string) error {
			return os.Rename(dir+"/key-1.age", dir+"/key-1.age.tmp")
		},
		"a key file alone":  func(dir, journal string) error { return os.Remove(dir + "/drive.json") },
		"a segment begun":   func(dir, journal string) error { return os.WriteFile(dir+"/s-00-00001.age.tmp", []byte("age"), 0o644) },
		"a segment unknown": func(dir, journal string) error { return os.WriteFile(dir+"/s-00-00001.age", []byte("age"), 0o644) },
		"a torn journal": func(dir, journal string) error {
			return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755), tear(journal, 1))
		},
		"an unnamed journal": func(dir, journal string) error {
			return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755), os.Rename(journal, journal+".tmp"))
		},
		"no word of a place": func(dir, journal string) error {
			return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755), tear(journal, 2))
		},
	}
	for name, crash := range leave {
		t.Run(name, func(t *testing.T) {
			f := newSmall(t, false)
			w := started(t, f)
			if err := crash(w.Dir(), f.journal(t)); err != nil {
				t.Fatal(err)
			}
			f.finish(t)
			f.journal(t) // the one that was of no use is gone
		})
	}
}

// tear leaves so many lines of a journal.
func tear(name string, lines int) error {
	body, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return os.WriteFile(name, []byte(strings.Join(strings.SplitAfter(string(body), "\n")[:lines], "")), 0o600)
}

// TestFirstFileCannotBeWritten has the first file fail: nothing stands in the way of the
// same job later.
func TestFirstFileCannotBeWritten(t *testing.T) {
	f := newSmall(t, false)
	inTheWay := filepath.Join(f.drive, "drive.json.tmp", "x")
	if err := os.MkdirAll(inTheWay, 0o755); err != nil {
		t.Fatal(err)
	}
	var drive *DriveError
	if _, err := Create(f.drive, f.state, f.job, f.inv); !errors.As(err, &drive) {
		t.Fatalf("Create: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(f.state, "bundles", "*")); err != nil || len(left) > 0 {
		t.Errorf("journals %v, %v", left, err)
	}
	if err := os.RemoveAll(filepath.Dir(inTheWay)); err != nil {
		t.Fatal(err)
	}
	f.finish(t)
}

// TestDriveJSONIsLost loses drive.json, or its bytes, when segments are there: the journal
// knows the bundle.
func TestDriveJSONIsLost(t *testing.T) {
	for name, lose := range map[string]func(string) error{
		"lost":  os.Remove,
		"empty": func(name string) error { return os.Truncate(name, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newSmall(t, false)
			w := f.writer(t)
			if err := errors.Join(f.fill(t.Context(), w, f.content), w.Close(), lose(filepath.Join(f.drive, seal.DriveName))); err != nil {
				t.Fatal(err)
			}
			again := f.writer(t)
			if again.ID() != w.ID() || len(segmentFiles(t, f.drive)) == 0 {
				t.Errorf("it began again as %s", again.ID())
			}
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
			f.finish(t)
		})
	}
}

// TestCrashInRestart ends a restart after every file that it deletes: with the restart or
// without it, the same job finishes.
func TestCrashInRestart(t *testing.T) {
	base := newSmall(t, false)
	w := base.writer(t)
	if err := errors.Join(base.fill(t.Context(), w, base.content), w.Close()); err != nil {
		t.Fatal(err)
	}
	names := append(segmentFiles(t, base.drive), "key-1.age", seal.DriveName)
	for n := range len(names) + 1 {
		f := base.clone(t)
		body, err := os.ReadFile(f.journal(t))
		if err != nil {
			t.Fatal(err)
		}
		body = []byte(strings.ReplaceAll(string(body), base.drive, f.drive))
		if err := os.WriteFile(f.journal(t), append(body, `{"givenUp":{}}`+"\n"...), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, name := range names[:n] {
			if err := os.Remove(filepath.Join(f.drive, name)); err != nil {
				t.Fatal(err)
			}
		}
		if n%2 == 0 {
			if err := Restart(f.drive, f.state, f.job); err != nil {
				t.Fatalf("%d files deleted: %v", n, err)
			}
		}
		f.finish(t)
	}
}

// TestCopyFinishedElsewhere copies an unfinished bundle to another directory and finishes
// it there: the first one is named as what it is, and can be deleted.
func TestCopyFinishedElsewhere(t *testing.T) {
	f := newSmall(t, false)
	w := f.writer(t)
	if err := errors.Join(f.fill(t.Context(), w, f.content), w.Close()); err != nil {
		t.Fatal(err)
	}
	first := *f
	f.drive = filepath.Join(t.TempDir(), "larger")
	write(t, f.drive, files(t, first.drive))
	f.finish(t)
	sealed := files(t, f.drive)

	var refused *RefusedError
	_, err := Resume(t.Context(), first.drive, f.state, f.job, nil)
	if !errors.As(err, &refused) || !refused.Unfinished || !strings.Contains(err.Error(), "finished in "+f.drive) {
		t.Errorf("Resume: %v", err)
	}
	if err := Restart(first.drive, f.state, f.job); err != nil {
		t.Fatal(err)
	}
	if left := files(t, first.drive); len(left) > 0 {
		t.Errorf("%d files stay", len(left))
	}
	same(t, f.drive, sealed)
	var done *SealedError
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &done) {
		t.Errorf("the finished one: %v", err)
	}
}

// TestWhoWrites has two runs want one bundle: the second learns who has it.
func TestWhoWrites(t *testing.T) {
	f := newSmall(t, false)
	f.job.Command = "satchel pack -c set.yaml /drive"
	w := f.writer(t)
	want := []string{"process ", "since 2", f.job.Command}
	_, other := Resume(t.Context(), f.drive, f.state, f.job, nil)
	_, second := Create(f.drive, f.state, f.job, f.inv)
	for what, err := range map[string]error{"Resume": other, "Restart": Restart(f.drive, f.state, f.job), "Create": second} {
		for _, part := range want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v: it lacks %q", what, err, part)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestUnmountedDrive unmounts the drive after several moments of a bundle's life: nothing
// is packed into its mount point.
func TestUnmountedDrive(t *testing.T) {
	moments := map[string]func(f *fixture, w *Writer) error{
		"begun":  func(*fixture, *Writer) error { return nil },
		"filled": func(f *fixture, w *Writer) error { return f.fill(t.Context(), w, f.content) },
		"sealed": func(f *fixture, w *Writer) error {
			_, err := w.Seal(t.Context(), f.inv)
			return errors.Join(f.fill(t.Context(), w, f.content), err)
		},
	}
	for name, reach := range moments {
		t.Run(name, func(t *testing.T) {
			f := newSmall(t, false)
			f.drive = t.TempDir()
			unmount := mountTmpfs(t, f.drive)
			w := f.writer(t)
			at, err := CheckMount(f.drive, f.state)
			if err != nil || at.Doubt != "" || at.Memory != "tmpfs" || at.Removable() {
				t.Errorf("mounted: %+v, %v", at, err)
			}
			_ = reach(f, w) // what Seal refuses is tested elsewhere
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			unmount()
			var gone *MountError
			for _, dir := range []string{f.drive, filepath.Join(f.drive, "new")} {
				if _, err := CheckMount(dir, f.state); !errors.As(err, &gone) || !strings.Contains(err.Error(), w.ID()) {
					t.Errorf("unmounted, %s: %v", dir, err)
				}
			}
			if err := at.Check(); !errors.As(err, &gone) {
				t.Errorf("the run that was going on: %v", err)
			}
			if _, err := CheckMount(t.TempDir(), f.state); err != nil {
				t.Errorf("another directory: %v", err)
			}
			unmount = mountTmpfs(t, f.drive)
			if _, err := CheckMount(f.drive, f.state); err != nil {
				t.Errorf("another drive in its place: %v", err)
			}
			unmount()
			f.unmountedForGood(t, w.ID())
		})
	}
}

// unmountedForGood has it said that no drive will be mounted there any more: that is noted, and the journal stays. A
// bundle that is packed onto a drive there later counts again.
func (f *fixture) unmountedForGood(t *testing.T, id string) {
	t.Helper()
	var said []string
	_, err := CheckMountAnew(f.drive, f.state, func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) })
	if err != nil || len(said) != 1 || !strings.Contains(said[0], id) {
		t.Errorf("for good: %v, said %q", err, said)
	}
	if _, err := CheckMount(f.drive, f.state); err != nil {
		t.Errorf("after that: %v", err)
	}
	st, err := journal.Peek(journalPath(f.state, id))
	if err != nil {
		t.Fatal(err)
	}
	if point := st.Session.Point; isGone(f.state, point, time.Now().Add(time.Minute)) || !isGone(f.state, point, lastRun(st)) {
		t.Error("what is packed there later does not count, or what was packed before does")
	}
}

// TestUnverifiedIsNotFinished asks for a sealed bundle that was never read back, as for an
// unfinished one, and no longer once a run has come to its end.
func TestUnverifiedIsNotFinished(t *testing.T) {
	f := newSmall(t, false)
	f.pack(t)
	if err := errors.Join(os.RemoveAll(f.drive), os.Mkdir(f.drive, 0o755)); err != nil {
		t.Fatal(err)
	}
	var missing *MissingError
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &missing) {
		t.Errorf("never read back: %v", err)
	}
	f.mark(t, journal.Record{Released: &journal.Released{}})
	if w, err := Resume(t.Context(), f.drive, f.state, f.job, nil); w != nil || err != nil {
		t.Errorf("not to be read back: %v, %v", w, err)
	}
}

// TestFstab expects what fstab says at a mount point.
func TestFstab(t *testing.T) {
	dir := t.TempDir()
	tables := media.System()
	tables.Fstab = filepath.Join(dir, "fstab")
	if err := os.WriteFile(tables.Fstab, []byte("# drives\nLABEL=carry "+dir+"/my\\040drive exfat noauto 0 0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var wrong *MountError
	for _, sub := range []string{"my drive", "my drive/below"} {
		if _, err := checkMount(tables, filepath.Join(dir, sub), dir); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "LABEL=carry") {
			t.Errorf("%s: %v", sub, err)
		}
	}
	for _, sub := range []string{"", "my drive 2"} {
		if _, err := checkMount(tables, filepath.Join(dir, sub), dir); err != nil {
			t.Errorf("%q: %v", sub, err)
		}
	}
	point := filepath.Join(dir, "my drive")
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	mountTmpfs(t, point)
	if _, err := checkMount(tables, point, dir); err != nil {
		t.Errorf("mounted: %v", err)
	}
}

// TestMovedToAnotherFileSystem resumes a bundle that was copied to another drive, which is
// then mounted in the place of the first: a person should know.
func TestMovedToAnotherFileSystem(t *testing.T) {
	f := newSmall(t, false)
	f.drive = t.TempDir()
	unmount := mountTmpfs(t, f.drive)
	w := f.writer(t)
	if err := errors.Join(f.fill(t.Context(), w, f.content), w.Close()); err != nil {
		t.Fatal(err)
	}
	all := files(t, f.drive)
	unmount()
	mountTmpfs(t, f.drive)
	write(t, f.drive, all)
	st, err := journal.Peek(f.journal(t))
	if err != nil || st.Session.FS == "" {
		t.Skipf("this system's tmpfs has no name: %v", err)
	}
	if at, err := CheckMount(f.drive, f.state); err != nil || !strings.Contains(at.Doubt, "another file system") {
		t.Errorf("%+v, %v", at, err)
	}
	f.pack(t)
}
