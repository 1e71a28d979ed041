package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Cache keeps small content by digest in a directory, so that what was read once
// to plan a run is not read again. What it gives is verified each time: a
// damaged or shortened file counts as absent. It is safe for concurrent use, by
// several processes too.
type Cache struct{ dir string }

// NewCache keeps content below dir, which is made when needed.
func NewCache(dir string) *Cache { return &Cache{dir} }

func (c *Cache) path(d Descriptor) string {
	return filepath.Join(c.dir, "sha256", d.Digest.Encoded())
}

// Filled gives content from the cache where it is there, else from src, and
// keeps it. It is for content that fits into memory.
func (c *Cache) Filled(src Source) Source {
	return SourceFunc(func(ctx context.Context, d Descriptor, off int64) (io.ReadCloser, error) {
		body, err := c.read(d)
		if errors.Is(err, fs.ErrNotExist) {
			if body, err = readAll(ctx, src, d); err == nil {
				err = c.write(d, body)
			}
		}
		if err != nil {
			return nil, err
		}
		return io.NopCloser(bytes.NewReader(body[min(off, d.Size):])), nil
	})
}

// Metadata is [Cache.Filled] for manifests and image configs, by media type. All
// else, such as layers, comes straight from src and is not kept.
func (c *Cache) Metadata(src Source) Source {
	filled := c.Filled(src)
	return SourceFunc(func(ctx context.Context, d Descriptor, off int64) (io.ReadCloser, error) {
		if IsManifest(d.MediaType) || d.MediaType == mediaConfig || d.MediaType == mediaDocker {
			return filled.Open(ctx, d, off)
		}
		return src.Open(ctx, d, off)
	})
}

// Before gives content from the cache where it is there, else from src, and
// keeps nothing.
func (c *Cache) Before(src Source) Source {
	return SourceFunc(func(ctx context.Context, d Descriptor, off int64) (io.ReadCloser, error) {
		body, err := c.read(d)
		if errors.Is(err, fs.ErrNotExist) {
			return src.Open(ctx, d, off)
		}
		if err != nil {
			return nil, err
		}
		return io.NopCloser(bytes.NewReader(body[min(off, d.Size):])), nil
	})
}

// Keep keeps content under its digest.
func (c *Cache) Keep(mediaType string, body []byte) (Descriptor, error) {
	d := Descriptor{MediaType: mediaType, Digest: Digest(body), Size: int64(len(body))}
	return d, c.write(d, body)
}

// Has reports whether content is kept, as far as its size tells.
func (c *Cache) Has(d Descriptor) bool {
	info, err := os.Stat(c.path(d))
	return err == nil && info.Mode().IsRegular() && info.Size() == d.Size
}

// read gives verified content, or an error that wraps fs.ErrNotExist.
func (c *Cache) read(d Descriptor) ([]byte, error) {
	if err := CheckDescriptor(d); err != nil {
		return nil, err
	}
	path := c.path(d)
	info, err := os.Stat(path)
	if err == nil && info.Size() != d.Size {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("look into the cache: %w", err)
	}
	body, err := os.ReadFile(path)
	if err == nil && Digest(body) != d.Digest {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("read from the cache: %w", err)
	}
	return body, nil
}

// write stores content under a temporary name first; it need not survive a crash.
func (c *Cache) write(d Descriptor, body []byte) error {
	path := c.path(d)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write to the cache: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-")
	if err != nil {
		return fmt.Errorf("write to the cache: %w", err)
	}
	_, err = f.Write(body)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // nothing refers to it
		return fmt.Errorf("write to the cache: %w", err)
	}
	return nil
}
