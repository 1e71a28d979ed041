package hostfile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

// Credentials is a credentials file (containers-auth.json(5)).
type Credentials struct {
	configured string
	given      []byte // its content, where it is no file; nil for a file
	exact      bool   // it is read as it stands, as nodes do
	piped      pipedFile
	amended    amendedFile
}

// NewCredentials is for the file at a path; "" is the one that the environment names.
func NewCredentials(path string) *Credentials { return &Credentials{configured: path} }

// GivenCredentials is for the content of such a file.
func GivenCredentials(content []byte) *Credentials { return &Credentials{given: content} }

// NodeCredentials is for the content of such a file on a node: nothing is mended, and of what it names only the
// registries count. The programs of credHelpers are on no node.
func NodeCredentials(content []byte) *Credentials {
	return &Credentials{given: registriesOf(content), exact: true}
}

// Given is the content that it was made of.
func (c *Credentials) Given() []byte { return c.given }

// Close gives the memory of a copy back.
func (c *Credentials) Close() error {
	c.piped.mu.Lock()
	defer c.piped.mu.Unlock()
	if c.piped.copy == nil {
		return nil
	}
	return c.piped.copy.Close()
}

// registriesOf is a credentials file with its registries alone.
func registriesOf(content []byte) []byte {
	var file map[string]json.RawMessage
	if json.Unmarshal(content, &file) != nil || file["auths"] == nil {
		return content
	}
	out, err := json.Marshal(map[string]json.RawMessage{"auths": file["auths"]})
	if err != nil {
		return content
	}
	return out
}

// Name is the one file that credentials are in; "" is the usual locations.
// containers/image leaves the variable to its callers.
func (c *Credentials) Name() string {
	if c.given != nil {
		return ""
	}
	return cmp.Or(c.configured, os.Getenv("REGISTRY_AUTH_FILE"))
}

// Path is where the credentials file can be read again and again: a pipe gives its content once,
// and it is looked at for each repository. An error does not name the file.
func (c *Credentials) Path() (string, error) {
	if c.exact {
		return c.piped.path(func() (*os.File, error) { return inMemory(c.given) })
	}
	if c.given != nil {
		return c.piped.path(func() (*os.File, error) { return inMemory(amend(c.given)) })
	}
	path := c.Name()
	if path == "" {
		return "", nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", Cause(err)
	case info.Mode().IsRegular():
		return c.amended.path(path)
	case info.IsDir():
		return "", errors.New("it is a directory")
	}
	return c.piped.path(func() (*os.File, error) { return copyOf(path) })
}

// check looks whether content can be read as credentials: containers/image takes a missing file
// for an empty one, and its other errors name Go types.
func check(data []byte) error {
	var file struct {
		Auths   map[string]struct{} `json:"auths"`
		Helpers map[string]string   `json:"credHelpers"`
	}
	switch err := json.Unmarshal(data, &file); {
	case err != nil && len(bytes.TrimSpace(data)) == 0:
		return ErrEmpty
	case err != nil && !json.Valid(data):
		return ErrNotJSON
	case err != nil:
		return ErrForm
	}
	return nil
}

// What may be wrong with the content of a credentials file.
var (
	ErrEmpty   = errors.New("it is empty")
	ErrNotJSON = errors.New("it is not valid JSON")
	ErrForm    = errors.New("it does not have the form of a credentials file: auths must be an object with one object for each registry")
)

// Cause is an error of the system without the path, which the caller names.
func Cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// maxFile bounds what is read of a file with credentials or certificates, in bytes.
const maxFile = 16 << 20

// limited reads all of such a file, or says that it is another one.
func limited(from io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("it has more than %d bytes, too many for credentials or certificates", maxFile)
	}
	return data, err
}

func readFile(name string) (data []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return limited(f)
}

// pipedFile is a copy in memory of what can be read once.
type pipedFile struct {
	mu   sync.Mutex
	done bool
	copy *os.File
	err  error
}

// path gives where the copy can be opened; it is made at the first call.
func (p *pipedFile) path(copied func() (*os.File, error)) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.done {
		p.done = true
		if p.copy, p.err = copied(); p.err != nil {
			p.err = Cause(p.err)
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
	data, err := limited(from)
	if err != nil {
		return nil, err
	}
	data = amend(data)
	if err := check(data); err != nil {
		return nil, err
	}
	return inMemory(data)
}

func inMemory(data []byte) (*os.File, error) {
	to, err := memoryFile()
	if err != nil {
		return nil, err
	}
	if _, err := to.Write(data); err != nil {
		return nil, errors.Join(err, to.Close())
	}
	return to, nil
}
