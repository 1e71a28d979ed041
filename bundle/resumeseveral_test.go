package bundle

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// TestOneSlot writes each drive in a run of its own, in the same place: drives that are finished
// are away by then.
func TestOneSlot(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 5<<20)
	n := len(s.spread(t).Drives)
	slot := filepath.Join(t.TempDir(), "slot")
	empty := func() {
		t.Helper()
		if err := os.Mkdir(slot, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	empty()
	var fp Fingerprint
	for k := 1; k <= n; k++ {
		w := s.open(t, []string{slot})
		if k > 1 {
			if err := w.Attach(t.Context(), k, slot, nil); err != nil {
				t.Fatal(err)
			}
		}
		if k == 2 { // it is interrupted, and another drive is put in
			if err := errors.Join(w.Put(t.Context(), s.on(t, w, k)[0].Descriptor, s.content), w.Close()); err != nil {
				t.Fatal(err)
			}
			s.wrongDrive(t, slot, k)
			w = s.open(t, []string{slot})
			if d := w.Drives()[k-1]; !d.Begun || d.Dir != slot {
				t.Fatalf("%+v", d)
			}
		}
		if err := s.fillDrive(t.Context(), t, w, k); err != nil {
			t.Fatal(err)
		}
		if k == n {
			fp = s.end(t, w)
		} else if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Remove(s.places[k-1]), os.Rename(slot, s.places[k-1])); err != nil {
			t.Fatal(err)
		}
		empty()
	}
	s.sealed(t, fp, n)
}

// wrongDrive puts other drives than the one that was begun into a slot.
func (s *shelf) wrongDrive(t *testing.T, slot string, k int) {
	t.Helper()
	aside := slot + "-aside"
	for name, other := range map[string]string{"finished": s.places[0], "empty": t.TempDir()} {
		if err := errors.Join(os.Rename(slot, aside), os.Rename(other, slot)); err != nil {
			t.Fatal(err)
		}
		before := files(t, slot)
		w := s.open(t, []string{slot})
		var wrong *WrongDriveError
		if err := w.Attach(t.Context(), k, slot, nil); !errors.As(err, &wrong) || wrong.Want != w.Drives()[k-1].Label || wrong.Finished != (name == "finished") {
			t.Errorf("%s: %v", name, err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		same(t, slot, before)
		if err := errors.Join(os.Rename(slot, other), os.Rename(aside, slot)); err != nil {
			t.Fatal(err)
		}
	}
}

// brokenSource ends in the middle of blobs.
type brokenSource struct {
	oci.Source
	after int64
}

func (b brokenSource) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	if off >= b.after {
		return nil, errors.New("the source has gone")
	}
	rc, err := b.Source.Open(ctx, d, off)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(rc, b.after-off), rc}, nil
}

// TestResumeDrives interrupts the writing of each drive in the middle of a blob, after its seal
// and before it is let go; the drive was away then, or has lost a segment.
func TestResumeDrives(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 5<<20)
	n := len(s.spread(t).Drives)
	for k := 1; k <= n; k++ {
		w := s.open(t, s.places[:n])
		src := s.content
		for _, node := range s.on(t, w, k) {
			if node.Descriptor.Size > SmallBlob/4 {
				_ = w.Put(t.Context(), node.Descriptor, brokenSource{src, 1200 << 10})
				break
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		s.away(t)
		if w = s.open(t, s.places[:n]); k < n {
			for _, node := range s.on(t, w, k) {
				if err := w.Put(t.Context(), node.Descriptor, s.content); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(w.SealDrive(t.Context(), k), w.Close()); err != nil {
				t.Fatal(err)
			}
			segs := segmentFiles(t, s.places[k-1])
			flip(t, filepath.Join(s.places[k-1], segs[len(segs)-1])) // found when it is resumed: it was never read back
			w = s.open(t, s.places[:n])
		}
		if err := s.fillDrive(t.Context(), t, w, k); err != nil {
			t.Fatal(err)
		}
		if k < n {
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		fp := s.end(t, w)
		s.job.Spread.Forecast = Forecast{} // more segments than without interruptions
		s.whole(t, fp, n)
	}
}

// flip changes a byte in the middle of a file.
func flip(t testing.TB, name string) {
	t.Helper()
	body, err := os.ReadFile(name)
	if err == nil {
		body[len(body)/2] ^= 1
		err = os.WriteFile(name, body, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// whole reads the bundle back.
func (s *shelf) whole(t testing.TB, fp Fingerprint, n int) {
	t.Helper()
	if r, err := Verify(t.Context(), s.places[:n], VerifyOptions{Expect: fp, Cold: true}); err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
}

// TestFinishedDriveStays: no restart deletes a drive of a finished bundle, and nothing calls it
// unfinished, with its journal and without.
func TestFinishedDriveStays(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 5<<20)
	n := len(s.spread(t).Drives)
	w := s.open(t, s.places[:n])
	for k := 1; k <= n; k++ {
		if err := s.fillDrive(t.Context(), t, w, k); err != nil {
			t.Fatal(err)
		}
	}
	fp := s.end(t, w)
	label := seal.Label(w.ID(), 1)
	before := files(t, s.places[0])
	for name, state := range map[string]string{"its journal": s.state, "no journal": t.TempDir()} {
		_, resumed := ResumeOn(t.Context(), s.places[:1], state, s.job, nil)
		_, alone := Resume(t.Context(), s.places[0], state, s.job, nil)
		_, checked := CheckRestart(s.places[0], state, s.job)
		for what, err := range map[string]error{"ResumeOn": resumed, "Resume": alone, "CheckRestart": checked, "Restart": Restart(s.places[0], state, s.job)} {
			var refused *RefusedError
			if !errors.As(err, &refused) || refused.Unfinished || refused.Reason != "it holds drive "+label+", one of 3 of bundle "+w.ID()+", which is finished" {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
	same(t, s.places[0], before)
	s.whole(t, fp, n)
}

// TestResumeSealedDrive: the first change to a drive that was sealed and not let go is that it does not call itself
// complete any more, so that a run that ends right after it leaves no drive that looks finished and damaged.
func TestResumeSealedDrive(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 5<<20)
	n := len(s.spread(t).Drives)
	w := s.open(t, s.places[:n])
	for _, node := range s.on(t, w, 1) {
		if err := w.Put(t.Context(), node.Descriptor, s.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.SealDrive(t.Context(), 1), w.Close()); err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(s.places[0], segmentFiles(t, s.places[0])[0])
	if err := errors.Join(os.Remove(gone), os.MkdirAll(filepath.Join(gone, "stuck"), 0o755)); err != nil {
		t.Fatal(err)
	}
	if w, err := ResumeOn(t.Context(), s.places[:n], s.state, s.job, nil); err == nil {
		_ = w.Close()
		t.Fatal("what cannot be deleted is no matter")
	}
	body, err := os.ReadFile(filepath.Join(s.places[0], seal.DriveName))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := seal.ParseDrive(body); err != nil || d.Complete {
		t.Errorf("after the first change: %+v, %v", d, err)
	}
	if err := os.RemoveAll(gone); err != nil {
		t.Fatal(err)
	}
	w = s.open(t, s.places[:n])
	if err := errors.Join(s.fillDrive(t.Context(), t, w, 1), w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(t.Context(), s.places[:1], VerifyOptions{}); err != nil {
		t.Error(err)
	}
}
