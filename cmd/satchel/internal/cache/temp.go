package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	tempFile = ".tmp-"
	tempDir  = "satchel-cache-"
)

// Error says that a directory does not take content.
type Error struct{ err error }

func (e *Error) Error() string { return "write to the cache: " + e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// Permanent is false: room can be made.
func (e *Error) Permanent() bool { return false }

// Hint says what to do now.
func (e *Error) Hint() string {
	switch {
	case errors.Is(e.err, syscall.ENOSPC), errors.Is(e.err, syscall.EDQUOT):
		return "make room on that disk (this is no part of the drive), then run the same command again"
	case errors.Is(e.err, syscall.EROFS), errors.Is(e.err, fs.ErrPermission):
		return "set XDG_CACHE_HOME, XDG_STATE_HOME or TMPDIR, whichever the path is in, to a directory that can be written to"
	}
	return "check that disk (it is no part of the drive), or set XDG_CACHE_HOME, XDG_STATE_HOME or TMPDIR, whichever the path is in, to another directory"
}

// create creates a file under a temporary name in dir. It is locked as long as it is open:
// what is not locked was left by a crash.
func create(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &Error{err}
	}
	for {
		f, err := os.CreateTemp(dir, tempFile)
		if err != nil {
			return nil, &Error{err}
		}
		if own(f) {
			return f, nil
		}
		_ = f.Close() // another run took it for left over, before it was locked
	}
}

// own locks what was just created, and reports whether it is still there. A file system
// without locks is no error.
func own(f *os.File) bool {
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

// sweep removes what crashed runs left in dir: whatever begins with prefix and is locked
// by nobody.
func sweep(dir, prefix string) {
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
