package durable

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Temp begins the names of files that [Write] has not finished.
const Temp = ".satchel-tmp-"

// Own locks what was just created, and reports whether it is still there. A file system
// without locks is no error.
func Own(f *os.File) bool {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return false // it is being taken away
	}
	here, err := f.Stat()
	if err != nil {
		return true // later steps will fail
	}
	named, err := os.Lstat(f.Name())
	return err == nil && os.SameFile(here, named)
}

// Sweep removes what crashed runs left in dir: whatever begins with prefix and is locked
// by nobody.
func Sweep(dir, prefix string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // there is nothing yet
	}
	for _, e := range entries {
		// Only what os.CreateTemp makes of the prefix: others have names of their own.
		if made, ok := strings.CutPrefix(e.Name(), prefix); ok && made != "" && strings.Trim(made, "0123456789") == "" {
			sweepOne(filepath.Join(dir, e.Name()))
		}
	}
}

func sweepOne(path string) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return // of another user, or gone
	}
	defer func() { _ = f.Close() }() // after the removal, so that nobody takes it meanwhile
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		_ = os.RemoveAll(path)
	}
}
