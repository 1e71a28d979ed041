package media

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// Pending is a file that is being written under its temporary name.
type Pending struct {
	dir  *Dir
	name string
	f    *os.File
	n    int64
	err  error
}

// Create starts the file name. Nothing is visible under that name before
// [Pending.Commit]; a temporary file left by a crash is replaced.
func (d *Dir) Create(name string) (*Pending, error) {
	tmp := name + TempSuffix
	if err := d.root.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, d.refused("remove", tmp, err)
	}
	f, err := d.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, d.refused("create", tmp, err)
	}
	return &Pending{dir: d, name: name, f: f}, nil
}

// refused is the error of a file that could not be begun. On a read-only drive no file is
// at fault, but the directory.
func (d *Dir) refused(op, name string, err error) error {
	if errors.Is(err, syscall.EROFS) {
		return d.fail("write to", path.Dir(name), err)
	}
	return d.fail(op, name, err)
}

// Write appends to the file. After an error every further call fails.
func (p *Pending) Write(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.f.Write(b)
	p.n += int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	p.err = p.dir.fail("write", p.name+TempSuffix, err)
	return n, p.err
}

// Size is the number of bytes written so far.
func (p *Pending) Size() int64 { return p.n }

// Commit makes the bytes durable, then the name visible, then the name durable.
func (p *Pending) Commit() error {
	if err := p.complete(); err != nil {
		return p.drop(err)
	}
	if err := p.dir.root.Rename(p.name+TempSuffix, p.name); err != nil {
		return p.drop(p.dir.fail("rename", p.name+TempSuffix, err))
	}
	return p.dir.sync(path.Dir(p.name))
}

// complete makes the bytes durable and closes the file.
func (p *Pending) complete() error {
	err := p.err
	if err == nil {
		err = p.dir.fail("sync", p.name+TempSuffix, p.f.Sync())
	}
	if err == nil {
		err = p.checkLength()
	}
	if cerr := p.f.Close(); err == nil {
		err = p.dir.fail("close", p.name+TempSuffix, cerr)
	}
	return err
}

func (p *Pending) checkLength() error {
	info, err := p.f.Stat()
	if err == nil && info.Size() != p.n {
		err = fmt.Errorf("%d bytes were written, the drive holds %d", p.n, info.Size())
	}
	return p.dir.fail("write", p.name+TempSuffix, err)
}

// drop removes the temporary file; what cannot be removed is replaced by the next run.
func (p *Pending) drop(err error) error {
	p.err = err
	_ = p.dir.root.Remove(p.name + TempSuffix)
	return err
}

// Abort gives the file up.
func (p *Pending) Abort() error {
	err := p.f.Close()
	if rerr := p.dir.root.Remove(p.name + TempSuffix); !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return p.dir.fail("remove", p.name+TempSuffix, err)
}

// WriteFile creates a small file with the given bytes, durably.
func (d *Dir) WriteFile(name string, body []byte) error {
	p, err := d.Create(name)
	if err != nil {
		return err
	}
	if _, err := p.Write(body); err != nil {
		return errors.Join(err, p.Abort())
	}
	return p.Commit()
}

// WriteAt writes over bytes that were written before. After an error every further call fails.
func (p *Pending) WriteAt(b []byte, off int64) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	if off < 0 || off+int64(len(b)) > p.n {
		return 0, p.dir.fail("write", p.name+TempSuffix, fmt.Errorf("bytes %d to %d of %d", off, off+int64(len(b)), p.n))
	}
	n, err := p.f.WriteAt(b, off)
	p.err = p.dir.fail("write", p.name+TempSuffix, err)
	return n, p.err
}

// Sync makes the bytes durable under the temporary name, so that they can be read back before
// the file gets its own.
func (p *Pending) Sync() error {
	if p.err == nil {
		p.err = p.dir.fail("sync", p.name+TempSuffix, p.f.Sync())
	}
	return p.err
}
