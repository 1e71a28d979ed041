package mirrored

import (
	"context"
	"errors"

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
func ReadChart(ctx context.Context, src oci.Source, root oci.Descriptor, paths []string) (*Chart, error) {
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
	c, err := helm.Load(archive)
	if err != nil {
		return &Chart{}, &oci.UnsupportedError{What: "chart " + root.Digest.String(), Why: err.Error()}
	}
	out := &Chart{Name: c.Name, Version: c.Version}
	if c.IsLibrary() {
		return out, nil
	}
	objects, err := c.Objects()
	for _, o := range objects {
		list := helm.Images(o)
		for _, expr := range paths {
			p, perr := helm.ParsePath(expr)
			if perr != nil {
				continue // which was refused before
			}
			more, perr := p.Images(o)
			err = errors.Join(err, perr)
			list = append(list, more...)
		}
		for _, img := range list {
			if ref, perr := ask.ParseNodeRef(img.Ref); perr == nil {
				out.Images = append(out.Images, ref)
			}
		}
	}
	return out, err
}
