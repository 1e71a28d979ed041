package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
)

// TestDrivesOnOtherFileSystems: drives of one bundle are each on a file system of their own, and in no doubt for that.
func TestDrivesOnOtherFileSystems(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	const id = "k3v6q2mzt7apd4ho"
	jnl, err := journal.Create(journalPath(state, id), journal.Begin{Bundle: id})
	if err != nil {
		t.Fatal(err)
	}
	for n, fs := range []string{"uuid:one", "uuid:two"} {
		if err := jnl.Append(journal.Record{Session: &journal.Session{Drive: n + 1, FS: fs}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := jnl.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		drive int
		fs    string
		doubt bool
	}{{1, "uuid:one", false}, {2, "uuid:two", false}, {1, "uuid:two", true}} {
		doubt := Mount{on: media.Mount{FS: c.fs}}.doubt(state, []location{{dir: "d", id: id, drive: c.drive, of: 2}})
		if strings.Contains(doubt, "another file system") != c.doubt {
			t.Errorf("drive %d on %s: %q", c.drive, c.fs, doubt)
		}
	}
}

// TestRestartDrives gives up a bundle of which the first drives are finished, in whatever order they are named: nothing of
// it stays, neither on a drive nor in the state.
func TestRestartDrives(t *testing.T) {
	t.Parallel()
	for _, order := range [][]int{{2, 0, 1}, {0, 1, 2}, {1, 2, 0}} {
		s := newShelf(t, 5<<20)
		w := s.open(t, s.places[:3])
		for k := 1; k <= 2; k++ {
			if err := s.fillDrive(t.Context(), t, w, k); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(w.Put(t.Context(), s.on(t, w, 3)[0].Descriptor, s.content), w.Close()); err != nil {
			t.Fatal(err)
		}
		var places []string
		for _, i := range order {
			places = append(places, s.places[i])
		}
		if list, err := RestartOn(places, s.state, s.job); err != nil || len(list) != 1 || len(list[0].Dirs) != 3 || len(list[0].Away) > 0 {
			t.Errorf("%v: %+v, %v", order, list, err)
		}
		for _, dir := range places {
			if left, err := os.ReadDir(dir); err == nil && slices.ContainsFunc(left, func(e os.DirEntry) bool { return !e.IsDir() }) {
				t.Errorf("%v: %s has %v", order, filepath.Base(dir), left)
			}
		}
		if left, err := os.ReadDir(filepath.Join(s.state, "bundles")); err == nil && len(left) > 0 {
			t.Errorf("%v: the state has %v", order, left)
		}
	}
}

// begunThird has two finished drives and one that was begun.
func begunThird(t *testing.T) *shelf {
	t.Helper()
	s := newShelf(t, 5<<20)
	w := s.open(t, s.places[:3])
	for k := 1; k <= 2; k++ {
		if err := s.fillDrive(t.Context(), t, w, k); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Put(t.Context(), s.on(t, w, 3)[0].Descriptor, s.content), w.Close()); err != nil {
		t.Fatal(err)
	}
	return s
}

// nothingLeft reports whether this host knows of no bundle, and one would begin in the places.
func (s *shelf) nothingLeft(t *testing.T, places ...string) {
	t.Helper()
	if left, err := os.ReadDir(filepath.Join(s.state, "bundles")); err == nil && len(left) > 0 {
		t.Errorf("the state has %v", left)
	}
	if w, err := ResumeOn(t.Context(), places, s.state, s.job, nil); w != nil || err != nil {
		t.Errorf("after the restart: %v, %v", w, err)
	}
}

// TestRestartRefusesFirst: what stands in the way in one place is found before anything is deleted in another; the drive that was
// written last need not be there.
func TestRestartRefusesFirst(t *testing.T) {
	t.Parallel()
	s := begunThird(t)
	write(t, s.places[1], map[string][]byte{"holiday.jpg": {1}})
	before := files(t, s.places[0])
	var refused *RefusedError
	if _, err := RestartOn(s.places[:2], s.state, s.job); !errors.As(err, &refused) || !strings.Contains(refused.Reason, "holiday.jpg") {
		t.Errorf("other files: %v", err)
	}
	same(t, s.places[0], before)
	if err := os.Remove(filepath.Join(s.places[1], "holiday.jpg")); err != nil {
		t.Fatal(err)
	}
	gone, err := RestartOn(s.places[:2], s.state, s.job)
	if err != nil || len(gone) != 1 || len(gone[0].Dirs) != 2 || len(gone[0].Away) != 1 || !strings.Contains(gone[0].Away[0], "-3 (it was in "+s.places[2]) {
		t.Errorf("%+v, %v", gone, err)
	}
	same(t, s.places[0], nil)
	same(t, s.places[1], nil)
	s.nothingLeft(t, s.places[:2]...)
}

// TestRestartDeletedDisk starts again on a staging disk of which the directory was deleted: the bundle is found by its journal.
func TestRestartDeletedDisk(t *testing.T) {
	t.Parallel()
	s := begunThird(t)
	disk := filepath.Dir(s.places[0])
	if err := errors.Join(os.RemoveAll(disk), os.Mkdir(disk, 0o755)); err != nil {
		t.Fatal(err)
	}
	if some, err := CheckRestartOn([]string{disk}, s.state, s.job); err != nil || len(some) != 1 {
		t.Errorf("there is something to restart: %+v, %v", some, err)
	}
	gone, err := RestartOn([]string{disk}, s.state, s.job)
	if err != nil || len(gone) != 1 || len(gone[0].Dirs) != 0 || len(gone[0].Away) != 3 {
		t.Errorf("%+v, %v", gone, err)
	}
	s.nothingLeft(t, disk)
}

// TestWaitsForDrive: no other bundle is begun at another mount point while one waits for a drive that was begun, unless that
// one cannot come back, or all of it is deleted (--restart).
func TestWaitsForDrive(t *testing.T) {
	s := newShelf(t, 5<<20)
	first, _ := tmpfs(t, "16m")
	other, _ := tmpfs(t, "16m")
	w := s.open(t, []string{first})
	id, label := w.ID(), w.Drives()[0].Label
	if err := errors.Join(w.Put(t.Context(), s.on(t, w, 1)[0].Descriptor, s.content), w.Close(), os.RemoveAll(filepath.Join(first, "satchel-"+id))); err != nil {
		t.Fatal(err)
	}
	var missing *MissingError
	if w, err := ResumeOn(t.Context(), []string{other}, s.state, s.job, nil); w != nil || !errors.As(err, &missing) || missing.Label != label || missing.Bundle != id {
		t.Fatalf("another mount point: %v, %v", w, err)
	}
	again := s.job
	again.BeginAgain = strings.ToLower(label)
	w, err := ResumeOn(t.Context(), []string{other}, s.state, again, nil)
	if err != nil || w == nil || w.ID() != id {
		t.Fatalf("it cannot come back: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if gone, err := RestartOn([]string{other}, s.state, s.job); err != nil || len(gone) != 1 || len(gone[0].Away) != 1 {
		t.Errorf("%+v, %v", gone, err)
	}
	s.nothingLeft(t, other)
}
