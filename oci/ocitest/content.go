package ocitest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/satchel-airgap/satchel/oci"
)

// Content holds made-up blobs and manifests by digest. It is an oci.Source.
// Calls that add content must not run at the same time as others.
type Content struct {
	seed  uint64
	count uint64 // layers and random blobs made so far
	items map[digest.Digest]*item
	order []digest.Digest // as added
	diffs map[digest.Digest]digest.Digest
	// run is how the image that is being added runs.
	run ispec.ImageConfig
}

type item struct {
	desc oci.Descriptor
	body io.ReaderAt
}

// New starts empty content.
func New(seed uint64) *Content {
	return &Content{seed: seed, items: map[digest.Digest]*item{}, diffs: map[digest.Digest]digest.Digest{}}
}

// Blob adds body, of any media type, manifests included.
func (c *Content) Blob(body []byte, mediaType string) oci.Descriptor {
	d := oci.Descriptor{MediaType: mediaType, Digest: oci.Digest(body), Size: int64(len(body))}
	c.add(d, bytes.NewReader(body))
	return d
}

// add keeps the first media type that a digest was added with.
func (c *Content) add(d oci.Descriptor, body io.ReaderAt) {
	if c.items[d.Digest] == nil {
		c.items[d.Digest] = &item{d, body}
		c.order = append(c.order, d.Digest)
	}
}

// Reader gives random access to the bytes of d. The error for content that is
// not here wraps fs.ErrNotExist.
func (c *Content) Reader(d digest.Digest) (*io.SectionReader, error) {
	it := c.items[d]
	if it == nil {
		return nil, fmt.Errorf("content %s: %w", d, fs.ErrNotExist)
	}
	return io.NewSectionReader(it.body, 0, it.desc.Size), nil
}

// Open returns the bytes of d from offset off on.
func (c *Content) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, err := c.Reader(d.Digest)
	if err != nil {
		return nil, err
	}
	if off < 0 || off > r.Size() {
		return nil, fmt.Errorf("content %s: offset %d is outside its %d bytes", d.Digest, off, r.Size())
	}
	return io.NopCloser(io.NewSectionReader(r, off, r.Size()-off)), nil
}

// All lists every blob and manifest in the order of being added, which is
// children before parents.
func (c *Content) All() []oci.Descriptor {
	list := make([]oci.Descriptor, len(c.order))
	for i, d := range c.order {
		list[i] = c.items[d].desc
	}
	return list
}

// Size is the number of bytes in all of it, each digest counted once.
func (c *Content) Size() int64 {
	var n int64
	for _, it := range c.items {
		n += it.desc.Size
	}
	return n
}
