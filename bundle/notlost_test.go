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
		if err := c.harm(s.dirs[1]); err != nil {
			t.Fatal(err)
		}
		r, err := Verify(t.Context(), s.dirs, VerifyOptions{})
		if r == nil || !errors.As(err, c.is) || len(r.Drives) != 3 || r.Drives[1].Number != 2 || !r.Drives[1].Unread() || r.Drives[0].Err != nil {
			t.Fatalf("%s: %v, %+v", name, err, r)
		}
		if !LostOf(r).Empty() {
			t.Errorf("%s: lost %+v", name, LostOf(r))
		}
	}
}
