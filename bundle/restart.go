package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// CheckRestart reports what stands in the way of [Restart], as a *[RefusedError]:
// a finished bundle, more than one unfinished, what only looks like one, or other
// files with it, for which no new bundle could begin there.
func CheckRestart(dir string) error {
	p, err := restartable(dir)
	if err != nil {
		return err
	}
	if p == nil {
		return checkEmpty(dir)
	}
	if abs, err := filepath.Abs(dir); err != nil || abs != p.dir {
		return err // the bundle has a directory of its own
	}
	name, err := firstNot(p.dir, func(name string) bool { return seal.Known(name, true) || name == seal.CopyDir })
	if err == nil && name != "" {
		err = otherFiles(dir, name, " besides the bundle")
	}
	return err
}

// Restart deletes the files of the unfinished bundle in dir or dir/satchel-*, if
// there is one, and nothing else, so that another can begin there.
func Restart(dir, state string) error {
	p, err := restartable(dir)
	if err != nil {
		return err
	}
	if p != nil {
		return restart(*p, state)
	}
	var gone *MissingError
	for errors.As(checkMissing(dir, state), &gone) { // what was started there is given up
		if err := os.RemoveAll(filepath.Dir(journalPath(state, gone.Bundle))); err != nil {
			return err
		}
	}
	return nil
}

func restartable(dir string) (*location, error) {
	found, err := find(dir)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	root, err := media.IsMountRoot(dir)
	if err != nil {
		return nil, err
	}
	if root { // finished bundles stay, each in its own directory
		if found = slices.DeleteFunc(found, func(p location) bool { return p.sealed }); len(found) == 0 {
			return nil, nil
		}
	}
	names := make([]string, len(found))
	for i, p := range found {
		if p.sealed {
			return nil, &RefusedError{Dir: p.dir, Reason: "a restart deletes only unfinished bundles, and this one is finished", hint: anotherDir}
		}
		if p.complete && p.copied {
			return nil, lostSeal(p.dir)
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

func restart(p location, state string) (err error) {
	if jnl, st, err := journal.Open(journalPath(state, p.id)); err == nil {
		defer func() { _ = jnl.Close() }() // held only to keep other runs out
		if st.Sealed != nil {
			return lostSeal(p.dir)
		}
	} else if errors.Is(err, journal.ErrLocked) {
		return &RefusedError{Dir: p.dir, Reason: "another satchel is writing this bundle", Busy: true, hint: waitForIt}
	}
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
			if seal.Known(f.Name, true) && f.Name != seal.DriveName {
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
	return os.RemoveAll(filepath.Dir(journalPath(state, p.id)))
}
