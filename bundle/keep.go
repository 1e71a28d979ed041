package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/satchel-airgap/satchel/bundle/internal/index"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// keptSegments are copies of segments, which stay when their drive leaves.
type keptSegments struct {
	dir    *media.Dir
	unlock func() error // as long as it is locked, no other run takes it for left over
	has    map[keptSegment]bool
}

// keptSegment names a segment by its drive too: a supplement has segments of the same names as the
// damaged bundle.
type keptSegment struct {
	drive int
	name  string
}

func (k *keptSegments) close() error {
	return errors.Join(os.RemoveAll(k.dir.Path()), k.unlock(), k.dir.Close())
}

// keptDir begins the names of their directories.
const keptDir = "satchel-segments-"

// SweepKept removes copies of segments below tmp that runs have left which were killed. Those of a run
// that goes on stay.
func SweepKept(tmp string) {
	list, _ := filepath.Glob(filepath.Join(tmp, keptDir+"*")) // what cannot be read has nothing to be removed
	for _, path := range list {
		if info, err := os.Lstat(path); err != nil || !info.IsDir() {
			continue
		}
		dir, err := media.OpenDir(path)
		if err != nil {
			continue
		}
		if unlock, err := dir.Lock(); err == nil {
			_ = os.RemoveAll(path) // if it stays, it is in nobody's way
			_ = unlock()
		}
		_ = dir.Close() // it was only read
	}
}

// KeepClosing copies the segments of the closing lane, which has the manifests and documents, to a
// directory of its own below tmp, as they are: encrypted. They are read from there when the
// last drive has left, until the reader is closed.
func (r *Reader) KeepClosing(ctx context.Context, tmp string) error {
	closing := 0
	own := r.index.Segments[:r.index.Own()]
	for _, s := range own {
		id, _ := seal.ParseSegment(s.Name)
		closing = max(closing, id.Lane)
	}
	kept, err := r.keptIn(tmp)
	if err != nil {
		return err
	}
	for _, s := range own {
		if id, _ := seal.ParseSegment(s.Name); id.Lane != closing || kept.has[keptSegment{s.Drive, s.Name}] {
			continue
		}
		if err := r.keep(ctx, kept, s); err != nil {
			return err
		}
	}
	return nil
}

// keptIn makes the directory of the copies.
func (r *Reader) keptIn(tmp string) (*keptSegments, error) {
	r.on.mu.Lock()
	defer r.on.mu.Unlock()
	if r.on.kept != nil {
		return r.on.kept, nil
	}
	SweepKept(tmp)
	for {
		path, err := os.MkdirTemp(tmp, keptDir)
		if err != nil {
			return nil, &media.Error{Op: "make a directory in", Path: tmp, Err: err}
		}
		dir, err := media.OpenDir(path)
		if err != nil {
			return nil, errors.Join(err, os.Remove(path))
		}
		unlock, err := dir.Lock()
		if err == nil {
			if _, err := os.Lstat(path); err == nil {
				r.on.kept = &keptSegments{dir: dir, unlock: unlock, has: map[keptSegment]bool{}}
				return r.on.kept, nil
			}
			_ = unlock()
		}
		_ = dir.Close() // another run took it for left over, before it was locked
	}
}

// keep copies one segment, and checks that it is the one that the index names.
func (r *Reader) keep(ctx context.Context, kept *keptSegments, seg index.Segment) (err error) {
	from, ok := r.on.of(seg.Drive, seg.Name)
	if !ok {
		return r.away(seg.Drive)
	}
	in, err := from.dir.Open(seg.Name)
	if err != nil {
		return from.unreadable(seg.Name, err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := copyKept(ctx, filepath.Join(kept.dir.Path(), seg.Name), in, seg.SHA256, from); err != nil {
		return err
	}
	r.on.mu.Lock()
	defer r.on.mu.Unlock()
	kept.has[keptSegment{seg.Drive, seg.Name}] = true
	return nil
}

// copyKept writes the copy of a segment; of one that failed nothing is left.
func copyKept(ctx context.Context, path string, in *media.File, sum string, from place) (err error) {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return &media.Error{Op: "write", Path: path, Err: err}
	}
	defer func() {
		if err != nil {
			err = also(err, os.Remove(path))
		}
	}()
	h, buf := sha256.New(), make([]byte, hashBuf)
	for err == nil {
		var n int
		n, err = in.Read(buf)
		h.Write(buf[:n])
		if _, werr := out.Write(buf[:n]); werr != nil {
			return also(&media.Error{Op: "write", Path: path, Err: werr}, out.Close())
		}
		if ctx.Err() != nil {
			return also(ctx.Err(), out.Close())
		}
	}
	name := filepath.Base(path)
	if !errors.Is(err, io.EOF) {
		return also(from.unreadable(name, err), out.Close())
	}
	if hex.EncodeToString(h.Sum(nil)) != sum {
		return also(from.unreadable(name, errors.New("its SHA-256 differs from the recorded one")), out.Close())
	}
	if err := out.Close(); err != nil {
		return &media.Error{Op: "write", Path: path, Err: err}
	}
	return nil
}
