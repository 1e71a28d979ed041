package bundle

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// TestSeveralParity adds parity to each drive of several, damages each, and repairs each by itself.
func TestSeveralParity(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	dirs := s.copies(t)
	for _, dir := range dirs {
		rep, err := AddParity(context.Background(), dir, Wanted{}, ParityRatio{Parity: 1, Data: 9}, "1.2.3", nil)
		if err != nil || rep.Files != 1 {
			t.Fatalf("%s: %+v, %v", dir, rep, err)
		}
	}
	r, err := Verify(context.Background(), dirs, VerifyOptions{})
	if err != nil || len(r.Drives) != len(dirs) {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, d := range r.Drives {
		if d.Protection.Parity != 1 {
			t.Errorf("drive %d: %+v", d.Number, d.Protection)
		}
	}
	for _, dir := range dirs {
		whole := files(t, dir)
		for _, name := range []string{segmentFiles(t, dir)[0], seal.DriveName, "copy/" + seal.ExtrasName} {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		f, err := FindRepair(context.Background(), dir, Wanted{}, nil)
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		if err := f.InPlace(context.Background(), nil); err != nil || len(f.Remedies) != 3 {
			t.Errorf("%s: %v, %+v", dir, err, f.Remedies)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		same(t, dir, whole)
	}
}
