// Package durable writes small files that survive a crash, and reads small files of any origin.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Write replaces the file of that name, or creates it, with mode 0600: a crash leaves the
// old one or the new one whole. What cannot be replaced is written to as it is: a pipe, a
// device, a mounted file, a file in a directory that this user may not write to.
func Write(name string, body []byte) error {
	info, err := os.Stat(name)
	if err != nil {
		return replace(name, body)
	}
	at, err := filepath.EvalSymlinks(name) // the file is replaced, not the link
	if err != nil || !info.Mode().IsRegular() {
		return overwrite(name, body)
	}
	err = replace(at, body)
	for _, fixed := range []error{fs.ErrPermission, syscall.EROFS, syscall.EBUSY} {
		if errors.Is(err, fixed) {
			return overwrite(at, body)
		}
	}
	return err
}

// overwrite writes into an existing file.
func overwrite(name string, body []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if serr := f.Sync(); !noSync(serr) {
		err = errors.Join(err, serr)
	}
	return errors.Join(err, f.Close())
}

func replace(name string, body []byte) error {
	Sweep(filepath.Dir(name), Temp)
	f, err := os.CreateTemp(filepath.Dir(name), Temp)
	for err == nil && !Own(f) { // another run took it for left over, before it was locked
		_ = f.Close()
		f, err = os.CreateTemp(filepath.Dir(name), Temp)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err = errors.Join(err, f.Sync()); err == nil {
		err = os.Rename(f.Name(), name) // before it is closed: then its lock ends
	}
	if err != nil {
		_ = os.Remove(f.Name()) // nothing refers to it
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(name))
}

// Create creates a file with mode 0600. It never replaces one: the error then wraps
// fs.ErrExist. If it fails otherwise, no file is left.
func Create(name string, body []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = SyncDir(filepath.Dir(name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// SyncDir has the names of a directory survive a crash. A file system that cannot do that
// is no error.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) { // it may be written and not read
			return nil
		}
		return err
	}
	err = d.Sync()
	if noSync(err) {
		err = nil
	}
	if err = errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// noSync reports whether an error is that of a file, or a file system, that has no sync.
func noSync(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported)
}

// Append adds lines to a file, or creates it, with mode 0600. What a crash cut off at its end
// is a line of its own then.
func Append(name string, lines []byte) (err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if size := info.Size(); size > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			lines = append([]byte{'\n'}, lines...)
		}
	}
	if _, err := f.Write(lines); err != nil {
		return err
	}
	if err := f.Sync(); !noSync(err) && err != nil {
		return err
	}
	return SyncDir(filepath.Dir(name))
}

// MakeDirs makes a directory and those above it, with mode 0700. The name of each that it
// makes survives a crash.
func MakeDirs(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir):
		if err := MakeDirs(filepath.Dir(dir)); err != nil {
			return err
		}
		return MakeDirs(dir)
	case errors.Is(err, fs.ErrExist):
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		return nil
	case err != nil:
		return err
	}
	return SyncDir(filepath.Dir(dir))
}

// Alone does what changes files of a directory, which is created, while no other process does.
func Alone(dir string, do func() error) error {
	if err := MakeDirs(dir); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	for errors.Is(syscall.Flock(int(d.Fd()), syscall.LOCK_EX), syscall.EINTR) {
	}
	return do() // a file system without locks is no error
}
