package inspect

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/oci"
)

// LeftOut is what a bundle leaves out because the mirror has it already.
type LeftOut struct {
	Count int                     `json:"count"` // manifests and blobs
	From  []bundle.BaselineSource `json:"from"`  // the bundles that brought them
}

// read reads the manifests that the bundle carries. Of images, it gives those too of which
// nothing can be read, because their manifest is left out.
func read(ctx context.Context, r *bundle.Reader) (*oci.Graph, []oci.Image, error) {
	var images, left []oci.Image
	for _, img := range r.Inventory().Images {
		if r.Baseline() != nil && !r.Has(img.Root) {
			left = append(left, img)
			continue
		}
		omitted, err := leftChildren(ctx, r, img.Root, 0)
		if err != nil {
			return nil, nil, err
		}
		if len(omitted) > 0 {
			img.Omitted = slices.Compact(slices.Sorted(slices.Values(append(omitted, img.Omitted...))))
		}
		images = append(images, img)
	}
	graph, err := oci.ReadGraph(ctx, images, func(oci.Image) (oci.Source, error) { return r, nil }, 2)
	if err != nil {
		return nil, nil, err
	}
	k := 0
	for _, img := range r.Inventory().Images { // as it is there, in the same order
		if k < len(graph.Images) && graph.Images[k].Source == img.Source && graph.Images[k].Origin == img.Origin && graph.Images[k].Path == img.Path {
			graph.Images[k] = img
			k++
		}
	}
	return graph, left, nil
}

// maxDepth is how deep indexes are read for what is left out below them.
const maxDepth = 8

// leftChildren lists the manifests that a carried index names and the bundle leaves out.
func leftChildren(ctx context.Context, r *bundle.Reader, d oci.Descriptor, depth int) (list []digest.Digest, err error) {
	if r.Baseline() == nil || !oci.IsIndex(d.MediaType) || depth > maxDepth {
		return nil, nil
	}
	children, err := oci.ReadChildren(ctx, r, d)
	if err != nil {
		return nil, err
	}
	for _, c := range children {
		if !r.Has(c) {
			if _, _, ok := r.Baseline().Find(c.Digest); ok {
				list = append(list, c.Digest)
			}
			continue
		}
		below, err := leftChildren(ctx, r, c, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, below...)
	}
	return list, nil
}

// leftOut adds images of which nothing is carried.
func (r *Report) leftOut(b *bundle.Baseline, left []oci.Image) {
	if b == nil {
		return
	}
	r.LeftOut = &LeftOut{b.Len(), b.Sources()}
	for _, img := range report.Images(&oci.Graph{Images: left}) {
		img.LeftOut = true
		r.Images = append(r.Images, img)
	}
	for i, img := range r.Images { // what it is attached to may be in the mirror
		if img.Alone {
			_, _, there := b.Find(img.Subject)
			r.Images[i].Alone = !there
		}
	}
}
