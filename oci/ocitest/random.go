package ocitest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"io"
)

// random is an endless stream of bytes that can be read from any offset: the
// key stream of AES in counter mode.
type random struct{ block cipher.Block }

func newRandom(seed, n uint64) random {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], seed)
	binary.BigEndian.PutUint64(b[8:], n)
	key := sha256.Sum256(b[:])
	block, err := aes.NewCipher(key[:16])
	if err != nil {
		panic(err) // only for a key of another length
	}
	return random{block}
}

func (r random) ReadAt(p []byte, off int64) (int, error) {
	var iv, skip [aes.BlockSize]byte
	binary.BigEndian.PutUint64(iv[8:], uint64(off)/aes.BlockSize)
	ctr := cipher.NewCTR(r.block, iv[:])
	s := skip[:off%aes.BlockSize]
	ctr.XORKeyStream(s, s)
	clear(p)
	ctr.XORKeyStream(p, p)
	return len(p), nil
}

// part is one piece of a joined stream.
type part struct {
	body io.ReaderAt
	size int64
}

func partOf(b []byte) part { return part{bytes.NewReader(b), int64(len(b))} }

// joined reads parts one after the other as one stream.
type joined []part

func (j joined) size() (n int64) {
	for _, p := range j {
		n += p.size
	}
	return n
}

func (j joined) ReadAt(p []byte, off int64) (n int, err error) {
	for _, part := range j {
		if off >= part.size {
			off -= part.size
			continue
		}
		k, err := part.body.ReadAt(p[n:n+int(min(int64(len(p)-n), part.size-off))], off)
		n += k
		if err != nil && err != io.EOF || n == len(p) {
			return n, err
		}
		off = 0
	}
	return n, io.EOF
}
