package transport

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
)

// authfile is the one file that credentials are in; "" is the usual locations.
// containers/image leaves the variable to its callers.
func (c *Client) authfile() string { return cmp.Or(c.cfg.Authfile, os.Getenv("REGISTRY_AUTH_FILE")) }

// readable gives a path under which the credentials file can be read again and again: a
// pipe gives its content once, and it is looked at for each repository.
func (c *Client) readable() (string, error) {
	path := c.authfile()
	if path == "" {
		return "", nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", &AuthfileError{Path: path, Err: systemCause(err)}
	case info.Mode().IsRegular():
		return path, checkAuthfile(path, path)
	case info.IsDir():
		return "", &AuthfileError{Path: path, Err: errors.New("it is a directory")}
	}
	return c.piped.path(path)
}

// checkAuthfile looks whether a file, named as name, can be read as credentials:
// containers/image takes a missing file for an empty one, and its other errors name Go types.
func checkAuthfile(name, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return &AuthfileError{Path: name, Err: systemCause(err)}
	}
	var file struct {
		Auths   map[string]struct{} `json:"auths"`
		Helpers map[string]string   `json:"credHelpers"`
	}
	switch err := json.Unmarshal(data, &file); {
	case err != nil && len(bytes.TrimSpace(data)) == 0:
		return &AuthfileError{Path: name, Err: errEmptyFile}
	case err != nil && !json.Valid(data):
		return &AuthfileError{Path: name, Err: errNotJSON}
	case err != nil:
		return &AuthfileError{Path: name, Err: errNoAuthfile}
	}
	return nil
}

var (
	errEmptyFile  = errors.New("it is empty")
	errNotJSON    = errors.New("it is not valid JSON")
	errNoAuthfile = errors.New("it does not have the form of a credentials file: auths must be an object with one object for each registry")
)

// systemCause is an error of the system without the path, which the caller names.
func systemCause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// maxAuthfile bounds what is read of a credentials file that is no regular file, in bytes.
const maxAuthfile = 16 << 20

// pipedFile is a copy in memory of what a pipe gave.
type pipedFile struct {
	mu   sync.Mutex
	done bool
	copy *os.File
	err  error
}

// path gives where the copy can be opened; the pipe is read at the first call.
func (p *pipedFile) path(name string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.done {
		p.done = true
		if p.copy, p.err = copyOf(name); p.err != nil {
			p.err = &AuthfileError{Path: name, Err: systemCause(p.err)}
		} else {
			p.err = checkAuthfile(name, memoryPath(p.copy))
		}
	}
	if p.err != nil {
		return "", p.err
	}
	return memoryPath(p.copy), nil
}

func copyOf(name string) (*os.File, error) {
	from, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	to, err := memoryFile()
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(to, io.LimitReader(from, maxAuthfile+1))
	if err == nil && n > maxAuthfile {
		err = errors.New("it is too large for a credentials file")
	}
	if err != nil {
		return nil, errors.Join(err, to.Close())
	}
	return to, nil
}
