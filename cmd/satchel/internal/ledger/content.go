package ledger

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
)

// maxContent bounds what is read of a bundle's content, in bytes, decompressed.
const maxContent = 512 << 20

// Content is everything that a bundle needs in a mirror: its images, and the manifests and
// blobs that they reach, whether they travelled in it or not.
type Content struct {
	Images    []oci.Image
	Manifests []Needed // children before parents
	Blobs     []Needed
	Baseline  *bundle.Baseline // what of that did not travel; nil: all did
}

// Needed is a manifest or blob, with the images that reach it.
type Needed struct {
	Descriptor oci.Descriptor `json:"descriptor"`
	Images     []int          `json:"images"` // indexes into [Content].Images, rising
}

// ContentOf is what the images of a graph need.
func ContentOf(g *oci.Graph) Content {
	needed := func(nodes []oci.Node) (list []Needed) {
		for _, n := range nodes {
			d := n.Descriptor
			list = append(list, Needed{oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}, n.Images})
		}
		return list
	}
	return Content{Images: g.Images, Manifests: needed(g.Manifests), Blobs: needed(g.Blobs)}
}

func (c Content) count() Count {
	n := Count{Images: len(c.Images), Manifests: len(c.Manifests), Blobs: len(c.Blobs)}
	for _, list := range [][]Needed{c.Manifests, c.Blobs} {
		for _, d := range list {
			n.Bytes += d.Descriptor.Size
		}
	}
	return n
}

// contentForm1 is content-<id>.json.
type contentForm1 struct {
	Version   string           `json:"version"`
	Bundle    string           `json:"bundle"`
	Images    []oci.Image      `json:"images"`
	Manifests []Needed         `json:"manifests"`
	Blobs     []Needed         `json:"blobs"`
	Baseline  *bundle.Baseline `json:"baseline,omitempty"`
}

func (c Content) write(id string, w io.Writer) error {
	return json.NewEncoder(w).Encode(contentForm1{contentForm().newest(), id, c.Images, c.Manifests, c.Blobs, c.Baseline})
}

// Content reads what a bundle of the ledger needs. The error wraps fs.ErrNotExist if that is
// not kept any more, and is a *[DamageError] if it is not what was written.
func (s Store) Content(b Bundle) (c Content, err error) {
	if b.Content == "" {
		return c, fmt.Errorf("what bundle %d of %s needs is not kept any more%.0w", b.Sequence, s.name, fs.ErrNotExist)
	}
	damaged := func(err error) error { return &DamageError{Dir: s.dir(), File: b.Content, Err: err} }
	r, err := s.open(b.Content)
	if err != nil {
		return c, err
	}
	body, err := io.ReadAll(io.LimitReader(r, maxContent+1))
	if err = errors.Join(err, r.Close()); err == nil && len(body) > maxContent {
		err = errors.New("it is too large")
	}
	if err != nil {
		return c, damaged(err)
	}
	var in contentForm1
	err = contentForm().decode(filepath.Join(s.dir(), b.Content), body, &in)
	var newer *oci.VersionError
	if errors.As(err, &newer) {
		return c, err
	}
	if err == nil {
		err = in.check(b.Bundle)
	}
	if err != nil {
		return c, damaged(err)
	}
	return Content{in.Images, in.Manifests, in.Blobs, in.Baseline}, nil
}

func (in contentForm1) check(id string) error {
	if in.Bundle != id {
		return fmt.Errorf("it is of the bundle %.40q", in.Bundle)
	}
	if err := (&oci.Inventory{Images: in.Images}).Validate(); err != nil {
		return err
	}
	for _, list := range [][]Needed{in.Manifests, in.Blobs} {
		for _, n := range list {
			if err := oci.CheckDescriptor(n.Descriptor); err != nil {
				return err
			}
			for _, i := range n.Images {
				if i < 0 || i >= len(in.Images) {
					return fmt.Errorf("%s is needed by image %d of %d", n.Descriptor.Digest, i, len(in.Images))
				}
			}
		}
	}
	return nil
}

// OpenCatalog gives the documents of a filtered catalog: file-based catalogs as JSON, one
// after another. The error is a *[GoneError] if it is not kept.
func (s Store) OpenCatalog(c Catalog) (io.ReadCloser, error) {
	if c.File == "" {
		return nil, &GoneError{c.Name}
	}
	return s.open(c.File)
}

// open decompresses a file of the ledger.
func (s Store) open(name string) (io.ReadCloser, error) {
	f, err := os.Open(filepath.Join(s.dir(), name))
	if err != nil {
		return nil, failed("read the ledger in", s.dir(), err)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, errors.Join(&DamageError{Dir: s.dir(), File: name, Err: err}, f.Close())
	}
	return unzipped{z, f}, nil
}

// unzipped closes the file too.
type unzipped struct {
	*gzip.Reader
	f *os.File
}

func (u unzipped) Close() error { return errors.Join(u.Reader.Close(), u.f.Close()) }
