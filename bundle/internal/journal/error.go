package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/satchel-airgap/satchel/oci"
)

// Error says what the disk of the journals refused.
type Error struct {
	Op   string // such as "write journal"
	Path string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Path, cause(e.Err)) }

func (e *Error) Unwrap() error { return e.Err }

// Permanent is false: room is made, and disks are mounted.
func (e *Error) Permanent() bool { return false }

// Hint says what to do now.
func (e *Error) Hint() string {
	const again = " (this is the directory for satchel's journals, not the drive), then run the same command again"
	switch {
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		return "make room on the disk of " + e.Path + again
	case errors.Is(e.Err, syscall.EROFS):
		return "make the disk of " + e.Path + " writable" + again
	case errors.Is(e.Err, fs.ErrPermission):
		return "give this user the right to write to " + e.Path + again
	case errors.Is(e.Err, syscall.EMFILE), errors.Is(e.Err, syscall.ENFILE):
		return "" // said of the whole run
	}
	return "check the disk of " + e.Path + again
}

// cause drops the name that os errors repeat.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// failed makes an *Error of what the system refused. What is not there, or is there
// already, is not the disk's fault.
func failed(op, path string, err error) error {
	var errno syscall.Errno
	var newer *oci.VersionError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &newer):
		return newer
	case !errors.As(err, &errno), errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s %s: %w", op, path, cause(err))
	}
	return &Error{op, path, err}
}
