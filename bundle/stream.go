package bundle

import (
	"errors"
	"fmt"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// Stream is the row of bundles that one packing host makes of one configuration: the ledger
// that counts them, and a name. Bundles of earlier versions are of no stream, the zero value.
type Stream = seal.Stream

// CheckStreamName reports what is wrong with the name of a stream.
func CheckStreamName(name string) error { return seal.CheckStreamName(name) }

// Stream is the stream that the bundle belongs to, the zero value if it belongs to none.
func (r *Reader) Stream() Stream {
	if of := r.restored(); of != nil {
		return streamOf(seal.Bundle{Stream: of.Stream})
	}
	return streamOf(r.seals.bundle)
}

// Sequence is the bundle's number in its stream, from 1; 1 without a stream.
func (r *Reader) Sequence() int {
	if of := r.restored(); of != nil {
		return of.Sequence
	}
	return r.seals.bundle.Sequence
}

// Partial reports whether the bundle is only of a part of the images of its configuration, see
// [Job]. Of a bundle of an earlier version nobody knows.
func (r *Reader) Partial() bool {
	if of := r.restored(); of != nil {
		return of.Partial
	}
	return r.seals.bundle.Partial
}

// SetNumber gives the bundle its stream and its number there, before it is sealed. They are
// noted in the journal first: a resumed run has the same ones, see [Writer.Number].
func (w *Writer) SetNumber(s Stream, sequence int) error {
	if err := s.Check(); err != nil {
		return err
	}
	if sequence < 1 || sequence > seal.MaxSequence {
		return fmt.Errorf("sequence %d: it must be from 1 to %d", sequence, seal.MaxSequence)
	}
	n := journal.Number{Ledger: s.Ledger, Name: s.Name, Sequence: sequence}
	if w.number == n {
		return nil
	}
	if err := w.jnl.Append(journal.Record{Number: &n}); err != nil {
		return err
	}
	w.number = n
	return nil
}

// Number is what [Writer.SetNumber] was given, in this run or an earlier one; 0 if nothing
// was.
func (w *Writer) Number() (Stream, int) { return numberOf(w.number) }

// isNewer reports whether a journal was not read because a newer satchel wrote it.
func isNewer(err error) bool {
	_, newer := errors.AsType[*oci.VersionError](err)
	return newer
}

// foreseen is a number as long as the bundle's will be, for forecasts.
func foreseen(begin journal.Begin) journal.Number {
	if begin.Stream == "" {
		return journal.Number{}
	}
	return journal.Number{Ledger: strings.Repeat("0", 32), Name: begin.Stream, Sequence: 100}
}

// streamOf is the stream that a seal names.
func streamOf(b seal.Bundle) Stream {
	if b.Stream == nil {
		return Stream{}
	}
	return *b.Stream
}

func numberOf(n journal.Number) (Stream, int) {
	return Stream{Ledger: n.Ledger, Name: n.Name}, n.Sequence
}
