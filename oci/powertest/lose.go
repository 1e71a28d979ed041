package powertest

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Loss is how much survives of what was not synced.
type Loss int

// How much survives; the package's documentation says more of each.
const (
	Nothing Loss = iota
	Everything
	Zeroed
	Torn
	Mixed
)

// Losses are all of them.
func Losses() []Loss { return []Loss{Nothing, Everything, Zeroed, Torn, Mixed} }

func (l Loss) String() string {
	return [...]string{"nothing survives", "everything survives", "zeroed", "torn", "mixed"}[l]
}

// Cut is a loss of power.
type Cut struct {
	After int // steps that were done
	Loss  Loss
	Seed  uint64
	Spare string         // the directory in the root that loses nothing: power stayed on there
	Early map[string]int // directories in the root whose device kept fewer steps than it said: it lies about syncs
}

// kind is what a step does.
type kind int

const (
	named     kind = iota // a directory gets a name: created, made, linked
	removed               // a name
	renamed               // a name
	wrote                 // bytes
	truncated             // or made longer
	synced                // a file or a directory
)

// step is one operation that was done.
type step struct {
	kind          kind
	id            uint64 // the file or directory that was changed or synced
	top           string // the directory in the root below which it is
	name, newName string
	child, into   uint64
	isDir         bool
	mode          uint32
	off, size     int64
	data          []byte
}

// names are those of a directory.
type names map[string]uint64

// left is what a loss leaves while it is worked out.
type left struct {
	Cut
	rnd     *rand.Rand
	sector  int64
	dirs    map[uint64]names
	files   map[uint64][]byte
	modes   map[uint64]uint32
	pending map[uint64][]step // of each file and directory: not synced
}

// Lose builds what the loss leaves of the directory top of the root, below the directory to, which it makes.
func (d *Disk) Lose(t testing.TB, cut Cut, to string) {
	t.Helper()
	d.mu.Lock()
	log, base := d.log[:cut.After], d.base
	d.mu.Unlock()
	l := &left{Cut: cut, rnd: rand.New(rand.NewPCG(cut.Seed, uint64(cut.After))), dirs: map[uint64]names{1: {}}, files: map[uint64][]byte{}, modes: map[uint64]uint32{}, pending: map[uint64][]step{}}
	l.sector = []int64{512, 4096}[l.rnd.IntN(2)]
	for i, s := range log {
		if early, ok := l.Early[s.top]; ok && i >= early {
			continue
		}
		l.add(s, i < base)
	}
	l.survive()
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := l.write(1, to); err != nil {
		t.Fatal(err)
	}
}

// add notes a step, and makes durable what it syncs; one from before [Disk.Durable] is.
func (l *left) add(s step, before bool) {
	if s.kind == named || s.kind == renamed {
		l.modes[s.child] = s.mode
		if _, ok := l.dirs[s.child]; s.isDir && !ok {
			l.dirs[s.child] = names{}
		}
	}
	switch {
	case s.kind == synced || before || s.top == l.Spare && l.Spare != "":
		now := l.pending[s.id]
		delete(l.pending, s.id)
		for _, p := range append(l.movedInto(s.id), append(now, s)...) {
			l.apply(p)
		}
	default:
		l.pending[s.id] = append(l.pending[s.id], s)
	}
}

// movedInto takes the renames from other directories into this one: they are durable once either
// of the two is synced.
func (l *left) movedInto(id uint64) (list []step) {
	for _, from := range slices.Sorted(maps.Keys(l.pending)) {
		l.pending[from] = slices.DeleteFunc(l.pending[from], func(s step) bool {
			moved := s.kind == renamed && s.into == id
			if moved {
				list = append(list, s)
			}
			return moved
		})
	}
	return list
}

// apply does a step for good.
func (l *left) apply(s step) {
	switch s.kind {
	case named:
		l.dirs[s.id][s.name] = s.child
	case removed:
		delete(l.dirs[s.id], s.name)
	case renamed:
		if l.dirs[s.id][s.name] == s.child {
			delete(l.dirs[s.id], s.name)
		}
		l.dirs[s.into][s.newName] = s.child
	case wrote:
		l.files[s.id] = written(l.files[s.id], s.off, s.data)
	case truncated:
		l.files[s.id] = resized(l.files[s.id], s.size)
	}
}

// survive decides of each thing that was not synced.
func (l *left) survive() {
	if l.Loss == Nothing {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(l.pending)) {
		list := l.pending[id]
		if _, isDir := l.dirs[id]; isDir {
			l.surviveNames(list)
		} else {
			l.surviveBytes(id, list)
		}
	}
}

// surviveNames decides which changes of a directory's names survive.
func (l *left) surviveNames(list []step) {
	end := len(list)
	if l.Loss == Torn {
		end = l.rnd.IntN(len(list) + 1)
	}
	for _, s := range list[:end] {
		if l.Loss != Mixed || l.rnd.IntN(2) == 0 {
			l.apply(s)
		}
	}
}

// surviveBytes decides which bytes of a file survive.
func (l *left) surviveBytes(id uint64, list []step) {
	old := slices.Clone(l.files[id])
	end := len(list)
	if l.Loss == Torn {
		end = l.rnd.IntN(len(list) + 1)
	}
	for i, s := range list[:end] {
		if l.Loss == Torn && i == end-1 && s.kind == wrote { // it ends at a border of sectors
			whole := (s.off+l.rnd.Int64N(int64(len(s.data))+1))/l.sector*l.sector - s.off
			s.data = s.data[:max(whole, 0)]
			if whole <= 0 {
				continue
			}
		}
		l.apply(s)
	}
	if l.Loss == Zeroed || l.Loss == Mixed {
		l.files[id] = l.sectors(list, old, l.files[id])
	}
}

// sectors gives a file whose changed sectors are each old, zero, or new with other bytes.
func (l *left) sectors(list []step, old, now []byte) []byte {
	got := slices.Clone(now)
	if l.Loss == Mixed && l.rnd.IntN(3) == 0 { // the new size is lost
		got = resized(got, int64(len(old)))
	}
	old = resized(old, int64(len(got)))
	for at := int64(0); at < int64(len(got)); at += l.sector {
		to := min(at+l.sector, int64(len(got)))
		if !changed(list, at, to) {
			continue
		}
		how := 1
		if l.Loss == Mixed {
			how = l.rnd.IntN(5)
		}
		switch how {
		case 0: // old
			copy(got[at:to], old[at:to])
		case 1: // what was appended is zero
			zeroFrom(got[at:to], list, at)
		case 2: // other bytes
			for i := range got[at:to] {
				got[at+int64(i)] = byte(l.rnd.Uint32())
			}
			copy(got[at:to], old[at:min(to, l.written(old, list, at))])
		}
	}
	return got
}

// written is where the bytes of a sector end that no step has changed.
func (l *left) written(old []byte, list []step, at int64) int64 {
	first := int64(len(old))
	for _, s := range list {
		if s.kind == wrote && s.off+int64(len(s.data)) > at {
			first = min(first, s.off)
		}
	}
	return max(first, at)
}

// zeroFrom makes the bytes of a sector zero that steps have written.
func zeroFrom(sector []byte, list []step, at int64) {
	for _, s := range list {
		if s.kind != wrote {
			continue
		}
		for i := max(s.off, at); i < min(s.off+int64(len(s.data)), at+int64(len(sector))); i++ {
			sector[i-at] = 0
		}
	}
}

// changed reports whether a step wrote into these bytes.
func changed(list []step, from, to int64) bool {
	return slices.ContainsFunc(list, func(s step) bool {
		return s.kind == wrote && s.off < to && s.off+int64(len(s.data)) > from
	})
}

// write makes the directory's content below to.
func (l *left) write(id uint64, to string) error {
	for _, name := range slices.Sorted(maps.Keys(l.dirs[id])) {
		child, path := l.dirs[id][name], filepath.Join(to, name)
		if _, isDir := l.dirs[child]; isDir {
			if err := os.Mkdir(path, os.FileMode(l.modes[child])); err != nil {
				return err
			}
			if err := l.write(child, path); err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(path, l.files[child], os.FileMode(l.modes[child])); err != nil {
			return err
		}
	}
	return nil
}

// written gives data with more written into it.
func written(data []byte, off int64, more []byte) []byte {
	if end := off + int64(len(more)); end > int64(len(data)) {
		data = resized(data, end)
	}
	copy(data[off:], more)
	return data
}

// resized gives data cut off, or with zeros behind it.
func resized(data []byte, size int64) []byte {
	if size <= int64(len(data)) {
		return data[:size:size]
	}
	return append(data, make([]byte, size-int64(len(data)))...)
}
