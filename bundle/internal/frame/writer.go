package frame

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	// MaxContent is the most bytes that one frame holds, and the largest window.
	MaxContent = 4 << 20

	skippableMagic = 0x184D2A5E
	seekableMagic  = 0x8F92EAB1
	entrySize      = 8 // compressed and decompressed size, 4 bytes each
	footerSize     = 9 // number of frames, descriptor, magic
	headerSize     = 8 // skippable magic, size of what follows
)

// Encoders are the two ways in which a frame is compressed. Fast stores what
// does not compress raw, at memory speed; it belongs to one Writer at a time.
// Dense is for content that is not compressed yet and may be shared.
type Encoders struct{ Fast, Dense *zstd.Encoder }

// NewFast makes an encoder for content that is mostly compressed already.
func NewFast() (*zstd.Encoder, error) { return newEncoder(zstd.SpeedFastest) }

// NewDense makes an encoder for content that is not compressed yet.
func NewDense() (*zstd.Encoder, error) { return newEncoder(zstd.SpeedDefault) }

func newEncoder(level zstd.EncoderLevel) (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(MaxContent), zstd.WithLowerEncoderMem(true))
}

// MaxSize is the most bytes that the whole file may take if n more bytes are
// written after those already in it, seek table included.
func (w *Writer) MaxSize(n int64) int64 {
	pending := int64(len(w.buf)) + n
	frames := int64(len(w.sizes)) + pending/MaxContent + 2
	// Raw blocks cost 3 bytes each 128 KiB; 1/1024 and 64 a frame is well above that.
	return w.written + pending + pending>>10 + 64*frames + entrySize*frames + headerSize + footerSize
}

// Writer writes one seekable file.
type Writer struct {
	dst     io.Writer
	enc     Encoders
	buf     []byte // content of the frame being gathered
	out     []byte
	dense   bool
	sizes   []frameSize
	written int64 // bytes given to dst
	content int64 // bytes taken
}

type frameSize struct{ compressed, content uint32 }

// Buffers are what a Writer works in; they may be used again after Close.
type Buffers struct{ in, out []byte }

// NewBuffers makes buffers for one Writer at a time.
func NewBuffers() *Buffers {
	return &Buffers{in: make([]byte, 0, MaxContent), out: make([]byte, 0, MaxContent+MaxContent>>10+64)}
}

// NewWriter starts a file on dst.
func NewWriter(dst io.Writer, enc Encoders, b *Buffers) *Writer {
	return &Writer{dst: dst, enc: enc, buf: b.in[:0], out: b.out[:0]}
}

// Content is the number of bytes taken so far.
func (w *Writer) Content() int64 { return w.content }

// Space is the free rest of the frame being gathered, never empty. What is put
// there counts once [Writer.Advance] is called.
func (w *Writer) Space() ([]byte, error) {
	if len(w.buf) == cap(w.buf) {
		if err := w.Flush(); err != nil {
			return nil, err
		}
	}
	return w.buf[len(w.buf):cap(w.buf)], nil
}

// Advance takes the first n bytes of what [Writer.Space] gave.
func (w *Writer) Advance(n int) {
	w.buf = w.buf[:len(w.buf)+n]
	w.content += int64(n)
}

// Dense marks the frame being gathered as holding uncompressed content.
func (w *Writer) Dense() { w.dense = true }

// Write takes bytes, beginning new frames as they fill.
func (w *Writer) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		space, err := w.Space()
		if err != nil {
			return total - len(p), err
		}
		n := copy(space, p)
		w.Advance(n)
		p = p[n:]
	}
	return total, nil
}

// Flush ends the frame being gathered, if it holds anything.
func (w *Writer) Flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	enc := w.enc.Fast
	if w.dense {
		enc = w.enc.Dense
	}
	w.out = enc.EncodeAll(w.buf, w.out[:0])
	w.sizes = append(w.sizes, frameSize{uint32(len(w.out)), uint32(len(w.buf))})
	w.buf, w.dense = w.buf[:0], false
	return w.emit(w.out)
}

func (w *Writer) emit(b []byte) error {
	n, err := w.dst.Write(b)
	w.written += int64(n)
	if err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	return nil
}

// Close ends the last frame and writes the seek table. It does not close dst.
func (w *Writer) Close() error {
	if err := w.Flush(); err != nil {
		return err
	}
	le := binary.LittleEndian
	table := le.AppendUint32(nil, skippableMagic)
	table = le.AppendUint32(table, uint32(len(w.sizes)*entrySize+footerSize))
	for _, s := range w.sizes {
		table = le.AppendUint32(table, s.compressed)
		table = le.AppendUint32(table, s.content)
	}
	table = le.AppendUint32(table, uint32(len(w.sizes)))
	table = append(table, 0) // descriptor: no checksums
	table = le.AppendUint32(table, seekableMagic)
	return w.emit(table)
}
