package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// TestSweepSparesOthers leaves the empty directory that another run has just made,
// and its journal, and removes them once no run has them.
func TestSweepSparesOthers(t *testing.T) {
	t.Parallel()
	root, state, id := t.TempDir(), t.TempDir(), "abcdefgh234567aa"
	dir := filepath.Join(root, dirPrefix+id)
	jnl, err := journal.Create(journalPath(state, id), journal.Begin{Bundle: id})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	there := func() (dirThere, journalThere bool) {
		_, derr := os.Stat(dir)
		_, jerr := os.Stat(journalPath(state, id))
		return derr == nil, jerr == nil
	}
	sweepEmpty(root, state)
	if d, j := there(); !d || !j {
		t.Fatalf("of a run that is under way: directory %v, journal %v", d, j)
	}
	if err := jnl.Close(); err != nil {
		t.Fatal(err)
	}
	sweepEmpty(root, state)
	if d, j := there(); d || j {
		t.Fatalf("of a run that has ended: directory %v, journal %v", d, j)
	}
}

// TestSweepKeepsWhatWasWritten: where segments were written, an empty directory is no
// beginning; they may have been moved, and only the journal can resume them.
func TestSweepKeepsWhatWasWritten(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]bool{"written": false, "given up": true} {
		root, state, id := t.TempDir(), t.TempDir(), "abcdefgh234567aa"
		jnl, err := journal.Create(journalPath(state, id), journal.Begin{Bundle: id})
		if err != nil {
			t.Fatal(err)
		}
		err = jnl.Append(journal.Record{Segment: &journal.Segment{Number: 1, Size: 1}})
		if gone {
			err = errors.Join(err, jnl.Append(journal.Record{GivenUp: &journal.GivenUp{}}))
		}
		if err := errors.Join(err, jnl.Close(), os.Mkdir(filepath.Join(root, dirPrefix+id), 0o755)); err != nil {
			t.Fatal(err)
		}
		sweepEmpty(root, state)
		if _, err := os.Stat(journalPath(state, id)); errors.Is(err, os.ErrNotExist) != gone {
			t.Errorf("%s: the journal: %v", name, err)
		}
	}
}

// TestSweepAges leaves an empty directory without a journal here for as long as
// another host may be about to write into it.
func TestSweepAges(t *testing.T) {
	t.Parallel()
	root, state := t.TempDir(), t.TempDir()
	dir := filepath.Join(root, dirPrefix+"abcdefgh234567aa")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	sweepEmpty(root, state)
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("a new directory: %v", err)
	}
	old := time.Now().Add(-2 * emptyFor)
	if err := os.Chtimes(dir, old, old); err != nil {
		t.Fatal(err)
	}
	sweepEmpty(root, state)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an old directory: %v", err)
	}
}

// TestCreateAtOnce starts bundles in one mount at the same time: each keeps its
// directory and its journal.
func TestCreateAtOnce(t *testing.T) {
	f, _ := newMounted(t, "64m")
	const runs, rounds = 4, 10
	var wg sync.WaitGroup
	for range runs {
		wg.Go(func() {
			for range rounds {
				list, err := find(f.drive)
				if err != nil || len(list) > 0 {
					continue // Create would refuse: another run is ahead
				}
				w, err := Create(f.drive, f.state, f.job, f.inv)
				var refused *RefusedError
				if errors.As(err, &refused) {
					continue
				}
				if err != nil {
					t.Errorf("Create: %v", err)
					return
				}
				if _, err := os.Stat(journalPath(f.state, w.ID())); err != nil {
					t.Errorf("the journal: %v", err)
				}
				if err := errors.Join(w.Close(), restart(location{dir: w.Dir(), id: w.ID()}, f.state)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestPrepareAtOnce has several runs try one directory at the same time.
func TestPrepareAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if _, err := Prepare(dir, 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestCreateInOneDirectory starts several bundles in one directory at the same time:
// one run gets it.
func TestCreateInOneDirectory(t *testing.T) {
	f := newSmall(t, false)
	if err := os.Mkdir(f.drive, 0o755); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var won []*Writer
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range 8 {
		wg.Go(func() {
			<-start
			w, err := Create(f.drive, f.state, f.job, f.inv)
			var refused *RefusedError
			if err != nil && !errors.As(err, &refused) {
				t.Errorf("Create: %v", err)
			}
			if w != nil {
				mu.Lock()
				won = append(won, w)
				mu.Unlock()
			}
		})
	}
	close(start)
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d runs got the directory", len(won))
	}
	p, err := look(f.drive)
	if err != nil || p == nil || p.id != won[0].ID() {
		t.Errorf("the directory holds %+v, %v", p, err)
	}
	if err := won[0].Close(); err != nil {
		t.Error(err)
	}
	f.journal(t) // the others' are gone
}

// TestSealIsReadWithCare has the seal of a finished bundle be a link, or without end.
func TestSealIsReadWithCare(t *testing.T) {
	f := newSmall(t, false)
	f.pack(t)
	name := filepath.Join(f.drive, seal.BundleName)
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	p, err := look(f.drive)
	if err != nil {
		t.Fatal(err)
	}
	st, err := journal.Peek(f.journal(t))
	if err != nil {
		t.Fatal(err)
	}
	var done *SealedError
	if err := alreadySealed(*p, st); !errors.As(err, &done) {
		t.Fatalf("as it was written: %v", err)
	}
	elsewhere := filepath.Join(t.TempDir(), "bundle.json")
	if err := errors.Join(os.WriteFile(elsewhere, body, 0o644), os.Remove(name), os.Symlink(elsewhere, name)); err != nil {
		t.Fatal(err)
	}
	var damage *DamageError
	if err := alreadySealed(*p, st); !errors.As(err, &damage) { // as if it became one after the look
		t.Errorf("a link: %v", err)
	}
	if err := errors.Join(os.Remove(name), os.WriteFile(name, nil, 0o644), os.Truncate(name, 1<<30)); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for what, err := range map[string]error{"alreadySealed": alreadySealed(*p, st), "Verify": second(Verify(t.Context(), []string{f.drive}, VerifyOptions{}))} {
		if !errors.As(err, &damage) {
			t.Errorf("a seal of 1 GiB, %s: %v", what, err)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<28 {
		t.Errorf("a seal of 1 GiB took %d bytes of memory", n)
	}
}

func second(_ *Report, err error) error { return err }
