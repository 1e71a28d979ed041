package layers

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// maxFollow bounds the links below a directory that are followed.
const maxFollow = 10000

// aroundError says that the directory of a walk is a link, or is in one.
type aroundError struct{ name string }

func (e *aroundError) Error() string { return fmt.Sprintf("%q is a link", e.name) }

// link is one that a walk found below its directory.
type link struct {
	name, to string
	hard     bool
	layer    oci.Descriptor
}

// follower reads through links what a walk cannot see, as a pod would. Layers are read
// again for that: few images need it.
type follower struct {
	//lint:ignore containedctx it lives as long as one call
	ctx   context.Context
	src   oci.Source
	image oci.Descriptor
	links Links // nil until they are needed
	visit func(string, int64, io.Reader) error
}

func (f *follower) real(name string) (string, error) {
	if f.links == nil {
		var err error
		if f.links, err = ReadLinks(f.ctx, f.src, f.image); err != nil {
			return "", err
		}
	}
	return f.links.Real(name)
}

// dir walks where the directory really is, and gives the names that it has for others.
func (f *follower) dir(dir string, census *Census) error {
	at, err := f.real(dir)
	var none *LinkError
	if err == nil && (at == dir || at == "") || errors.As(err, &none) {
		return &oci.UnsupportedError{What: "image " + f.image.Digest.String(), Why: fmt.Sprintf("its directory %q is, or is in, a link that leads to none", dir)}
	}
	if err != nil {
		return err
	}
	return WalkCounting(f.ctx, f.src, f.image, at, census, func(name string, size int64, r io.Reader) error {
		return f.visit(dir+strings.TrimPrefix(name, at), size, r)
	})
}

// files visits the files that links lead to. A link to a directory is passed over, as
// whoever walks a directory does; reading one that leads nowhere gives a *[LinkError].
func (f *follower) files(list []link) error {
	targets := map[string][]string{} // the names that lead to a file
	for _, l := range list {
		done, err := f.hard(l)
		if err != nil {
			return err
		}
		if done {
			continue
		}
		at, err := f.real(l.name)
		if _, isLink := f.links[l.name]; l.hard && !isLink {
			at, err = f.real(l.to)
		}
		var none *LinkError
		switch {
		case errors.As(err, &none):
			err = f.visit(l.name, 0, failingReader{none})
		case err == nil:
			targets[at] = append(targets[at], l.name)
		}
		if err != nil {
			return err
		}
	}
	return f.targets(targets)
}

// hard visits the file that a hard link of a layer is, if its layer has that too.
func (f *follower) hard(l link) (done bool, err error) {
	if !l.hard {
		return false, nil
	}
	err = scan(f.ctx, f.src, l.layer, func(h *tar.Header, r io.Reader) error {
		if strings.TrimPrefix(path.Clean("/"+h.Name), "/") != l.to || !isRegular(h) || done {
			return nil
		}
		done = true
		return f.visit(l.name, h.Size, r)
	})
	return done, err
}

// targets visits files by the names that lead to them.
func (f *follower) targets(names map[string][]string) error {
	groups := map[string]map[string][]string{} // what is remembered of a whole image has bounds
	for at, list := range names {
		top, _, _ := strings.Cut(at, "/")
		if groups[top] == nil {
			groups[top] = map[string][]string{}
		}
		groups[top][at] = list
	}
	for _, top := range slices.Sorted(maps.Keys(groups)) {
		if err := f.group(groups[top]); err != nil {
			return err
		}
	}
	return nil
}

// group visits files in one walk of the directory that they are all in.
func (f *follower) group(names map[string][]string) error {
	found, dirs := map[string]bool{}, map[string]bool{}
	visit := func(at string, size int64, r io.Reader) error {
		for dir := parent(at); dir != ""; dir = parent(dir) {
			dirs[dir] = true
		}
		for i, name := range names[at] {
			found[at] = true
			if i > 0 {
				return f.again(at, names[at][i:])
			}
			if err := f.visit(name, size, r); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walkPassing(f.ctx, f.src, f.image, common(names), visit); err != nil {
		return err
	}
	for _, at := range slices.Sorted(maps.Keys(names)) {
		for _, name := range names[at] {
			if found[at] || dirs[at] {
				continue
			}
			if err := f.visit(name, 0, failingReader{&LinkError{name}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// again visits a file for more names that lead to it: a layer gives its bytes once.
func (f *follower) again(at string, names []string) error {
	for _, name := range names {
		err := walkPassing(f.ctx, f.src, f.image, at, func(found string, size int64, r io.Reader) error {
			if found != at {
				return nil
			}
			return f.visit(name, size, r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// common is the directory, or the one file, that has all names.
func common(names map[string][]string) string {
	var all []string
	for name := range names {
		all = append(all, name)
	}
	slices.Sort(all)
	at, last := all[0], all[len(all)-1]
	for at != "" && at != last && !below(last, at) {
		at = parent(at)
	}
	return at
}

// failingReader is a file that cannot be read.
type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

// walkPassing is [Walk] where links lead nowhere.
func walkPassing(ctx context.Context, src oci.Source, image oci.Descriptor, dir string, visit func(string, int64, io.Reader) error) error {
	w := &walk{src: src, visit: visit, known: newKnown(dir), left: maxContent, passing: true}
	return w.image(ctx, image)
}

// linked takes note of a link that is not hidden.
func (w *walk) linked(layer oci.Descriptor, p string, h *tar.Header) error {
	if w.passing {
		return nil
	}
	if !below(p, w.known.dir) {
		if h.Typeflag == tar.TypeLink { // of a directory there is none
			return nil
		}
		return &aroundError{p}
	}
	if len(w.links) >= maxFollow {
		return fmt.Errorf("it has more than %d links", maxFollow)
	}
	l := link{p, h.Linkname, h.Typeflag == tar.TypeLink, layer}
	if l.hard {
		l.to = strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")
	}
	w.links = append(w.links, l)
	return nil
}
