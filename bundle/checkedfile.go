package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
)

// sumChunk is the unit in which a segment that is not encrypted is checked when it is read: small
// beside a frame, and 16 KiB of sums for a segment of 128 MiB.
const sumChunk = 256 << 10

// sums are the SHA-256 of each [sumChunk] of a file.
type sums [][sha256.Size]byte

// errAbandoned says that whoever hashed a segment did not want it any more.
var errAbandoned = errors.New("nobody waits for it any more")

// errOther says that a file does not have the SHA-256 that its seal says.
var errOther = errors.New("its SHA-256 differs from the recorded one")

// sumsOf hashes a file whose SHA-256 must be want.
func sumsOf(ctx context.Context, src io.ReaderAt, size int64, want string) (list sums, err error) {
	whole, buf := sha256.New(), make([]byte, sumChunk)
	for off := int64(0); off < size; off += sumChunk {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", errAbandoned, ctx.Err())
		}
		part := buf[:min(sumChunk, size-off)]
		if err := readFull(src, part, off); err != nil {
			return nil, err
		}
		whole.Write(part)
		list = append(list, sha256.Sum256(part))
	}
	if hex.EncodeToString(whole.Sum(nil)) != want {
		return nil, errOther
	}
	return list, nil
}

// checkedFile gives the bytes of a file that was hashed, and no others: nothing else
// authenticates a segment that is not encrypted, and a drive may give other bytes the second time.
type checkedFile struct {
	src     io.ReaderAt
	size    int64
	sums    sums
	buffers sync.Pool // of *[sumChunk]byte
}

func newChecked(src io.ReaderAt, size int64, list sums) *checkedFile {
	return &checkedFile{src: src, size: size, sums: list}
}

// ReadAt reads whole chunks and gives what is asked for of them.
func (f *checkedFile) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		at := off + int64(n)
		if at >= f.size {
			return n, io.EOF
		}
		start := at / sumChunk * sumChunk
		whole := int(min(sumChunk, f.size-start))
		if at == start && len(p)-n >= whole {
			if err := f.chunk(p[n:n+whole], start); err != nil {
				return n, err
			}
			n += whole
			continue
		}
		m, err := f.part(p[n:], at, start, whole)
		if err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

// part copies what is asked for of one chunk.
func (f *checkedFile) part(p []byte, at, start int64, whole int) (int, error) {
	buf, ok := f.buffers.Get().(*[sumChunk]byte)
	if !ok {
		buf = new([sumChunk]byte)
	}
	defer f.buffers.Put(buf)
	if err := f.chunk(buf[:whole], start); err != nil {
		return 0, err
	}
	return copy(p, buf[at-start:whole]), nil
}

// chunk reads one chunk and checks it.
func (f *checkedFile) chunk(p []byte, start int64) error {
	if err := readFull(f.src, p, start); err != nil {
		return err
	}
	if sha256.Sum256(p) != f.sums[start/sumChunk] {
		return fmt.Errorf("the drive has given other bytes at %d than when it was read before", start)
	}
	return nil
}

// readFull reads all of p.
func readFull(src io.ReaderAt, p []byte, off int64) error {
	n, err := src.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}
