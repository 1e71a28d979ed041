package bundle

import (
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
)

// Seal is what this host knows of a bundle that it has finished.
type Seal struct {
	Bundle      string // its ID
	Fingerprint Fingerprint
	Stream      Stream // the zero value for none
	Sequence    int
	Partial     bool      // see [Job]
	Created     time.Time // when it was sealed; zero where that is not known
	Verified    bool      // every byte was read back from the drive since
}

// SealOf reads what the journal of a bundle, below state, has of its seal; not ok if it has
// none, or this host has no journal of it that can be read.
func SealOf(state, id string) (s Seal, ok bool) {
	st, err := journal.Peek(journalPath(state, id))
	if err != nil || st.Sealed == nil {
		return s, false
	}
	s = Seal{Bundle: id, Fingerprint: Fingerprint(st.Sealed.Fingerprint), Sequence: 1, Partial: st.Begin.Partial}
	if stream, n := numberOf(st.Number); n > 0 {
		s.Stream, s.Sequence = stream, n
	}
	s.Verified = st.Verified != nil && st.Verified.Fingerprint == st.Sealed.Fingerprint
	return s, true
}

// mostNumbered is of how many bundles, the last ones, [Numbered] reads the journals.
const mostNumbered = 64

// Numbered lists the bundles that have a number in a stream by the journals of this host, below
// state: those that were written to last. One that is not finished has no fingerprint.
func Numbered(state string) (list []Seal) {
	type written struct {
		id string
		at time.Time
	}
	var all []written
	entries, err := os.ReadDir(filepath.Join(state, "bundles"))
	if err != nil {
		return nil // there are none
	}
	for _, e := range entries {
		if info, err := os.Stat(journalPath(state, e.Name())); err == nil {
			all = append(all, written{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b written) int { return b.at.Compare(a.at) })
	for _, w := range all[:min(len(all), mostNumbered)] {
		st, err := journal.Peek(journalPath(state, w.id))
		if err != nil {
			continue // it is read where its bundle is
		}
		stream, n := numberOf(st.Number)
		if n == 0 {
			continue
		}
		s := Seal{Bundle: w.id, Stream: stream, Sequence: n, Partial: st.Begin.Partial}
		if st.Sealed != nil {
			s.Fingerprint = Fingerprint(st.Sealed.Fingerprint)
		}
		list = append(list, s)
	}
	return list
}

// Seal is what is known of the finished bundle.
func (e *SealedError) Seal() Seal {
	return Seal{e.Bundle, e.Fingerprint, e.Stream, e.Sequence, e.Partial, e.Created, e.Verified}
}
