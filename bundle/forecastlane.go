package bundle

import (
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/frame"
	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// forecastLane counts what a [lane] writes.
type forecastLane struct {
	r      *forecaster
	number int
	next   int // number of the next segment
	seg    *forecastSegment
	piece  int64 // tar offset at which the current piece began
}

func (r *forecaster) lane(number int) *forecastLane {
	return &forecastLane{r: r, number: number, next: 1}
}

// after lets the lane go on behind what is written of it already.
func (l *forecastLane) after(kept []journal.Segment) *forecastLane {
	for _, s := range kept {
		if s.Lane == l.number {
			l.next = max(l.next, s.Number+1)
		}
	}
	return l
}

// forecastSegment is a [segment] with its [frame.Writer], counted. A frame counts as
// written when the next one is passed on, as it does there.
type forecastSegment struct {
	pieces  []journal.Piece
	content int64 // bytes taken
	flushed int64 // bytes of content in frames that count as written
	written int64 // bytes of those frames
	frames  int
	waiting struct{ size, content int64 } // the frame passed on last

	raw   int64 // bytes of the frame being filled that do not compress and are not in buf
	dense bool
}

// blob counts one blob or manifest, of which the bytes before off are written already.
func (l *forecastLane) blob(d oci.Descriptor, off int64) error {
	dense := !compressed(d.MediaType)
	body := func(int64, int64) []byte { return nil }
	if dense {
		if b, ok := l.r.content(d); ok && int64(len(b)) == d.Size {
			body = known(b)
		} else {
			l.r.guessed += d.Size
			l.r.large = l.r.large || d.Size > KnownBlob
		}
	} else if d.Size <= shownNoise {
		body = func(_, n int64) []byte { return l.r.noise.next(n) }
	}
	if off > 0 {
		l.open()
		l.rest(d.Size, off, &d.Digest, body, dense)
		return nil
	}
	return l.entry("blobs/sha256/"+d.Digest.Encoded(), d.Size, &d.Digest, body, dense)
}

// entry counts a tar entry. body gives n bytes of its content from an offset on,
// nil for bytes that do not compress; digest is nil for what is no blob.
func (l *forecastLane) entry(name string, size int64, digest *digest.Digest, body func(off, n int64) []byte, dense bool) error {
	header, err := tarHeader(name, size)
	if err != nil {
		return err
	}
	entry := int64(len(header)) + size + tarBlock
	if l.seg != nil && l.seg.content > 0 && !l.fits(entry) {
		l.commit()
	}
	l.open()
	if entry > frame.MaxContent {
		l.flush()
	}
	l.take(header)
	l.piece = l.seg.content
	l.rest(size, 0, digest, body, dense)
	return nil
}

// rest counts an entry from an offset of its content on, to its end.
func (l *forecastLane) rest(size, off int64, digest *digest.Digest, body func(off, n int64) []byte, dense bool) {
	for off < size {
		chunk := min(readChunk, size-off)
		if !l.fits(chunk + tarBlock) {
			l.note(digest, size)
			l.commit()
			l.open()
		}
		n := min(l.space(), chunk)
		if b := body(off, n); b != nil {
			l.take(b)
		} else {
			l.seg.raw += n
			l.seg.content += n
		}
		l.seg.dense = l.seg.dense || dense
		off += n
	}
	l.note(digest, size)
	l.take(make([]byte, -size&(tarBlock-1)))
	if size > frame.MaxContent {
		l.flush()
	}
}

func (l *forecastLane) note(d *digest.Digest, size int64) {
	if d != nil {
		l.seg.pieces = append(l.seg.pieces, journal.Piece{Digest: *d, Size: size, Offset: l.piece, Length: l.seg.content - l.piece})
	}
}

func (l *forecastLane) open() {
	if l.seg == nil {
		l.seg, l.piece = &forecastSegment{}, 0
		l.r.buf = l.r.buf[:0]
	}
}

// fits is [segment.fits].
func (l *forecastLane) fits(n int64) bool {
	plain := frame.MaxSize(l.seg.frames, l.seg.written, l.seg.content-l.seg.flushed+n)
	return l.r.head+plain+envelopeOf(l.r.begin).most(plain) <= l.r.begin.SegmentSize
}

// space is the free rest of the frame being filled, never 0.
func (l *forecastLane) space() int64 {
	if int64(len(l.r.buf))+l.seg.raw == frame.MaxContent {
		l.flush()
	}
	return frame.MaxContent - int64(len(l.r.buf)) - l.seg.raw
}

// take counts bytes that are known.
func (l *forecastLane) take(p []byte) {
	for len(p) > 0 {
		n := min(int(l.space()), len(p))
		l.r.buf = append(l.r.buf, p[:n]...)
		l.seg.content += int64(n)
		p = p[n:]
	}
}

// flush hands the frame being filled on.
func (l *forecastLane) flush() {
	s := l.seg
	content := int64(len(l.r.buf)) + s.raw
	if content == 0 {
		return
	}
	s.endFrame()
	s.waiting.size, s.waiting.content = l.r.compress(s.raw, s.dense), content
	l.r.buf, s.raw, s.dense = l.r.buf[:0], 0, false
}

func (s *forecastSegment) endFrame() {
	if s.waiting.content == 0 {
		return
	}
	s.frames++
	s.written += s.waiting.size
	s.flushed += s.waiting.content
	s.waiting.size, s.waiting.content = 0, 0
}

// compress gives the size of a frame of what is in buf and of raw bytes.
func (r *forecaster) compress(raw int64, dense bool) int64 {
	if len(r.buf) == 0 {
		return frame.RawSize(raw)
	}
	var enc *zstd.Encoder
	if enc = r.fast; dense {
		enc = r.dense
	}
	r.out = enc.EncodeAll(r.buf, r.out[:0])
	size := int64(len(r.out))
	if raw > 0 {
		size += frame.RawSize(raw) - frame.RawSize(0)
	}
	return size
}

// commit ends the segment.
func (l *forecastLane) commit() {
	if l.seg == nil {
		return
	}
	l.flush()
	s := l.seg
	s.endFrame()
	l.seg = nil
	plain := s.written + frame.TableSize(s.frames)
	id := seal.Segment{Lane: l.number, Number: l.next, Plain: l.r.begin.Plain}
	l.next++
	l.r.segs = append(l.r.segs, journal.Segment{
		Lane: id.Lane, Number: id.Number, SHA256: standIn(id), Tar: s.content, Pieces: s.pieces,
		Size: l.r.head + plain + envelopeOf(l.r.begin).tags(plain),
	})
}
