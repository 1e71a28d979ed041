package bundle

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// restore brings the writer to where the journal says it was, as far as the
// drive still agrees.
func (w *Writer) restore(ctx context.Context, st *journal.State) error {
	w.segments = st.Segments
	mount := media.Session(w.dir.Path())
	away := mount == "" || mount != st.Session.Mount
	bad, err := w.checkSegments(ctx, away)
	if err != nil {
		return err
	}
	for _, l := range w.all {
		unfinished, err := w.dropWhere(l.number, func(s journal.Segment) bool {
			return s.End || bad[seal.Segment{Lane: s.Lane, Number: s.Number}]
		})
		if err != nil {
			return err
		}
		l.unfinished = unfinished
	}
	for _, segs := range w.segments {
		w.count(segs)
	}
	if err := w.sweep(); err != nil {
		return err
	}
	return w.start()
}

// count notes the blobs that are whole in the lane's segments.
func (w *Writer) count(segs []journal.Segment) {
	for _, s := range segs {
		for i, p := range s.Pieces {
			if s.Unfinished == nil || i < len(s.Pieces)-1 {
				w.done[p.Digest] = p.Size
			}
		}
	}
}

// checkSegments finds the segments that the drive no longer has as the journal
// knows them: by length, and by SHA-256 too if the drive was away.
func (w *Writer) checkSegments(ctx context.Context, away bool) (map[seal.Segment]bool, error) {
	files, _, err := w.dir.List(".")
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, f := range files {
		sizes[f.Name] = f.Size
	}
	bad := map[seal.Segment]bool{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(hashers())
	for _, segs := range w.segments {
		for _, s := range segs {
			id := seal.Segment{Lane: s.Lane, Number: s.Number}
			size, there := sizes[id.String()]
			if !there || size != s.Size {
				mu.Lock()
				bad[id] = true
				mu.Unlock()
				continue
			}
			if !away {
				continue
			}
			g.Go(func() error {
				sum, err := hashFile(ctx, w.dir, id.String(), true, nil)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if gone := w.dir.Gone(seal.DriveName, err); gone != nil {
					return gone
				}
				if err != nil || sum.SHA256 != s.SHA256 { // what cannot be read is fetched again
					mu.Lock()
					bad[id] = true
					mu.Unlock()
				}
				return nil
			})
		}
	}
	return bad, g.Wait()
}

// sweep deletes what a crash left: files being written, and segments that were
// renamed but not recorded.
func (w *Writer) sweep() error {
	known := map[string]bool{}
	for _, segs := range w.segments {
		for _, s := range segs {
			known[seal.Segment{Lane: s.Lane, Number: s.Number}.String()] = true
		}
	}
	files, _, err := w.dir.List(".")
	if err != nil {
		return err
	}
	var stale []string
	for _, f := range files {
		_, segment := seal.ParseSegment(f.Name)
		temp := !seal.Known(f.Name, false) && seal.Known(f.Name, true)
		if temp || segment && !known[f.Name] {
			stale = append(stale, f.Name)
		}
	}
	if len(stale) == 0 {
		return nil
	}
	if err := w.dir.Remove(stale...); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
