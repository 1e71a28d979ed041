package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Abandoned is an unfinished bundle that [RestartOn] gives up.
type Abandoned struct {
	Bundle string
	Dirs   []string // where its files are deleted
	Away   []string // what was begun of it elsewhere, and is of no use any more: labels of drives with the directories in which they were

	Finished []string // the labels of the drives that are finished, wherever they are
	Next     string   // the label of the first one that is not; "" in a bundle of one drive
}

// CheckRestartOn finds the unfinished bundles that [RestartOn] would give up. The error is as that of [CheckRestart].
func CheckRestartOn(places []string, state string, job Job) ([]Abandoned, error) {
	list, err := leavingIn(places, state, job)
	if err != nil {
		return nil, err
	}
	var all []Abandoned
	for _, l := range list {
		all = append(all, l.abandoned())
	}
	return all, nil
}

// RestartOn gives up the unfinished bundles that are in the places, and the one that [ResumeOn] would go on with although
// nothing of it is there: their files are deleted, and their journals. With one in the places, no other goes of which drives
// are finished. What stands in the way of one of them is found before anything is deleted.
func RestartOn(places []string, state string, job Job) (all []Abandoned, err error) {
	list, err := leavingIn(places, state, job)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, l := range list {
			if l.jnl != nil {
				_ = l.jnl.Close() // held to keep other runs out
			}
		}
	}()
	for _, l := range list {
		if err := l.hold(places[0], state); err != nil {
			return nil, err
		}
	}
	for _, l := range list {
		all = append(all, l.abandoned())
		if err := l.remove(state); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// leaving is an unfinished bundle that is to be given up.
type leaving struct {
	id   string
	at   []location // of it in the places
	gone string     // where it was, if nothing is known but that
	jnl  *journal.Journal
	st   *journal.State // nil without a journal
	keep bool           // the journal belongs to what is elsewhere
}

// leavingIn finds what is to be given up, each bundle once.
func leavingIn(places []string, state string, job Job) (list []*leaving, err error) {
	add := func(id string) *leaving {
		i := slices.IndexFunc(list, func(l *leaving) bool { return l.id == id })
		if i < 0 {
			i, list = len(list), append(list, &leaving{id: id})
			list[i].st, _ = journal.Peek(journalPath(state, id)) // without one, nothing more is known
		}
		return list[i]
	}
	for _, place := range places {
		if _, err := CheckRestart(place, state, job); err != nil {
			return nil, err
		}
		p, err := restartable(place, state, job)
		if err != nil {
			return nil, err
		}
		if p != nil {
			l := add(p.id)
			l.at = append(l.at, *p)
			continue
		}
		var gone *MissingError
		if errors.As(checkMissing(place, state, Job{}), &gone) {
			add(gone.Bundle).gone = gone.Dir
		}
	}
	s := gathering{state: state, job: job, places: places}
	if err := s.look(); err != nil {
		return nil, err
	}
	for _, st := range journals(state) {
		if s.isMine(st) || s.waitsFor(st) > 0 {
			add(st.Begin.Bundle)
		}
	}
	if isHere := func(l *leaving) bool { return len(l.at) > 0 }; slices.ContainsFunc(list, isHere) {
		list = slices.DeleteFunc(list, func(l *leaving) bool { return !isHere(l) && l.st != nil && len(l.st.Done) > 0 })
	}
	return list, nil
}

// abandoned says what is deleted.
func (l *leaving) abandoned() Abandoned {
	a := Abandoned{Bundle: l.id}
	for _, p := range l.at {
		a.Dirs = append(a.Dirs, p.dir)
	}
	if l.st == nil || l.keep {
		return a
	}
	if l.st.Begin.Count() > 1 {
		w := Job{}.waiting(l.st)
		a.Finished, a.Next = w.Finished, w.Next
	}
	for n := 1; n <= l.st.Begin.Count() && l.st.Begin.Count() > 1; n++ {
		s, begun := l.st.Sessions[n]
		if begun && !slices.ContainsFunc(l.at, func(p location) bool { return p.drive == n }) {
			a.Away = append(a.Away, seal.Label(l.id, n)+" (it was in "+s.Dir+")")
		}
	}
	return a
}

// hold locks the journal, and finds what stands in the way.
func (l *leaving) hold(place, state string) (err error) {
	path := journalPath(state, l.id)
	if len(l.at) > 0 {
		place = l.at[0].dir
	}
	l.jnl, l.st, err = journal.Open(path)
	if errors.Is(err, journal.ErrLocked) {
		return busy(place, path, false)
	}
	if isNewer(err) {
		return err
	}
	copies := 0
	for i, p := range l.at {
		now, err := p.again()
		switch {
		case err != nil:
			return err
		case now == nil:
			return begunMeanwhile(p.dir, path)
		case now.sealed:
			return isFinished(*now)
		case l.st != nil && l.st.Sealed != nil && now.wasSealed(l.st):
			return lostSeal(*now)
		}
		l.at[i] = *now
		if l.st != nil {
			if was := sessionOf(l.st, now.drive).Dir; was != now.dir && isThere(was, l.id) {
				copies++ // the journal belongs to the drive that is there
			}
		}
	}
	l.keep = l.st != nil && (l.st.Sealed != nil || len(l.at) > 0 && copies == len(l.at) || l.gone != "" && isThere(l.gone, l.id))
	return nil
}

// remove deletes the files, and the journal at the end: without it a finished drive looks like one of a finished bundle.
func (l *leaving) remove(state string) error {
	if l.jnl != nil && !l.keep {
		if err := l.jnl.Append(journal.Record{GivenUp: &journal.GivenUp{}}); err != nil {
			return err
		}
	}
	for _, p := range l.at {
		if err := p.remove(); err != nil {
			return err
		}
	}
	if l.keep {
		return nil
	}
	return os.RemoveAll(filepath.Dir(journalPath(state, l.id)))
}
