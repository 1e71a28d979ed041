package oci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// Node is content that images reach.
type Node struct {
	Descriptor Descriptor
	Images     []int // indexes into Inventory.Images, ascending
}

// Graph is everything that the images of an inventory reach, each digest once.
type Graph struct {
	Manifests []Node // children before parents
	Blobs     []Node // by digest
}

// Survey walks every image of the inventory, up to parallel of them at a time.
// from gives the source of an image's manifests. The error joins a *[GapError]
// for each image that cannot be walked to its end; one that is not of this form
// is the context's.
func Survey(ctx context.Context, inv *Inventory, from func(Image) (Source, error), parallel int) (*Graph, error) {
	s := survey{nodes: map[digest.Digest]*entry{}}
	errs := make([]error, len(inv.Images))
	var g errgroup.Group
	g.SetLimit(max(1, parallel))
	for i, img := range inv.Images {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			src, err := from(img)
			if err == nil {
				err = WalkImage(ctx, src, img, func(d Descriptor, _ []byte) error { return s.add(i, d) })
			}
			if err != nil {
				errs[i] = &GapError{img, err}
			}
			return nil
		})
	}
	_ = g.Wait() // each error is in its place in errs
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s.graph(), nil
}

type entry struct {
	Node
	rank int // when a walk first finished it
}

type survey struct {
	mu    sync.Mutex
	nodes map[digest.Digest]*entry
	order int
}

func (s *survey) add(image int, d Descriptor) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.nodes[d.Digest]
	if e == nil {
		e = &entry{Node: Node{Descriptor: Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}}, rank: s.order}
		s.nodes[d.Digest] = e
		s.order++
	}
	if e.Descriptor.Size != d.Size {
		return &UnsupportedError{"blob " + d.Digest.String(), fmt.Sprintf("two manifests give it different sizes, %d and %d bytes", e.Descriptor.Size, d.Size)}
	}
	if IsManifest(e.Descriptor.MediaType) != IsManifest(d.MediaType) {
		return &UnsupportedError{"blob " + d.Digest.String(), fmt.Sprintf("it is named both as %q and as %q", e.Descriptor.MediaType, d.MediaType)}
	}
	if IsForeign(e.Descriptor.MediaType) && !IsForeign(d.MediaType) {
		e.Descriptor.MediaType = d.MediaType // one image needs it as an ordinary layer
	}
	e.Images = append(e.Images, image)
	return nil
}

func (s *survey) graph() *Graph {
	entries := make([]*entry, 0, len(s.nodes))
	for _, e := range s.nodes {
		slices.Sort(e.Images)
		entries = append(entries, e)
	}
	// A manifest's first finish comes after its children's first finish.
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.rank, b.rank) })
	var g Graph
	for _, e := range entries {
		if IsManifest(e.Descriptor.MediaType) {
			g.Manifests = append(g.Manifests, e.Node)
		} else {
			g.Blobs = append(g.Blobs, e.Node)
		}
	}
	slices.SortFunc(g.Blobs, func(a, b Node) int { return cmp.Compare(a.Descriptor.Digest, b.Descriptor.Digest) })
	return &g
}
