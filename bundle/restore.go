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

// Rehash is called before segments are hashed again because the drive was away, with
// the number of bytes; what it returns is called with the bytes just read, concurrently.
type Rehash func(total int64) func(n int64)

// restore brings a drive to where the journal says it was, as far as it still agrees. at is
// where it was last.
func (w *Writer) restore(ctx context.Context, t *target, at journal.Session, rehash Rehash) error {
	mount := media.Session(t.path())
	away := mount == "" || mount != at.Mount
	var read func(int64)
	if away && rehash != nil {
		read = rehash(w.written(t))
	}
	bad, err := w.checkSegments(ctx, t, away, read)
	if err != nil {
		return t.named(err)
	}
	// The first change, and the last one of a seal: a drive that calls itself complete is whole.
	if err := w.begun(t); err != nil {
		return t.named(err)
	}
	for _, l := range t.lanes {
		unfinished, err := w.dropWhere(l.number, func(s journal.Segment) bool {
			return s.End || bad[placeOf(s, w.begin.Plain)]
		})
		if err != nil {
			return t.named(err)
		}
		if unfinished != nil && l.number == w.begin.Closing() {
			// A manifest is small: put again from its start, it cannot keep others from the closing lane.
			if unfinished, err = w.dropBlob(l.number, unfinished.Digest); err != nil {
				return t.named(err)
			}
		}
		l.unfinished = unfinished
		w.count(w.segments[l.number])
	}
	if err := w.sweep(t); err != nil {
		return t.named(err)
	}
	return w.start(t)
}

// of gives the segments of a drive that are known.
func (w *Writer) of(t *target) (list []journal.Segment) {
	for lane, segs := range w.segments {
		if w.begin.DriveOf(lane) == t.number {
			list = append(list, segs...)
		}
	}
	return list
}

// written is the bytes of all segments of a drive.
func (w *Writer) written(t *target) (n int64) {
	for _, s := range w.of(t) {
		n += s.Size
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

// checkSegments finds the segments that a drive no longer has as the journal
// knows them: by length, and by SHA-256 too if it was away.
func (w *Writer) checkSegments(ctx context.Context, t *target, away bool, read func(int64)) (map[seal.Segment]bool, error) {
	files, _, err := t.dir.List(".")
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
	for _, s := range w.of(t) {
		id := placeOf(s, w.begin.Plain)
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
			sum, err := hashFile(ctx, t.dir, id.String(), true, read)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil && t.dir.Gone(seal.DriveName, err) != nil:
				return t.dir.Gone(seal.DriveName, err)
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
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return bad, giveUpBroken(t.dir, bad, broken, whole)
}

// giveUpBroken decides over segments that the drive could not read: a bad spot
// costs its segment, but a drive that fails altogether costs nothing.
func giveUpBroken(dir *media.Dir, bad map[seal.Segment]bool, broken map[seal.Segment]error, whole int) error {
	for id, err := range broken {
		if whole == 0 || dir.Probe() != nil {
			return err
		}
		bad[id] = true
	}
	return nil
}

// sweep deletes what a crash left: files being written, segments that were
// renamed but not recorded, and what an aborted seal wrote.
func (w *Writer) sweep(t *target) error {
	known := map[string]bool{seal.DriveName: true}
	for name := range w.begin.KeyFiles {
		known[name] = true
	}
	for _, s := range w.of(t) {
		known[segmentName(s, w.begin.Plain)] = true
	}
	var stale []string
	for _, sub := range []string{seal.CopyDir, "."} {
		files, _, err := t.dir.List(sub)
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
	return t.dir.Remove(stale...)
}
