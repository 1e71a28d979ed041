package media

import (
	"errors"
	"os"
	"path/filepath"
)

// ErrUnknownSpace says that the file system does not report how much space it has.
var ErrUnknownSpace = errors.New("the file system does not report how much space is free")

// Room is the space on a file system.
type Room struct {
	Free    int64 // bytes that a user may still write
	Cluster int64 // bytes that the smallest file takes; at least 1
	Files   int64 // how many more files it takes; -1 where it does not say, or has no limit
}

// ProbeName is the file that [Dir.Probe] writes and removes.
const ProbeName = "satchel-probe"

// Probe finds out whether the directory can be written to durably, with names
// as long as a bundle's, by writing a small file and removing it.
func (d *Dir) Probe() error {
	if err := d.WriteFile(ProbeName, []byte("satchel\n")); err != nil {
		_ = d.root.Remove(ProbeName) // it may have its name already; what went wrong first counts
		return err
	}
	return d.Remove(ProbeName)
}

// IsMountRoot reports whether dir is where a file system is mounted.
func IsMountRoot(dir string) (bool, error) {
	abs, err := filepath.EvalSymlinks(dir)
	if err == nil {
		abs, err = filepath.Abs(abs)
	}
	if err != nil {
		return false, &Error{"look at", dir, err}
	}
	here, err := os.Stat(abs)
	if err != nil {
		return false, &Error{"look at", dir, err}
	}
	up, err := os.Stat(filepath.Dir(abs))
	if err != nil {
		return false, &Error{"look at", filepath.Dir(abs), err}
	}
	return os.SameFile(here, up) || !sameDevice(here, up), nil
}
