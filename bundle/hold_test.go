package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// mark appends a record to the only journal.
func (f *fixture) mark(t *testing.T, r journal.Record) {
	t.Helper()
	jnl, _, err := journal.Open(f.journal(t))
	if err == nil {
		err = errors.Join(jnl.Append(r), jnl.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// wantBusy wants that nobody gets the bundle.
func wantBusy(t *testing.T, f *fixture) {
	t.Helper()
	before := files(t, f.drive)
	_, resumed := Resume(t.Context(), f.drive, f.state, f.job, nil)
	_, checked := CheckRestart(f.drive, f.state, f.job)
	_, counted := Deletable(f.drive, f.state, f.job, 0)
	_, held := HoldBundle(f.drive, f.state, "")
	for what, err := range map[string]error{"Resume": resumed, "CheckRestart": checked, "Deletable": counted, "HoldBundle": held,
		"Restart": Restart(f.drive, f.state, f.job)} {
		var refused *RefusedError
		if !errors.As(err, &refused) || !refused.Busy {
			t.Errorf("%s: %v", what, err)
		}
	}
	same(t, f.drive, before)
}

// TestHeldAfterTheSeal keeps others away from the first file to the end of reading back, in
// whichever state the directory is seen.
func TestHeldAfterTheSeal(t *testing.T) {
	f := newSmall(t, false)
	w := f.writer(t)
	wantBusy(t, f)
	if err := f.fill(t.Context(), w, f.content); err != nil {
		t.Fatal(err)
	}
	wantBusy(t, f)
	fp, err := w.Seal(t.Context(), f.inv)
	if err != nil {
		t.Fatal(err)
	}
	h, err := w.Hold()
	if err != nil {
		t.Fatal(err)
	}
	wantBusy(t, f)
	name := filepath.Join(f.drive, seal.BundleName) // as another mount of the drive may show it
	if err := os.Rename(name, f.state+"/seal"); err != nil {
		t.Fatal(err)
	}
	wantBusy(t, f)
	if err := errors.Join(os.Rename(f.state+"/seal", name), h.MarkVerified(fp), h.Close()); err != nil {
		t.Fatal(err)
	}
	var done *SealedError
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &done) || !done.Verified {
		t.Errorf("afterwards: %+v, %v", done, err)
	}
	if h, err = HoldBundle(f.drive, f.state, "rekey"); err != nil {
		t.Fatal(err)
	}
	wantBusy(t, f)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFinishedSinceItWasSeen judges by what is there once the lock is taken, not by what
// was there before.
func TestFinishedSinceItWasSeen(t *testing.T) {
	f := newSmall(t, false)
	w := f.writer(t)
	if err := f.fill(t.Context(), w, f.content); err != nil {
		t.Fatal(err)
	}
	begun, err := look(f.drive)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Seal(t.Context(), f.inv); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	sealed := files(t, f.drive)
	half := *begun
	half.complete, half.copied = true, true // between the copy of the seal and the seal
	for _, seen := range []location{*begun, half} {
		var done *SealedError
		if _, err := resume(t.Context(), seen, f.state, f.job, nil); !errors.As(err, &done) {
			t.Errorf("resume: %v", err)
		}
		var refused *RefusedError
		if err := restart(seen, f.state); !errors.As(err, &refused) {
			t.Errorf("restart: %v", err)
		}
		same(t, f.drive, sealed)
	}
	if err := errors.Join(os.RemoveAll(f.drive), os.Mkdir(f.drive, 0o755)); err != nil {
		t.Fatal(err)
	}
	if w, err := resume(t.Context(), *begun, f.state, f.job, nil); w != nil || err != nil {
		t.Errorf("gone since: %v, %v", w, err)
	}
}

// TestListedCopy has a copy of a bundle beside the one that another run has: what is wrong with
// the copy is said, and nobody is at work on it.
func TestListedCopy(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	drive := t.TempDir()
	broken := map[string][]byte{}
	for name, body := range s.whole {
		if name != "s-00-00001.age" {
			broken[name] = body
		}
	}
	write(t, filepath.Join(drive, "copy"), broken)
	for _, held := range []string{s.drive, filepath.Join(drive, "copy")} {
		h, err := HoldBundle(held, s.state, "rekey")
		if err != nil {
			t.Fatal(err)
		}
		list, _, err := List(drive, s.state)
		if err != nil || len(list) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		var damage *DamageError
		if here := held != s.drive; list[0].Running != here || errors.As(list[0].Err, &damage) == here {
			t.Errorf("%s is held: %+v", held, list[0])
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
