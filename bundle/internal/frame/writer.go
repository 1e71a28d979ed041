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
	return MaxSize(len(w.sizes), w.written, w.content-w.flushed+n)
}

// MaxSize is the most bytes that a file may take that has so many frames, of
// written bytes together, and gets pending more bytes of content.
func MaxSize(frames int, written, pending int64) int64 {
	n := int64(frames) + pending/MaxContent + 3
	// Raw blocks cost 3 bytes each 128 KiB; 1/1024 and 64 a frame is well above that.
	return written + pending + pending>>10 + 64*n + TableSize(int(n))
}

// TableSize is the size of the seek table of so many frames.
func TableSize(frames int) int64 { return headerSize + int64(frames)*entrySize + footerSize }

// RawSize is the size of a frame of n bytes that do not compress (RFC 8878,
// sections 3.1.1.1 and 3.1.1.2).
func RawSize(n int64) int64 {
	const head, block, blockHead = 9, 128 << 10, 3
	return head + n + (n+block-1)/block*blockHead
}

// Writer writes one seekable file. While one frame is filled, the one before
// it is compressed and written by another goroutine, which ends with Close or
// Abort.
type Writer struct {
	enc     Encoders
	bufs    *Buffers
	buf     []byte // content of the frame being filled
	dense   bool
	content int64 // bytes taken

	jobs    chan job    // to the goroutine; closed at the end
	results chan result // from it, one for each job
	waiting bool        // for a result
	err     error

	flushed int64 // bytes of content in frames that are written
	written int64 // bytes given to dst
	sizes   []frameSize
	dst     io.Writer
}

type job struct {
	content []byte
	enc     *zstd.Encoder
}

type result struct {
	compressed, content int
	err                 error
}

type frameSize struct{ compressed, content uint32 }

// Buffers are what a Writer works in; they may be used again after it has ended.
type Buffers struct{ in, next, out []byte }

// NewBuffers makes buffers for one Writer at a time.
func NewBuffers() *Buffers {
	return &Buffers{
		in: make([]byte, 0, MaxContent), next: make([]byte, 0, MaxContent),
		out: make([]byte, 0, MaxContent+MaxContent>>10+64),
	}
}

// NewWriter starts a file on dst, which belongs to the Writer until it has ended.
func NewWriter(dst io.Writer, enc Encoders, b *Buffers) *Writer {
	w := &Writer{dst: dst, enc: enc, bufs: b, buf: b.in[:0], jobs: make(chan job, 1), results: make(chan result, 1)}
	go w.compress(b.out)
	return w
}

// compress turns frames into bytes of the file until there are no more.
func (w *Writer) compress(out []byte) {
	for j := range w.jobs {
		out = j.enc.EncodeAll(j.content, out[:0])
		_, err := w.dst.Write(out)
		w.results <- result{len(out), len(j.content), err}
	}
	close(w.results)
}

// Content is the number of bytes taken so far.
func (w *Writer) Content() int64 { return w.content }

// Space is the free rest of the frame being filled, never empty. What is put
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

// Dense marks the frame being filled as holding uncompressed content.
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

// Flush ends the frame being filled, if it holds anything, and hands it on. An
// error may be that of the frame before it.
func (w *Writer) Flush() error {
	if len(w.buf) == 0 {
		return w.err
	}
	if err := w.await(); err != nil {
		return err
	}
	enc := w.enc.Fast
	if w.dense {
		enc = w.enc.Dense
	}
	w.jobs <- job{w.buf, enc}
	w.waiting = true
	w.bufs.in, w.bufs.next = w.bufs.next, w.bufs.in
	w.buf, w.dense = w.bufs.in[:0], false
	return nil
}

// await waits for the frame that is being written.
func (w *Writer) await() error {
	if !w.waiting {
		return w.err
	}
	r := <-w.results
	w.waiting = false
	if r.err != nil {
		w.err = fmt.Errorf("write frame: %w", r.err)
		return w.err
	}
	w.sizes = append(w.sizes, frameSize{uint32(r.compressed), uint32(r.content)})
	w.written += int64(r.compressed)
	w.flushed += int64(r.content)
	return nil
}

// Abort ends the Writer without finishing the file. It may follow anything.
func (w *Writer) Abort() {
	if w.jobs == nil {
		return
	}
	close(w.jobs)
	for range w.results { // until the goroutine has stopped using dst
		w.waiting = false
	}
	w.jobs = nil
}

// Close ends the last frame and writes the seek table. It does not close dst.
func (w *Writer) Close() error {
	defer w.Abort()
	if err := w.Flush(); err != nil {
		return err
	}
	if err := w.await(); err != nil {
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
	n, err := w.dst.Write(table)
	w.written += int64(n)
	if err != nil {
		return fmt.Errorf("write seek table: %w", err)
	}
	return nil
}
