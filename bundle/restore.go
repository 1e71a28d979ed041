package bundle

import (
	"context"
	"errors"
	"path"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Rehash is told, before segments are hashed again because the drive was away,
// how many bytes that will be; what it returns is told of bytes as they are read,
// concurrently.
type Rehash func(total int64) func(n int64)

// restore brings the writer to where the journal says it was, as far as the
// drive still agrees.
func (w *Writer) restore(ctx context.Context, st *journal.State, rehash Rehash) error {
	w.segments = st.Segments
	mount := media.Session(w.dir.Path())
	away := mount == "" || mount != st.Session.Mount
	var read func(int64)
	if away && rehash != nil {
		read = rehash(w.written())
	}
	bad, err := w.checkSegments(ctx, away, read)
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
		if unfinished != nil && l.number == w.begin.Lanes {
			// A manifest is small: begun anew, it cannot keep others from the closing lane.
			if unfinished, err = w.dropBlob(l.number, unfinished.Digest); err != nil {
				return err
			}
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

// written is the bytes of all segments.
func (w *Writer) written() (n int64) {
	for _, segs := range w.segments {
		for _, s := range segs {
			n += s.Size
		}
	}
	return n
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
func (w *Writer) checkSegments(ctx context.Context, away bool, read func(int64)) (map[seal.Segment]bool, error) {
	files, _, err := w.dir.List(".")
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, f := range files {
		sizes[f.Name] = f.Size
	}
	bad, broken, whole := map[seal.Segment]bool{}, map[seal.Segment]error{}, 0
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(hashers())
	for _, segs := range w.segments {
		for _, s := range segs {
			id := seal.Segment{Lane: s.Lane, Number: s.Number}
			if size, there := sizes[id.String()]; !there || size != s.Size {
				mu.Lock()
				bad[id] = true
				mu.Unlock()
				continue
			}
			if !away {
				continue
			}
			g.Go(func() error {
				sum, err := hashFile(ctx, w.dir, id.String(), true, read)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case ctx.Err() != nil:
					return ctx.Err()
				case err != nil && w.dir.Gone(seal.DriveName, err) != nil:
					return w.dir.Gone(seal.DriveName, err)
				case errors.Is(err, syscall.EIO):
					broken[id] = err
				case err != nil:
					return err
				default:
					whole++
					bad[id] = bad[id] || sum.SHA256 != s.SHA256
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return bad, w.giveUpBroken(bad, broken, whole)
}

// giveUpBroken decides over segments that the drive could not read: a bad spot
// costs its segment, but a drive that fails altogether costs nothing.
func (w *Writer) giveUpBroken(bad map[seal.Segment]bool, broken map[seal.Segment]error, whole int) error {
	for id, err := range broken {
		if whole == 0 || w.dir.Probe() != nil {
			return err
		}
		bad[id] = true
	}
	return nil
}

// sweep deletes what a crash left: files being written, segments that were
// renamed but not recorded, and what an aborted seal wrote.
func (w *Writer) sweep() error {
	known := map[string]bool{seal.DriveName: true}
	for name := range w.begin.KeyFiles {
		known[name] = true
	}
	for _, segs := range w.segments {
		for _, s := range segs {
			known[segmentName(s)] = true
		}
	}
	var stale []string
	for _, sub := range []string{seal.CopyDir, "."} {
		files, _, err := w.dir.List(sub)
		if err != nil {
			return err
		}
		for _, f := range files {
			if seal.Known(f.Name, true) && (sub != "." || !known[f.Name]) {
				stale = append(stale, path.Join(sub, f.Name))
			}
		}
	}
	if len(stale) == 0 {
		return nil
	}
	return w.dir.Remove(stale...)
}
