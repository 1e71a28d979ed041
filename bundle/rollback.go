package bundle

import (
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
)

// dropBlob takes back the segments of a lane that hold anything of a blob. It
// returns the blob that the lane's last remaining segment ends within, if any.
func (w *Writer) dropBlob(lane int, d digest.Digest) (*journal.Unfinished, error) {
	return w.dropWhere(lane, func(s journal.Segment) bool {
		for _, p := range s.Pieces {
			if p.Digest == d {
				return true
			}
		}
		return false
	})
}

// dropWhere takes back the segments that bad picks, and all that cannot stand
// without them: journal first, then the files.
func (w *Writer) dropWhere(lane int, bad func(journal.Segment) bool) (*journal.Unfinished, error) {
	w.mu.Lock()
	segs := w.segments[lane]
	drop := closure(segs, bad)
	var kept []journal.Segment
	var rec journal.Drop
	var names []string
	for i, s := range segs {
		if !drop[i] {
			kept = append(kept, s)
			continue
		}
		rec.Lane, rec.Numbers = lane, append(rec.Numbers, s.Number)
		names = append(names, segmentName(s, w.begin.Plain))
		for _, p := range s.Pieces {
			delete(w.done, p.Digest)
		}
	}
	w.segments[lane] = kept
	w.mu.Unlock()
	if len(names) > 0 {
		if err := w.jnl.Append(journal.Record{Drop: &rec}); err != nil {
			return nil, err
		}
		if dir := w.drives[w.begin.DriveOf(lane)-1].dir; dir != nil { // else the drive is lost, and they with it
			if err := dir.Remove(names...); err != nil {
				return nil, err
			}
		}
	}
	if len(kept) == 0 {
		return nil, nil
	}
	last := kept[len(kept)-1].Unfinished
	if last != nil {
		w.forget([]journal.Piece{{Digest: last.Digest}})
	}
	return last, nil
}

// closure says which segments of a lane go when the bad ones do: those that
// begin inside a blob of a dropped one, and those that end inside a blob whose
// rest is dropped while later segments stay.
func closure(segs []journal.Segment, bad func(journal.Segment) bool) []bool {
	drop := make([]bool, len(segs))
	for i, s := range segs {
		drop[i] = bad(s) || i > 0 && drop[i-1] && segs[i-1].Unfinished != nil
	}
	later := false
	for i := len(segs) - 1; i >= 0; i-- {
		if later && i+1 < len(segs) && drop[i+1] && segs[i].Unfinished != nil {
			drop[i] = true
		}
		later = later || !drop[i]
	}
	return drop
}
