package parity

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// blockSize is what heads and tables are multiples of.
const blockSize = 4096

// layout says where what stands in each parity file of a group: head, table, the shards,
// the table again, the head again.
type layout struct {
	body    []byte // of the head: JSON, the same in all files of the group
	head    int64  // bytes of a head
	table   int64  // bytes of a table
	shards  int64  // bytes of all shards: as many as the longest segment has
	stripes int64
	width   int // files of the group
	size    int64
}

// head is what the beginning of a parity file says of its group.
type head struct {
	Version string      `json:"satchel"`
	Bundle  string      `json:"bundle"`
	Seal    string      `json:"seal"`
	Shard   int64       `json:"shard"`
	Group   int         `json:"group"`
	Files   []seal.File `json:"files"`
	Parity  int         `json:"parity"`
}

func layoutOf(g Group) layout {
	body, err := json.Marshal(head{"parity-file/1", g.Bundle, g.Seal, g.Shard, g.Group, g.Data, len(g.Parity)})
	if err != nil {
		panic("parity: internal error: " + err.Error()) // it has nothing that JSON cannot write
	}
	l := layout{body: append(body, '\n'), shards: longest(g.Data), width: len(g.files())}
	l.stripes = stripes(l.shards, g.Shard)
	l.head = roundUp(int64(len(headLine("p-001-01.par", l.body)) + len(l.body)))
	l.table = blocks(l.stripes*int64(l.width)) * blockSize
	l.size = 2*(l.head+l.table) + l.shards
	return l
}

func roundUp(n int64) int64 { return (n + blockSize - 1) / blockSize * blockSize }

// headLine is the first line of a parity file; it has the same length in every one.
func headLine(name string, body []byte) string {
	return fmt.Sprintf("satchel parity/1 %s %08d %s\n", name, len(body), seal.Sum(body))
}

// headOf is the head of the file name.
func (l layout) headOf(name string) []byte {
	b := make([]byte, l.head)
	copy(b[copy(b, headLine(name, l.body)):], l.body)
	return b
}

// tables are the places of the two tables.
func (l layout) tables() [2]int64 { return [2]int64{l.head, l.head + l.table + l.shards} }

// at is the place of what belongs to the byte off of the segments.
func (l layout) at(off int64) int64 { return l.head + l.table + off }

// IsOf reports whether a file begins or ends with the head that a parity file of this name
// has, of a group of this bundle and of a seal that of knows.
func IsOf(in io.ReaderAt, size int64, name, bundle string, of func(sealed string) bool) bool {
	if isHead(in, 0, name, bundle, of) {
		return true
	}
	for n := int64(blockSize); n <= maxHead && n <= size; n += blockSize {
		if isHead(in, size-n, name, bundle, of) {
			return true
		}
	}
	return false
}

// maxHead is more than any head has: a line, and 256 files of some 130 bytes.
const maxHead = 64 << 10

func isHead(in io.ReaderAt, at int64, name, bundle string, of func(string) bool) bool {
	line := make([]byte, len(headLine(name, nil)))
	if readFull(in, line, at) != nil {
		return false
	}
	var n int
	if _, err := fmt.Sscanf(string(line), "satchel parity/1 "+name+" %08d ", &n); err != nil || n < 0 || n > maxHead {
		return false
	}
	body := make([]byte, n)
	if readFull(in, body, at+int64(len(line))) != nil || headLine(name, body) != string(line) {
		return false
	}
	var h head
	return json.Unmarshal(body, &h) == nil && h.Bundle == bundle && of(h.Seal)
}

// Shards says where the shards of a parity file begin, and how many bytes they have.
func Shards(g Group) (from, size int) {
	l := layoutOf(g)
	return int(l.at(0)), int(l.shards)
}
