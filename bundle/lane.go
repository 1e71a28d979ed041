package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/frame"
	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

const (
	tarBlock  = 512
	readChunk = 256 << 10
	maxAge    = 10 * time.Minute // a slow link closes a segment after that
)

// lane writes blobs one after another into segments. One goroutine uses it at a time.
type lane struct {
	w          *Writer
	on         *target // the drive that it writes to
	number     int
	next       int // number of the next segment
	fast       *zstd.Encoder
	buffers    *frame.Buffers
	seg        *segment
	unfinished *journal.Unfinished // the blob that the last durable segment ends within
	piece      int64               // tar offset at which the current piece began
	ending     bool                // the end of the tar stream is being written
}

// put writes the blob as one tar entry. After an error of the source or the
// context, what was read so far is durable and a later put resumes there; after a
// *[oci.DigestError], nothing of the blob is left.
func (l *lane) put(ctx context.Context, d oci.Descriptor, src oci.Source) error {
	v := oci.NewVerifier(d)
	if l.unfinished != nil {
		if err := v.UnmarshalBinary(l.unfinished.State); err != nil {
			return fmt.Errorf("resume %s: %w", d.Digest, err)
		}
	} else if err := l.begin("blobs/sha256/"+d.Digest.Encoded(), d.Size); err != nil {
		return err
	}
	if err := l.copy(ctx, d, v, src); err != nil {
		var broken *laneError
		var wrong *oci.DigestError
		switch {
		case errors.As(err, &broken):
			return err
		case errors.As(err, &wrong):
			return errors.Join(err, l.rollBack(d.Digest))
		}
		return errors.Join(err, l.checkpoint(d, v))
	}
	if err := v.Close(); err != nil {
		return errors.Join(err, l.rollBack(d.Digest))
	}
	return l.end(d)
}

// laneError is a failure of the drive, after which the lane cannot be used.
type laneError struct{ err error }

func (e *laneError) Error() string { return e.err.Error() }
func (e *laneError) Unwrap() error { return e.err }

// begin writes the header of an entry, in a new segment if the whole entry is
// not sure to fit into this one.
func (l *lane) begin(name string, size int64) error {
	header, err := tarHeader(name, size)
	if err != nil {
		return err
	}
	entry := int64(len(header)) + size + tarBlock
	if l.seg != nil && !l.seg.empty() && !l.seg.fits(entry) {
		if err := l.commit(nil); err != nil {
			return err
		}
	}
	if err := l.open(); err != nil {
		return err
	}
	if entry > frame.MaxContent {
		if err := l.seg.frames.Flush(); err != nil {
			return l.fail(err)
		}
	}
	if _, err := l.seg.frames.Write(header); err != nil {
		return l.fail(err)
	}
	l.piece = l.seg.frames.Content()
	return nil
}

func tarHeader(name string, size int64) ([]byte, error) {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if size >= 8<<30 {
		h.Format = tar.FormatGNU
	}
	var buf bytes.Buffer
	if err := tar.NewWriter(&buf).WriteHeader(h); err != nil {
		return nil, fmt.Errorf("make tar header of %s: %w", name, err)
	}
	return buf.Bytes(), nil
}

// open makes sure that there is a segment to write to.
func (l *lane) open() error {
	if l.seg != nil {
		return nil
	}
	if l.next > seal.MaxSegments {
		return fmt.Errorf("lane %d has %d segments, the most that the format allows; use larger segments", l.number, seal.MaxSegments)
	}
	if l.buffers == nil {
		l.buffers = frame.NewBuffers()
	}
	id := seal.Segment{Lane: l.number, Number: l.next, Plain: l.w.begin.Plain}
	seg, err := newSegment(l.on.dir, id, envelopeOf(l.w.begin), l.w.begin.SegmentSize, frame.Encoders{Fast: l.fast, Dense: l.w.dense}, l.buffers)
	if err != nil {
		return l.fail(err)
	}
	l.seg, l.piece = seg, 0
	l.next++
	return nil
}

// copy reads the rest of the blob into segments.
func (l *lane) copy(ctx context.Context, d oci.Descriptor, v *oci.Verifier, src oci.Source) error {
	in := &resumingReader{ctx: ctx, src: src, d: d, off: v.Written()}
	defer in.close()
	dense := !compressed(d.MediaType)
	for v.Written() < d.Size {
		chunk := min(readChunk, d.Size-v.Written())
		if l.seg != nil && (!l.seg.fits(chunk+tarBlock) || time.Since(l.seg.opened) > l.w.maxAge) {
			if err := l.checkpoint(d, v); err != nil {
				return err
			}
		}
		if err := l.open(); err != nil {
			return err
		}
		space, err := l.seg.frames.Space()
		if err != nil {
			return l.fail(err)
		}
		n, err := in.Read(space[:min(int64(len(space)), chunk)])
		if n > 0 {
			if _, err := v.Write(space[:n]); err != nil {
				return err
			}
			l.seg.frames.Advance(n)
			if dense {
				l.seg.frames.Dense()
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// end pads the entry and notes the blob as held.
func (l *lane) end(d oci.Descriptor) error {
	if err := l.open(); err != nil { // for a journal that ends exactly at a blob's last byte
		return err
	}
	l.seg.pieces = append(l.seg.pieces, l.pieceOf(d.Digest, d.Size))
	if err := l.pad(d.Size); err != nil {
		return err
	}
	if d.Size > frame.MaxContent {
		if err := l.seg.frames.Flush(); err != nil {
			return l.fail(err)
		}
	}
	l.unfinished = nil
	l.w.note(d)
	return nil
}

func (l *lane) pad(size int64) error {
	if _, err := l.seg.frames.Write(make([]byte, -size&(tarBlock-1))); err != nil {
		return l.fail(err)
	}
	return nil
}

func (l *lane) pieceOf(d digest.Digest, size int64) journal.Piece {
	return journal.Piece{Digest: d, Size: size, Offset: l.piece, Length: l.seg.frames.Content() - l.piece}
}

// checkpoint closes the segment in the middle of a blob, so that a later run
// can resume here.
func (l *lane) checkpoint(d oci.Descriptor, v *oci.Verifier) error {
	if l.seg == nil {
		return nil
	}
	if l.seg.empty() {
		seg := l.seg
		l.seg = nil
		return seg.abort()
	}
	state, err := v.MarshalBinary()
	if err != nil {
		return err
	}
	l.seg.pieces = append(l.seg.pieces, l.pieceOf(d.Digest, d.Size))
	return l.commit(&journal.Unfinished{Digest: d.Digest, Size: d.Size, State: state})
}

// commit makes the open segment durable and records it.
func (l *lane) commit(unfinished *journal.Unfinished) error {
	seg := l.seg
	l.seg = nil
	if seg == nil {
		return nil
	}
	rec, err := seg.commit(unfinished)
	if err == nil {
		rec.End = l.ending
		err = l.w.record(*rec)
	}
	if err != nil {
		return l.fail(err)
	}
	l.unfinished = unfinished
	return nil
}

// rollBack removes the current blob, which is wrong, and with it every segment
// that it began in or runs through.
func (l *lane) rollBack(d digest.Digest) error {
	var lost []journal.Piece
	if l.seg != nil {
		lost = l.seg.pieces
		seg := l.seg
		l.seg = nil
		if err := seg.abort(); err != nil {
			return l.fail(err)
		}
	}
	l.w.forget(lost)
	unfinished, err := l.w.dropBlob(l.number, d)
	if err != nil {
		return l.fail(err)
	}
	l.unfinished = unfinished
	if unfinished != nil && unfinished.Digest != d {
		l.w.noteCut(unfinished.Digest)
	}
	return nil
}

// fail marks the lane and the writer as broken.
func (l *lane) fail(err error) error {
	err = l.on.named(err)
	l.w.breakdown(err)
	return &laneError{err}
}

// close ends the lane for good or drops what is not durable.
func (l *lane) close(keep bool) error {
	var err error
	if l.seg != nil && keep {
		err = l.commit(nil)
	} else if l.seg != nil {
		err = l.seg.abort()
		l.seg = nil
	}
	return err
}

// compressed reports whether content of the media type gains nothing from zstd.
func compressed(mediaType string) bool {
	return strings.HasSuffix(mediaType, "gzip") || strings.HasSuffix(mediaType, "zstd") || strings.HasSuffix(mediaType, "+encrypted")
}

// resumingReader reads a blob from an offset on and opens it again when a read
// breaks, as long as each try brings bytes or fewer than maxTries in a row do not.
type resumingReader struct {
	//lint:ignore containedctx io.Reader takes no context
	ctx   context.Context
	src   oci.Source
	d     oci.Descriptor
	off   int64
	rc    io.ReadCloser
	tries int
}

// maxTries is low, because sources of the network have a patience of their own.
const maxTries = 2

func (r *resumingReader) Read(p []byte) (int, error) {
	for {
		if err := r.ctx.Err(); err != nil {
			return 0, err
		}
		if r.rc == nil {
			rc, err := r.src.Open(r.ctx, r.d, r.off)
			if err != nil {
				return 0, err
			}
			r.rc = rc
		}
		n, err := r.rc.Read(p)
		r.off += int64(n)
		if n > 0 {
			r.tries = 0
			return n, nil // an error comes again with the next read
		}
		if err == nil {
			continue
		}
		r.close()
		r.tries++
		var lie *oci.DigestError
		if errors.As(err, &lie) || isPermanent(err) || r.ctx.Err() != nil || r.tries >= maxTries {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, fmt.Errorf("read %s at byte %d: %w", r.d.Digest, r.off, err)
		}
		if err := sleep(r.ctx, time.Duration(r.tries)*300*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// isPermanent reports whether an error says that trying again gives the same answer.
func isPermanent(err error) bool {
	var says interface{ Permanent() bool }
	return errors.As(err, &says) && says.Permanent()
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *resumingReader) close() {
	if r.rc != nil {
		_ = r.rc.Close() // its bytes are verified; nothing depends on its last word
		r.rc = nil
	}
}
