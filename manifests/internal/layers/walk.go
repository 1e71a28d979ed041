package layers

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/satchel-airgap/satchel/oci"
)

const (
	maxEntries = 1 << 22  // in all layers of an image
	maxContent = 32 << 30 // bytes of all layers that are read, decompressed
)

// Stop is returned by visit to end a walk early. The walk then returns nil.
//
//lint:ignore ST1012 it is no failure, as fs.SkipAll is none
var Stop = errors.New("stop walking")

// Last is returned by visit where lower layers have nothing more that is wanted: the walk
// ends with the layer at hand, of which the other files are visited too.
//
//lint:ignore ST1012 it is no failure
var Last = errors.New("the last layer")

// Walk visits every regular file at or below dir that the finished file system
// of image has, each once, by layers from the top down and by their order there.
// image is one manifest, not an index; dir and the names that visit gets are
// paths from the root of the image, without a leading slash. visit reads as much
// of r as it likes.
//
// What visit reads is known to be right only when Walk returns without error:
// a layer that visit saw a file of is read to its end, and a *[oci.DigestError]
// goes before any error of visit. Layers that cannot have anything below dir any
// more are not read, nor are those below the one in which visit returned [Stop].
//
// Links are followed inside the image: the directory is walked where it really is, under
// the name that was asked for, and a link below it to a file is visited under its own
// name, after all others; to a directory it is skipped, and one that leads nowhere
// gives a *[LinkError] when it is read.
//
// A file that a layer has twice is visited twice, and the last counts. A path that is a
// file and a directory in a layer, a name that leads out of the image, and a layer whose
// media type is not one of a tar are each an *[oci.UnsupportedError].
func Walk(ctx context.Context, src oci.Source, image oci.Descriptor, dir string, visit func(name string, size int64, r io.Reader) error) error {
	return WalkCounting(ctx, src, image, dir, nil, visit)
}

// WalkCounting is [Walk] that also finds out what [Only] would say of the layers which
// it reads; census may be nil.
func WalkCounting(ctx context.Context, src oci.Source, image oci.Descriptor, dir string, census *Census, visit func(name string, size int64, r io.Reader) error) error {
	dir, err := clean(dir)
	if err != nil {
		return &oci.UnsupportedError{What: "image " + image.Digest.String(), Why: fmt.Sprintf("cannot read a directory of it: %v", err)}
	}
	w := &walk{src: src, visit: visit, known: newKnown(dir), left: maxContent, census: census, links: map[string]link{}}
	f := &follower{ctx: ctx, src: src, image: image, visit: func(name string, size int64, r io.Reader) error {
		if err := visit(name, size, r); !errors.Is(err, Last) { // links lead to any layer
			return err
		}
		return nil
	}}
	var around *aroundError
	switch err := w.image(ctx, image); {
	case errors.As(err, &around):
		return f.dir(dir, census)
	case err != nil || w.stopped || len(w.links) == 0:
		return err
	}
	var list []link
	for _, name := range slices.Sorted(maps.Keys(w.links)) {
		list = append(list, w.links[name])
	}
	if err := f.files(list); !errors.Is(err, Stop) {
		return err
	}
	return nil
}

// image walks through the layers of an image.
func (w *walk) image(ctx context.Context, image oci.Descriptor) error {
	list, err := imageParts(ctx, w.src, image)
	if err != nil {
		return err
	}
	for _, d := range slices.Backward(list[1:]) {
		if err := w.layer(ctx, d); err != nil || w.stopped {
			return err
		}
		if w.last || !w.known.next() {
			return nil
		}
	}
	return nil
}

type walk struct {
	src     oci.Source
	visit   func(string, int64, io.Reader) error
	known   *known
	entries int
	left    int64
	stopped bool
	last    bool // no lower layer is wanted
	census  *Census
	seen    tally           // of the layer at hand
	visited map[string]bool // of the layer at hand
	links   map[string]link // by name
	passing bool            // links lead nowhere
}

func (w *walk) layer(ctx context.Context, d oci.Descriptor) (err error) {
	b, err := openBlob(ctx, w.src, d)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	w.seen, w.visited = tally{}, map[string]bool{}
	err = w.tar(d, b)
	// What was read from the bytes counts only if they are the right ones.
	if _, lied := io.Copy(io.Discard, b); lied != nil {
		return fmt.Errorf("read layer %s: %w", d.Digest, lied)
	}
	if w.census != nil && err == nil {
		w.census.Only[layerOf(d)] = w.seen.only() && !oci.IsForeign(d.MediaType)
	}
	return err
}

func (w *walk) tar(d oci.Descriptor, b *blob) error {
	c, err := openContent(d, b, &w.left)
	if err != nil {
		return err
	}
	defer c.close()
	tr := tar.NewReader(c)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) { // names are checked here
			return c.explain("tar", err)
		}
		if w.entries++; w.entries > maxEntries {
			return unsupported("layer", d, "the image has more than %d entries", maxEntries)
		}
		if err := w.entry(c, h, tr); err != nil {
			return err
		}
	}
}

// entry takes note of one entry and visits it, if it is a file that is wanted.
func (w *walk) entry(c *content, h *tar.Header, r io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := clean(h.Name)
	if err != nil {
		return unsupported("layer", c.layer, "%v", err)
	}
	kind, p, err := classify(name)
	if w.census != nil && err == nil {
		w.seen.add(kind, p, h, w.census.Dirs)
		if kind == ordinary {
			w.census.around(layerOf(c.layer), p, h)
		}
	}
	if err == nil && kind == ordinary && w.known.here[p]&isFile != 0 { // the last of a layer counts
		delete(w.links, p)
	}
	if err == nil && kind != ignored && !w.known.buried(p) {
		err = w.note(c.layer, kind, p, h)
	}
	var link *aroundError
	if errors.As(err, &link) {
		return err
	}
	if err != nil {
		return unsupported("layer", c.layer, "%v", err)
	}
	wanted := p == w.known.dir || below(p, w.known.dir)
	if kind != ordinary || !isRegular(h) || !wanted || w.stopped && !w.visited[p] || !w.visible(p) {
		if w.census != nil {
			return w.census.look(c.layer, h, fileReader{c, p, r})
		}
		return nil
	}
	w.visited[p] = true
	err = w.visit(p, h.Size, fileReader{c, p, r})
	if errors.Is(err, Stop) {
		w.stopped, err = true, nil
	}
	if errors.Is(err, Last) {
		w.last, err = true, nil
	}
	return err
}

// note remembers what an entry that is not buried means for lower layers.
func (w *walk) note(layer oci.Descriptor, kind special, p string, h *tar.Header) error {
	switch {
	case kind == whiteout, kind == ordinary && isDevice00(h):
		return w.known.add(p, cut)
	case kind == opaque:
		return w.known.add(p, isDir|cut)
	case h.Typeflag == tar.TypeDir:
		return w.known.add(p, isDir)
	}
	if err := w.known.add(p, isFile|cut); err != nil {
		return err
	}
	if !w.known.matters(p) || w.stopped || !w.visible(p) {
		return nil
	}
	switch h.Typeflag {
	case tar.TypeSymlink, tar.TypeLink:
		return w.linked(layer, p, h)
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return nil
	}
	return fmt.Errorf("%q is an entry of unknown type %q", p, h.Typeflag)
}

// visible reports whether upper layers leave a file at p to be seen.
func (w *walk) visible(p string) bool {
	_, decided := w.known.upper[p]
	return !decided && !w.known.buried(p)
}

func isRegular(h *tar.Header) bool {
	return h.Typeflag == tar.TypeReg || h.Typeflag == tar.TypeGNUSparse
}

// isDevice00 reports whether an entry is what overlayfs writes for a whiteout.
func isDevice00(h *tar.Header) bool {
	return h.Typeflag == tar.TypeChar && h.Devmajor == 0 && h.Devminor == 0
}

// fileReader reads one file of a layer.
type fileReader struct {
	c    *content
	name string
	r    io.Reader
}

func (f fileReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !isEnd(err) {
		err = f.c.explain("tar", fmt.Errorf("in %q: %w", f.name, err))
	}
	return n, err
}
