package cache

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
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
		if durable.Own(f) {
			return f, nil
		}
		_ = f.Close() // another run took it for left over, before it was locked
	}
}
