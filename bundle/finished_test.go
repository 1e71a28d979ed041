package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/oci"
)

// TestBeside has bundles of several jobs in the root of a mount: each has a directory of its
// own, an unfinished one is resumed, and a restart deletes that one alone.
func TestBeside(t *testing.T) {
	f, _ := newMounted(t, "64m")
	first := f.pack(t)
	other := *f
	other.job.Config = oci.Digest([]byte("another configuration"))
	if w, err := Resume(t.Context(), f.drive, f.state, other.job, nil); w != nil || err != nil {
		t.Fatalf("another configuration: %v, %v", w, err)
	}
	w, err := Create(f.drive, f.state, other.job, f.inv)
	if err != nil {
		t.Fatal(err)
	}
	unfinished := w.Dir()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var done *SealedError
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &done) || done.Fingerprint != first || !done.Beside || len(done.Inventory.Images) != len(f.inv.Images) {
		t.Errorf("the first one: %+v, %v", done, err)
	}
	if w, err = Resume(t.Context(), f.drive, f.state, other.job, nil); err != nil || w.Dir() != unfinished {
		t.Fatalf("the second one: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	third := f.job
	third.Config = oci.Digest([]byte("a third one"))
	if w, err := Resume(t.Context(), f.drive, f.state, third, nil); w != nil || err != nil {
		t.Errorf("a third configuration: %v, %v", w, err)
	}
	var refused *RefusedError
	if _, err := Create(f.drive, f.state, other.job, f.inv); !errors.As(err, &refused) {
		t.Errorf("the second one twice: %v", err)
	}
	lanes := other.job
	lanes.Lanes++
	if _, err := Resume(t.Context(), f.drive, f.state, lanes, nil); !errors.As(err, &refused) || !refused.Unfinished {
		t.Errorf("with other lanes: %v", err)
	}
	for _, c := range []struct {
		job  Job
		some bool
	}{{f.job, false}, {other.job, true}} {
		some, err := CheckRestart(f.drive, f.state, c.job)
		if err = errors.Join(err, Restart(f.drive, f.state, c.job)); err != nil || some != c.some {
			t.Errorf("a restart: %v, %v", some, err)
		}
		if _, err := os.Stat(unfinished); errors.Is(err, os.ErrNotExist) != c.some {
			t.Errorf("after a restart that finds something %v: %v", c.some, err)
		}
	}
	if r, err := Verify(t.Context(), []string{f.drive}, VerifyOptions{Expect: first}); err != nil {
		t.Errorf("%+v, %v", r, err)
	}
	second := f.pack2(t)
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &done) || len(done.Earlier) != 1 || done.Earlier[0].Dir == done.Dir || done.Fingerprint != second && done.Earlier[0].Fingerprint != second {
		t.Errorf("two of a job: %+v, %v", done, err)
	}
	if !strings.HasPrefix(filepath.Base(done.Dir), "satchel-") {
		t.Error(done.Dir)
	}
}

// pack2 packs the same job once more, beside what is there.
func (f *fixture) pack2(t *testing.T) Fingerprint {
	t.Helper()
	w, err := Create(f.drive, f.state, f.job, f.inv)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.fill(t.Context(), w, f.content); err != nil {
		t.Fatal(err)
	}
	fp, err := w.Seal(t.Context(), f.inv)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return fp
}

// TestFewerImages seals a bundle without an image that it began with: the journal knows.
func TestFewerImages(t *testing.T) {
	f := newSmall(t, false)
	w := f.writer(t)
	if err := f.fill(t.Context(), w, f.content); err != nil {
		t.Fatal(err)
	}
	fewer := *f.inv
	fewer.Images = f.inv.Images[1:]
	_, err := w.Seal(t.Context(), &fewer)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	var done *SealedError
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &done) || len(done.Inventory.Images) != len(fewer.Images) || done.Beside {
		t.Errorf("%+v, %v", done, err)
	}
}

// TestDriveSealLost has finished bundles whose drive.json is damaged, gone, or of another
// bundle: the seal says which bundle it is, and the damage is named, not another host.
func TestDriveSealLost(t *testing.T) {
	other := newSmall(t, false)
	other.pack(t)
	foreign, err := os.ReadFile(filepath.Join(other.drive, "drive.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string][]byte{"damaged": []byte("{}"), "of another bundle": foreign, "gone": nil} {
		f := newSmall(t, false)
		fp := f.pack(t)
		file := filepath.Join(f.drive, "drive.json")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if body != nil {
			if err := os.WriteFile(file, body, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var done *SealedError
		if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &done) || done.Fingerprint != fp {
			t.Errorf("%s: %+v, %v", name, done, err)
		}
		var damage *DamageError
		if err := CheckSizes(t.Context(), []string{f.drive}, Wanted{Expect: fp}); !errors.As(err, &damage) || !strings.Contains(damage.Error(), "drive.json") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSealUnrecorded has a crash between the seal and its record in the journal: the run
// is one that never ended, once, and not for ever.
func TestSealUnrecorded(t *testing.T) {
	f := newSmall(t, false)
	fp := f.pack(t)
	for _, more := range []string{"", `"verified"`} { // as earlier versions left it, after the next run
		names, err := filepath.Glob(filepath.Join(f.state, "bundles", "*", "journal"))
		if err != nil || len(names) != 1 {
			t.Fatal(names, err)
		}
		if more != "" {
			f.mark(t, journal.Record{Verified: &journal.Verified{Fingerprint: string(fp)}})
		}
		body, err := os.ReadFile(names[0])
		if err != nil {
			t.Fatal(err)
		}
		var left []string
		for line := range strings.Lines(string(body)) {
			if !strings.Contains(line, `"sealed"`) {
				left = append(left, line)
			}
		}
		if err := os.WriteFile(names[0], []byte(strings.Join(left, "")), 0o600); err != nil {
			t.Fatal(err)
		}
		for n := range 2 {
			var done *SealedError
			if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &done) || done.Fingerprint != fp || done.Interrupted != (more == "" && n == 0) {
				t.Fatalf("%s, %d: %+v, %v", more, n, done, err)
			}
			f.mark(t, journal.Record{Verified: &journal.Verified{Fingerprint: string(fp)}})
		}
	}
	if err := os.Remove(filepath.Join(f.drive, "bundle.json")); err != nil {
		t.Fatal(err)
	}
	var damage *DamageError
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &damage) {
		t.Errorf("without its seal: %v", err)
	}
}
