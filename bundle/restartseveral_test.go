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
		list, err := RestartOrder(places, s.state, s.job)
		if err != nil || len(list) != len(places) {
			t.Fatalf("%v: %v, %v", order, list, err)
		}
		for _, dir := range list {
			if err := Restart(dir, s.state, s.job); err != nil {
				t.Errorf("%v: %s: %v", order, filepath.Base(dir), err)
			}
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
