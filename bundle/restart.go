package bundle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// CheckRestart reports whether there is an unfinished bundle in dir, or one that was begun
// there and is gone, for [Restart] to give up. The error is a *[RefusedError] for what
// stands in the way: a finished bundle, more than one unfinished, what only looks like
// one, or other files with it, for which no new bundle could begin there. In the root of a
// drive, bundles of another configuration stand beside, and in nobody's way.
func CheckRestart(dir, state string, job Job) (some bool, err error) {
	p, err := restartable(dir, state, job)
	if err != nil {
		return false, err
	}
	if p == nil {
		var gone *MissingError
		if err := checkMissing(dir, state, Job{}); err != nil && !errors.As(err, &gone) {
			return false, err
		}
		return gone != nil, checkEmpty(dir)
	}
	if abs, err := filepath.Abs(dir); err != nil || abs != p.dir {
		return true, err // the bundle has a directory of its own
	}
	name, err := firstNot(p.dir, func(name string) bool { return seal.Known(name, true) || name == seal.CopyDir })
	if err == nil && name != "" {
		err = otherFiles(dir, name, " besides the bundle")
	}
	return true, err
}

// Unfinished names the bundle that [Restart] would delete, by its directory and its ID; both
// are empty if there is none. The error is as that of [CheckRestart].
func Unfinished(dir, state string, job Job) (of, id string, err error) {
	p, err := restartable(dir, state, job)
	if err != nil || p == nil {
		return "", "", err
	}
	return p.dir, p.id, nil
}

// Restart deletes the files of the unfinished bundle that [CheckRestart] finds, if there
// is one, and nothing else, so that another can begin there.
func Restart(dir, state string, job Job) error {
	p, err := restartable(dir, state, job)
	if err != nil {
		return err
	}
	if p != nil {
		return restart(*p, state)
	}
	var gone *MissingError
	for errors.As(checkMissing(dir, state, Job{}), &gone) { // what was started there is abandoned
		if err := abandon(*gone, state); err != nil {
			return err
		}
	}
	return nil
}

// abandon removes the journal of a bundle that is not where it was begun.
func abandon(gone MissingError, state string) error {
	path := journalPath(state, gone.Bundle)
	jnl, _, err := journal.Open(path)
	switch {
	case err == nil:
		defer func() { _ = jnl.Close() }() // held to keep other runs out
	case errors.Is(err, journal.ErrLocked):
		return busy(gone.Dir, path, false)
	case isNewer(err):
		return err
	}
	if isThere(gone.Dir, gone.Bundle) {
		return nil // another run has just finished with it
	}
	return os.RemoveAll(filepath.Dir(path))
}

// Deletable gives the bytes that [Restart] would free in dir, on a drive with clusters of
// that many bytes.
func Deletable(dir, state string, job Job, cluster int64) (n int64, err error) {
	p, err := restartable(dir, state, job)
	if err != nil || p == nil {
		return 0, err
	}
	d, err := media.OpenDir(p.dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	for _, sub := range []string{seal.CopyDir, "."} {
		files, _, err := d.List(sub)
		if err != nil {
			return 0, err
		}
		for _, f := range files {
			if seal.Known(f.Name, true) {
				n += roundUp(f.Size, max(cluster, 1))
			}
		}
	}
	return n, nil
}

func restartable(dir, state string, job Job) (*location, error) {
	found, err := find(dir)
	if err != nil {
		return nil, err
	}
	root, err := media.IsMountRoot(dir)
	if err != nil {
		return nil, err
	}
	if found, err = free(orAdopted(found, dir, state), state, root, job); err != nil {
		return nil, err
	}
	if root { // each in its own directory
		found = slices.DeleteFunc(found, func(p location) bool {
			return p.sealed || p.isReleased(state) || ofOther(journalPath(state, p.id), job)
		})
	}
	if len(found) == 0 {
		return nil, nil
	}
	names := make([]string, len(found))
	for i, p := range found {
		if p.sealed {
			return nil, isFinished(p)
		}
		if p.isReleased(state) {
			return nil, finishedDrive(p)
		}
		if p.complete && p.copied {
			return nil, lostSeal(p)
		}
		if p.id == "" {
			return nil, noJournal(p)
		}
		names[i] = p.dir
	}
	if len(found) > 1 {
		return nil, &RefusedError{Dir: dir, Reason: "it holds more than one unfinished bundle", hint: "name one of " + strings.Join(names, ", ")}
	}
	return &found[0], nil
}

// free gives the bundles that are there when no other run has one of them. In the root of
// a drive, those of other configurations are in nobody's way.
func free(found []location, state string, root bool, job Job) (list []location, err error) {
	for _, p := range found {
		path := journalPath(state, p.id)
		if journal.Locked(path) && !(root && ofOther(path, job)) {
			return nil, busy(p.dir, path, false)
		}
		now, err := p.again() // it may have been finished before its lock was looked at
		if err != nil {
			return nil, err
		}
		if now != nil {
			list = append(list, *now)
		}
	}
	return list, nil
}

// isReleased reports whether it is a finished drive of several, and nothing here says that its
// bundle is not finished too.
func (p location) isReleased(state string) bool {
	if !p.isEarlier() {
		return false
	}
	st, err := journal.Peek(journalPath(state, p.id))
	return err != nil || st.Sealed != nil
}

// finishedDrive refuses to take a finished drive for something else.
func finishedDrive(p location) error {
	return &RefusedError{Dir: p.dir, Reason: fmt.Sprintf("it holds drive %s, one of %d of bundle %s, which is finished", seal.Label(p.id, p.drive), p.of, p.id),
		hint: anotherDir, beside: true}
}

// isFinished refuses to delete a finished bundle.
func isFinished(p location) error {
	return &RefusedError{Dir: p.dir, Reason: "a restart deletes only unfinished bundles, and this one is finished", hint: anotherDir}
}

func restart(p location, state string) (err error) {
	path, keep := journalPath(state, p.id), false
	jnl, st, err := journal.Open(path)
	if errors.Is(err, journal.ErrLocked) {
		return busy(p.dir, path, false)
	}
	if isNewer(err) {
		return err
	}
	if err == nil {
		defer func() { _ = jnl.Close() }() // held to keep other runs out
	}
	now, lerr := p.again()
	switch {
	case lerr != nil:
		return lerr
	case now == nil:
		return begunMeanwhile(p.dir, path)
	case now.sealed:
		return isFinished(*now)
	}
	if p = *now; err == nil {
		if st.Sealed != nil && p.wasSealed(st) {
			return lostSeal(p)
		}
		// What is here is a copy: the journal belongs to the bundle that is elsewhere.
		if keep = st.Sealed != nil || st.Session.Dir != p.dir && isThere(st.Session.Dir, p.id); !keep {
			if err := jnl.Append(journal.Record{GivenUp: &journal.GivenUp{}}); err != nil {
				return err
			}
		}
	}
	if err := p.remove(); err != nil || keep {
		return err
	}
	return os.RemoveAll(filepath.Dir(path))
}

// isThere reports whether dir holds that bundle.
func isThere(dir, id string) bool {
	if dir == "" {
		return false
	}
	p, err := look(dir)
	return err == nil && p != nil && p.id == id
}

// remove deletes the files of an unfinished bundle.
func (p location) remove() (err error) {
	d, err := media.OpenDir(p.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	for _, sub := range []string{seal.CopyDir, "."} {
		files, _, err := d.List(sub)
		if err != nil {
			return err
		}
		var names []string
		for _, f := range files {
			if seal.Known(f.Name, true) && (sub != "." || f.Name != seal.DriveName) {
				names = append(names, filepath.Join(sub, f.Name))
			}
		}
		if err := d.Remove(names...); err != nil {
			return err
		}
	}
	_ = d.Remove(seal.CopyDir) // stays if something else is in it
	// The drive seal goes last: without it nothing would say that the rest is a bundle's.
	if err := d.Remove(seal.DriveName); err != nil {
		return err
	}
	if strings.HasPrefix(filepath.Base(p.dir), dirPrefix) {
		_ = os.Remove(p.dir) // as above
	}
	return nil
}
