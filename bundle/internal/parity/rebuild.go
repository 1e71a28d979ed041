package parity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"

	"github.com/klauspost/reedsolomon"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Rebuild writes files of the group as they were: what is good from themselves, the rest from the
// others. to has those that are wanted, by name; of none may anything be lost, and for parity
// files all checksums must be known ([Survey.HasTable]). The caller compares what was written with the seals. The error is a
// *[ChangedError] for a file that cannot be read any more.
func (s *Survey) Rebuild(ctx context.Context, files Files, to map[string]io.Writer, progress func(int64)) (err error) {
	r := &rebuilder{Survey: s, files: files, to: to, ins: make([]Input, s.l.width), progress: progress}
	defer func() { err = errors.Join(err, closeAll(r.ins)) }()
	if err := r.readTable(); err != nil {
		return err
	}
	width := int64(0)
	for i, f := range s.g.files() {
		if to[f.Name] != nil {
			size, _ := s.place(i)
			r.targets = append(r.targets, i)
			width = max(width, size)
		}
	}
	if err := r.frame(true); err != nil {
		return err
	}
	if r.enc, err = reedsolomon.New(len(s.g.Data), len(s.g.Parity), reedsolomon.WithInversionCache(false)); err != nil {
		return fmt.Errorf("group %d: %w", s.g.Group, err)
	}
	r.bufs = reedsolomon.AllocAligned(s.l.width, int(min(step(s.l.width), s.l.shards)))
	for off := int64(0); off < width; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := r.alike(off)
		if err := r.run(off, n); err != nil {
			return err
		}
		off += n
	}
	return r.frame(false)
}

// readTable reads the checksums again, if a parity file is wanted: each has them.
func (r *rebuilder) readTable() error {
	i := slices.IndexFunc(r.g.Parity, func(f seal.File) bool { return r.to[f.Name] != nil })
	if i < 0 {
		return nil
	}
	table, err := r.readTables(r.files, r.isWhole)
	if err == nil && !table.all() {
		err = &ChangedError{Name: r.g.Parity[i].Name}
	}
	r.table = table
	return err
}

// isWhole reports whether nothing is wrong with a file.
func (s *Survey) isWhole(name string) bool {
	i := slices.IndexFunc(s.g.files(), func(f seal.File) bool { return f.Name == name })
	return i >= 0 && s.bad[i] == nil
}

// frame writes what stands around the shards of parity files: before them, or after.
func (r *rebuilder) frame(before bool) error {
	for _, file := range r.targets {
		if file < len(r.g.Data) {
			continue
		}
		name := r.g.files()[file].Name
		parts := []io.Reader{r.table.reader(), bytes.NewReader(r.l.headOf(name))}
		if before {
			slices.Reverse(parts)
		}
		if _, err := io.Copy(r.to[name], io.MultiReader(parts...)); err != nil {
			return err
		}
	}
	return nil
}

type rebuilder struct {
	*Survey
	table    *Table // nil where no parity file is wanted
	files    Files
	to       map[string]io.Writer
	targets  []int
	ins      []Input // those that were opened
	enc      reedsolomon.Encoder
	bufs     [][]byte
	progress func(int64)
}

// alike is how many bytes from off on are in stripes of which the same shards are bad.
func (r *rebuilder) alike(off int64) int64 {
	first := off / r.g.Shard
	end := min(off+int64(len(r.bufs[0])), r.l.shards)
	for stripe := first + 1; stripe*r.g.Shard < end; stripe++ {
		for file := range r.bad {
			if r.isBad(file, stripe) != r.isBad(file, first) {
				return stripe*r.g.Shard - off
			}
		}
	}
	return end - off
}

// run writes n bytes of each target.
func (r *rebuilder) run(off, n int64) error {
	stripe := off / r.g.Shard
	want := make([]bool, r.l.width)
	var sources []int
	for _, file := range r.targets {
		if r.isBad(file, stripe) {
			want[file] = true
		} else {
			sources = append(sources, file)
		}
	}
	if slices.Contains(want, true) {
		sources = r.sources(stripe, sources)
	}
	shards := make([][]byte, r.l.width)
	for file := range shards {
		shards[file] = r.bufs[file][:0]
	}
	var eg errgroup.Group
	eg.SetLimit(runtime.GOMAXPROCS(0))
	for _, file := range sources {
		if size, _ := r.place(file); off >= size { // zeros, whether it is there or not
			shards[file] = r.bufs[file][:n]
			clear(shards[file])
			continue
		}
		in, err := r.open(file)
		if err != nil {
			return err
		}
		shards[file] = r.bufs[file][:n]
		eg.Go(func() error { return r.read(file, in, shards[file], off) })
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	if slices.Contains(want, true) {
		if err := r.enc.ReconstructSome(shards, want); err != nil {
			return fmt.Errorf("group %d: %w", r.g.Group, err)
		}
	}
	return r.write(shards, off, n)
}

// sources adds files until there are as many with good shards in the stripe as it takes.
func (r *rebuilder) sources(stripe int64, list []int) []int {
	for file := range r.l.width {
		if len(list) == len(r.g.Data) {
			break
		}
		if !r.isBad(file, stripe) && !slices.Contains(list, file) {
			list = append(list, file)
		}
	}
	return list
}

func (r *rebuilder) open(file int) (Input, error) {
	if r.ins[file] == nil {
		name := r.g.files()[file].Name
		in, err := r.files.Open(name)
		if err != nil {
			return nil, changed(name, err, r.files)
		}
		r.ins[file] = in
	}
	return r.ins[file], nil
}

func (r *rebuilder) read(file int, in Input, buf []byte, off int64) error {
	size, from := r.place(file)
	has := max(min(int64(len(buf)), size-off), 0)
	clear(buf[has:])
	if err := readFull(in, buf[:has], from+off); err != nil {
		return changed(r.g.files()[file].Name, err, r.files)
	}
	return nil
}

func (r *rebuilder) write(shards [][]byte, off, n int64) error {
	for _, file := range r.targets {
		size, _ := r.place(file)
		has := max(min(n, size-off), 0)
		if has == 0 {
			continue
		}
		if _, err := r.to[r.g.files()[file].Name].Write(shards[file][:has]); err != nil {
			return err
		}
		if r.progress != nil {
			r.progress(has)
		}
	}
	return nil
}

// Finished reads parity files that an earlier run has left and gives them as parity.json
// names them. ok is false unless all of the group are there and agree with each other.
func Finished(ctx context.Context, g Group, files Files, progress func(int64)) (list []seal.File, ok bool, err error) {
	t := newTable(layoutOf(g))
	for i, f := range g.Parity {
		in, err := files.Open(f.Name)
		if err != nil {
			return nil, false, files.Gone(err)
		}
		var one seal.File
		if i > 0 || t.read(in) {
			one, err = t.ReadBack(ctx, g, i+1, in, progress)
		}
		if err := errors.Join(ctx.Err(), files.Gone(err), in.Close()); err != nil {
			return nil, false, err
		}
		if err != nil || one.SHA256 == "" {
			//lint:ignore nilerr it is written again
			return nil, false, nil
		}
		list = append(list, one)
	}
	return list, true, nil
}
