package bundle

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Found is a bundle on a drive, or what is left of one, as its seals and the names and
// sizes of its files show it. No content was read.
type Found struct {
	Dir         string
	Bundle      string      // its ID; empty if that cannot be read
	Created     time.Time   // when it was sealed; zero if it is not
	Stream      Stream      // that it belongs to, the zero value if to none
	Sequence    int         // as its seal has it
	Fingerprint Fingerprint // of the seal
	Signed      []Signed    // who has signed it, by their keys; nobody has asked whose they are
	Supplements string      // the ID of the damaged bundle that it supplements; "" for none
	Plain       bool        // it is not encrypted
	Size        int64       // bytes of its files
	Drive, Of   int         // which drive of how many it is; 0 for a bundle of one. Only the last one has a fingerprint
	Sealed      bool
	Running     bool   // another process of this host is at work on it; a sealed one may not have been read back yet
	Who         string // is at work on it: ": process 7, since ...", "" if it has not said so
	Err         error  // nil for a sealed one with nothing to be seen wrong; else as [Open] gives it
}

// List finds the bundles in dir and in the directories up to two levels below it, of any
// name. Links are not followed, and what systems leave on drives, such as a recycle bin, is
// not looked into. notes say what else was not looked at, and why. The journals below state
// show which bundles are being written on this host; with state "" that is not looked at.
// Errors are *[NoBundleError], if dir is not there, *[RefusedError] and *[DriveError].
func List(dir, state string) (list []Found, notes []string, err error) {
	list, notes, err = listed(dir)
	if err != nil || state == "" {
		return list, notes, err
	}
	if noteRunning(list, state) { // a run may have ended between the two looks
		if list, notes, err = listed(dir); err == nil {
			noteRunning(list, state)
		}
	}
	noteSupplements(list, state)
	return list, notes, err
}

// noteSupplements notes which unfinished bundles are supplements: until they are sealed, only the journal says so.
func noteSupplements(list []Found, state string) {
	for i := range list {
		f := &list[i]
		unfinished, ok := errors.AsType[*UnfinishedError](f.Err)
		if !ok || f.Bundle == "" || unfinished.Copy {
			continue
		}
		if st, err := journal.Peek(journalPath(state, f.Bundle)); err == nil && st.Begin.Supplements != nil {
			f.Supplements = st.Begin.Supplements.Bundle
			unfinished.Supplements = f.Supplements
		}
	}
}

// noteRunning notes who is at work on the bundles. unsure says that nobody is now, and that
// something is wrong with one of them.
func noteRunning(list []Found, state string) (unsure bool) {
	for i := range list {
		f := &list[i]
		if f.Who, f.Running = writing(*f, state); !f.Running {
			unsure = unsure || f.Err != nil
		} else if f.Err != nil { // what half a bundle looks like is no fault
			f.Err = &UnfinishedError{Dir: f.Dir, Running: true, Who: f.Who}
		}
	}
	return unsure
}

// writing reports whether another process of this host is at work on a bundle, and which one.
// Of copies it is the one whose directory the process has named, as long as that one is there.
func writing(f Found, state string) (who string, running bool) {
	path := journalPath(state, f.Bundle)
	if f.Bundle == "" || !journal.Locked(path) {
		return "", false
	}
	st, err := journal.Peek(path)
	if err == nil && st.Process != nil && !sameDir(st.Process.Dir, f.Dir) && isThere(st.Process.Dir, f.Bundle) {
		return "", false
	}
	return process(path), true
}

// sameDir reports whether two names are of one directory.
func sameDir(a, b string) bool {
	one, err := os.Stat(a)
	other, oerr := os.Stat(b)
	return err == nil && oerr == nil && os.SameFile(one, other)
}

func listed(dir string) (list []Found, notes []string, err error) {
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
	f := Found{Dir: p.dir, Bundle: p.id, Sealed: p.sealed || p.isEarlier()}
	if p.of > 0 {
		f.Drive, f.Of = p.drive, p.of
	}
	if p.isEarlier() {
		f.Size = p.size()
		d, err := openDrive(p, nil)
		if err != nil {
			f.Err = err
			return f
		}
		f.Plain, f.Err = d.plain(), also(d.usable(), d.dir.Close())
		return f
	}
	s, err := readSeals(p, Wanted{})
	if err != nil {
		f.Err = err
		f.Size = p.size()
		return f
	}
	f.Bundle, f.Created, f.Sequence, f.Fingerprint = s.bundle.Bundle, s.bundle.Created, s.bundle.Sequence, s.finger
	f.Stream, f.Signed, f.Plain, f.Supplements = streamOf(s.bundle), s.signed(), s.plain(), supplements(s.bundle)
	f.Err = errors.Join(s.usable(), s.dir.Close())
	f.Size = p.size()
	return f
}

// Trusted is who of those who are trusted has signed the bundle, and whether these are enough.
// Who cannot be read has not.
func (f Found) Trusted(trust *Trust) (signed []Signed, enough bool) {
	s, err := openSeals([]string{f.Dir}, Wanted{Trust: trust})
	var refused *TrustError
	if errors.As(err, &refused) {
		return refused.Signed, false
	}
	if err != nil {
		return nil, false
	}
	return s.trusted, s.close() == nil
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
