package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// TestNotLost: a drive that cannot be read because of how it was copied is said to be so, and is not listed as lost.
func TestNotLost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		harm func(dir string) error
		is   any
	}{
		"an unfinished copy": {func(dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, seal.DriveName), filepath.Join(dir, stateName)), os.Remove(filepath.Join(dir, seal.CopyDir, seal.DriveName)))
		}, new(*UnfinishedError)},
		"names that were cut short": {func(dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, seal.DriveName), filepath.Join(dir, "DRIVE.JSO")), os.RemoveAll(filepath.Join(dir, seal.CopyDir)))
		}, new(*CopyError)},
	} {
		s := newSeveral(t, false)
		s.protectAcross(t, s.dirs, ParityRatio{Parity: 1, Data: 2})
		put(t, s.dirs[0], segmentFiles(t, s.dirs[0])[0], nil) // drive 2 may bring it back
		if err := c.harm(s.dirs[1]); err != nil {
			t.Fatal(err)
		}
		r, err := Verify(t.Context(), s.dirs, VerifyOptions{})
		if r == nil || !errors.As(err, c.is) || len(r.Drives) != 3 || r.Drives[1].Number != 2 || !r.Drives[1].Unread() || len(r.Drives[0].Remedies) != 1 || !r.Drives[0].Remedies[0].Open() {
			t.Fatalf("%s: %v, %+v", name, err, r)
		}
		if !LostOf(r).Empty() {
			t.Errorf("%s: lost %+v", name, LostOf(r))
		}
	}
}

// TestTargetAway: where drives that are here are whole and one is not here, nothing is said to be damaged.
func TestTargetAway(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	set, err := FindRepairs(t.Context(), s.dirs[:2], Wanted{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = set.Close() }()
	var away *AwayError
	if _, err := set.Target(); !errors.As(err, &away) || len(away.Drives) != 1 || away.Drives[0].Number != 3 {
		t.Error(err)
	}
}
