package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
