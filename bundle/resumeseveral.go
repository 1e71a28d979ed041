package bundle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
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

// known is the newest unfinished bundle of the job that this host has begun in one of the
// places, or, where drives are put in one after another, of which every drive that was begun is
// finished, wherever that was; "" if there is none.
func (s *gathering) known() (id string) {
	var newest time.Time
	for _, st := range journals(s.state) {
		b := st.Begin
		if b.Count() < 2 || st.Sealed != nil || st.GivenUp || s.job.differs(b) != "" || b.Created.Before(newest) {
			continue
		}
		if s.begunIn(st) || s.root && len(st.Done) > 0 && len(st.Done) == len(st.Sessions) {
			id, newest = b.Bundle, b.Created
		}
	}
	return id
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
