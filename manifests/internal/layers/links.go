package layers

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// maxFollowed is how many links a name may lead through, as on Linux.
const maxFollowed = 40

// maxLinks bounds what is remembered of links, in bytes.
const maxLinks = 32 << 20

// Links are the symbolic links of an image's file system: where each leads to, as it is
// written.
type Links map[string]string

// LinkError says that a link of an image leads to no file.
type LinkError struct{ Name string }

func (e *LinkError) Error() string { return fmt.Sprintf("%q is a link that leads to no file", e.Name) }

// ReadLinks reads the links of an image, which is no index, from the lowest layer up: what
// an upper layer has at the place of one, or around it, is there instead.
func ReadLinks(ctx context.Context, src oci.Source, image oci.Descriptor) (Links, error) {
	list, err := Of(ctx, src, image)
	if err != nil {
		return nil, err
	}
	r := linkReader{all: Links{}, dirs: map[string]bool{}}
	for _, d := range list {
		r.here = Links{} // a layer hides nothing of itself
		err := scan(ctx, src, d, func(h *tar.Header, _ io.Reader) error {
			if err := r.entry(h); err != nil {
				return unsupported("layer", d, "%v", err)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for p, to := range r.here {
			r.add(p, to)
		}
	}
	return r.all, nil
}

type linkReader struct {
	all, here Links
	dirs      map[string]bool // around any of all
	size      int
}

func (r *linkReader) add(p, to string) {
	r.all[p] = to
	for dir := p; dir != ""; {
		dir = parent(dir)
		r.dirs[dir] = true
	}
}

func (r *linkReader) entry(h *tar.Header) error {
	name, err := clean(h.Name)
	if err != nil {
		return err
	}
	kind, p, err := classify(name)
	if err != nil || kind == ignored {
		return err
	}
	for at := p; at != ""; at = parent(at) { // what is around an entry is a directory
		delete(r.all, at)
	}
	// Most of what an image has are files, and few are around links.
	if isDir := kind == ordinary && h.Typeflag == tar.TypeDir; !isDir && r.dirs[p] {
		maps.DeleteFunc(r.all, func(k, _ string) bool { return below(k, p) })
		delete(r.dirs, p) // once for what is below it
	}
	to, isLink := h.Linkname, h.Typeflag == tar.TypeSymlink
	if h.Typeflag == tar.TypeLink { // of a link it is one
		to, isLink = r.here[strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")]
	}
	if kind != ordinary || !isLink {
		return nil
	}
	if r.size += len(p) + len(to) + costOfPath; r.size > maxLinks {
		return fmt.Errorf("the image has more links than can be remembered in %d MiB", maxLinks>>20)
	}
	r.here[p] = to
	return nil
}

// Real follows the links on the way to a name, inside the image: .. does not lead out of
// its root, and an absolute name begins there.
func (l Links) Real(name string) (string, error) {
	at, rest, followed := "", strings.Split(name, "/"), 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = parent(at)
			continue
		}
		next := path.Join(at, part)
		to, ok := l[next]
		if !ok {
			at = next
			continue
		}
		if followed++; followed > maxFollowed {
			return "", &LinkError{name}
		}
		if path.IsAbs(to) {
			at = ""
		}
		rest = slices.Concat(strings.Split(to, "/"), rest)
	}
	return at, nil
}

// Place is where a directory is made: the links that it is in are followed, and not that
// which it is itself.
func (l Links) Place(dir string) (string, error) {
	dir = rooted(dir)
	at, err := l.Real(parent(dir))
	return path.Join(at, path.Base(dir)), err
}
