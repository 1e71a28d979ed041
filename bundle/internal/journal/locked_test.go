package journal

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestLockedElsewhere locks a file of the same inode number in another file system, which is
// no lock of the journal.
func TestLockedElsewhere(t *testing.T) {
	t.Parallel()
	var files []*os.File
	for range 2 {
		dir := t.TempDir()
		if err := syscall.Mount("none", dir, "tmpfs", 0, ""); err != nil {
			t.Skipf("no file system can be mounted here: %v", err)
		}
		f, err := os.Create(filepath.Join(dir, "file"))
		t.Cleanup(func() {
			if err := errors.Join(f.Close(), syscall.Unmount(dir, 0)); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	own, other := files[0], files[1]
	here, err := own.Stat()
	there, oerr := other.Stat()
	if err := errors.Join(err, oerr); err != nil || here.Sys().(*syscall.Stat_t).Ino != there.Sys().(*syscall.Stat_t).Ino {
		t.Skipf("the numbers differ: %v", err)
	}
	for _, f := range []*os.File{other, own} {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		if got := Locked(own.Name()); got != (f == own) {
			t.Errorf("with a lock of %s: %v", f.Name(), got)
		}
	}
}
