package media

import (
	"errors"
	"os"
	"path"
)

// Stage makes the bytes durable under the temporary name and leaves them there, until
// [Dir.Appear] gives them their own.
func (p *Pending) Stage() error {
	if err := p.complete(); err != nil {
		return p.drop(err)
	}
	return p.dir.sync(path.Dir(p.name))
}

// Appear gives a file that was staged its name, durably.
func (d *Dir) Appear(name string) error {
	if err := d.root.Rename(name+TempSuffix, name); err != nil {
		return d.fail("rename", name+TempSuffix, err)
	}
	return d.sync(path.Dir(name))
}

// SameFileSystem reports whether two directories that are there are on one file system.
func SameFileSystem(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	return errA == nil && errB == nil && sameDevice(x, y)
}

// SyncFile makes the bytes of a file durable that something else has written. A file system
// that cannot do that for one file is no error: [SyncAll] follows.
func SyncFile(name string) error {
	f, err := os.Open(name)
	if err == nil {
		err = errors.Join(syncNames(f), f.Close())
	}
	if err != nil {
		return &Error{"sync", name, err}
	}
	return nil
}
