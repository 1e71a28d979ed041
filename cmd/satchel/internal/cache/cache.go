package cache

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// Cache stores small content by digest in a directory, so that what was read once
// to plan a run is not read again. What it gives is verified each time: a
// damaged or shortened file counts as missing. It is safe for concurrent use, by
// several processes too.
type Cache struct {
	dir  string
	temp *temporary // what takes the place of dir where it cannot be used; nil if nothing does

	swept sync.Once
}

// New stores content below dir, which is created when needed. If it cannot be used,
// that is an error of the method that needs it.
func New(dir string) *Cache { return &Cache{dir: dir} }

// ReadThrough gives content from the cache if it has it, else from src, and
// stores it. It is for content that fits into memory.
func (c *Cache) ReadThrough(src oci.Source) oci.Source {
	return oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		rc, err := c.open(ctx, d, off)
		if !errors.Is(err, fs.ErrNotExist) {
			return rc, err
		}
		body, err := oci.ReadBlob(ctx, src, d, d.Size)
		if err != nil {
			return nil, err
		}
		if err := c.write(d, body); err != nil && c.temp == nil {
			return nil, err
		}
		return bytesFrom(body, off), nil
	})
}

// Metadata is [Cache.ReadThrough] for manifests and image configs, by media type. All
// else, such as layers, comes straight from src and is not stored.
func (c *Cache) Metadata(src oci.Source) oci.Source {
	filled := c.ReadThrough(src)
	return oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		if oci.IsManifest(d.MediaType) || oci.IsConfig(d.MediaType) {
			return filled.Open(ctx, d, off)
		}
		return src.Open(ctx, d, off)
	})
}

// Overlay gives content from the cache if it has it, else from src, and stores
// nothing.
func (c *Cache) Overlay(src oci.Source) oci.Source {
	return oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		rc, err := c.open(ctx, d, off)
		if errors.Is(err, fs.ErrNotExist) {
			return src.Open(ctx, d, off)
		}
		return rc, err
	})
}

// Put stores content under its digest.
func (c *Cache) Put(mediaType string, body []byte) (oci.Descriptor, error) {
	d := oci.Descriptor{MediaType: mediaType, Digest: oci.Digest(body), Size: int64(len(body))}
	return d, c.write(d, body)
}

// PutFrom stores what fill writes, of any size, under its digest. An error of fill
// is returned as it is, and nothing is stored. fill is called again if the content
// must go to another directory.
func (c *Cache) PutFrom(mediaType string, fill func(io.Writer) error) (d oci.Descriptor, err error) {
	err = c.into(func(dir string) error {
		d, err = putFrom(dir, mediaType, fill)
		return err
	})
	return d, err
}

func putFrom(dir, mediaType string, fill func(io.Writer) error) (d oci.Descriptor, err error) {
	f, err := create(filepath.Join(dir, "sha256"))
	if err != nil {
		return d, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()           // it may be closed
			_ = os.Remove(f.Name()) // nothing refers to it
		}
	}()
	h, out := sha256.New(), &counted{w: f}
	buffered := bufio.NewWriterSize(out, 64<<10)
	if err = fill(io.MultiWriter(buffered, h)); err == nil {
		err = buffered.Flush()
	}
	if out.err != nil { // whatever fill makes of it
		return d, &Error{out.err}
	}
	if err != nil {
		return d, err
	}
	d = oci.Descriptor{MediaType: mediaType, Digest: digest.NewDigest(digest.SHA256, h), Size: out.n}
	err = os.Rename(f.Name(), pathIn(dir, d)) // while it is locked
	if err = errors.Join(err, f.Close()); err != nil {
		return d, &Error{err}
	}
	return d, nil
}

// Adopt stores what another cache has, so that it survives a crash: as a second name of
// the same file where the file system can do that, else as a copy.
func (c *Cache) Adopt(ctx context.Context, from *Cache, d oci.Descriptor) error {
	path := pathIn(c.dir, d)
	if rc, err := c.open(ctx, d, 0); err == nil {
		return errors.Join(rc.Close(), syncFile(path)) // a crash may have come before
	}
	rc, err := from.open(ctx, d, 0)
	if err != nil {
		return err
	}
	defer func() { _ = rc.Close() }() // it was read only
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return &Error{err}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // damaged
		return &Error{err}
	}
	if os.Link(from.find(d), path) != nil {
		copied, err := c.PutFrom(d.MediaType, func(w io.Writer) error {
			_, err := io.Copy(w, rc)
			return err
		})
		if err != nil {
			return err
		}
		if copied.Digest != d.Digest {
			return fmt.Errorf("copy %s from the cache: it was damaged meanwhile", d.Digest)
		}
	}
	return syncFile(path)
}

// syncFile has a file and its name survive a crash.
func syncFile(path string) error {
	for _, name := range []string{path, filepath.Dir(path)} {
		f, err := os.Open(name)
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		if err != nil {
			return &Error{err}
		}
	}
	return nil
}

// Has reports whether content is stored, as far as its size shows.
func (c *Cache) Has(d oci.Descriptor) bool { return c.find(d) != "" }

// find gives the file of content, "" for none.
func (c *Cache) find(d oci.Descriptor) string {
	for _, dir := range c.dirs() {
		info, err := os.Stat(pathIn(dir, d))
		if err == nil && info.Mode().IsRegular() && info.Size() == d.Size {
			return pathIn(dir, d)
		}
	}
	return ""
}

func pathIn(dir string, d oci.Descriptor) string {
	return filepath.Join(dir, "sha256", d.Digest.Encoded())
}

// maxInMemory is the largest content that is read at once, in bytes.
const maxInMemory = oci.MaxManifestSize

// open gives verified content from off on, or an error that wraps fs.ErrNotExist.
func (c *Cache) open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	if err := oci.CheckDescriptor(d); err != nil {
		return nil, err
	}
	return c.from(ctx, func(dir string) (io.ReadCloser, error) { return openIn(ctx, dir, d, off) })
}

func openIn(ctx context.Context, dir string, d oci.Descriptor, off int64) (_ io.ReadCloser, err error) {
	f, err := os.Open(pathIn(dir, d))
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
	if info.Size() != d.Size || !info.Mode().IsRegular() {
		return nil, fs.ErrNotExist
	}
	if d.Size <= maxInMemory {
		body := make([]byte, d.Size)
		if _, err := io.ReadFull(f, body); err != nil {
			return nil, err
		}
		if oci.Digest(body) != d.Digest {
			return nil, fs.ErrNotExist
		}
		return bytesFrom(body, off), f.Close()
	}
	v := oci.NewVerifier(d)
	if _, err := io.Copy(v, withContext{ctx, f}); err != nil {
		return nil, err
	}
	if v.Close() != nil {
		return nil, fs.ErrNotExist
	}
	_, err = f.Seek(min(off, d.Size), io.SeekStart)
	return f, err
}

// bytesFrom reads bytes in memory from off on.
func bytesFrom(body []byte, off int64) io.ReadCloser {
	return io.NopCloser(bytes.NewReader(body[min(off, int64(len(body))):]))
}

// write stores content under a temporary name first; it need not survive a crash.
func (c *Cache) write(d oci.Descriptor, body []byte) error {
	return c.into(func(dir string) error {
		path := pathIn(dir, d)
		f, err := create(filepath.Dir(path))
		if err != nil {
			return err
		}
		if _, err = f.Write(body); err == nil {
			err = os.Rename(f.Name(), path) // while it is locked
		}
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(f.Name()) // nothing refers to it
			return &Error{err}
		}
		return nil
	})
}
