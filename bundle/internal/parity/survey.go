package parity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Survey says which shards of a group are bad.
type Survey struct {
	g     Group
	l     layout
	known bool      // the checksums of all shards are
	more  bool      // where not: a parity file that is not here may have them
	bad   [][]state // by file, then by stripe; nil for a file that is whole
}

// state is what is known of a shard.
type state uint8

const (
	good     state = iota
	doubtful       // its checksum is lost here, and a parity file that is not here may have it
	away           // its drive is not here
	bad
)

// Range is some bytes of a file.
type Range struct{ From, To int64 } // To is the first one after them

// Look finds the bad shards of a group. whole says which of its files are known to be as
// they were written; the others are read, shard by shard. A shard that cannot be read is bad,
// and so is one whose checksum is lost in all parity files. A file that is not here counts as bad, until it
// is known whether it is ([Survey.LostForGood]). The error is that of a drive that has
// gone away, or of the context.
func Look(ctx context.Context, g Group, files Files, whole func(name string) bool, progress func(int64)) (*Survey, error) {
	s := &Survey{g: g, l: layoutOf(g)}
	s.bad = make([][]state, s.l.width)
	table, err := s.readTables(files, whole) // not kept: a bundle may have a thousand of them
	if err != nil {
		return nil, err
	}
	s.known = table.all()
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range g.files() {
		if !whole(f.Name) {
			eg.Go(func() error { return s.look(ctx, i, f, files, table, progress) })
		}
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	return s, nil
}

// readTables puts the table together from all parity files, whole ones first.
func (s *Survey) readTables(files Files, whole func(name string) bool) (*Table, error) {
	table := newTable(s.l)
	for _, first := range []bool{true, false} {
		for _, f := range s.g.Parity {
			if whole(f.Name) != first {
				continue
			}
			in, err := files.Open(f.Name)
			if err != nil {
				s.more = s.more || errors.Is(err, ErrAway)
				if gone := files.Gone(err); gone != nil {
					return nil, gone
				}
				continue
			}
			all := table.read(in)
			if err := in.Close(); err != nil || all {
				return table, err
			}
		}
	}
	return table, nil
}

// place is where the shards of a file are: how many bytes it has of them, and where in the file.
func (s *Survey) place(file int) (size, from int64) {
	if file < len(s.g.Data) {
		return s.g.Data[file].Size, 0
	}
	return s.l.shards, s.l.at(0)
}

// look reads all shards of a file.
func (s *Survey) look(ctx context.Context, file int, f seal.File, files Files, table *Table, progress func(int64)) (err error) {
	size, from := s.place(file)
	found := make([]state, stripes(size, s.g.Shard))
	s.bad[file] = found
	in, err := files.Open(f.Name)
	if err != nil {
		is := bad
		if errors.Is(err, ErrAway) {
			is = away
		}
		for i := range found {
			found[i] = is
		}
		if is == away || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return files.Gone(err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	buf := make([]byte, min(s.g.Shard, 1<<20))
	for stripe := range found {
		if err := ctx.Err(); err != nil {
			return err
		}
		off := int64(stripe) * s.g.Shard
		n := min(s.g.Shard, size-off)
		h := sha256.New()
		for at := int64(0); at < n; at += int64(len(buf)) {
			part := buf[:min(int64(len(buf)), n-at)]
			if rerr := readFull(in, part, from+off+at); rerr != nil {
				if gone := files.Gone(rerr); gone != nil {
					return gone
				}
				found[stripe] = bad
				break
			}
			h.Write(part)
		}
		switch known := table.knows(file, int64(stripe)); {
		case found[stripe] == bad:
		case !known && s.more:
			found[stripe] = doubtful
		case !known, !bytes.Equal(h.Sum(nil)[:sumSize], table.entry(file, int64(stripe))):
			found[stripe] = bad
		}
		if progress != nil {
			progress(n)
		}
	}
	return nil
}

// isBad reports whether a file's shard cannot be used; what lies behind its end always can.
func (s *Survey) isBad(file int, stripe int64) bool { return s.is(file, stripe) != good }

func (s *Survey) is(file int, stripe int64) state {
	if b := s.bad[file]; stripe < int64(len(b)) {
		return b[stripe]
	}
	return good
}

// beyond reports whether more shards of a stripe are as bad as that, or worse, than can be rebuilt.
func (s *Survey) beyond(stripe int64, least state) bool {
	n := 0
	for file := range s.bad {
		if s.is(file, stripe) >= least {
			n++
		}
	}
	return n > len(s.g.Parity)
}

// Damaged lists the segments that have bad shards, and are not known to be whole.
func (s *Survey) Damaged() (list []seal.File) {
	for i, f := range s.g.Data {
		if s.bad[i] != nil {
			list = append(list, f)
		}
	}
	return list
}

// DamagedParity lists the parity files that are not known to be whole.
func (s *Survey) DamagedParity() (list []seal.File) {
	for i, f := range s.g.Parity {
		if s.bad[len(s.g.Data)+i] != nil {
			list = append(list, f)
		}
	}
	return list
}

// HasTable reports whether the checksums of all shards are known.
func (s *Survey) HasTable() bool { return s.known }

// MayHaveTable reports whether they may be, once the drives that are not here are.
func (s *Survey) MayHaveTable() bool { return s.known || s.more }

// HasDamage reports whether a segment is damaged that is here.
func (s *Survey) HasDamage() bool {
	return slices.ContainsFunc(s.bad[:len(s.g.Data)], func(b []state) bool { return b != nil && !slices.Contains(b, away) })
}

// Lost gives the bytes of a segment, or of the shards of a parity file, that cannot be rebuilt from what is
// here: nil if all can.
func (s *Survey) Lost(name string) []Range { return s.lost(name, doubtful) }

// LostForGood is Lost for a group of which the files that are not here are all whole: then, no drive brings the bytes back.
func (s *Survey) LostForGood(name string) []Range { return s.lost(name, bad) }

func (s *Survey) lost(name string, least state) (list []Range) {
	for i, f := range s.g.files() {
		if f.Name != name {
			continue
		}
		for stripe := range int64(len(s.bad[i])) {
			if s.bad[i][stripe] < least || !s.beyond(stripe, least) {
				continue
			}
			size, _ := s.place(i)
			r := Range{stripe * s.g.Shard, min((stripe+1)*s.g.Shard, size)}
			if n := len(list); n > 0 && list[n-1].To == r.From {
				list[n-1].To = r.To
			} else {
				list = append(list, r)
			}
		}
	}
	return list
}
