package bundle

import "testing"

// TestSegmentOpenedAnew: what fails to be read of a drive that left keeps in place what was opened since it is back.
func TestSegmentOpenedAnew(t *testing.T) {
	t.Parallel()
	s := newSegments(nil)
	before, now := &openSegment{number: 1}, &openSegment{number: 1}
	s.open[1] = now
	s.forget(before)
	s.drop(before)
	if s.open[1] != now {
		t.Error("the segment that is open is forgotten, and nobody would close it")
	}
}
