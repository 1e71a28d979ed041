package manifests

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
)

// parallelImages is how many images are resolved at a time.
const parallelImages = 8

// Images finds images in registries.
type Images interface {
	// Resolve gives the manifest that ref names now, and the source of its
	// content. A ref with a digest has no tag.
	Resolve(ctx context.Context, ref oci.Ref) (oci.Descriptor, oci.Source, error)
}

// Resolve pins what cfg asks for to digests. It asks [Config.Carried] first, and
// from, for each image once, several at a time. An image whose reference has a
// digest keeps that digest, and the tag beside it. The inventory is sorted and
// valid. The error joins a *[oci.GapError] for each image that cannot be
// resolved, and the inventory then has the others; a configuration that asks for
// no image at all is a *[ConfigError].
func Resolve(ctx context.Context, cfg *Config, from Images) (*oci.Inventory, error) {
	if err := cfg.Carried(); err != nil {
		return nil, err
	}
	if err := cfg.NotEmpty(); err != nil {
		return nil, err
	}
	refs := cfg.refs()
	images, errs := make([]oci.Image, len(refs)), make([]error, len(refs))
	var g errgroup.Group
	g.SetLimit(parallelImages)
	for i, ref := range refs {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			img, err := pin(ctx, ref, from)
			images[i] = img
			if err != nil {
				errs[i] = &oci.GapError{Image: img, Err: err}
			}
			return nil
		})
	}
	_ = g.Wait() // each error is in its place in errs
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("resolve images: %w", err)
	}
	inv := &oci.Inventory{}
	for i, img := range images {
		if errs[i] == nil {
			inv.Images = append(inv.Images, img)
		}
	}
	inv.Sort()
	return inv, errors.Join(errs...)
}

// NotEmpty returns a *[ConfigError] for a configuration that asks for nothing.
func (c *Config) NotEmpty() error {
	if len(c.Mirror.AdditionalImages) > 0 {
		return nil
	}
	p := problems{file: c.file, places: c.places}
	p.add("mirror", "there is nothing to carry: mirror.additionalImages names no image")
	return p.join()
}

// refs lists the additional images, each once, sorted.
func (c *Config) refs() []oci.Ref {
	refs := make([]oci.Ref, 0, len(c.Mirror.AdditionalImages))
	for _, a := range c.Mirror.AdditionalImages {
		refs = append(refs, a.Name)
	}
	slices.SortFunc(refs, func(a, b oci.Ref) int { return cmp.Compare(a.String(), b.String()) })
	return slices.Compact(refs)
}

// pin resolves one additional image, as far as it gets.
func pin(ctx context.Context, ref oci.Ref, from Images) (oci.Image, error) {
	img := oci.Image{Origin: oci.OriginAdditional, Source: ref}
	if ref.Tag != "" {
		img.Tags = []string{ref.Tag}
	}
	asked := ref
	if ref.Digest != "" {
		asked = ref.WithDigest(ref.Digest)
	}
	root, src, err := from.Resolve(ctx, asked)
	if err != nil {
		return img, err
	}
	img.Root = oci.Descriptor{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size}
	if err := img.Validate(); err != nil {
		return img, err
	}
	img.Platforms, err = oci.Platforms(ctx, src, img.Root)
	return img, err
}
