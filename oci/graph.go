package oci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Node is content that images reach.
type Node struct {
	Descriptor Descriptor
	Images     []int  // indexes into [Graph].Images, ascending
	Odd        string // of a manifest: see [Manifest]

	ordinary []int  // of those, the images that name it with an ordinary media type
	foreign  string // the media type by which the others name a foreign layer; "" if none does
}

// Graph is images and everything that they reach, each digest once as a manifest and once as a blob. It is a value: to
// drop images, [Graph.Drop] returns another one.
type Graph struct {
	Images    []Image
	Manifests []Node // children before parents
	Blobs     []Node // by digest
}

// ReadGraph walks every image, up to parallel of them at a time. from gives the source
// of an image's manifests. The error joins a *[Gap] for each image that cannot be walked
// to its end: the graph, which is whole for the others, has only parts of those, and
// [Graph.Drop] drops them. Without a graph, the error is the context's.
func ReadGraph(ctx context.Context, images []Image, from func(Image) (Source, error), parallel int) (*Graph, error) {
	r := graphReader{nodes: map[content]*entry{}}
	errs := make([]error, len(images))
	var g errgroup.Group
	g.SetLimit(max(1, parallel))
	for i, img := range images {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			src, err := from(img)
			if err == nil {
				err = WalkImage(ctx, src, img, func(d Descriptor, body []byte) error { return r.add(i, d, body) })
			}
			if err != nil {
				errs[i] = &Gap{Image: img, Err: err}
			}
			return nil
		})
	}
	_ = g.Wait() // each error is in its place in errs
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	return r.graph(images), errors.Join(errs...)
}

// Of lists the images that reach a node.
func (g *Graph) Of(n Node) []Image {
	list := make([]Image, len(n.Images))
	for k, i := range n.Images {
		list[k] = g.Images[i]
	}
	return list
}

// Drop returns the graph of the images for which drop is false. g stays as it is.
func (g *Graph) Drop(drop func(Image) bool) *Graph {
	left := &Graph{}
	to := make([]int, len(g.Images)) // place of each image in left, -1 for none
	for i, img := range g.Images {
		if to[i] = -1; !drop(img) {
			to[i] = len(left.Images)
			left.Images = append(left.Images, img)
		}
	}
	left.Manifests, left.Blobs = renumber(g.Manifests, to), renumber(g.Blobs, to)
	return left
}

// renumber gives the nodes that images of the new numbering reach.
func renumber(nodes []Node, to []int) (left []Node) {
	places := func(list []int) (out []int) {
		for _, i := range list {
			if to[i] >= 0 {
				out = append(out, to[i])
			}
		}
		return out
	}
	for _, n := range nodes {
		if n.Images = places(n.Images); len(n.Images) == 0 {
			continue
		}
		if n.ordinary = places(n.ordinary); len(n.ordinary) == 0 && n.foreign != "" {
			n.Descriptor.MediaType = n.foreign
		}
		left = append(left, n)
	}
	return left
}

type entry struct {
	Node
	rank int // when a walk first finished it
}

type graphReader struct {
	mu    sync.Mutex
	nodes map[content]*entry
	order int
}

func (r *graphReader) add(image int, d Descriptor, body []byte) error {
	odd := ""
	if body != nil {
		m, err := ParseManifest(d, body)
		if err != nil {
			return err
		}
		odd = m.Odd
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.nodes[contentOf(d)]
	if e == nil {
		e = &entry{Node: Node{Descriptor: Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}, Odd: odd}, rank: r.order}
		r.nodes[contentOf(d)] = e
		r.order++
	}
	if e.Descriptor.Size != d.Size {
		return &UnsupportedError{"blob " + d.Digest.String(), fmt.Sprintf("two manifests give it different sizes, %d and %d bytes", e.Descriptor.Size, d.Size)}
	}
	if IsForeign(d.MediaType) {
		e.foreign = d.MediaType
	} else {
		e.ordinary = append(e.ordinary, image)
		if IsForeign(e.Descriptor.MediaType) {
			e.Descriptor.MediaType = d.MediaType // this image needs it as an ordinary layer
		}
	}
	e.Images = append(e.Images, image)
	return nil
}

func (r *graphReader) graph(images []Image) *Graph {
	entries := make([]*entry, 0, len(r.nodes))
	for _, e := range r.nodes {
		slices.Sort(e.Images)
		slices.Sort(e.ordinary)
		entries = append(entries, e)
	}
	// A manifest's first finish comes after its children's first finish.
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.rank, b.rank) })
	g := Graph{Images: slices.Clone(images)}
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
