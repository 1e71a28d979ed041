package bundle

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"
)

// TestTooManyOpenFiles: where this host opens no more files, neither the drive is away nor the bundle
// damaged.
func TestTooManyOpenFiles(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE} {
		err := new(seals).unreadable("s-00-00001.age", &fs.PathError{Op: "openat", Path: "s-00-00001.age", Err: errno})
		_, away := errors.AsType[*DriveError](err)
		_, damaged := errors.AsType[*DamageError](err)
		if away || damaged || !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
	}
}
