package opm

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/tempfile"
)

// Modes of what an image gets. Whoever serves the catalog may be any user, and could
// build the cache again where that can be written.
const (
	ModeFile     fs.FileMode = 0o644
	ModeDir      fs.FileMode = 0o755
	ModeCacheDir fs.FileMode = 0o777
)

// Files are the files of one directory, kept on disk until they are closed.
type Files struct {
	dirs fs.FileMode // of it and of all below
	f    *tempfile.File
	w    *bufio.Writer
	end  int64
	list []*file
	by   map[string]*file // name
	left *int64           // bytes that may be added
}

type file struct {
	name  string // from the directory on
	parts []part
}

// part is where a file, or some of it, lies.
type part struct{ off, size int64 }

func newFiles(dirs fs.FileMode, left *int64) (*Files, error) {
	f, err := tempfile.New("the files of a catalog")
	if err != nil {
		return nil, err
	}
	return &Files{dirs: dirs, f: f, w: bufio.NewWriterSize(f, 64<<10), by: map[string]*file{}, left: left}, nil
}

// Close frees the files.
func (f *Files) Close() error { return f.f.Close() }

// has reports whether there is a file.
func (f *Files) has(name string) bool { return f.by[name] != nil }

// add adds a file that has what fill writes.
func (f *Files) add(name string, fill func(io.Writer) error) error {
	if f.has(name) {
		return fmt.Errorf("it would have the file %q twice", name)
	}
	return f.more(name, fill)
}

// more adds what fill writes to a file, at its end if it is there.
func (f *Files) more(name string, fill func(io.Writer) error) error {
	out := counting{w: f.w, left: f.left}
	err := fill(&out)
	if flushed := f.w.Flush(); err == nil {
		err = flushed
	}
	if err != nil {
		return err
	}
	e := f.by[name]
	if e == nil {
		e = &file{name: name}
		f.by[name], f.list = e, append(f.list, e)
	}
	e.parts = append(e.parts, part{f.end, out.n})
	f.end += out.n
	return nil
}

type counting struct {
	w    io.Writer
	n    int64
	left *int64
}

func (c *counting) Write(p []byte) (int, error) {
	if *c.left -= int64(len(p)); *c.left < 0 {
		return 0, ErrLarge
	}
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Visitor gets the directories and files of a tree, each directory before what is in it.
type Visitor interface {
	Dir(name string, mode fs.FileMode) error
	File(name string, mode fs.FileMode, size int64, r io.Reader) error
}

// Each visits the directory, whose name is "", and all below it, in the order in which
// fs.WalkDir does.
func (f *Files) Each(v Visitor) error {
	slices.SortFunc(f.list, func(a, b *file) int {
		return slices.CompareFunc(strings.Split(a.name, "/"), strings.Split(b.name, "/"), cmp.Compare[string])
	})
	if err := v.Dir("", f.dirs); err != nil {
		return err
	}
	last := "."
	for _, e := range f.list {
		if dir := path.Dir(e.name); dir != last && dir != "." { // one level is all that there is
			if err := v.Dir(dir, f.dirs); err != nil {
				return err
			}
			last = dir
		}
		var size int64
		var parts []io.Reader
		for _, p := range e.parts {
			size += p.size
			parts = append(parts, io.NewSectionReader(f.f, p.off, p.size))
		}
		if err := v.File(e.name, ModeFile, size, io.MultiReader(parts...)); err != nil {
			return err
		}
	}
	return nil
}
