package cache

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/satchel-airgap/satchel/oci"
)

// Derived gives what fill writes for key, or wrote for it at an earlier time: what
// takes long to work out of an image and is always the same for the same key. It
// is stored in a file, of any size, which ends in a checksum: one that is damaged
// or shortened counts as missing. An error of fill is returned as it is, and
// nothing is stored; fill is called again if the file must go to another directory.
// Several processes may fill at once. The caller closes the reader.
func (c *Cache) Derived(ctx context.Context, key string, fill func(io.Writer) error) (r io.ReadCloser, err error) {
	r, err = c.from(ctx, func(dir string) (io.ReadCloser, error) { return openDerived(ctx, derivedIn(dir, key), key) })
	if !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	err = c.into(func(dir string) error {
		r, err = fillDerived(derivedIn(dir, key), key, fill)
		return err
	})
	return r, err
}

func derivedIn(dir, key string) string {
	return filepath.Join(dir, "parsed", oci.Digest([]byte(key)).Encoded())
}

// derivedHash begins a file's checksum, which is of its key too.
func derivedHash(key string) hash.Hash {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%s", len(key), key)
	return h
}

// derivedFile reads a file without its checksum.
type derivedFile struct {
	io.Reader
	f *os.File
}

func (p derivedFile) Close() error { return p.f.Close() }

// openDerived checks a file before it gives it. One that is not whole is an
// error that wraps fs.ErrNotExist.
func openDerived(ctx context.Context, path, key string) (r io.ReadCloser, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size() - sha256.Size
	if !info.Mode().IsRegular() || size < 0 {
		return nil, fs.ErrNotExist
	}
	h, sum := derivedHash(key), make([]byte, sha256.Size)
	if _, err := io.Copy(h, io.LimitReader(withContext{ctx, f}, size)); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(f, sum); err != nil {
		return nil, err
	}
	if !bytes.Equal(sum, h.Sum(nil)) {
		return nil, fs.ErrNotExist
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return derivedFile{io.LimitReader(f, size), f}, nil
}

// withContext stops a long read.
type withContext struct {
	//lint:ignore containedctx io.Reader takes no context
	ctx context.Context
	r   io.Reader
}

func (w withContext) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.r.Read(p)
}

// fillDerived creates the file under a temporary name first; it need not survive a crash.
func fillDerived(path, key string, fill func(io.Writer) error) (r io.ReadCloser, err error) {
	f, err := create(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
			_ = os.Remove(f.Name()) // nothing refers to it
		}
	}()
	h := derivedHash(key)
	out := &counted{w: f}
	buffered := bufio.NewWriterSize(out, 64<<10)
	err = fill(io.MultiWriter(buffered, h))
	if err == nil {
		err = buffered.Flush()
	}
	size := out.n
	if err == nil {
		_, err = out.Write(h.Sum(nil))
	}
	if out.err != nil { // whatever fill makes of it
		return nil, &Error{out.err}
	}
	if err != nil {
		return nil, err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return nil, &Error{err}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read from the cache: %w", err)
	}
	return derivedFile{io.LimitReader(f, size), f}, nil
}

// counted counts what is written, and remembers what went wrong.
type counted struct {
	w   io.Writer
	n   int64
	err error
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if err != nil {
		c.err = err
	}
	return n, err
}
