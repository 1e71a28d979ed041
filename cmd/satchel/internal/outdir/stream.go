package outdir

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
)

// Large is a file beside the set, too large to be held in memory, such as a program.
type Large struct {
	Name   string // in one of the set's directories
	Mode   fs.FileMode
	SHA256 string // in hexadecimal
	Write  func(w io.Writer) error
}

// AddLarge writes a file beside the set, which must be there, and reads it again. One that is
// there with these bytes stays; another one under that name is replaced. wrote says whether it
// was written. Content with another SHA-256 is an error, and then nothing is there under the name.
func (o *Dir) AddLarge(f Large) (wrote bool, err error) {
	root, err := os.OpenRoot(o.dir)
	if err != nil {
		return false, &WriteError{err}
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if !named(f.Name) {
		return false, &WriteError{fmt.Errorf("%q is no name of a file", f.Name)}
	}
	if sum, err := sumOf(root, f.Name); err == nil && sum == f.SHA256 {
		return false, nil
	}
	return true, o.large(root, f)
}

func (o *Dir) large(root *os.Root, f Large) error {
	if err := makeParents(root, f.Name); err != nil {
		return &WriteError{err}
	}
	temp := path.Join(path.Dir(f.Name), outTemp+rand.Text())
	out, err := root.OpenFile(filepath.FromSlash(temp), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return &WriteError{err}
	}
	defer func() { _ = root.Remove(filepath.FromSlash(temp)) }() // gone if it was renamed
	to := &disk{w: out}
	err = f.Write(to)
	end := errors.Join(to.err, out.Chmod(f.Mode), out.Sync(), out.Close())
	switch {
	case to.err == nil && err != nil: // what is written could not be read
		return fmt.Errorf("write %s: %w", filepath.Join(o.dir, f.Name), err)
	case end != nil:
		return &WriteError{end}
	}
	sum, err := sumOf(root, temp)
	if err == nil && sum != f.SHA256 {
		return fmt.Errorf("write %s: its SHA-256 is %s, and must be %s", filepath.Join(o.dir, f.Name), sum, f.SHA256)
	}
	if err == nil {
		err = root.Rename(filepath.FromSlash(temp), filepath.FromSlash(f.Name))
	}
	if err = errors.Join(err, durable.SyncDir(filepath.Join(o.dir, path.Dir(f.Name)))); err != nil {
		return &WriteError{err}
	}
	return nil
}

// disk keeps the errors of writing apart from those of what is read.
type disk struct {
	w   io.Writer
	err error
}

func (d *disk) Write(b []byte) (int, error) {
	n, err := d.w.Write(b)
	if err != nil {
		d.err = err
	}
	return n, err
}

// sumOf reads a file that is no link.
func sumOf(root *os.Root, name string) (sum string, err error) {
	info, err := root.Lstat(filepath.FromSlash(name))
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no regular file", name)
	}
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
