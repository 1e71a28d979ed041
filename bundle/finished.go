package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// SealedError says that a directory has a finished bundle of the job. Whether its content
// is still what the job asks for is the caller's to find out.
type SealedError struct {
	Dir         string
	Bundle      string
	Created     time.Time // when it was sealed
	Fingerprint Fingerprint
	Stream      Stream // that it belongs to, the zero value if to none
	Sequence    int
	Partial     bool          // see [Job]
	Verified    bool          // every byte was read back since
	Interrupted bool          // the run that sealed it never came to its end
	Begun       time.Time     // when its content was pinned
	Across      bool          // it was begun for parity across its drives
	DriveSize   int64         // that it was begun with, see [Job]
	Parity      ParityRatio   // that it was begun with; the zero value for none
	Inventory   oci.Inventory // what it carries; of bundles of earlier versions, perhaps images of their gaps too
	Baseline    *Baseline     // what it does not carry of that; nil for nothing
	Gaps        []byte        // what it goes without, see [Writer.SetGaps]
	Earlier     []SealedError // further ones of the same job, the newest first
	Beside      bool          // another bundle can be begun beside it: it is in the root of a drive
	Refused     error         // what else stands in the way of another bundle; may be nil
}

func (e *SealedError) Error() string {
	return fmt.Sprintf("%s already holds this bundle, complete", e.Dir)
}

// sealedError describes a finished bundle by its seal, body, and its journal.
func sealedError(p location, body []byte, st *journal.State) error {
	b, err := seal.ParseBundle(body)
	if err != nil {
		return errors.Join(asNeeds(p.dir, err), &DamageError{Dir: p.dir, Faults: []Fault{{seal.BundleName, "cannot be read"}}, Err: err})
	}
	fp := seal.Sum(body)
	e := &SealedError{
		Dir: p.dir, Bundle: p.id, Created: b.Created, Fingerprint: Fingerprint(fp), Stream: streamOf(b), Sequence: b.Sequence, Partial: b.Partial,
		Verified: st.Verified != nil && st.Verified.Fingerprint == fp, Inventory: st.Begin.Inventory, Baseline: st.Begin.Baseline, Gaps: st.Gaps,
		Interrupted: !finished(st), Begun: st.Begin.Created, Across: st.Begin.Across, DriveSize: st.Begin.DriveSize,
		Parity: ratioOf(st.Begin),
	}
	if st.Sealed != nil && st.Sealed.Images != nil {
		e.Inventory.Images = st.Sealed.Images
	}
	return e
}

// present sums up which bundles are in the directory of a job.
type present struct {
	root    bool // it is the root of a mount: bundles have directories of their own
	sealed  []SealedError
	refused error
	busy    error // another run has a bundle of the job
	other   error
}

// add takes in what was found out about one bundle.
func (s *present) add(err error) {
	var done *SealedError
	var refused *RefusedError
	switch {
	case errors.As(err, &done):
		s.sealed = append(s.sealed, *done)
	case errors.As(err, &refused) && refused.beside && s.root: // not in the way
	case errors.As(err, &refused) && refused.Busy:
		s.busy = cmp.Or(s.busy, err)
	case errors.As(err, &refused):
		s.refused = errors.Join(s.refused, err)
	case s.other == nil:
		s.other = err
	}
}

// answer is nil if a bundle can be begun.
func (s *present) answer() error {
	switch {
	case s.busy != nil:
		return s.busy // whatever else is there may be another thing once that run has ended
	case s.other != nil:
		return s.other
	case len(s.sealed) == 0:
		return s.refused
	}
	slices.SortStableFunc(s.sealed, func(a, b SealedError) int {
		newer := b.Created.Compare(a.Created) // to the second
		switch {
		case newer != 0 || a.Interrupted == b.Interrupted:
			return newer
		case a.Interrupted:
			return 1
		}
		return -1
	})
	first := s.sealed[0]
	first.Earlier, first.Beside, first.Refused = s.sealed[1:], s.root && s.refused == nil, s.refused
	return &first
}

// ofOther reports whether the journal at path is of another configuration.
func ofOther(path string, job Job) bool {
	st, err := journal.Peek(path)
	return err == nil && !job.continues(st.Begin)
}

// checkBeside refuses a directory in which another run has begun a bundle since it was
// looked at. In the root of a mount others may stand, but none of the job that is unfinished
// or not read back yet.
func checkBeside(dir, state string, root bool, job Job) error {
	found, err := find(dir)
	if err != nil {
		return err
	}
	for _, p := range found {
		path := journalPath(state, p.id)
		if !root || (!p.sealed || journal.Locked(path)) && !ofOther(path, job) {
			return begunMeanwhile(dir, path)
		}
	}
	return nil
}

// DrivesIn finds the drives of a bundle in places, as pack looks there, by number, and says
// which of several are in none of them. A directory that does not say any more which drive it
// was is a *[DamageError].
func DrivesIn(bundle string, places []string) (dirs []string, away []DriveLabel, err error) {
	var at located
	lost := "" // a directory that may be a drive's that is away
	for _, place := range places {
		if place, err = filepath.Abs(place); err != nil {
			return nil, nil, err
		}
		found, err := find(place)
		if err != nil {
			return nil, nil, err
		}
		for _, p := range found {
			switch {
			case slices.Contains(dirs, p.dir):
				continue
			case p.id == "" && (p.dir == place || filepath.Base(p.dir) == dirPrefix+bundle):
				lost = p.dir
			case p.id == bundle:
				dirs, at.earlier = append(dirs, p.dir), append(at.earlier, p)
			}
		}
	}
	if len(dirs) == 0 {
		return nil, nil, nil
	}
	slices.SortStableFunc(at.earlier, func(a, b location) int { return cmp.Compare(a.drive, b.drive) })
	for i, p := range at.earlier {
		dirs[i] = p.dir
	}
	for _, l := range at.names() {
		if !slices.ContainsFunc(at.earlier, func(p location) bool { return p.drive == l.Number }) {
			away = append(away, l)
		}
	}
	if len(away) > 0 && lost != "" {
		return nil, nil, &DamageError{Dir: lost, Faults: []Fault{{seal.DriveName, "is missing, or cannot be read"}}}
	}
	return dirs, away, nil
}

// DriveIn gives the number of the drive of several that stands in dir itself, 0 if none does.
func DriveIn(dir string) (int, error) {
	p, err := look(dir)
	if err != nil || p == nil || p.of == 0 {
		return 0, err
	}
	return p.drive, nil
}
