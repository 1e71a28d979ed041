package parity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"runtime"

	"github.com/klauspost/reedsolomon"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Input is an open file of a group.
type Input interface {
	io.ReaderAt
	io.Closer
}

// ErrAway is of a file on a drive that is not here: nothing is known to be wrong with it.
var ErrAway = errors.New("its drive is not here")

// Files opens files of a bundle. The error wraps fs.ErrNotExist for one that is not there, and [ErrAway] where its drive is not.
type Files interface {
	Open(name string) (Input, error)
	// Gone gives an error if that of a read shows that the drive has gone away.
	Gone(err error) error
}

// Output takes a parity file: from its beginning to its end, and then its beginning again.
type Output interface {
	io.Writer
	io.WriterAt
}

// ChangedError says that a file is not what the seals say of it.
type ChangedError struct {
	Name string
	Err  error // of the read, may be nil
}

func (e *ChangedError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s cannot be read: %v", e.Name, e.Err)
	}
	return e.Name + " has changed: its SHA-256 differs from the recorded one"
}

func (e *ChangedError) Unwrap() error { return e.Err }

// memory is what all buffers of a group take together, in bytes.
const memory = 48 << 20

// step is how much of each file is read at a time: much, so that a disk with heads has few
// ways to go, and a power of two like the shards.
func step(width int) int64 {
	n := int64(seal.MinShard)
	for n < 4<<20 && 2*n*int64(width) <= memory {
		n *= 2
	}
	return n
}

// Write computes the parity files of a group. outs has one for each parity file, nil for one
// that is not wanted. It reads the segments once and hashes them: the error is a
// *[ChangedError] for one that is not what the seals say. progress, if not nil, gets the bytes
// just read.
func Write(ctx context.Context, g Group, files Files, outs []Output, progress func(int64)) (t *Table, err error) {
	w, err := newWriter(g, outs, progress)
	if err != nil {
		return nil, err
	}
	ins, err := openAll(g.Data, files)
	defer func() { err = errors.Join(err, closeAll(ins)) }()
	if err != nil {
		return nil, err
	}
	if err := w.room(); err != nil {
		return nil, err
	}
	for off := int64(0); off < w.l.shards; off += w.step {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := w.encode(off, ins, files); err != nil {
			return nil, err
		}
	}
	return w.table, w.end()
}

type writer struct {
	g        Group
	l        layout
	table    *Table
	step     int64
	enc      reedsolomon.Encoder
	bufs     [][]byte
	sums     []*summer
	whole    []hash.Hash // of the segments
	outs     []Output
	progress func(int64)
}

func newWriter(g Group, outs []Output, progress func(int64)) (*writer, error) {
	w := &writer{g: g, l: layoutOf(g), outs: outs, progress: progress}
	w.table, w.step = newTable(w.l), step(w.l.width)
	var err error
	if w.enc, err = reedsolomon.New(len(g.Data), len(g.Parity), reedsolomon.WithAutoGoroutines(int(w.step))); err != nil {
		return nil, fmt.Errorf("group %d: %w", g.Group, err)
	}
	w.bufs = reedsolomon.AllocAligned(w.l.width, int(min(w.step, w.l.shards)))
	for i := range w.l.width {
		w.sums = append(w.sums, newSummer(g.Shard, w.table.into(i)))
	}
	for range g.Data {
		w.whole = append(w.whole, sha256.New())
	}
	return w, nil
}

func openAll(list []seal.File, files Files) (ins []Input, err error) {
	for _, f := range list {
		in, err := files.Open(f.Name)
		if err != nil {
			return ins, changed(f.Name, err, files)
		}
		ins = append(ins, in)
	}
	return ins, nil
}

func closeAll(ins []Input) (err error) {
	for _, in := range ins {
		if in != nil {
			err = errors.Join(err, in.Close())
		}
	}
	return err
}

// changed is the error of a file that cannot be read.
func changed(name string, err error, files Files) error {
	if gone := files.Gone(err); gone != nil {
		return gone
	}
	return &ChangedError{name, err}
}

// room leaves the place of the first head and table.
func (w *writer) room() error {
	zeros := make([]byte, 64<<10)
	for _, out := range w.outs {
		for left := w.l.at(0); out != nil && left > 0; {
			n, err := out.Write(zeros[:min(left, int64(len(zeros)))])
			if err != nil {
				return err
			}
			left -= int64(n)
		}
	}
	return nil
}

// encode reads what lies at off in all segments and writes what lies there in the parity files.
func (w *writer) encode(off int64, ins []Input, files Files) error {
	n := min(w.step, w.l.shards-off)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range w.g.Data {
		g.Go(func() error {
			buf := w.bufs[i][:n]
			has := max(min(n, f.Size-off), 0)
			clear(buf[has:])
			if err := readFull(ins[i], buf[:has], off); err != nil {
				return changed(f.Name, err, files)
			}
			w.whole[i].Write(buf[:has])
			w.sums[i].add(buf[:has])
			if w.progress != nil && has > 0 {
				w.progress(has)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	shards := make([][]byte, w.l.width)
	for i := range shards {
		shards[i] = w.bufs[i][:n]
	}
	if err := w.enc.Encode(shards); err != nil {
		return fmt.Errorf("group %d: %w", w.g.Group, err)
	}
	for i := range w.g.Parity {
		g.Go(func() error {
			k := len(w.g.Data) + i
			w.sums[k].add(shards[k])
			if w.outs[i] == nil {
				return nil
			}
			_, err := w.outs[i].Write(shards[k])
			return err
		})
	}
	return g.Wait()
}

func readFull(in io.ReaderAt, b []byte, off int64) error {
	if len(b) == 0 {
		return nil
	}
	n, err := in.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// end checks what was read, and writes the tables and heads.
func (w *writer) end() error {
	for i, f := range w.g.Data {
		if hex.EncodeToString(w.whole[i].Sum(nil)) != f.SHA256 {
			return &ChangedError{Name: f.Name}
		}
	}
	for _, s := range w.sums {
		s.close()
	}
	for i := range w.table.known {
		w.table.known[i] = true
	}
	for i, out := range w.outs {
		if out == nil {
			continue
		}
		head := w.l.headOf(w.g.Parity[i].Name)
		if _, err := io.Copy(out, io.MultiReader(w.table.reader(), bytes.NewReader(head))); err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(out, 0), io.MultiReader(bytes.NewReader(head), w.table.reader())); err != nil {
			return err
		}
	}
	return nil
}

// ReadBack reads a parity file, number from 1, that was written with the table, and gives its
// size and SHA-256. The error is a *[ChangedError] if it is not what was written.
func (t *Table) ReadBack(ctx context.Context, g Group, number int, in io.ReaderAt, progress func(int64)) (seal.File, error) {
	f := seal.File{Name: g.Parity[number-1].Name, Size: t.l.size}
	head, file, same := t.l.headOf(f.Name), len(g.Data)+number-1, true
	sums := newSummer(g.Shard, func(stripe int64, sum []byte) { same = same && bytes.Equal(sum, t.entry(file, stripe)) })
	h := sha256.New()
	src := metered(ctx, io.TeeReader(io.NewSectionReader(in, 0, t.l.size), h), progress)
	err := equal(src, io.MultiReader(bytes.NewReader(head), t.reader()))
	if err == nil {
		_, err = io.CopyN(writerFunc(sums.add), src, t.l.shards)
		sums.close()
	}
	if err == nil {
		err = equal(src, io.MultiReader(t.reader(), bytes.NewReader(head)))
	}
	switch {
	case ctx.Err() != nil:
		return f, ctx.Err()
	case errors.Is(err, errDiffers) || err == nil && !same:
		return f, &ChangedError{Name: f.Name}
	case err != nil:
		return f, &ChangedError{f.Name, err}
	}
	f.SHA256 = hex.EncodeToString(h.Sum(nil))
	return f, nil
}

var errDiffers = errors.New("it differs")

// equal reads as much of src as want has and compares the two.
func equal(src, want io.Reader) error {
	a, b := make([]byte, blockSize), make([]byte, blockSize)
	for {
		n, err := io.ReadFull(want, b)
		if n == 0 && errors.Is(err, io.EOF) {
			return nil
		}
		if _, err := io.ReadFull(src, a[:n]); err != nil {
			return err
		}
		if !bytes.Equal(a[:n], b[:n]) {
			return errDiffers
		}
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) {
	f(b)
	return len(b), nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// metered stops with its context, and says how much was read.
func metered(ctx context.Context, src io.Reader, progress func(int64)) io.Reader {
	return readerFunc(func(b []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := src.Read(b)
		if progress != nil && n > 0 {
			progress(int64(n))
		}
		return n, err
	})
}
