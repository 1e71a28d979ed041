package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/satchel-airgap/satchel/bundle/internal/frame"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
)

// maxSums is how many sums of segments are kept, 32 MiB: of 256 GiB.
const maxSums = 1 << 20

// maxIdle is how many segments stay open after their last reader has gone.
const maxIdle = 4

// segments keeps segments open between the small blobs that lie in them.
type segments struct {
	r    *Reader
	mu   sync.Mutex
	open map[int]*openSegment
	idle []*openSegment // the one longest unused first
	sums map[int]sums   // of segments that are not encrypted, and were hashed
	kept int            // how many sums these are
}

// openSegment is a segment that is open for reading.
type openSegment struct {
	number int
	users  int
	failed bool // to read: the next get opens it anew
	once   sync.Once
	err    error
	from   place // where its file is
	file   *media.File
	plain  io.ReaderAt
	table  *frame.Table

	mu    sync.Mutex
	at    frame.Frame // the shared frame that content holds
	frame []byte
}

func newSegments(r *Reader) *segments { return &segments{r: r, open: map[int]*openSegment{}} }

// get gives an open segment; every get without an error is answered by one put.
func (s *segments) get(ctx context.Context, number int) (*openSegment, error) {
	for {
		seg, err := s.share(ctx, number)
		if !errors.Is(err, errAbandoned) {
			return seg, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// share gives a segment that somebody has opened, or opens it for all who ask meanwhile.
func (s *segments) share(ctx context.Context, number int) (*openSegment, error) {
	s.mu.Lock()
	seg := s.open[number]
	if seg == nil {
		seg = &openSegment{number: number}
		s.open[number] = seg
	}
	seg.users++
	for i, idle := range s.idle {
		if idle == seg {
			s.idle = append(s.idle[:i], s.idle[i+1:]...)
			break
		}
	}
	s.mu.Unlock()
	seg.once.Do(func() {
		if seg.err = s.load(ctx, seg); seg.err != nil {
			s.forget(seg)
		}
	})
	if seg.err != nil {
		return nil, seg.err
	}
	return seg, nil
}

// forget drops a segment that could not be loaded: the next get tries again, for the drive may
// be back. Those who wait for this load have its error, and never put it.
func (s *segments) forget(seg *openSegment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(seg)
	_ = seg.close() // it was only read
}

// remove takes a segment out. Where its drive was attached anew meanwhile, another one stands there, which stays.
func (s *segments) remove(seg *openSegment) {
	if s.open[seg.number] == seg {
		delete(s.open, seg.number)
	}
}

// load opens the file, decrypts its header and reads its seek table. A file that is not encrypted
// is hashed first.
func (s *segments) load(ctx context.Context, seg *openSegment) error {
	entry := s.r.index.Segments[seg.number]
	from, ok := s.r.on.of(entry.Drive, entry.Name)
	if !ok {
		return s.r.away(entry.Drive)
	}
	seg.from = from
	broken := func(err error) error { return from.unreadable(entry.Name, err) }
	f, err := from.dir.Open(entry.Name)
	if err != nil {
		return broken(err)
	}
	seg.file = f
	if f.Size != entry.Size {
		return broken(fmt.Errorf("it has %d bytes, its seal says %d", f.Size, entry.Size))
	}
	plain, size, err := s.content(ctx, seg)
	if errors.Is(err, errAbandoned) {
		return err
	}
	if err != nil {
		return broken(err)
	}
	if seg.table, err = frame.ReadTable(plain, size); err != nil {
		return broken(err)
	}
	if seg.table.Content() != entry.Tar {
		return broken(fmt.Errorf("it has %d bytes of the tar stream, the index says %d", seg.table.Content(), entry.Tar))
	}
	seg.plain = plain
	return nil
}

// content gives what is in a segment's envelope. Of one that has none it gives only what has the
// SHA-256 of the seals: not a byte is decompressed before.
func (s *segments) content(ctx context.Context, seg *openSegment) (io.ReaderAt, int64, error) {
	if !s.r.seals.plain() {
		return s.r.keyOf(s.r.index.Segments[seg.number]).Decrypt(seg.file, seg.file.Size)
	}
	s.mu.Lock()
	list, ok := s.sums[seg.number]
	s.mu.Unlock()
	if !ok {
		var err error
		if list, err = sumsOf(ctx, seg.file, seg.file.Size, s.r.index.Segments[seg.number].SHA256); err != nil {
			return nil, 0, err
		}
		s.keep(seg.number, list)
	}
	return newChecked(seg.file, seg.file.Size, list), seg.file.Size, nil
}

// keep remembers the sums of a segment, so that it is hashed once as a rule: a registry's clients
// come back to it.
func (s *segments) keep(number int, list sums) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept += len(list); s.sums == nil || s.kept > maxSums {
		s.sums, s.kept = map[int]sums{}, len(list)
	}
	s.sums[number] = list
}

// drop has the next get open a segment anew that could not be read: its file may have been replaced.
// Those who have it put it.
func (s *segments) drop(seg *openSegment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !seg.failed {
		seg.failed = true
		s.remove(seg)
	}
}

// leave has the next get open all segments of a drive anew. What is open of them is closed by its
// last reader, if it has any.
func (s *segments) leave(drive int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, seg := range s.open {
		if s.r.index.Segments[n].Drive != drive {
			continue
		}
		seg.failed = true
		delete(s.open, n)
		if i := slices.Index(s.idle, seg); i >= 0 {
			s.idle = slices.Delete(s.idle, i, i+1)
			_ = seg.close() // it was only read
		}
	}
}

func (s *segments) put(seg *openSegment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seg.users--
	if seg.users > 0 {
		return
	}
	if seg.failed {
		_ = seg.close() // it was only read
		return
	}
	s.idle = append(s.idle, seg)
	if len(s.idle) > maxIdle {
		old := s.idle[0]
		s.idle = s.idle[1:]
		s.remove(old)
		_ = old.close() // it was only read
	}
}

func (s *segments) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seg := range s.open {
		_ = seg.close() // it was only read, and its drive may be gone by now
	}
	s.open, s.idle = map[int]*openSegment{}, nil
}

func (seg *openSegment) close() error {
	if seg.file == nil {
		return nil
	}
	return seg.file.Close()
}

// shared gives the content of a frame in which several blobs have a part. The
// bytes stay valid after the next call: each frame has a buffer of its own.
func (seg *openSegment) shared(dec *frame.Decoder, f frame.Frame) ([]byte, error) {
	seg.mu.Lock()
	defer seg.mu.Unlock()
	if seg.frame != nil && seg.at == f {
		return seg.frame, nil
	}
	content, _, err := dec.Decode(seg.plain, f, nil, nil)
	if err != nil {
		return nil, err
	}
	seg.at, seg.frame = f, content
	return content, nil
}
