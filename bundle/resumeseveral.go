package bundle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// ResumeOn is [Resume] for a bundle that may be spread over several drives, of which those
// that are in one of the places are resumed. It returns nil, nil if there is none and each
// place can take one. With fewer places than drives, a bundle that this host has begun there
// is resumed although the drive that is there now is none of it.
func ResumeOn(ctx context.Context, places []string, state string, job Job, rehash Rehash) (*Writer, error) {
	if err := job.Check(); err != nil {
		return nil, err
	}
	s := gathering{state: state, job: job, places: places}
	if err := s.look(); err != nil {
		return nil, err
	}
	if len(s.sealed) > 0 {
		there := present{root: s.root}
		for _, p := range s.sealed {
			_, err := resume(ctx, p, state, job, rehash)
			there.add(err)
		}
		if err := there.answer(); err != nil {
			return nil, err
		}
	}
	for _, id := range s.unfinished {
		w, err := s.resume(ctx, id, rehash)
		var refused *RefusedError
		if errors.As(err, &refused) && refused.beside && s.root {
			continue
		}
		if w != nil || err != nil {
			return w, err
		}
	}
	if id := s.known(); id != "" {
		return s.resume(ctx, id, rehash)
	}
	for _, place := range places {
		w, err := Resume(ctx, place, state, job, rehash)
		var refused *RefusedError
		if errors.As(err, &refused) && refused.beside && s.root {
			continue
		}
		if w != nil || err != nil {
			return w, err
		}
	}
	return s.resumeWaiting(ctx, rehash)
}

// resumeWaiting refuses to begin another bundle while one waits for a drive that was begun, unless that one is not to be
// waited for.
func (s *gathering) resumeWaiting(ctx context.Context, rehash Rehash) (*Writer, error) {
	for _, st := range journals(s.state) {
		n := s.waitsFor(st)
		if n == 0 {
			continue
		}
		id := st.Begin.Bundle
		label := seal.Label(id, n)
		if strings.EqualFold(label, s.job.BeginAgain) {
			return s.resume(ctx, id, rehash)
		}
		return nil, &MissingError{Dir: st.Sessions[n].Dir, Bundle: id, Label: label}
	}
	return nil, nil
}

// gathering looks for a bundle on several drives.
type gathering struct {
	state      string
	job        Job
	places     []string
	root       bool       // each place is the root of a mount
	sealed     []location // last drives
	unfinished []string   // IDs of bundles of which there is a drive
	at         map[string][]location
}

// look finds what is in the places.
func (s *gathering) look() error {
	s.at, s.root = map[string][]location{}, true
	for _, place := range s.places {
		found, err := find(place)
		if err != nil {
			return err
		}
		root, err := media.IsMountRoot(place)
		if err != nil {
			return err
		}
		s.root = s.root && root
		for _, p := range found {
			if p.of == 0 {
				continue
			}
			if p.sealed {
				s.sealed = append(s.sealed, p)
				continue
			}
			if len(s.at[p.id]) == 0 {
				s.unfinished = append(s.unfinished, p.id)
			}
			p.place = place
			s.at[p.id] = append(s.at[p.id], p)
		}
	}
	return nil
}

// known is the newest of the bundles that are the job's though nothing of it may be there now; "" if there is none.
func (s *gathering) known() (id string) {
	var newest time.Time
	for _, st := range journals(s.state) {
		if b := st.Begin; s.isMine(st) && !b.Created.Before(newest) {
			id, newest = b.Bundle, b.Created
		}
	}
	return id
}

// isUnfinished reports whether it is an unfinished bundle of the job, on several drives.
func (s *gathering) isUnfinished(st *journal.State) bool {
	return st.Begin.Count() > 1 && st.Sealed == nil && !st.GivenUp && s.job.differs(st.Begin) == ""
}

// isMine reports whether it is an unfinished bundle of the job that this host has begun in one of the places, or, where
// drives are put in one after another, of which every drive that was begun is finished, wherever that was.
func (s *gathering) isMine(st *journal.State) bool {
	return s.isUnfinished(st) && (s.begunIn(st) || s.root && len(st.Done) > 0 && len(begunDrives(st)) == 0)
}

// waitsFor is the number of a drive that was begun in another place, and is not there now: the bundle cannot go on without it.
// It is 0 for a bundle that waits for none, such as one that another run is at work on.
func (s *gathering) waitsFor(st *journal.State) int {
	if !s.root || !s.isUnfinished(st) || s.begunIn(st) || len(s.at[st.Begin.Bundle]) > 0 || journal.Locked(journalPath(s.state, st.Begin.Bundle)) {
		return 0
	}
	for _, n := range begunDrives(st) {
		if !isThere(st.Sessions[n].Dir, st.Begin.Bundle) {
			return n
		}
	}
	return 0
}

// begunDrives are the drives that have segments and are not finished.
func begunDrives(st *journal.State) (list []int) {
	for lane, segs := range st.Segments {
		n := st.Begin.DriveOf(lane)
		if _, done := st.Done[n]; !done && len(segs) > 0 && !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

// begunIn reports whether a drive was begun in one of the places.
func (s *gathering) begunIn(st *journal.State) bool {
	for _, at := range st.Sessions {
		for _, place := range s.places {
			if abs, err := filepath.Abs(place); err == nil && isIn(at.Dir, abs) {
				return true
			}
		}
	}
	return false
}

// resume resumes a bundle of several drives. It gives nil, nil for one of another job that
// stands in nobody's way.
func (s *gathering) resume(ctx context.Context, id string, rehash Rehash) (*Writer, error) {
	path := journalPath(s.state, id)
	first := location{id: id}
	if list := s.at[id]; len(list) > 0 {
		first = list[0]
	}
	jnl, st, err := journal.Open(path)
	switch {
	case errors.Is(err, journal.ErrLocked):
		if s.root && ofOther(path, s.job) {
			return nil, nil
		}
		return nil, busy(cmp.Or(first.dir, s.places[0]), path, false)
	case errors.Is(err, fs.ErrNotExist):
		return nil, noJournal(first)
	case err != nil:
		return nil, err
	}
	if how := s.job.differs(st.Begin); how != "" || st.Sealed != nil {
		if err := jnl.Close(); err != nil || s.root && !s.job.continues(st.Begin) {
			return nil, err
		}
		return nil, notThis(first, st, how)
	}
	if st.GivenUp && len(st.Done) > 0 { // finished drives may be deleted already
		return nil, errors.Join(&RefusedError{Dir: cmp.Or(first.dir, s.places[0]), Reason: fmt.Sprintf("deleting bundle %s was interrupted", id), Unfinished: true,
			hint: "start again"}, jnl.Close())
	}
	if err := s.job.canGoAcross(cmp.Or(first.dir, s.places[0]), st.Begin); err != nil {
		return nil, errors.Join(err, jnl.Close())
	}
	w, err := newWriter(jnl, st, s.job)
	if err != nil {
		return nil, err
	}
	w.state = s.state
	for _, t := range w.drives {
		if t.done != nil {
			w.count(w.of(t))
		}
	}
	for _, p := range s.at[id] {
		if p.drive > len(w.drives) || w.drives[p.drive-1].done != nil || w.drives[p.drive-1].dir != nil {
			continue
		}
		if err := w.Attach(ctx, p.drive, p.place, rehash); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	return w, nil
}

// notThis says why a drive of a bundle is in the way.
func notThis(p location, st *journal.State, how string) error {
	if st.Sealed != nil && p.isEarlier() {
		return finishedDrive(p)
	}
	what := fmt.Sprintf("it holds drive %s", seal.Label(p.id, p.drive))
	if st.Sealed != nil {
		return &RefusedError{Dir: p.dir, Reason: what + " of a bundle that was finished elsewhere, and is not finished here", Unfinished: true, hint: anotherDir}
	}
	return &RefusedError{Dir: p.dir, Reason: what + " of an unfinished bundle that was started " + how, Unfinished: true,
		hint: "run the original command to resume it, name another directory, or delete it and start again"}
}
