package tempfile

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// File is a temporary file without a name: it lives as long as it is open, also if the
// process is killed. Errors of its methods, but for io.EOF, are *[Error].
type File struct {
	f    *os.File
	what string
}

// Error says that this host could not keep something; whoever sent it is not to blame.
type Error struct {
	What string // is kept, such as "the documents of a catalog"
	Dir  string // for temporary files
	Err  error
}

func (e *Error) Error() string {
	return fmt.Sprintf("keep %s in the directory for temporary files, %s: %v", e.What, e.Dir, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *Error) Hint() string {
	return "set TMPDIR to a directory that has room and can be written to, then run the same command again"
}

// New makes a file for what is kept.
func New(what string) (*File, error) {
	f, err := os.CreateTemp("", "satchel-temporary-*")
	if err != nil {
		return nil, &Error{what, os.TempDir(), err}
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, &Error{what, os.TempDir(), errors.Join(err, f.Close())}
	}
	return &File{f, what}, nil
}

func (f *File) failed(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &Error{f.what, os.TempDir(), err}
}

func (f *File) Write(p []byte) (int, error) {
	n, err := f.f.Write(p)
	return n, f.failed(err)
}

// WriteAt writes at an offset in bytes.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.f.WriteAt(p, off)
	return n, f.failed(err)
}

// ReadAt reads from an offset in bytes.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.f.ReadAt(p, off)
	return n, f.failed(err)
}

// Close frees the file.
func (f *File) Close() error { return f.failed(f.f.Close()) }
