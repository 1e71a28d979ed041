package bundle

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDanglingLink: a link that leads nowhere is called that, by who writes and who reads.
func TestDanglingLink(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "drive")
	if err := os.Symlink("/nowhere/at/all", link); err != nil {
		t.Fatal(err)
	}
	const want = "symbolic link to /nowhere/at/all, which does not exist"
	for _, dir := range []string{link, link + "/"} {
		made, err := MakeDir(dir)
		var drive *DriveError
		if made || !errors.As(err, &drive) || !errors.Is(err, fs.ErrNotExist) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("MakeDir %s: %v", dir, err)
		}
		_, _, err = List(dir, "")
		var none *NoBundleError
		if !errors.As(err, &none) || !none.Absent || !strings.Contains(err.Error(), want+"; is the drive mounted there?") {
			t.Errorf("List %s: %v", dir, err)
		}
	}
	if made, err := MakeDir(filepath.Join(t.TempDir(), "new")); !made || err != nil {
		t.Errorf("%t, %v", made, err)
	}
}
