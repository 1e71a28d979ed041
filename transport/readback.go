package transport

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
)

// Stored lists every blob of the images that are not left out, by digest, with all
// repositories of the mirror that need it. Nothing is asked. src gives the manifests.
func (m *Mirror) Stored(ctx context.Context, src oci.Source, images []oci.Image) ([]Delivery, error) {
	images = slices.DeleteFunc(slices.Clone(images), m.isOut)
	from := func(oci.Image) (oci.Source, error) { return src, nil }
	graph, err := oci.ReadGraph(ctx, images, from, m.parallel)
	if err != nil {
		return nil, err
	}
	list := make([]Delivery, 0, len(graph.Blobs))
	for _, node := range graph.Blobs {
		list = append(list, Delivery{Blob: node.Descriptor, Repos: m.reposOf(node, images), Optional: m.optionalOf(node, images)})
	}
	return list, nil
}

// ReadBack reads each blob once, from the first of its repositories, and hashes it. read
// gets the number of bytes as they come, whole each blob that is right; both may be called
// at the same time. What is absent or wrong is returned, by digest.
func (m *Mirror) ReadBack(ctx context.Context, list []Delivery, read func(int64), whole func(oci.Descriptor)) (wrong []Delivery, err error) {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for _, d := range list {
		g.Go(func() error {
			r, err := m.client.Repository(d.Repos[0])
			if err != nil {
				return err
			}
			f, err := r.readBack(ctx, d.Blob, read)
			switch {
			case err != nil:
				return err
			case f.whole():
				whole(d.Blob)
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			wrong = append(wrong, d)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(wrong, func(a, b Delivery) int { return cmp.Compare(a.Blob.Digest, b.Blob.Digest) })
	return wrong, nil
}
