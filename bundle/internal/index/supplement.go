package index

import (
	"fmt"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Supplemented is the damaged bundle that a supplement belongs to, as its seal names it.
type Supplemented struct {
	Bundle      string       `json:"bundle"`
	Fingerprint string       `json:"fingerprint"`
	Created     time.Time    `json:"created"` // when it was begun
	Stream      *seal.Stream `json:"stream,omitempty"`
	Sequence    int          `json:"sequence"`
	Partial     bool         `json:"partial,omitempty"`
	Drives      int          `json:"drives"`           // how many it is on
	Images      int          `json:"images,omitempty"` // how many it carries; 0 where that is not said
}

func (s *Supplemented) check(h Header) error {
	if !seal.IsID(s.Bundle) || s.Bundle == h.Bundle || !seal.IsSum(s.Fingerprint) || s.Sequence < 1 || s.Sequence > seal.MaxSequence ||
		s.Drives < 1 || s.Drives > seal.MaxDrives || s.Images < 0 {
		return fmt.Errorf("the bundle that it supplements")
	}
	if s.Stream != nil {
		return s.Stream.Check()
	}
	return nil
}

// Own is how many segments are of the bundle itself: those of a damaged one come after them.
func (x *Index) Own() int {
	n := len(x.Segments)
	for n > 0 && x.Segments[n-1].Kept {
		n--
	}
	return n
}
