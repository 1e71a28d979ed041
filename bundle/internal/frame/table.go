package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/klauspost/compress/zstd"
)

// ErrFormat says that a file is not of the format, or not within its limits.
var ErrFormat = errors.New("not a valid seekable zstd file")

const (
	maxFrames = 1 << 14                    // a segment of 4 GiB never needs a quarter of that
	maxStored = MaxContent + MaxContent>>6 // a frame of raw blocks, with room for another writer's habits
)

// Frame is one frame of a file: where it is and what it decompresses to.
type Frame struct {
	Offset, Size           int64 // in the file
	Content, ContentLength int64 // in the decompressed stream
}

// Table is the seek table of a file.
type Table struct {
	frames  []Frame
	content int64
}

// Content is the number of bytes that the file decompresses to.
func (t *Table) Content() int64 { return t.content }

// ReadTable reads the seek table at the end of a file of size bytes and checks
// that its frames fill the file exactly. The error wraps [ErrFormat].
func ReadTable(r io.ReaderAt, size int64) (*Table, error) {
	if size < headerSize+footerSize {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrFormat, size)
	}
	var foot [footerSize]byte
	if err := readAt(r, foot[:], size-footerSize); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	n := int64(le.Uint32(foot[:]))
	if le.Uint32(foot[5:]) != seekableMagic || foot[4] != 0 || n > maxFrames || n*entrySize+headerSize+footerSize > size {
		return nil, fmt.Errorf("%w: no seek table at its end", ErrFormat)
	}
	start := size - footerSize - n*entrySize - headerSize
	table := make([]byte, headerSize+n*entrySize)
	if err := readAt(r, table, start); err != nil {
		return nil, err
	}
	if le.Uint32(table) != skippableMagic || int64(le.Uint32(table[4:])) != n*entrySize+footerSize {
		return nil, fmt.Errorf("%w: the head of its seek table is wrong", ErrFormat)
	}
	t := &Table{frames: make([]Frame, 0, n)}
	var off int64
	for e := table[headerSize:]; len(e) > 0; e = e[entrySize:] {
		f := Frame{Offset: off, Size: int64(le.Uint32(e)), Content: t.content, ContentLength: int64(le.Uint32(e[4:]))}
		if f.ContentLength == 0 || f.ContentLength > MaxContent || f.Size == 0 || f.Size > maxStored || f.Size > start-off {
			return nil, fmt.Errorf("%w: frame %d of its seek table is out of bounds", ErrFormat, len(t.frames))
		}
		t.frames = append(t.frames, f)
		off += f.Size
		t.content += f.ContentLength
	}
	if off != start {
		return nil, fmt.Errorf("%w: its seek table does not cover it", ErrFormat)
	}
	return t, nil
}

func readAt(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read at %d: %w", off, err)
}

// At gives the frame that holds the byte off of the decompressed stream.
func (t *Table) At(off int64) (Frame, error) {
	i := sort.Search(len(t.frames), func(i int) bool { return t.frames[i].Content+t.frames[i].ContentLength > off })
	if off < 0 || i == len(t.frames) {
		return Frame{}, fmt.Errorf("%w: offset %d is beyond its %d bytes", ErrFormat, off, t.content)
	}
	return t.frames[i], nil
}

// Decoder decompresses frames, one at a time. It may be used concurrently.
type Decoder struct{ dec *zstd.Decoder }

// NewDecoder makes a decoder that never allocates more than a frame may hold.
func NewDecoder() (*Decoder, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(MaxContent), zstd.WithDecoderMaxWindow(MaxContent),
		zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	return &Decoder{dec}, nil
}

// Close frees the decoder.
func (d *Decoder) Close() { d.dec.Close() }

// Decode reads frame f of a file and appends its content to dst[:0]; scratch
// holds the compressed bytes meanwhile. Both grow as needed and are returned.
func (d *Decoder) Decode(r io.ReaderAt, f Frame, dst, scratch []byte) (content, grown []byte, err error) {
	if int64(cap(scratch)) < f.Size {
		scratch = make([]byte, f.Size)
	}
	scratch = scratch[:f.Size]
	if err := readAt(r, scratch, f.Offset); err != nil {
		return dst, scratch, err
	}
	if int64(cap(dst)) < f.ContentLength {
		dst = make([]byte, 0, f.ContentLength)
	}
	out, err := d.dec.DecodeAll(scratch, dst[:0])
	if err != nil {
		return dst, scratch, fmt.Errorf("%w: frame at %d: %w", ErrFormat, f.Offset, err)
	}
	if int64(len(out)) != f.ContentLength {
		return dst, scratch, fmt.Errorf("%w: frame at %d gives %d bytes, its seek table says %d", ErrFormat, f.Offset, len(out), f.ContentLength)
	}
	return out, scratch, nil
}
