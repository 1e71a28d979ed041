package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
)

// temporary takes the place of a directory that cannot be used.
type temporary struct {
	parent string      // directory to create it in
	warn   func(error) // called once, when it is first needed

	mu     sync.Mutex
	needed bool
	closed bool
	dir    string   // "" until something is stored
	lock   *os.File // of dir
}

// Optional is a cache that a run can do without. If dir cannot be used, warn is called
// once with the reason, and from then on content is stored in a directory of its own
// below parent, which [Cache.Close] removes. What dir has already is still read. An
// empty dir is one that cannot be used, without a warning.
func Optional(dir, parent string, warn func(error)) *Cache {
	return &Cache{dir: dir, temp: &temporary{parent: parent, warn: warn, needed: dir == ""}}
}

// Close removes what was stored for this run alone. What is stored later is an error,
// unless it goes to the directory that [Optional] was given.
func (c *Cache) Close() error {
	if c.temp == nil {
		return nil
	}
	c.temp.mu.Lock()
	defer c.temp.mu.Unlock()
	c.temp.closed = true
	if c.temp.dir == "" {
		return nil
	}
	dir := c.temp.dir
	c.temp.dir = ""
	return errors.Join(os.RemoveAll(dir), c.temp.lock.Close())
}

// sweep removes what crashed runs left.
func (c *Cache) sweep() {
	for _, sub := range []string{"sha256", "parsed"} {
		if c.dir != "" {
			durable.Sweep(filepath.Join(c.dir, sub), tempFile)
		}
	}
}

// dirs lists the directories that may have content.
func (c *Cache) dirs() (list []string) {
	if c.dir != "" {
		list = append(list, c.dir)
	}
	if c.temp != nil {
		c.temp.mu.Lock()
		defer c.temp.mu.Unlock()
		if c.temp.dir != "" {
			list = append(list, c.temp.dir)
		}
	}
	return list
}

// into has write store something in the directory that takes content now, and once more
// in the temporary one if that is not possible.
func (c *Cache) into(write func(dir string) error) error {
	c.swept.Do(c.sweep)
	if c.temp == nil {
		return write(c.dir)
	}
	if !c.temp.isNeeded() {
		err := write(c.dir)
		var refused *Error
		if !errors.As(err, &refused) {
			return err
		}
		c.temp.need(err)
	}
	dir, err := c.temp.create()
	if err != nil {
		return err
	}
	return write(dir)
}

// from has open look into one directory after the other. If none has the content, the
// error wraps fs.ErrNotExist.
func (c *Cache) from(ctx context.Context, open func(dir string) (io.ReadCloser, error)) (io.ReadCloser, error) {
	for _, dir := range c.dirs() {
		rc, err := open(dir)
		switch {
		case err == nil:
			return rc, nil
		case errors.Is(err, fs.ErrNotExist):
		case ctx.Err() != nil || c.temp == nil:
			return nil, fmt.Errorf("read from the cache: %w", err)
		default:
			c.temp.need(fmt.Errorf("read from the cache: %w", err))
		}
	}
	return nil, fmt.Errorf("read from the cache: %w", fs.ErrNotExist)
}

func (t *temporary) isNeeded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.needed
}

// need gives the directory up that this one replaces.
func (t *temporary) need(why error) {
	t.mu.Lock()
	first := !t.needed
	t.needed = true
	t.mu.Unlock()
	if first {
		t.warn(why)
	}
}

// create gives the directory, which it creates at the first call.
func (t *temporary) create() (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return "", &Error{fs.ErrClosed}
	}
	if t.dir != "" {
		return t.dir, nil
	}
	durable.Sweep(t.parent, tempDir)
	for {
		dir, err := os.MkdirTemp(t.parent, tempDir)
		if err != nil {
			return "", &Error{err}
		}
		lock, err := os.Open(dir)
		if err != nil {
			return "", &Error{err}
		}
		if durable.Own(lock) {
			t.dir, t.lock = dir, lock
			return dir, nil
		}
		_ = lock.Close() // another run took it for left over, before it was locked
	}
}
