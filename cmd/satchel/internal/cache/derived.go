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

// Parsed gives what fill writes for key, or wrote for it at an earlier time: what
// takes long to work out of an image and is always the same for the same key. It
// is kept in a file, of any size, which ends in a checksum: one that is damaged
// or shortened counts as absent. An error of fill is returned as it is, and
// nothing is kept. Several processes may fill at once. The caller closes the
// reader.
func (c *Cache) Parsed(ctx context.Context, key string, fill func(io.Writer) error) (io.ReadCloser, error) {
	path := filepath.Join(c.dir, "parsed", oci.Digest([]byte(key)).Encoded())
	r, err := openParsed(ctx, path, key)
	if errors.Is(err, fs.ErrNotExist) {
		return c.fill(path, key, fill)
	}
	if err != nil {
		return nil, fmt.Errorf("read from the cache: %w", err)
	}
	return r, nil
}

// parsedHash begins a file's checksum, which is of its key too.
func parsedHash(key string) hash.Hash {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%s", len(key), key)
	return h
}

// parsedFile reads a file without its checksum.
type parsedFile struct {
	io.Reader
	f *os.File
}

func (p parsedFile) Close() error { return p.f.Close() }

// openParsed checks a file before it gives it. One that is not whole is an
// error that wraps fs.ErrNotExist.
func openParsed(ctx context.Context, path, key string) (r io.ReadCloser, err error) {
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
	h, sum := parsedHash(key), make([]byte, sha256.Size)
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
	return parsedFile{io.LimitReader(f, size), f}, nil
}

// withContext stops a long read.
type withContext struct {
	ctx context.Context
	r   io.Reader
}

func (w withContext) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.r.Read(p)
}

// fill makes the file under a temporary name first; it need not survive a crash.
func (c *Cache) fill(path, key string, fill func(io.Writer) error) (r io.ReadCloser, err error) {
	f, err := c.create(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
			_ = os.Remove(f.Name()) // nothing refers to it
		}
	}()
	h := parsedHash(key)
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
	if out.err != nil { // whatever fill made of it
		return nil, fmt.Errorf("write to the cache: %w", out.err)
	}
	if err != nil {
		return nil, err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return nil, fmt.Errorf("write to the cache: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read from the cache: %w", err)
	}
	return parsedFile{io.LimitReader(f, size), f}, nil
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
