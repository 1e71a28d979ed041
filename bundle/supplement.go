package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/index"
	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Supplement says what a bundle is to have that supplements a damaged one: what that has lost.
type Supplement struct {
	Bundle      string // the ID of the damaged one
	Fingerprint Fingerprint
	Lost        digest.Digest  // of the list
	Begun       time.Time      // when its content was pinned
	Plain       bool           // it is not encrypted, and so its supplement must not be
	Config      digest.Digest  // what it was packed from, see [Job]
	File        digest.Digest  // of the configuration alone
	Inventory   *oci.Inventory // what it carries, pinned
	Gaps        []byte         // what it goes without, in the caller's words
	Baseline    *Baseline      // what it need not carry
	Segments    int            // that are lost
	Parity      ParityRatio    // that the supplement was begun with, where one is resumed

	of   journal.Supplements
	kept map[digest.Digest]bool
}

// NoJournalError says that this host does not know what lies in the segments of a bundle.
type NoJournalError struct {
	Bundle string
	State  string // where its journal would be
}

func (e *NoJournalError) Error() string {
	return fmt.Sprintf("bundle %s was not packed on this host, or its state was deleted: %s has no journal of it, which says what lies in each file", e.Bundle, e.State)
}

// Hint says what to do now.
func (e *NoJournalError) Hint() string {
	return "run this on the host that packed it, as the same user; if its state is gone, pack again: satchel unpack of the new bundle pushes only what the mirror lacks"
}

// Permanent is true: what was deleted does not come back.
func (e *NoJournalError) Permanent() bool { return true }

// SupplementProblem is what stands against a supplement.
type SupplementProblem int

const (
	_                    SupplementProblem = iota // another one
	SupplementUnfinished                          // the bundle was never sealed
	SupplementNothing                             // nothing of it is lost
	SupplementForeign                             // what is lost was never in it
)

// SupplementError says that no supplement can be made.
type SupplementError struct {
	Bundle  string // the damaged one
	Why     string
	Problem SupplementProblem

	hint string
}

func (e *SupplementError) Error() string {
	return fmt.Sprintf("no supplement of bundle %s: %s", e.Bundle, e.Why)
}

// Hint says what to do now.
func (e *SupplementError) Hint() string { return e.hint }

// Permanent is true: the same list gives the same answer.
func (e *SupplementError) Permanent() bool { return true }

// FindSupplement finds out, by the journal that this host has of a bundle below state, what lies
// in the files that it has lost. Errors: *[NoJournalError], *[SupplementError], *[StateError].
func FindSupplement(state string, lost Lost) (*Supplement, error) {
	st, err := journal.Peek(journalPath(state, lost.Bundle))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NoJournalError{Bundle: lost.Bundle, State: state}
	}
	if err != nil {
		return nil, err
	}
	if err := mayLose(st, lost); err != nil {
		return nil, err
	}
	gone, err := lostSegments(st, lost)
	if err != nil {
		return nil, err
	}
	s := &Supplement{
		Bundle: lost.Bundle, Fingerprint: Fingerprint(st.Sealed.Fingerprint), Plain: st.Begin.Plain, Config: st.Begin.Config, File: cmp.Or(st.Begin.File, st.Begin.Config),
		Lost: oci.Digest(lost.Marshal()), Begun: st.Begin.Created, Gaps: st.Gaps, Baseline: st.Begin.Baseline, Segments: len(gone), kept: map[digest.Digest]bool{}, of: journal.Supplements{Supplemented: index.Supplemented{
			Bundle: lost.Bundle, Fingerprint: st.Sealed.Fingerprint, Created: sealedAt(st), Sequence: 1, Partial: st.Begin.Partial, Drives: st.Begin.Count(),
		}},
	}
	inv := st.Begin.Inventory
	if st.Sealed.Images != nil {
		inv.Images = st.Sealed.Images
	}
	s.Inventory = &inv
	s.of.Images = len(inv.Images)
	if stream, n := numberOf(st.Number); n > 0 {
		s.of.Stream, s.of.Sequence = &stream, n
	}
	s.keep(st, gone)
	return s, nil
}

// sealedAt is when a bundle was sealed; when it was begun, where an earlier satchel has sealed it.
func sealedAt(st *journal.State) time.Time {
	if st.Sealed.Created.IsZero() {
		return st.Begin.Created
	}
	return st.Sealed.Created
}

// mayLose refuses bundles that have no supplement.
func mayLose(st *journal.State, lost Lost) error {
	switch {
	case st.Sealed == nil:
		return &SupplementError{Bundle: lost.Bundle, Why: "it is not finished", Problem: SupplementUnfinished, hint: "pack it again by the same command, which resumes it"}
	case st.Begin.Supplements != nil:
		return &SupplementError{Bundle: lost.Bundle, Why: "it is a supplement itself, of bundle " + st.Begin.Supplements.Bundle, hint: "make another supplement of that bundle, and name the list of what that one has lost"}
	case lost.Fingerprint != "" && string(lost.Fingerprint) != st.Sealed.Fingerprint:
		return &SupplementError{Bundle: lost.Bundle, Why: fmt.Sprintf("the damaged one has the fingerprint %s, and this host has packed %s", lost.Fingerprint, st.Sealed.Fingerprint), hint: "it is another bundle, or the list is wrong: compare the fingerprints with the slips"}
	case lost.Empty():
		return &SupplementError{Bundle: lost.Bundle, Why: "nothing of it is lost", Problem: SupplementNothing}
	}
	return nil
}

// lostSegments gives the names of the segments that are lost.
func lostSegments(st *journal.State, lost Lost) (map[string]bool, error) {
	if foreign := neverHad(st, lost); foreign != nil {
		return nil, &SupplementError{Bundle: lost.Bundle, Why: "it never had " + text.Some(foreign, 5), Problem: SupplementForeign, hint: "look again at what is lost"}
	}
	gone := map[string]bool{}
	for lane, segs := range st.Segments {
		all := slices.Contains(lost.Drives, st.Begin.DriveOf(lane))
		for _, s := range segs {
			if name := segmentName(s, st.Begin.Plain); all || slices.Contains(lost.Files, name) {
				gone[name] = true
			}
		}
	}
	return gone, nil
}

// neverHad gives what a list names that the bundle does not have.
func neverHad(st *journal.State, lost Lost) (foreign []string) {
	known := map[string]bool{seal.IndexOf(st.Begin.Plain): true}
	for _, segs := range st.Segments {
		for _, s := range segs {
			known[segmentName(s, st.Begin.Plain)] = true
		}
	}
	for _, name := range lost.Files {
		if !known[name] {
			foreign = append(foreign, name)
		}
	}
	for _, n := range lost.Drives {
		if n > st.Begin.Count() {
			foreign = append(foreign, fmt.Sprintf("drive %d", n))
		}
	}
	return foreign
}

// keep notes what is whole: the segments, and the blobs that lie in them alone.
func (s *Supplement) keep(st *journal.State, gone map[string]bool) {
	all := (&Writer{segments: st.Segments}).sorted()
	at := make([]int, len(all)) // the number among those that are kept
	for i, seg := range all {
		name := segmentName(seg, st.Begin.Plain)
		if at[i] = -1; gone[name] {
			continue
		}
		at[i] = len(s.of.Kept)
		s.of.Kept = append(s.of.Kept, index.Segment{Name: name, Drive: st.Begin.DriveOf(seg.Lane), Size: seg.Size, SHA256: seg.SHA256, Tar: seg.Tar})
	}
	for _, b := range blobs(all) {
		if slices.ContainsFunc(b.At, func(p index.Piece) bool { return at[p.Segment] < 0 }) {
			continue
		}
		for i := range b.At {
			b.At[i].Segment = at[b.At[i].Segment]
		}
		s.of.Blobs = append(s.of.Blobs, b)
		s.kept[b.Digest] = true
	}
}

// Has reports whether the damaged bundle still has a blob, so that its supplement need not.
func (s *Supplement) Has(d digest.Digest) bool { return s.kept[d] }

// Fits refuses a job that is encrypted where the damaged bundle is not, or the other way round.
func (s *Supplement) Fits(j Job) error {
	switch {
	case s == nil || s.Plain == j.Plain:
		return nil
	case s.Plain:
		return errors.New("the damaged bundle is not encrypted, and so its supplement cannot be")
	}
	return errors.New("the damaged bundle is encrypted, and so its supplement must be")
}

// begin is what stands in the journal's first record.
func (s *Supplement) begin() *journal.Supplements {
	if s == nil {
		return nil
	}
	of := s.of
	return &of
}

// file is what stands in the journal's first record of the configuration alone.
func (j Job) file() digest.Digest {
	if j.File == j.Config {
		return ""
	}
	return j.File
}

// Supplement is what the bundle supplements, as far as a resumed run needs to know; nil for none.
func (w *Writer) Supplement() *Supplement {
	of := w.begin.Supplements
	if of == nil {
		return nil
	}
	s := &Supplement{Bundle: of.Bundle, Fingerprint: Fingerprint(of.Fingerprint), Plain: w.begin.Plain, Parity: ratioOf(w.begin), of: *of, kept: map[digest.Digest]bool{}}
	for _, b := range of.Blobs {
		s.kept[b.Digest] = true
	}
	return s
}

// isKept reports whether the damaged bundle has a blob.
func (w *Writer) isKept(d digest.Digest) bool {
	return w.begin.Supplements != nil && slices.ContainsFunc(w.begin.Supplements.Blobs, func(b index.Blob) bool { return b.Digest == d })
}

// damaged is the ID of the bundle that is supplemented, "" for none.
func (s sealing) damaged() string {
	if s.begin.Supplements == nil {
		return ""
	}
	return s.begin.Supplements.Bundle
}

// writeDamaged writes what the index says of the damaged bundle.
func (s sealing) writeDamaged(idx *index.Writer) error {
	if s.begin.Supplements == nil {
		return nil
	}
	return idx.Supplements(s.begin.Supplements.Supplemented)
}

// writeKept writes the segments of the damaged bundle that are whole, after own ones, and gives the
// blobs that lie in them, less those that the supplement has anew.
func (s sealing) writeKept(idx *index.Writer, own int, have []index.Blob) (list []index.Blob, err error) {
	of := s.begin.Supplements
	if of == nil {
		return nil, nil
	}
	for _, seg := range of.Kept {
		if err := idx.Kept(seg); err != nil {
			return nil, err
		}
	}
	anew := map[digest.Digest]bool{}
	for _, b := range have {
		anew[b.Digest] = true
	}
	for _, b := range of.Blobs {
		if anew[b.Digest] {
			continue
		}
		b.At = slices.Clone(b.At)
		for i := range b.At {
			b.At[i].Segment += own
		}
		list = append(list, b)
	}
	return list, nil
}

// supplements is the ID of the damaged bundle that a seal names, "" for none.
func supplements(b seal.Bundle) string {
	if b.Supplements == nil {
		return ""
	}
	return b.Supplements.Bundle
}
