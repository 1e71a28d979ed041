package ocitest

import (
	"errors"
	"io"
)

// blocks is raw cut into chunks, each after a header of its own.
type blocks struct {
	raw      joined
	chunk    int64 // raw bytes of every block but the last
	headSize int64
	head     func(last bool, n int) []byte // header of a block of n raw bytes
}

func (b *blocks) count() int64 { return (b.raw.size() + b.chunk - 1) / b.chunk }

func (b *blocks) size() int64 { return b.raw.size() + b.count()*b.headSize }

func (b *blocks) ReadAt(p []byte, off int64) (n int, err error) {
	for size := b.size(); n < len(p); {
		if off >= size {
			return n, io.EOF
		}
		k, err := b.read(p[n:], off)
		n, off = n+k, off+int64(k)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// read reads at least one byte, and not beyond a block's header or a block.
func (b *blocks) read(p []byte, off int64) (int, error) {
	i, in := off/(b.chunk+b.headSize), off%(b.chunk+b.headSize)
	start := i * b.chunk
	n := min(b.chunk, b.raw.size()-start)
	if in < b.headSize {
		return copy(p, b.head(i == b.count()-1, int(n))[in:]), nil
	}
	in -= b.headSize
	k, err := b.raw.ReadAt(p[:min(int64(len(p)), n-in)], start+in)
	if errors.Is(err, io.EOF) {
		err = nil // the last chunk ends where raw ends
	}
	return k, err
}
