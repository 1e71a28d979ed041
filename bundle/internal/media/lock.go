package media

import (
	"errors"
	"syscall"
)

// ErrLocked says that another process holds the lock.
var ErrLocked = errors.New("another process has locked it")

// Lock keeps other processes out that lock the directory too, until unlock; the
// error wraps [ErrLocked] if one is in already. A file system that has no locks
// is tolerated.
func (d *Dir) Lock() (unlock func() error, err error) {
	f, err := d.root.Open(".")
	if err != nil {
		return nil, d.fail("lock", ".", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(d.fail("lock", ".", ErrLocked), f.Close())
	}
	return f.Close, nil
}
