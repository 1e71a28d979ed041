package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// searchDepth is how many directories below the one that is named are searched.
const searchDepth = 2

// search looks for bundles below a directory, level by level. No link is followed.
type search struct {
	found []location
	notes []string // what was not looked at, and why
	names int      // that were read

	// Bounds: a drive may hold anything besides bundles.
	most, mostInOne int // names in all directories, and in one
}

// searchBelow finds the bundles in dir and in the directories below it.
func searchBelow(dir string) (*search, error) {
	s := &search{most: 200_000, mostInOne: 50_000}
	return s, s.below(dir)
}

func (s *search) below(dir string) error {
	level := []string{dir}
	for depth := 0; depth <= searchDepth && len(level) > 0; depth++ {
		var next []string
		for _, d := range level {
			if s.names >= s.most {
				s.cut(dir)
				return nil
			}
			subs, err := s.look(d)
			switch {
			case err == nil:
			case depth == 0:
				return err
			case errors.Is(err, fs.ErrNotExist): // it has just gone
			default:
				s.notes = append(s.notes, fmt.Sprintf("not looked into: %v", err))
			}
			next = append(next, subs...)
		}
		level = next
	}
	return nil
}

// cut notes that a directory has more in it than is looked at.
func (s *search) cut(dir string) {
	s.notes = append(s.notes, fmt.Sprintf("%s holds too many files: not all were looked at, name the bundle's own directory", dir))
}

// look looks at one directory, and gives those in it.
func (s *search) look(dir string) ([]string, error) {
	subs, marked, err := s.read(dir)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, sub := range subs {
		if !marked || seal.Canonical(sub) != seal.CopyDir {
			list = append(list, filepath.Join(dir, sub))
		}
	}
	if !marked {
		return list, nil
	}
	p, err := identify(dir)
	if p != nil {
		s.found = append(s.found, *p)
	}
	return list, err
}

// read gives the directories in dir, sorted, and whether a file there marks a bundle.
func (s *search) read(dir string) (subs []string, marked bool, err error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() { // opening a pipe would wait
		return nil, false, &RefusedError{Dir: dir, Reason: "it is not a directory", hint: "name the directory of a drive"}
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, false, &media.Error{Op: "look into", Path: dir, Err: err}
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for n := 0; ; {
		entries, err := f.ReadDir(1000)
		for _, e := range entries {
			switch name := e.Name(); {
			case e.Type().IsRegular():
				marked = marked || seal.MarksBundle(name) || name == stateName
			case e.IsDir() && !isIgnored(name):
				subs = append(subs, name)
			}
		}
		n += len(entries)
		s.names += len(entries)
		switch {
		case errors.Is(err, io.EOF):
			slices.Sort(subs)
			return subs, marked, nil
		case errors.Is(err, syscall.ENOTDIR):
			return nil, false, &RefusedError{Dir: dir, Reason: "it is not a directory", hint: "name the directory of a drive"}
		case err != nil:
			return nil, false, &media.Error{Op: "look into", Path: dir, Err: err}
		case n >= s.mostInOne || s.names >= s.most:
			s.cut(dir)
			slices.Sort(subs)
			return subs, marked, nil
		}
	}
}

// isIgnored reports whether systems leave a name on drives.
func isIgnored(name string) bool {
	return slices.ContainsFunc(ignored, func(n string) bool { return strings.EqualFold(n, name) }) || strings.HasPrefix(name, ".Trash-") || strings.HasPrefix(name, "._")
}

// identify finds the bundle in dir, or what is left of one. Its files may have the names
// that a copy has given them.
func identify(dir string) (p *location, err error) {
	d, err := media.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if p, err = lookIn(d); p != nil || err != nil {
		if p != nil {
			p.readLast(d)
			p.findTrace(d)
		}
		return p, err
	}
	if p = unfinishedCopy(d); p != nil {
		return p, nil
	}
	files, _, err := d.List(".")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if seal.MayBeShort(f.Name) && isSeal(d, f.Name) {
			return &location{dir: d.Path(), short: f.Name}, nil
		}
	}
	if err := d.Translate(seal.CopyDir, seal.Canonical); err != nil {
		return nil, err
	}
	if p, err = lookIn(d); p != nil || err != nil {
		if p != nil {
			p.renamed = true
		}
		return p, err
	}
	segment := slices.ContainsFunc(files, func(f media.Entry) bool {
		_, ok := seal.ParseSegment(seal.Canonical(f.Name))
		return ok
	})
	if _, err := d.Stat(seal.CopyDir + "/" + seal.BundleName); err == nil && segment {
		p = &location{dir: d.Path(), copied: true, complete: true, renamed: d.Translated()}
		p.readLast(d)
		return p, nil
	}
	return readTrace(d), nil
}

// isSeal reports whether a file begins as a seal does, whatever its name.
func isSeal(d *media.Dir, name string) bool {
	f, err := d.Open(name)
	if err != nil {
		return false
	}
	head := make([]byte, 64)
	n, _ := io.ReadFull(f, head)
	head = head[:n]
	return f.Close() == nil && (bytes.Contains(head, []byte(`"satchel": "bundle/`)) || bytes.Contains(head, []byte(`"satchel": "drive/`)))
}
