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

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

const (
	maxFollow = 10000 // links below a directory that are followed
	maxReads  = 64    // times that links may have each layer read again
)

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

	count, reads int // of layers, and what is left of their readings
}

// reading counts layers that are read once more.
func (f *follower) reading(layers int) error {
	if f.reads -= layers; f.reads < 0 {
		return &oci.UnsupportedError{What: "image " + f.image.Digest.String(), Why: fmt.Sprintf("for its links, each of its layers would have to be read more than %d times", maxReads)}
	}
	return nil
}

// walk visits a directory of the image once more.
func (f *follower) walk(dir string, visit func(string, int64, io.Reader) error) error {
	if err := f.reading(f.count); err != nil {
		return err
	}
	return walkPassing(f.ctx, f.src, f.image, dir, visit)
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

// files visits the files that links lead to. A link to a directory is skipped, as
// whoever walks a directory does; reading one that leads nowhere gives a *[LinkError].
func (f *follower) files(list []link) error {
	all, err := Of(f.ctx, f.src, f.image)
	if err != nil {
		return err
	}
	f.count, f.reads = len(all), maxReads*len(all)
	if list, err = f.hard(list); err != nil {
		return err
	}
	targets := map[string][]string{} // the names that lead to a file
	for _, l := range list {
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

// hard visits the files that hard links are, where the layer of the link has the file too,
// and gives the other links.
func (f *follower) hard(list []link) (others []link, err error) {
	layers := map[digest.Digest]map[string][]link{} // by layer and target
	for _, l := range list {
		if !l.hard {
			others = append(others, l)
			continue
		}
		if layers[l.layer.Digest] == nil {
			layers[l.layer.Digest] = map[string][]link{}
		}
		layers[l.layer.Digest][l.to] = append(layers[l.layer.Digest][l.to], l)
	}
	for _, d := range slices.Sorted(maps.Keys(layers)) {
		more, err := f.hardIn(layers[d])
		if err != nil {
			return nil, err
		}
		others = append(others, more...)
	}
	return others, nil
}

// hardIn visits those of one layer, which gives the bytes of a file once each time that it
// is read.
func (f *follower) hardIn(links map[string][]link) (others []link, err error) {
	for len(links) > 0 {
		if err := f.reading(1); err != nil {
			return nil, err
		}
		var layer oci.Descriptor
		for _, list := range links {
			layer = list[0].layer
		}
		found, next := map[string]bool{}, map[string][]link{}
		err := scan(f.ctx, f.src, layer, func(h *tar.Header, r io.Reader) error {
			at := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
			if len(links[at]) == 0 || !isRegular(h) {
				return nil
			}
			found[at] = true
			return f.visit(links[at][0].name, h.Size, r)
		})
		if err != nil {
			return nil, err
		}
		for _, to := range slices.Sorted(maps.Keys(links)) {
			switch list := links[to]; {
			case !found[to]:
				others = append(others, list...)
			case len(list) > 1:
				next[to] = list[1:]
			}
		}
		links = next
	}
	return others, nil
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

// group visits files in walks of the directory that they are all in, each of which gives
// the bytes of a file once.
func (f *follower) group(names map[string][]string) error {
	for len(names) > 0 {
		found, dirs, next := map[string]bool{}, map[string]bool{}, map[string][]string{}
		err := f.walk(common(names), func(at string, size int64, r io.Reader) error {
			for dir := parent(at); dir != "" && !dirs[dir]; dir = parent(dir) {
				dirs[dir] = true
			}
			if len(names[at]) == 0 {
				return nil
			}
			found[at] = true
			return f.visit(names[at][0], size, r)
		})
		if err != nil {
			return err
		}
		for _, at := range slices.Sorted(maps.Keys(names)) {
			if list := names[at]; found[at] && len(list) > 1 {
				next[at] = list[1:]
			}
			if found[at] || dirs[at] {
				continue
			}
			if err := f.nowhere(names[at]); err != nil {
				return err
			}
		}
		names = next
	}
	return nil
}

// nowhere visits names that lead to no file.
func (f *follower) nowhere(names []string) error {
	for _, name := range names {
		if err := f.visit(name, 0, failingReader{&LinkError{name}}); err != nil {
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
	if _, again := w.links[p]; !again && len(w.links) >= maxFollow {
		return fmt.Errorf("it has more than %d links", maxFollow)
	}
	l := link{p, h.Linkname, h.Typeflag == tar.TypeLink, layer}
	if l.hard {
		l.to = strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")
	}
	w.links[p] = l
	return nil
}
