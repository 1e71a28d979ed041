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

	foreigners []int  // of those, the images that name it as a foreign layer
	foreign    string // the media type by which they do
}

// Graph is images and everything that they reach, each digest once as a manifest and once as a blob. It is a value: to
// drop images, [Graph.Drop] returns another one.
type Graph struct {
	Images    []Image
	Manifests []Node // children before parents
	Blobs     []Node // by digest
}

// maxNodes is how many different manifests and blobs a graph may have: a release with all operator
// catalogs has 130,000 blobs.
const maxNodes = 1 << 18

// ReadGraph walks the images, up to parallel of them at a time, each root once for all images that
// have it. from gives the source
// of an image's manifests. The error joins a *[Gap] for each image that cannot be walked
// to its end: the graph, which is whole for the others, has only parts of those, and
// [Graph.Drop] drops them. Without a graph, the error is the context's, or a *[LimitError].
func ReadGraph(ctx context.Context, images []Image, from func(Image) (Source, error), parallel int) (*Graph, error) {
	r := graphReader{nodes: map[content]*entry{}}
	errs := make([]error, len(images))
	g, walking := errgroup.WithContext(ctx)
	g.SetLimit(max(1, parallel))
	for _, same := range alike(images) {
		if walking.Err() != nil {
			break
		}
		g.Go(func() error {
			for k, i := range same {
				reached, err := r.walk(walking, images[i], i, from)
				if err == nil {
					return r.share(reached, same[k+1:])
				}
				if limit, ok := errors.AsType[*LimitError](err); ok {
					return limit
				}
				errs[i] = &Gap{Image: images[i], Err: err}
			}
			return nil
		})
	}
	limit := g.Wait() // each other error is in its place in errs
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	if limit != nil {
		return nil, limit
	}
	return r.graph(images), errors.Join(errs...)
}

// alike gathers the images that reach the same, each by its place.
func alike(images []Image) (list [][]int) {
	at := map[string]int{}
	for i, img := range images {
		key := fmt.Sprint(img.Root.MediaType, img.Root.Digest, img.Root.Size, img.Omitted)
		k, ok := at[key]
		if !ok {
			k, list = len(list), append(list, nil)
			at[key] = k
		}
		list[k] = append(list[k], i)
	}
	return list
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
		if n.foreigners = places(n.foreigners); len(n.foreigners) == len(n.Images) && n.foreign != "" {
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
	walks Walks
	mu    sync.Mutex
	nodes map[content]*entry
	order int
}

// reached is what a walk came to, and whether its image names it as a foreign layer.
type reached struct {
	*entry
	foreign bool
}

// walk takes up what one image reaches.
func (r *graphReader) walk(ctx context.Context, img Image, i int, from func(Image) (Source, error)) (list []reached, err error) {
	src, err := from(img)
	if err != nil {
		return nil, err
	}
	w := &walker{src: src, all: &r.walks}
	w.fn = func(d Descriptor, body []byte) error {
		odd := ""
		if body != nil {
			odd = w.odd
		}
		e, err := r.add(i, d, odd)
		list = append(list, reached{e, IsForeign(d.MediaType)})
		return err
	}
	err = walkImage(ctx, w, img)
	return list, err
}

// share notes of more images that they reach the same.
func (r *graphReader) share(list []reached, images []int) error {
	if err := r.walks.take(len(list) * len(images)); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range list {
		e.Images = append(e.Images, images...)
		if e.foreign {
			e.foreigners = append(e.foreigners, images...)
		}
	}
	return nil
}

func (r *graphReader) add(image int, d Descriptor, odd string) (*entry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.nodes[contentOf(d)]
	if e == nil {
		if len(r.nodes) >= maxNodes {
			return nil, &LimitError{fmt.Sprintf("more than %d different manifests and blobs", maxNodes)}
		}
		e = &entry{Node: Node{Descriptor: Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}, Odd: odd}, rank: r.order}
		r.nodes[contentOf(d)] = e
		r.order++
	}
	if e.Descriptor.Size != d.Size {
		return nil, &UnsupportedError{"blob " + d.Digest.String(), fmt.Sprintf("two manifests give it different sizes, %d and %d bytes", e.Descriptor.Size, d.Size)}
	}
	if IsForeign(d.MediaType) {
		e.Node.foreign = d.MediaType
		e.foreigners = append(e.foreigners, image)
	} else if IsForeign(e.Descriptor.MediaType) {
		e.Descriptor.MediaType = d.MediaType // this image needs it as an ordinary layer
	}
	e.Images = append(e.Images, image)
	return e, nil
}

func (r *graphReader) graph(images []Image) *Graph {
	entries := make([]*entry, 0, len(r.nodes))
	for _, e := range r.nodes {
		slices.Sort(e.Images)
		slices.Sort(e.foreigners)
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
