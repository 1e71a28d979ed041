package mirrored

import (
	"context"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/helm"
	"github.com/satchel-airgap/satchel/oci"
)

// Chart is a Helm chart that a registry has.
type Chart struct {
	Name, Version string
	Images        []oci.Ref // that it runs with its own values
}

// ReadChart reads the chart of an artifact and renders it with its own values; paths are
// further places of images. An image that is no chart is an *[oci.UnsupportedError]; a chart
// that cannot be read or does not render is an error with a result, as far as that goes.
func ReadChart(ctx context.Context, render helm.Renderer, src oci.Source, root oci.Descriptor, paths []string) (*Chart, error) {
	body, err := oci.ReadManifest(ctx, src, root)
	if err != nil {
		return nil, err
	}
	layer, err := helm.ArchiveOf(root, body)
	if err != nil {
		return nil, err
	}
	archive, err := oci.ReadBlob(ctx, src, layer, helm.MaxArchive)
	if err != nil {
		return nil, err
	}
	c, err := render.Chart(ctx, archive, helm.Request{Paths: paths})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case c == nil:
		return &Chart{}, &oci.UnsupportedError{What: "chart " + root.Digest.String(), Why: err.Error()}
	}
	out := &Chart{Name: c.Name, Version: c.Version}
	for _, img := range c.Images {
		if ref, perr := ask.ParseNodeRef(img.Ref); perr == nil {
			out.Images = append(out.Images, ref)
		}
	}
	return out, err
}
