package prepare

import (
	"context"
	"slices"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/oci"
)

// asListed pins images of a list of what lost drives had by the digests that they have there, also those that
// the configuration does not name any more: they complete a bundle that exists. moved are those that
// cannot be fetched by that digest; what the configuration names now is carried then.
func (s *Set) asListed(ctx context.Context, inv *oci.Inventory) (moved []oci.Image) {
	if len(s.Only.Lost) == 0 {
		return nil
	}
	for _, g := range s.Only.Images {
		want := g.Image.Root.Digest
		if want == "" || gaps.AllAttached(g) || g.Image.Subject != "" {
			continue
		}
		i := slices.IndexFunc(inv.Images, func(img oci.Image) bool { return gaps.Is(img, g) })
		if i >= 0 && inv.Images[i].Root.Digest == want {
			continue
		}
		img, err := s.byDigest(ctx, inv, i, g.Image)
		switch {
		case err == nil && i >= 0:
			inv.Images[i] = img
		case err == nil:
			inv.Images = append(inv.Images, img)
		case i >= 0:
			s.Warn("carried as it is now: %s; as bundle %s has it, %s, it cannot be fetched: %v", inv.Images[i].Describe(), s.Only.Bundle, want, err)
			g.Image.Root = oci.Descriptor{}
			moved = append(moved, g.Image)
		}
	}
	return moved
}

// byDigest pins a listed image by its digest, for all its platforms. i is its place in the inventory, below 0 if
// the configuration does not name it.
func (s *Set) byDigest(ctx context.Context, inv *oci.Inventory, i int, listed oci.Image) (img oci.Image, err error) {
	root, _, err := s.images().Resolve(ctx, listed.Source.WithDigest(listed.Root.Digest))
	if err != nil {
		return img, err
	}
	img = listed
	if img.Source.Tag != "" {
		img.Tags = []string{img.Source.Tag}
	}
	if i >= 0 {
		img = inv.Images[i]
		img.Platforms, img.Omitted, img.Unknown, img.Built, img.Base = nil, nil, nil, false, oci.Ref{}
	}
	img.Root = oci.Descriptor{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size}
	return img, nil
}
