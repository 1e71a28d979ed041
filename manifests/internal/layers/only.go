package layers

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// Only reports whether a layer has files at or below the directories and none
// elsewhere: files of any kind, and whiteouts. Directories do not count, because
// tools put those around a file into a layer too. A layer that is not understood has
// something else. It reads up to the first file elsewhere: the answer is then not sure,
// as whether the bytes lied is known at their end.
func Only(ctx context.Context, src oci.Source, layer oci.Descriptor, dirs []string) (only, sure bool, err error) {
	if oci.IsForeign(layer.MediaType) {
		return false, true, nil // its registry may not have it
	}
	var seen tally
	err = scan(ctx, src, layer, func(h *tar.Header, _ io.Reader) error {
		name, err := clean(h.Name)
		kind, p, cerr := classify(name)
		if err != nil || cerr != nil {
			return Stop
		}
		if seen.add(kind, p, h, dirs); seen.elsewhere {
			return Stop
		}
		return nil
	})
	var odd *oci.UnsupportedError
	switch {
	case errors.Is(err, Stop):
		return false, false, nil
	case errors.As(err, &odd):
		return false, true, nil
	case err != nil:
		return false, false, err
	}
	return seen.only(), true, nil
}

// Census is what [Only] would say of layers, for some directories, and [Says] of a
// program. A layer that was not read to its end is not in it.
type Census struct {
	Dirs          []string
	Around        map[string]Parent // directories that those are in, if not nil
	Program, Text string            // no program is looked for without a name
	Only          map[Layer]bool
	There, Says   bool // of the program, in the highest layer that has it
	// Linked says that something of the program's name is a link.
	Linked bool

	in Layer // which has it
}

// look reads an entry that may be the program. Layers come from the top down.
func (c *Census) look(d oci.Descriptor, h *tar.Header, r io.Reader) error {
	if c.Program == "" || path.Base(h.Name) != c.Program || c.There && c.in != layerOf(d) {
		return nil
	}
	if !isRegular(h) {
		c.Linked = c.Linked || isLink(h)
		return nil
	}
	ok, err := has(r, c.Text)
	c.There, c.Says, c.in = true, c.Says || ok, layerOf(d)
	return err
}

func layerOf(d oci.Descriptor) Layer { return Layer{d.Digest, d.MediaType} }

// Layer names a layer: its digest, and the media type that says how it is read.
type Layer struct {
	Digest    digest.Digest
	MediaType string
}

// tally is what one layer has.
type tally struct{ some, elsewhere bool }

func (t *tally) only() bool { return t.some && !t.elsewhere }

// add counts one entry.
func (t *tally) add(kind special, p string, h *tar.Header, dirs []string) {
	switch {
	case kind == ignored || kind == ordinary && h.Typeflag == tar.TypeDir:
	case slices.ContainsFunc(dirs, func(dir string) bool { return within(p, dir) }):
		t.some = true
	default:
		t.elsewhere = true
	}
}

// within reports whether p, a clean path, is dir or lies below it.
func within(p, dir string) bool {
	dir = rooted(dir)
	return p == dir || below(p, dir)
}

// Says reports whether a program of an image, found by the last part of its name,
// has a text in its bytes, and whether there is such a program: the one of the
// highest layer that has it, which is read to its end. A link of this name is followed to
// the last part of the name that it has.
func Says(ctx context.Context, src oci.Source, image oci.Descriptor, name, text string) (says, there bool, err error) {
	for range maxFollowed {
		to := ""
		says, there, to, err = saysOne(ctx, src, image, name, text)
		if err != nil || there || to == "" || to == name {
			return says, there, err
		}
		name = to
	}
	return false, false, nil
}

// saysOne gives where a link of the name leads to, if there is no file of it.
func saysOne(ctx context.Context, src oci.Source, image oci.Descriptor, name, text string) (says, there bool, to string, err error) {
	list, err := imageParts(ctx, src, image)
	if err != nil {
		return false, false, "", err
	}
	for _, layer := range slices.Backward(list[1:]) {
		err := scan(ctx, src, layer, func(h *tar.Header, r io.Reader) error {
			switch {
			case path.Base(h.Name) != name:
				return nil
			case isLink(h) && to == "":
				to = path.Base(h.Linkname)
			}
			if !isRegular(h) {
				return nil
			}
			there = true
			ok, err := has(r, text)
			says = says || ok
			return err
		})
		if err != nil || there {
			return says, there, to, err
		}
	}
	return false, false, to, nil
}

func isLink(h *tar.Header) bool { return h.Typeflag == tar.TypeSymlink || h.Typeflag == tar.TypeLink }

// has reports whether a text is somewhere in r, wherever reads end.
func has(r io.Reader, text string) (bool, error) {
	buf, n := make([]byte, 64<<10), 0
	for {
		k, err := r.Read(buf[n:])
		n += k
		if strings.Contains(string(buf[:n]), text) {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if rest := len(text) - 1; n > rest { // what may be the start of it
			n = copy(buf, buf[n-rest:n])
		}
	}
}

// scan visits the entries of one layer. What visit saw, and an *[oci.UnsupportedError],
// are right, as the layer is read to its end: a *[oci.DigestError] goes first. [Stop] of
// visit ends it at once.
func scan(ctx context.Context, src oci.Source, d oci.Descriptor, visit func(*tar.Header, io.Reader) error) (err error) {
	b, err := openBlob(ctx, src, d)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err = scanTar(d, b, visit); errors.Is(err, Stop) {
		return err
	}
	if _, lied := io.Copy(io.Discard, b); lied != nil {
		return fmt.Errorf("read layer %s: %w", d.Digest, lied)
	}
	return err
}

func scanTar(d oci.Descriptor, b *blob, visit func(*tar.Header, io.Reader) error) error {
	left := int64(maxContent)
	c, err := openContent(d, b, &left)
	if err != nil {
		return err
	}
	defer c.close()
	tr := tar.NewReader(c)
	for entries := 0; ; entries++ {
		h, err := tr.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil && !errors.Is(err, tar.ErrInsecurePath): // names are checked by visit
			return c.explain("tar", err)
		case entries > maxEntries:
			return unsupported("layer", d, "it has more than %d entries", maxEntries)
		case h.Typeflag == tar.TypeXGlobalHeader:
			continue
		}
		if err := visit(h, fileReader{c, h.Name, tr}); err != nil {
			return err
		}
	}
}
