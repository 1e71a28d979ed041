package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// TestSupplementOfDrives loses one drive of several, the last one too, and reads the others with a
// supplement: all at once, and one after another.
func TestSupplementOfDrives(t *testing.T) {
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
	began, err := journal.Peek(s.journal(t)) // a supplement will have one of its own
	if err != nil {
		t.Fatal(err)
	}
	for name, gone := range map[string]int{"the second": 2, "the last": n} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			left := slices.Delete(slices.Clone(s.places[:n]), gone-1, gone)
			list := lost(t, left...)
			if !slices.Equal(list.Drives, []int{gone}) || len(list.Files) > 0 {
				t.Fatalf("%+v", list)
			}
			more := s.supplement(t, list)
			more.pack(t)
			s.restored(t, fp, append(left, more.drive)...)
			var other *otherFingerprintError // of the damaged one, of which the supplement has it where the last drive is lost
			if r, err := Open(t.Context(), append(left, more.drive), Wanted{Expect: fp}, s.identity); !errors.As(err, &other) {
				t.Errorf("with the fingerprint of the damaged one: %v, %v", r, err)
			}
			s.inTurn(t, left, more.drive, began.Sealed.Created)
		})
	}
}

// inTurn reads all with one drive of the damaged bundle at a time beside the supplement.
func (s *shelf) inTurn(t *testing.T, left []string, more string, sealed time.Time) {
	t.Helper()
	r, err := Open(t.Context(), []string{more, left[0]}, Wanted{}, s.identity)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	if sealed.IsZero() || !r.Created().Equal(sealed) {
		t.Errorf("it was sealed at %s, and counts as packed at %s", sealed, r.Created())
	}
	done := 0
	for i := range left {
		if i > 0 {
			if taken, err := r.Attach(t.Context(), left[i]); err != nil || len(taken) != 1 || taken[0].Bundle != r.ID() {
				t.Fatalf("attach %s: %v, %v", left[i], taken, err)
			}
		}
		for _, b := range s.graph.Blobs {
			switch err := readAll(r, b.Descriptor); {
			case err == nil:
				done++
			case !errors.As(err, new(*AwayError)):
				t.Error(err)
			}
		}
		for _, d := range r.Drives() {
			if d.Bundle == r.ID() && d.Dir != "" {
				if err := r.Detach(d.DriveLabel); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if done < len(s.graph.Blobs) {
		t.Errorf("%d of %d blobs were read", done, len(s.graph.Blobs))
	}
}

// TestSupplementTrust wants the signatures of both, and shows the fingerprint of the supplement: whoever
// makes another one beside the real bundle is found out by that.
func TestSupplementTrust(t *testing.T) {
	t.Parallel()
	signer, other := newSigner(t, 1), newSigner(t, 2)
	f := newSmall(t, false)
	f.job.Signers = []*Signer{signer.Signer}
	fp := f.pack(t)
	segs := segmentFiles(t, f.drive)
	if err := os.Remove(filepath.Join(f.drive, segs[0])); err != nil {
		t.Fatal(err)
	}
	forged := f.supplement(t, lost(t, f.drive))
	forged.job.Signers = []*Signer{other.Signer}
	sfp := forged.pack(t)
	both := []string{forged.drive, f.drive}
	if _, err := Open(t.Context(), both, Wanted{Trust: trustIn(t, 1, "alice "+signer.public)}, f.identity); !errors.As(err, new(*TrustError)) {
		t.Errorf("signed by somebody else: %v", err)
	}
	if _, err := Open(t.Context(), both, Wanted{Trust: trustIn(t, 1, "bob "+other.public)}, f.identity); !errors.As(err, new(*TrustError)) {
		t.Errorf("of a bundle that somebody else signed: %v", err)
	}
	r, err := Open(t.Context(), both, Wanted{Expect: sfp}, f.identity)
	if err != nil || r.Fingerprint() != sfp || r.Packed() != fp {
		t.Fatalf("%v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	// Both copies of its seal lost: the supplement says what is whole of it.
	if err := errors.Join(os.Remove(filepath.Join(f.drive, seal.BundleName)), os.WriteFile(filepath.Join(f.drive, seal.CopyDir, seal.BundleName), []byte("?"), 0o644)); err != nil {
		t.Fatal(err)
	}
	f.restored(t, fp, both...)
}
