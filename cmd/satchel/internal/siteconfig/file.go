package siteconfig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/satchel-airgap/satchel/oci/text"
)

// maxFile is the largest file that is read.
const maxFile = 1 << 18

// Error is something in a file, or about it, that is for its owner to correct.
type Error struct {
	File         string
	Line, Column int // 0: of the file as a whole
	Err          error
	hint         string
}

func (e *Error) Error() string {
	file := text.Printable(e.File)
	if e.Line == 0 {
		return fmt.Sprintf("site configuration %s: %v", file, e.Err)
	}
	return fmt.Sprintf("site configuration %s:%d:%d: %v", file, e.Line, e.Column, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *Error) Hint() string { return e.hint }

// Permanent reports that trying again does not help.
func (e *Error) Permanent() bool { return true }

// Read reads a file; nil if there is none. A file that is there and cannot be used is an error.
func Read(file string, known Known) ([]Entry, error) {
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) { // a link that leads nowhere is there
		return nil, nil
	}
	body, err := load(file)
	if err != nil {
		return nil, &Error{File: file, Err: err, hint: "nothing is done as long as it cannot be used: what it says of trust would be missed"}
	}
	return parse(file, body, known)
}

// load reads a regular file of the user or of root that nobody else may write to.
func load(file string) (body []byte, err error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe that nobody writes to must not hold it up
	if err != nil {
		return nil, bare(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, bare(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	if own, ok := info.Sys().(*syscall.Stat_t); ok && own.Uid != 0 && int(own.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("it belongs to another user (%d), who could change what is trusted; chown it to yourself or to root", own.Uid)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("its mode is %04o: others could change what is trusted; chmod go-w it", info.Mode().Perm())
	}
	body, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(body) > maxFile {
		err = fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	return body, bare(err)
}

// bare is an error without the name of the file, which the message has anyway.
func bare(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}
