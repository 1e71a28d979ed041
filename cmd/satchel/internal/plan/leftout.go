package plan

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/oci"
)

// leave counts what is left out of all, and what of each origin is new. base is nil where
// nothing is left out.
func (r *Report) leave(all, carried *oci.Graph, base *bundle.Baseline) {
	origins := map[oci.Origin]*Origin{}
	for i := range r.Origins {
		origins[r.Origins[i].Origin] = &r.Origins[i]
	}
	travels := map[digest.Digest]bool{}
	for _, n := range slices.Concat(carried.Manifests, carried.Blobs) {
		travels[n.Descriptor.Digest] = true
		var of []oci.Origin
		for _, i := range n.Images {
			r.Images[i].New = true
			r.Images[i].NewBytes += n.Descriptor.Size
			if o := all.Images[i].Origin; !slices.Contains(of, o) {
				of = append(of, o)
			}
		}
		if len(of) == 1 {
			origins[of[0]].NewBytes += n.Descriptor.Size
		}
	}
	r.LeftOut = &LeftOut{Manifests: len(all.Manifests) - len(carried.Manifests), Blobs: len(all.Blobs) - len(carried.Blobs), From: []bundle.BaselineSource{},
		Bytes: report.Size(all.Manifests) + report.Size(all.Blobs) - report.Size(carried.Manifests) - report.Size(carried.Blobs)}
	if base != nil {
		r.LeftOut.From = base.Sources()
	}
	for i, img := range all.Images {
		switch {
		case img.Subject != "":
		case r.Images[i].New:
			origins[img.Origin].New++
		default:
			r.LeftOut.Images++
		}
	}
	r.Parts = r.parts(all, travels)
}
