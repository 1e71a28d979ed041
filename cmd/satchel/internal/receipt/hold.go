package receipt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
)

// BusyError says that another run of this host works on the same mirror.
type BusyError struct {
	Mirror string
	Prune  bool // it deletes from it; else it writes into it
}

func (e *BusyError) Error() string {
	if e.Prune {
		return fmt.Sprintf("another run on this host deletes from %s just now", e.Mirror)
	}
	return fmt.Sprintf("another run on this host works on %s just now", e.Mirror)
}

// Hint says what to do now.
func (e *BusyError) Hint() string { return "run the same command again when it has ended" }

// Hold keeps what deletes from a mirror, alone, apart from what writes into it, among runs on this
// host; the error is a *[BusyError]. Where this host cannot lock files it keeps nothing apart.
func (k *Keeper) Hold(alone bool) (release func(), err error) {
	none := func() {}
	if k.Dir == "" || durable.MakeDirs(filepath.Join(k.Dir, ownDone)) != nil {
		//lint:ignore nilerr a host that keeps nothing keeps nothing apart
		return none, nil
	}
	f, err := os.OpenFile(filepath.Join(k.Dir, ownDone, "hold"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		//lint:ignore nilerr the same
		return none, nil
	}
	how := syscall.LOCK_SH
	if alone {
		how = syscall.LOCK_EX
	}
	err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		_ = f.Close() // nothing was written
		return none, &BusyError{Mirror: k.Repo.Registry, Prune: !alone}
	}
	return func() { _ = f.Close() }, nil
}

// Here lists the receipts that runs on this host wrote, by name.
func (k *Keeper) Here() (names []string, err error) {
	for _, dir := range []string{ownDone, ownIntents} {
		if k.Dir == "" {
			break
		}
		files, lerr := list(filepath.Join(k.Dir, dir), ownName())
		names, err = append(names, files...), errors.Join(err, lerr)
	}
	return names, err
}
