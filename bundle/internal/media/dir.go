package media

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
)

// TempSuffix ends the name of a file that is still being written.
const TempSuffix = ".tmp"

// SizeError says that a file is larger than a reader takes.
type SizeError struct{ Size, Limit int64 }

func (e *SizeError) Error() string {
	return fmt.Sprintf("it has %d bytes, more than the %d allowed", e.Size, e.Limit)
}

// Dir is one directory on a drive.
type Dir struct {
	path string
	root *os.Root

	actual, canonical map[string]string // see [Dir.Translate]
}

// OpenDir opens an existing directory.
func OpenDir(dir string) (*Dir, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, &Error{"open", dir, err}
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, &Error{"open", dir, err}
	}
	return &Dir{path: abs, root: root}, nil
}

// Path is the directory's absolute path.
func (d *Dir) Path() string { return d.path }

// Close releases the directory.
func (d *Dir) Close() error { return d.root.Close() }

func (d *Dir) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{op, filepath.Join(d.path, filepath.FromSlash(name)), full(d.path, err)}
}

// Entry is a regular file in the directory.
type Entry struct {
	Name string
	Size int64
}

// List gives the regular files directly in the subdirectory sub ("." for the
// directory itself), sorted by name; a subdirectory that is absent, or is none, has none.
// Links and everything else that is not a regular file go to others.
func (d *Dir) List(sub string) (files []Entry, others []string, err error) {
	entries, err := fs.ReadDir(d.root.FS(), d.at(sub))
	if (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) && sub != "." {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, d.fail("list", sub, err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			others = append(others, d.called(sub, e.Name()))
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, nil, d.fail("list", path.Join(sub, e.Name()), err)
		}
		files = append(files, Entry{d.called(sub, e.Name()), info.Size()})
	}
	return files, others, nil
}

// Stat gives the size of a regular file. The error wraps fs.ErrNotExist if there is none.
func (d *Dir) Stat(name string) (int64, error) {
	info, err := d.root.Lstat(d.at(name))
	if err != nil {
		return 0, d.fail("look at", name, err)
	}
	if !info.Mode().IsRegular() {
		return 0, d.fail("look at", name, fmt.Errorf("not a regular file%.0w", fs.ErrNotExist))
	}
	return info.Size(), nil
}

// File is an open file of a bundle.
type File struct {
	*os.File
	Size int64
}

// Open opens a regular file for reading.
func (d *Dir) Open(name string) (*File, error) {
	if _, err := d.Stat(name); err != nil { // a link would be followed by the open below
		return nil, err
	}
	// O_NONBLOCK: what became a pipe since the look must not hang the reader.
	f, err := d.root.OpenFile(d.at(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, d.fail("open", name, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return nil, errors.Join(d.fail("open", name, err), f.Close())
	}
	return &File{File: f, Size: info.Size()}, nil
}

// mostProbes is how many files [Dir.Gone] asks for.
const mostProbes = 16

// Gone makes an *[Error] of a read that failed because the drive has gone away,
// and gives nil if only that read failed: if the system refused it, and the drive gives the first
// byte neither of name, a file that should be there, nor of others. A failing drive may have lost name as well.
func (d *Dir) Gone(name string, err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) || d.Gives(name) {
		return nil
	}
	entries, _ := fs.ReadDir(d.root.FS(), ".") // those that it gives
	for i := 0; i < len(entries); i += 1 + len(entries)/mostProbes {
		if e := entries[i]; e.Type().IsRegular() && d.Gives(d.called(".", e.Name())) {
			return nil
		}
	}
	return &Error{"read from", d.path, err}
}

// Gives reports whether the drive gives the first byte of a file.
func (d *Dir) Gives(name string) bool {
	f, err := d.Open(name)
	if err != nil {
		return false
	}
	f.DropCache() // what the kernel remembers proves nothing
	n, err := f.ReadAt(make([]byte, 1), 0)
	return errors.Join(err, f.Close()) == nil && n == 1
}

// ReadFile reads a regular file of at most limit bytes; the error wraps a
// *[SizeError] if it has more.
func (d *Dir) ReadFile(name string, limit int64) (body []byte, err error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if f.Size > limit {
		return nil, d.fail("read", name, &SizeError{f.Size, limit})
	}
	body = make([]byte, f.Size)
	if _, err := io.ReadFull(f, body); err != nil {
		return nil, d.fail("read", name, err)
	}
	return body, nil
}

// Remove deletes files and syncs the directory; a file that is gone already is no error.
func (d *Dir) Remove(names ...string) error {
	for _, name := range names {
		if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return d.fail("remove", name, err)
		}
	}
	return d.sync(".")
}

// Mkdir makes a subdirectory if it is not there.
func (d *Dir) Mkdir(name string) error {
	if err := d.root.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return d.fail("make directory", name, err)
	}
	return d.sync(".")
}

// sync makes the names in a subdirectory durable, where the file system can.
func (d *Dir) sync(sub string) error {
	f, err := d.root.Open(sub)
	if err != nil {
		return d.fail("sync", sub, err)
	}
	return d.fail("sync", sub, errors.Join(syncNames(f), f.Close()))
}

// syncNames tolerates file systems that cannot sync a directory, as many on removable
// media.
func syncNames(dir *os.File) error {
	err := dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EBADF) {
		return nil
	}
	return err
}

// MakeDir makes a directory whose name is durable.
func MakeDir(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return &Error{"make directory", dir, full(filepath.Dir(dir), err)}
	}
	f, err := os.Open(filepath.Dir(dir))
	if errors.Is(err, fs.ErrPermission) {
		return nil // it may be written and not read
	}
	if err == nil {
		err = errors.Join(syncNames(f), f.Close())
	}
	if err != nil {
		return &Error{"sync", filepath.Dir(dir), err}
	}
	return nil
}

// Lstat looks at whatever has a name, and does not follow it.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) {
	info, err := d.root.Lstat(d.at(name))
	return info, d.fail("look at", name, err)
}
