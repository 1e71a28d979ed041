package prepare

import (
	"context"
	"errors"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/oci"
)

// asListed pins images of a list of what lost drives had by the digests that they have there, also those that
// the configuration does not name any more: they complete a bundle that exists. The list came from elsewhere: what
// it names beyond the configuration is taken only if this host pinned it for that bundle. moved are those that
// cannot be taken by that digest; what the configuration names now is carried then.
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
		img, err := s.byDigest(ctx, inv, i, g)
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

// errNotPacked is of an image that this host did not pin for the bundle of the list.
var errNotPacked = errors.New("this host has no journal of that bundle that names it so")

// byDigest pins a listed image by its digest. i is its place in the inventory, below 0 if the configuration does not
// name it: then all of it is as the journal of its bundle has it, else it is carried for all its platforms.
func (s *Set) byDigest(ctx context.Context, inv *oci.Inventory, i int, g oci.Gap) (img oci.Image, err error) {
	at := slices.IndexFunc(s.packed(), func(p oci.Image) bool {
		return gaps.Is(p, g) && p.Root.Digest == g.Image.Root.Digest && p.Subject == ""
	})
	if at < 0 {
		return img, errNotPacked
	}
	img = s.packed()[at]
	root, _, err := s.images().Resolve(ctx, img.Source.WithDigest(img.Root.Digest))
	if err != nil {
		return img, err
	}
	if i >= 0 {
		img = inv.Images[i]
		img.Platforms, img.Omitted, img.Unknown, img.Built, img.Base = nil, nil, nil, false, oci.Ref{}
	}
	img.Root = oci.Descriptor{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size}
	return img, nil
}

// mayAttach reports whether a listed attachment lies where an image of the configuration does, or where the bundle of
// the list had it: other repositories are not asked because a list says so.
func (s *Set) mayAttach(inv *oci.Inventory, g oci.Gap) bool {
	beside := func(img oci.Image) bool {
		return img.Source.Repo() == g.Image.Source.Repo() && img.MirrorPath() == g.Image.MirrorPath()
	}
	return slices.ContainsFunc(inv.Images, beside) || slices.ContainsFunc(s.packed(), beside)
}

// packed are the images that this host pinned for the bundle of the list; none if it did not.
func (s *Set) packed() []oci.Image {
	if s.pinned == nil {
		s.pinned = []oci.Image{}
		if s.Journals != "" {
			s.pinned = append(s.pinned, bundle.PackedImages(s.Journals, s.Only.Bundle)...)
		}
	}
	return s.pinned
}
