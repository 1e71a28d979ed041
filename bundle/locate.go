package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci/text"
)

// located are the drive directories of one bundle.
type located struct {
	last    *location  // that of the last drive, or of a bundle of one; nil if it is not here
	earlier []location // those of other drives, by number
	lost    []location // those of drives whose seals are lost
}

// places are all of them, the last one at the end.
func (at located) places() []location {
	all := slices.Concat(at.earlier, at.lost)
	if at.last != nil {
		all = append(all, *at.last)
	}
	return all
}

// locate finds the drive directories of the one bundle that a reader means by dirs: those that
// are named, or stand below them.
func locate(dirs []string) (at located, err error) {
	all, err := locateAll(dirs)
	if err != nil {
		return at, err
	}
	at, err = together(all)
	if err == nil && len(at.lost) > 0 {
		err = at.lost[0].sealLost()
	}
	return at, err
}

// locateAll finds the drive directories that are named by dirs, or stand below them; at least one.
func locateAll(dirs []string) (all []location, err error) {
	for _, dir := range dirs {
		list, err := locateIn(dir)
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			if !slices.ContainsFunc(all, func(o location) bool { return o.dir == p.dir }) {
				all = append(all, p)
			}
		}
	}
	if len(all) == 0 {
		return nil, &RefusedError{Dir: text.Some(dirs, 5), Reason: "no directory of a bundle is named", hint: "name the directory of a drive"}
	}
	return all, nil
}

// together takes directories for the drives of one bundle.
func together(all []location) (at located, err error) {
	first := all[0]
	for _, p := range all {
		switch {
		case p.id != first.id || len(all) > 1 && p.id == "":
			return at, &RefusedError{Dir: p.dir, Reason: fmt.Sprintf("it is %s, and %s is %s", p.named(), first.dir, first.named()), hint: "name the directories of one bundle"}
		case p.lost:
			at.lost = append(at.lost, p)
		case p.isEarlier():
			at.earlier = append(at.earlier, p)
		case at.last == nil:
			at.last = &p
		case !at.last.sealed:
			return at, &UnfinishedError{Dir: at.last.dir, Copy: at.last.copying}
		case !p.sealed:
			return at, &UnfinishedError{Dir: p.dir, Copy: p.copying}
		default:
			return at, twoOfOne(*at.last, p)
		}
	}
	slices.SortStableFunc(at.earlier, func(a, b location) int { return cmp.Compare(a.drive, b.drive) })
	for i := 1; i < len(at.earlier); i++ {
		if at.earlier[i].drive == at.earlier[i-1].drive {
			return at, twoOfOne(at.earlier[i-1], at.earlier[i])
		}
	}
	return at, nil
}

func twoOfOne(a, b location) error {
	return &RefusedError{Dir: b.dir, Reason: fmt.Sprintf("it is %s, and so is %s", b.named(), a.dir), hint: "name one of them"}
}

// named says of which bundle a directory is, and which drive of it.
func (p location) named() string {
	switch {
	case p.id == "":
		return "of a bundle whose ID cannot be read"
	case p.of > 0:
		return DriveLabel{p.id, p.drive, p.of}.String() + " of bundle " + p.id
	}
	return "bundle " + p.id
}

// locateIn finds the one bundle that a reader means by dir: the one in it, or the only one
// below, of which several drives may stand there.
func locateIn(dir string) ([]location, error) {
	s, err := searchBelow(dir)
	var refused *RefusedError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &NoBundleError{Dir: dir, Absent: true}
	case err != nil && !errors.As(err, &refused):
		return nil, err
	case err != nil:
		return nil, refused
	case len(s.found) == 0:
		return nil, &NoBundleError{Dir: dir}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, &media.Error{Op: "look into", Path: dir, Err: err}
	}
	if seal.Canonical(filepath.Base(abs)) == seal.CopyDir && s.found[0].dir == abs {
		if p, err := identify(filepath.Dir(abs)); err == nil && p != nil {
			return nil, &RefusedError{Dir: dir, Reason: "it has the second copies of a bundle's small files, and is not the bundle", hint: "name " + p.dir}
		}
	}
	if s.found[0].dir == abs {
		return s.found[:1], nil
	}
	if len(s.found) == 1 || areDrives(s.found) {
		return s.found, nil
	}
	names := make([]string, len(s.found))
	for i, p := range s.found {
		names[i] = p.dir
	}
	return nil, &RefusedError{Dir: dir, Reason: "it holds more than one bundle", hint: "name one of " + text.Some(names, 20)}
}

// areDrives reports whether all are drives of one bundle, each a different one.
func areDrives(list []location) bool {
	seen := map[int]bool{}
	for _, p := range list {
		if p.id == "" || p.id != list[0].id || p.of == 0 || seen[p.drive] {
			return false
		}
		seen[p.drive] = true
	}
	return true
}
