package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/satchel-airgap/satchel/bundle/internal/index"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/oci"
)

// keptSegments are copies of segments, which stay when their drive leaves.
type keptSegments struct {
	dir   *media.Dir
	names map[string]bool
}

func (k *keptSegments) close() error {
	return errors.Join(k.dir.Close(), os.RemoveAll(k.dir.Path()))
}

// Keep copies the segments that ds lie in to a directory of its own below tmp, as they are:
// encrypted. They are read from there when their drive has left, until the reader is closed.
func (r *Reader) Keep(ctx context.Context, tmp string, ds []oci.Descriptor) error {
	need := map[int]bool{}
	for _, d := range ds {
		for _, p := range r.index.Blobs[d.Digest].At {
			need[p.Segment] = true
		}
	}
	if len(need) == 0 {
		return nil
	}
	kept, err := r.keptIn(tmp)
	if err != nil {
		return err
	}
	for i, seg := range r.index.Segments {
		if !need[i] || kept.names[seg.Name] {
			continue
		}
		if err := r.keep(ctx, kept, seg); err != nil {
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
	path, err := os.MkdirTemp(tmp, "satchel-segments-")
	if err != nil {
		return nil, &media.Error{Op: "make a directory in", Path: tmp, Err: err}
	}
	dir, err := media.OpenDir(path)
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	r.on.kept = &keptSegments{dir: dir, names: map[string]bool{}}
	return r.on.kept, nil
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
	path := filepath.Join(kept.dir.Path(), seg.Name)
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return &media.Error{Op: "write", Path: path, Err: err}
	}
	h := sha256.New()
	buf := make([]byte, hashBuf)
	for err == nil {
		var n int
		n, err = in.Read(buf)
		h.Write(buf[:n])
		if _, werr := out.Write(buf[:n]); werr != nil {
			return errors.Join(&media.Error{Op: "write", Path: path, Err: werr}, out.Close())
		}
		if err == nil {
			err = ctx.Err()
		}
	}
	if err != io.EOF {
		return errors.Join(from.unreadable(seg.Name, err), out.Close())
	}
	if hex.EncodeToString(h.Sum(nil)) != seg.SHA256 {
		return errors.Join(from.unreadable(seg.Name, fmt.Errorf("its SHA-256 differs from the recorded one")), out.Close())
	}
	if err := out.Close(); err != nil {
		return &media.Error{Op: "write", Path: path, Err: err}
	}
	r.on.mu.Lock()
	defer r.on.mu.Unlock()
	kept.names[seg.Name] = true
	return nil
}
