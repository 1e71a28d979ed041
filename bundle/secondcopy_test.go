package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// TestHintOffersGoodCopies offers the second copy of a damaged file only where it has other
// bytes than the file.
func TestHintOffersGoodCopies(t *testing.T) {
	base := newSmall(t, false)
	base.pack(t)
	sealed := files(t, base.drive)
	for _, name := range []string{"drive.json", "index.age", "key-1.age", "extras.json", "bundle.json"} {
		for what, change := range map[string]func(dir string) error{
			"good":    func(string) error { return nil },
			"same":    func(dir string) error { return spoil(filepath.Join(dir, "copy", name)) },
			"missing": func(dir string) error { return os.Remove(filepath.Join(dir, "copy", name)) },
		} {
			dir := filepath.Join(t.TempDir(), "drive")
			write(t, dir, sealed)
			if err := errors.Join(spoil(filepath.Join(dir, name)), change(dir)); err != nil {
				t.Fatal(err)
			}
			_, err := Verify(t.Context(), dir, VerifyOptions{})
			var damage *DamageError
			if !errors.As(err, &damage) {
				t.Errorf("%s, %s copy: %v", name, what, err)
				continue
			}
			if offered := strings.Contains(damage.Hint(), "second cop"); offered != (what == "good") {
				t.Errorf("%s, %s copy: %v: %s", name, what, err, damage.Hint())
			}
		}
	}
}

// spoil changes one byte in the middle of a file.
func spoil(name string) error {
	body, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	body[len(body)/2] ^= 1
	return os.WriteFile(name, body, 0o644)
}

// TestCopyIsNoDirectory has a file in the place of the second copies: they are lost, and
// the bundle is whole.
func TestCopyIsNoDirectory(t *testing.T) {
	f := newSmall(t, false)
	f.pack(t)
	dir := filepath.Join(f.drive, seal.CopyDir)
	if err := errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	var damage *DamageError
	if r, err := Verify(t.Context(), f.drive, VerifyOptions{}); !errors.As(err, &damage) || !damage.Whole {
		t.Errorf("%+v, %v", r, err)
	}
	if err := CheckSizes(t.Context(), f.drive, ""); !errors.As(err, &damage) || !damage.Whole {
		t.Error(err)
	}
}

// TestSpaceRounded has a drive that lacks so little that both numbers read the same.
func TestSpaceRounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		free, need int64
		want       string
	}{
		{4 << 20, 4<<20 + 100, "/d has 4194304 B free, 4194404 B are needed"},
		{4 << 20, 5 << 20, "/d has 4.0 MiB free, 5.0 MiB are needed"},
	} {
		if got := (&SpaceError{Dir: "/d", Free: c.free, Need: c.need}).Error(); got != c.want {
			t.Error(got)
		}
	}
}
