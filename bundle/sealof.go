package bundle

import (
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
)

// Seal is what this host knows of a bundle that it has finished.
type Seal struct {
	Bundle      string // its ID
	Fingerprint Fingerprint
	Stream      Stream // the zero value for none
	Sequence    int
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
	s = Seal{Bundle: id, Fingerprint: Fingerprint(st.Sealed.Fingerprint), Sequence: 1}
	if stream, n := numberOf(st.Number); n > 0 {
		s.Stream, s.Sequence = stream, n
	}
	s.Verified = st.Verified != nil && st.Verified.Fingerprint == st.Sealed.Fingerprint
	return s, true
}

// Seal is what is known of the finished bundle.
func (e *SealedError) Seal() Seal {
	return Seal{e.Bundle, e.Fingerprint, e.Stream, e.Sequence, e.Created, e.Verified}
}
