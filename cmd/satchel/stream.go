package main

import "github.com/satchel-airgap/satchel/bundle"

// inStream is a bundle's stream for a report, nil if it is of none.
func inStream(s bundle.Stream) *bundle.Stream {
	if s == (bundle.Stream{}) {
		return nil
	}
	return &s
}

// stream prints a bundle's place in its stream, nothing for one of no stream.
func (p *printer) stream(s *bundle.Stream, sequence int) {
	if s != nil {
		p.printf("stream       %s, bundle %d\n", s, sequence)
	}
}
