package serve

import (
	"context"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// tellAway says at the start which drives are not here, and which images cannot be pulled without
// them: they are listed still, because a drive may come later.
func (g *Registry) tellAway(ctx context.Context, bundles []*bundle.Reader) {
	for _, r := range bundles {
		var away []string
		for _, d := range r.Drives() {
			if d.Dir == "" {
				away = append(away, d.String())
			}
		}
		if len(away) == 0 {
			continue
		}
		images := g.withoutThem(ctx, r)
		if len(images) == 0 {
			g.Info("not here: %s; all images can be pulled without", text.Some(away, mostTold))
			continue
		}
		g.Warn("not here: %s; %s: %s; to serve all, name the directories of those drives too", text.Some(away, mostTold),
			text.Count(len(images), "image cannot be pulled without", "images cannot be pulled without"), text.Some(images, fewImages))
	}
}

// withoutThem lists the images of a bundle that need a drive which is not here.
func (g *Registry) withoutThem(ctx context.Context, r *bundle.Reader) (images []string) {
	for _, img := range r.Inventory().Images {
		repo := g.repos[g.Place.Repo(img).Repository]
		if repo == nil || repo.manifests[img.Root.Digest].Digest == "" {
			continue // it is not served at all
		}
		if !g.here(ctx, img) {
			images = append(images, img.Describe())
		}
	}
	return images
}

// here reports whether all content of an image can be read now.
func (g *Registry) here(ctx context.Context, img oci.Image) bool {
	all := true
	err := oci.WalkImage(ctx, g.src, img, func(d oci.Descriptor, body []byte) error {
		if body == nil && g.shelf.has(d) && !slices.ContainsFunc(g.shelf, func(o *opened) bool { return o.bundle.Has(d) && o.bundle.Here(d) }) {
			all = false
		}
		return nil
	})
	return err == nil && all
}
