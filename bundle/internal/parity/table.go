package parity

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
	"slices"
)

const (
	sumSize  = 16                              // bytes of a shard's checksum: the first ones of its SHA-256
	perBlock = (blockSize - sumSize) / sumSize // checksums in a block of a table; its own follows them
)

func blocks(entries int64) int64 { return (entries + perBlock - 1) / perBlock }

// Table has the checksums of all shards of a group, stripe by stripe.
type Table struct {
	l     layout
	sums  []byte
	known []bool // by block
}

func newTable(l layout) *Table {
	return &Table{l: l, sums: make([]byte, blocks(l.stripes*int64(l.width))*perBlock*sumSize), known: make([]bool, blocks(l.stripes*int64(l.width)))}
}

// entry is the place of the checksum of a file's shard.
func (t *Table) entry(file int, stripe int64) []byte {
	at := (stripe*int64(t.l.width) + int64(file)) * sumSize
	return t.sums[at : at+sumSize]
}

// knows reports whether a checksum was read.
func (t *Table) knows(file int, stripe int64) bool {
	return t.known[(stripe*int64(t.l.width)+int64(file))/perBlock]
}

// all reports whether every checksum was read.
func (t *Table) all() bool { return !slices.Contains(t.known, false) }

// block gives a block as it stands in a parity file: checksums, then one of them, of the
// place and of the head, so that a block never passes for that of another group.
func (t *Table) block(n int64, buf []byte) []byte {
	sums := t.sums[n*perBlock*sumSize : (n+1)*perBlock*sumSize]
	return append(append(buf[:0], sums...), t.guard(n, sums)...)
}

func (t *Table) guard(n int64, sums []byte) []byte {
	h, body := sha256.New(), sha256.Sum256(t.l.body)
	h.Write(body[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	h.Write(sums)
	return h.Sum(nil)[:sumSize]
}

// read takes the blocks that are not known yet from both tables of a parity file; it reports
// whether all are known then. What cannot be read stays unknown.
func (t *Table) read(in io.ReaderAt) (all bool) {
	buf := make([]byte, blockSize)
	for _, at := range t.l.tables() {
		all = true
		for i, known := range t.known {
			if known {
				continue
			}
			n := int64(i)
			if _, err := in.ReadAt(buf, at+n*blockSize); err == nil && string(t.guard(n, buf[:perBlock*sumSize])) == string(buf[perBlock*sumSize:]) {
				copy(t.sums[n*perBlock*sumSize:], buf[:perBlock*sumSize])
				t.known[i] = true
			} else {
				all = false
			}
		}
		if all {
			return true
		}
	}
	return false
}

// reader gives the table as it stands in a parity file.
func (t *Table) reader() io.Reader { return &blockReader{t: t} }

type blockReader struct {
	t    *Table
	next int64
	left []byte
	buf  [blockSize]byte
}

func (r *blockReader) Read(b []byte) (int, error) {
	if len(r.left) == 0 {
		if r.next == int64(len(r.t.known)) {
			return 0, io.EOF
		}
		r.left = r.t.block(r.next, r.buf[:])
		r.next++
	}
	n := copy(b, r.left)
	r.left = r.left[n:]
	return n, nil
}

// summer makes the checksums of a file's shards from its bytes.
type summer struct {
	shard int64
	sum   func(stripe int64, sum []byte) // gets each
	at    int64
	h     hash.Hash
}

func newSummer(shard int64, sum func(stripe int64, sum []byte)) *summer {
	return &summer{shard: shard, sum: sum, h: sha256.New()}
}

// into puts checksums into the table.
func (t *Table) into(file int) func(int64, []byte) {
	return func(stripe int64, sum []byte) { copy(t.entry(file, stripe), sum) }
}

func (s *summer) add(b []byte) {
	for len(b) > 0 {
		n := min(int64(len(b)), s.shard-s.at%s.shard)
		s.h.Write(b[:n])
		b = b[n:]
		if s.at += n; s.at%s.shard == 0 {
			s.end(s.at/s.shard - 1)
		}
	}
}

// close ends the last shard.
func (s *summer) close() {
	if s.at%s.shard != 0 {
		s.end(s.at / s.shard)
	}
}

func (s *summer) end(stripe int64) {
	s.sum(stripe, s.h.Sum(nil)[:sumSize])
	s.h.Reset()
}
