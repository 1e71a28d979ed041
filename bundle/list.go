package bundle

import (
	"errors"
	"io/fs"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Found is a bundle on a drive, or what is left of one, as its seals and the names and
// sizes of its files show it. No content was read.
type Found struct {
	Dir         string
	Bundle      string      // its ID; empty if that cannot be read
	Created     time.Time   // when it was sealed; zero if it is not
	Sequence    int         // as its seal has it
	Fingerprint Fingerprint // of the seal
	Size        int64       // bytes of its files
	Sealed      bool
	Err         error // nil for a sealed one with nothing to be seen wrong; else as [Open] gives it
}

// List finds the bundles in dir and in the directories up to two levels below it, of any
// name. Links are not followed, and what systems leave on drives, such as a recycle bin, is
// not looked into. notes say what else was not looked at, and why. Errors are
// *[NoBundleError], if dir is not there, *[RefusedError] and *[DriveError].
func List(dir string) (list []Found, notes []string, err error) {
	s, err := searchBelow(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, &NoBundleError{Dir: dir, Absent: true}
	}
	if err != nil {
		return nil, nil, err
	}
	for _, p := range s.found {
		list = append(list, p.describe())
	}
	return list, s.notes, nil
}

// describe reads the seals of what was found.
func (p location) describe() Found {
	f := Found{Dir: p.dir, Bundle: p.id, Sealed: p.sealed}
	s, err := readSeals(p, "")
	if err != nil {
		f.Err = err
		f.Size = p.size()
		return f
	}
	f.Bundle, f.Created, f.Sequence, f.Fingerprint = s.bundle.Bundle, s.bundle.Created, s.bundle.Sequence, s.finger
	f.Err = errors.Join(s.usable(), s.dir.Close())
	f.Size = p.size()
	return f
}

// size is the bytes of the files that are there of a bundle. What cannot be read counts nothing.
func (p location) size() (n int64) {
	d, err := media.OpenDir(p.dir)
	if err != nil {
		return 0
	}
	defer func() { _ = d.Close() }()              // it was read only
	_ = d.Translate(seal.CopyDir, seal.Canonical) // what cannot be translated counts under its own name
	for _, sub := range []string{".", seal.CopyDir} {
		files, _, _ := d.List(sub)
		for _, f := range files {
			if seal.Canonical(f.Name) != "" {
				n += f.Size
			}
		}
	}
	return n
}
