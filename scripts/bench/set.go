package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

const seed = 1

// set is what is packed: images, and the unique blobs that they reach.
type set struct {
	content *ocitest.Content
	images  []image
	blobs   []oci.Descriptor
	bytes   int64 // of the blobs
}

type image struct {
	repo, tag string
	root      oci.Descriptor
}

// makeSet computes every layer once, for its digest. It makes an image of one
// huge layer, three images of four layers of which they share one, and an image
// of 200 small ones.
func makeSet(ctx context.Context, o options) (*set, error) {
	huge, layer := int(o.layer), 200*mib
	if o.quick {
		huge, layer = min(huge, 256*mib), 20*mib
	}
	c := ocitest.New(seed)
	s := &set{content: c}
	add := func(name string, root oci.Descriptor) { s.images = append(s.images, image{"bench/" + name, "1", root}) }
	var small []oci.Descriptor
	for i := range 200 {
		small = append(small, c.Layer(2*kib+i*64, ocitest.LayerGzip))
	}
	add("small", c.Image(false, small...))
	add("huge", c.Image(false, c.Layer(huge, ocitest.LayerGzip)))
	base := c.Layer(layer, ocitest.LayerGzip)
	for i := range 3 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		own := []oci.Descriptor{base, c.Layer(layer, ocitest.LayerGzip), c.Layer(layer, ocitest.LayerZstd), c.Layer(layer, ocitest.LayerGzip)}
		add(fmt.Sprintf("shared-%d", i+1), c.Image(false, own...))
	}
	return s, s.survey(ctx)
}

func (s *set) survey(ctx context.Context) error {
	seen := map[digest.Digest]bool{}
	for _, i := range s.images {
		err := oci.Walk(ctx, s.content, i.root, func(d oci.Descriptor, body []byte) error {
			if body == nil && !seen[d.Digest] {
				seen[d.Digest] = true
				s.blobs = append(s.blobs, d)
				s.bytes += d.Size
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// imageSet is the text of the ImageSetConfiguration for the source at addr.
func (s *set) imageSet(addr string) string {
	var b strings.Builder
	b.WriteString("kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror:\n  additionalImages:\n")
	for _, i := range s.images {
		fmt.Fprintf(&b, "    - name: %s/%s:%s\n", addr, i.repo, i.tag)
	}
	return b.String()
}
