package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// MaxGiven is the largest file that a person gives to a command, in bytes, where what reads
// it has no bound of its own: lists, pull secrets, rules, authorities.
const MaxGiven = 16 << 20

// Read reads a whole file of at most so many bytes: a device or a pipe that never ends is an
// error like any file that is too large.
func Read(name string, most int64) (body []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	body, err = ReadFrom(f, most)
	if large, is := errors.AsType[*SizeError](err); is {
		return nil, &fs.PathError{Op: "read", Path: name, Err: large}
	}
	return body, err
}

// ReadFrom is [Read] of what is open. The error is a *[SizeError] where there is more.
func ReadFrom(r io.Reader, most int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(body)) > most {
		return nil, &SizeError{most}
	}
	return body, err
}

// SizeError says that a file has more bytes than any of its kind.
type SizeError struct{ Most int64 }

func (e *SizeError) Error() string {
	return fmt.Sprintf("it has more than %d bytes, so it is another file than the one that is needed", e.Most)
}
