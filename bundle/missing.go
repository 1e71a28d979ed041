package bundle

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// checkMissing looks whether this host began a bundle in dir that is not there
// now, as when the drive is not mounted: no other must be started in its place. What was
// begun and lost nothing is forgotten. What was begun on another drive, which had the same
// mount point, matters to its own configuration alone; an empty one is no bundle's.
func checkMissing(dir, state string, job Job) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return &media.Error{Op: "look into", Path: dir, Err: err}
	}
	if root, err := media.IsMountRoot(abs); err == nil && root {
		sweepEmpty(abs, state) // by the journals, which go next
	}
	sweepJournals(state)
	on := media.System().Of(abs)
	for name, st := range journals(state) {
		if there := st.Session.Dir; !isIn(there, abs) || finished(st) || isThere(there, st.Begin.Bundle) {
			continue
		}
		if _, done := st.Done[st.Session.Drive]; done {
			continue // it may be away
		}
		if !job.continues(st.Begin) && isOnOther(st.Session, on) {
			continue
		}
		jnl, st, err := journal.Open(name) // locked: as it is now
		if err != nil {
			continue // another run has it, and has not written its first file yet
		}
		if isThere(st.Session.Dir, st.Begin.Bundle) { // the run that had it has begun it meanwhile
			if err := jnl.Close(); err != nil {
				return err
			}
			continue
		}
		if !finished(st) && (st.GivenUp || nothingLost(st, on)) {
			err = discard(st, abs)
			if err == nil {
				err = os.RemoveAll(filepath.Dir(name))
			}
			if err := errors.Join(err, jnl.Close()); err != nil {
				return err
			}
			continue
		}
		if err := jnl.Close(); err != nil {
			return err
		}
		return &MissingError{Dir: st.Session.Dir, Bundle: st.Begin.Bundle, Staging: st.Begin.Staging && st.Begin.Count() > 1}
	}
	return nil
}

// isOnOther reports whether a bundle was begun on another drive than the one that is mounted
// in its place now.
func isOnOther(at journal.Session, on media.Mount) bool {
	return at.Point != "" && on.Point == at.Point && !on.System && on.Other(at.FS)
}

// isIn reports whether a bundle's directory is dir or directly in it.
func isIn(there, dir string) bool { return there != "" && (there == dir || filepath.Dir(there) == dir) }

// finished reports whether a run came to its end with the bundle: what was sealed and
// never read back may not be on the drive. Earlier versions noted less.
func finished(st *journal.State) bool {
	return st.Verified != nil || st.Released != nil || st.Sealed != nil && st.Session.Point == ""
}

// nothingLost reports whether a bundle was begun and not one segment of it written: its
// directory is empty, or was lost with the power while its drive is the same.
func nothingLost(st *journal.State, on media.Mount) bool {
	if st.Written() {
		return false
	}
	there := st.Session.Dir
	_, err := os.Stat(there)
	if errors.Is(err, fs.ErrNotExist) {
		return st.Session.Point != "" && on.Point == st.Session.Point && !on.Other(st.Session.FS)
	}
	if err != nil {
		return false
	}
	name, err := firstNot(there, isBeginning)
	return err == nil && name == ""
}

// isBeginning reports whether a file is one of those that stand before the first segment.
func isBeginning(name string) bool {
	return strings.HasSuffix(name, media.TempSuffix) && seal.Known(name, true) || seal.KeyNumber(name) > 0
}

// discard removes what is left of a bundle's beginning, and the directory that was made
// for it; keep stays, and so do key files that are not the bundle's.
func discard(st *journal.State, keep string) error {
	there := st.Session.Dir
	entries, err := os.ReadDir(there)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &media.Error{Op: "look into", Path: there, Err: err}
	}
	for _, e := range entries {
		if !isBeginning(e.Name()) || !e.Type().IsRegular() || isForeign(there, e.Name(), st.Begin.KeyFiles) {
			continue
		}
		if err := os.Remove(filepath.Join(there, e.Name())); err != nil {
			return &media.Error{Op: "remove", Path: filepath.Join(there, e.Name()), Err: err}
		}
	}
	if there != keep {
		_ = os.Remove(there) // stays if something is in it
	}
	return nil
}

// isForeign reports whether a file has the name of a key file, and other bytes than the
// bundle's: it may be anybody's secret. A power cut leaves zeros.
func isForeign(dir, name string, keys map[string][]byte) bool {
	if seal.KeyNumber(name) == 0 {
		return false
	}
	d, err := media.OpenDir(dir)
	if err != nil {
		return true
	}
	defer func() { _ = d.Close() }() // it was read only
	body, err := d.ReadFile(name, seal.MaxSize)
	return err != nil || !bytes.Equal(body, keys[name]) && len(bytes.Trim(body, "\x00")) > 0
}

// adopt finds a bundle in dir of which drive.json is lost or damaged, and the journal here
// knows all that it said. It gives nil if there is none.
func adopt(dir, state string) *location {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil
	}
	for _, st := range journals(state) {
		if there := st.Session.Dir; isIn(there, abs) && st.Sealed == nil && hasSegment(there, st) {
			return &location{dir: there, id: st.Begin.Bundle, adopted: true}
		}
	}
	return nil
}

// hasSegment reports whether one of the journal's segments is in dir, by name and length.
func hasSegment(dir string, st *journal.State) bool {
	for _, segs := range st.Segments {
		for _, s := range segs {
			info, err := os.Lstat(filepath.Join(dir, segmentName(s, st.Begin.Plain)))
			if err == nil && info.Mode().IsRegular() && info.Size() == s.Size {
				return true
			}
		}
	}
	return false
}

// sweepJournals removes journals that never got to say where their bundle is: nothing of
// it is anywhere.
func sweepJournals(state string) {
	for _, name := range journalNames(state) {
		journal.Sweep(name)
	}
}
