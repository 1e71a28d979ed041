package bundle

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/frame"
	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// 64 KiB a call, not 1 MiB: packing 2,850 MiB took 7.0 s in place of 9.5 s, 2.0 s of it in the kernel in place of 5.0 s (docs/bench.md, "Size of the writes").
const writeBuf = 64 << 10

// segment is one segment that is being written: tar bytes in at the top, a
// durable file at the bottom.
type segment struct {
	id     seal.Segment
	file   *media.Pending
	sum    hash.Hash
	buf    *bufio.Writer
	in     envelope
	age    io.WriteCloser // what the envelope wraps in
	frames *frame.Writer
	head   int64 // bytes of the age header
	limit  int64
	opened time.Time
	pieces []journal.Piece
}

func newSegment(dir *media.Dir, id seal.Segment, in envelope, limit int64, enc frame.Encoders, b *frame.Buffers) (*segment, error) {
	file, err := dir.Create(id.String())
	if err != nil {
		return nil, err
	}
	s := &segment{id: id, file: file, sum: sha256.New(), in: in, limit: limit, opened: time.Now()}
	s.buf = bufio.NewWriterSize(io.MultiWriter(file, s.sum), writeBuf)
	head := &countingWriter{w: s.buf}
	s.age, err = in.wrap(head)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("encrypt %s: %w", id, err), file.Abort())
	}
	s.head = head.n
	s.frames = frame.NewWriter(s.age, enc, b)
	return s, nil
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// fits reports whether n more tar bytes are sure to leave the file within its limit.
func (s *segment) fits(n int64) bool {
	plain := s.frames.MaxSize(n)
	return s.head+plain+s.in.most(plain) <= s.limit
}

// empty reports whether no tar byte was written yet.
func (s *segment) empty() bool { return s.frames.Content() == 0 }

// commit makes the segment durable and gives its journal record.
func (s *segment) commit(unfinished *journal.Unfinished) (*journal.Segment, error) {
	err := s.frames.Close()
	if err == nil {
		err = s.age.Close()
	}
	if err == nil {
		err = s.buf.Flush()
	}
	if err != nil {
		return nil, errors.Join(err, s.file.Abort())
	}
	if err := s.file.Commit(); err != nil {
		return nil, err
	}
	return &journal.Segment{
		Lane: s.id.Lane, Number: s.id.Number, Size: s.file.Size(), SHA256: hex.EncodeToString(s.sum.Sum(nil)),
		Tar: s.frames.Content(), Pieces: s.pieces, Unfinished: unfinished,
	}, nil
}

func (s *segment) abort() error {
	s.frames.Abort()
	return s.file.Abort()
}
