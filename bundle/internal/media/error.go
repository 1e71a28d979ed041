package media

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Error says what the drive refused.
type Error struct {
	Op   string // such as "write"
	Path string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Path, cause(e.Err)) }

func (e *Error) Unwrap() error { return e.Err }

// Permanent is false: drives are plugged in, mounted and cleared.
func (e *Error) Permanent() bool { return false }

// ErrNoFiles says that a file system has free bytes, and takes no more files. It comes
// with what the system says, ENOSPC.
var ErrNoFiles = errors.New("the file system has free space, and no inode for one more file")

// full tells a file system that takes no more files from one that has no bytes.
func full(dir string, err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		if room, rerr := RoomOf(dir); rerr == nil && room.Files == 0 && room.Free > 0 {
			return fmt.Errorf("%w: %w", cause(err), ErrNoFiles)
		}
	}
	return err
}

const again = ", then run the same command again; it resumes where it stopped"

// causes are what to do about what a system says of a drive.
var causes = []struct {
	err  error
	hint string
}{
	{ErrNoFiles, "remove files that are not needed from the drive (df -i counts them)" + again},
	{syscall.ENOSPC, "make room on the drive and run the same command again; it resumes where it stopped"},
	{syscall.EDQUOT, "the quota of this user or directory is used up: raise it or make room" + again},
	{syscall.EFBIG, "a file may not be as large as that: raise the limit of this shell (ulimit -f unlimited) or use smaller segments; FAT32 takes files up to 4 GiB - 1"},
	{syscall.ENAMETOOLONG, "the path is longer than the file system takes: name a directory with a shorter path"},
	{syscall.EROFS, "the drive is mounted read-only, or its lock switch is set"},
	{syscall.EMFILE, "this process may not open more files: raise the limit (ulimit -n 4096)" + again},
	{syscall.ENFILE, "this host may not open more files: end other programs, or raise fs.file-max" + again},
	{syscall.ENOTDIR, "a part of the path is a file: name a directory"},
	{syscall.ELOOP, "the links in the path lead in a circle: name a directory"},
	{fs.ErrPermission, "give this user the right to write to the directory"},
	{syscall.EBUSY, "another program has the file or the drive: end it" + again},
	{syscall.ETXTBSY, "another program has the file: end it" + again},
	{syscall.ENOTCONN, "check that the drive is still plugged in; the program behind its mount (FUSE) has ended: unmount it, mount it again" + again},
	{fs.ErrNotExist, "check that the drive is mounted"},
	{syscall.EIO, "check that the drive is still plugged in and mounted, then run the same command again; if it is, the drive or its cable is failing: dmesg has the reason"},
}

// Hint says what to do now.
func (e *Error) Hint() string {
	if e.Op == "sync" && unsupported(e.Err) {
		return "this file system cannot make files durable (fsync), so nobody knows when the bytes are on the drive: use another file system or mount"
	}
	if errors.Is(e.Err, fs.ErrPermission) && (e.Op == "look into" || e.Op == "list" || e.Op == "read") {
		return "give this user the right to read the directory and the files in it"
	}
	for _, c := range causes {
		if errors.Is(e.Err, c.err) {
			return c.hint
		}
	}
	if unsupported(e.Err) {
		return "the file system cannot do what satchel needs: use another one, such as exFAT, ext4 or XFS"
	}
	return "check that the drive is still plugged in and mounted, then run the same command again"
}

// unsupported reports whether the file system does not know an operation.
func unsupported(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported)
}

// cause drops the name that os errors repeat.
func cause(err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		return pe.Err
	case errors.As(err, &le):
		return le.Err
	}
	return err
}
