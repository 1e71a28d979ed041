package prepare

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// ListError says that a gap list does not fit the configuration.
type ListError struct {
	Reason, Do string
}

func (e *ListError) Error() string { return e.Reason }

// Hint says what to do now.
func (e *ListError) Hint() string { return e.Do }

// onlyListed leaves of what was resolved what the gap list names, and adds the
// attachments that it names. missing is what could not be resolved.
func (s *Set) onlyListed(ctx context.Context, inv *oci.Inventory, missing []*oci.Gap) (*oci.Inventory, error) {
	moved := s.asListed(ctx, inv)
	all := &oci.Inventory{Images: slices.Clone(inv.Images)}
	inv.Images = slices.DeleteFunc(inv.Images, func(i oci.Image) bool { return !s.listed(all, moved, i) })
	inv.Documents = slices.DeleteFunc(inv.Documents, func(d oci.Document) bool { return d.Name == manifests.DocumentContents }) // a part of that is carried
	missing = slices.DeleteFunc(missing, func(g *oci.Gap) bool { return !s.listed(all, moved, g.Image) })
	var errs []error
	for _, g := range missing {
		errs = append(errs, g)
	}
	for _, g := range s.Only.Images {
		switch {
		case g.Image.Subject != "" && !s.mayAttach(all, g):
			return nil, s.notNamed(g)
		case gaps.AllAttached(g):
			images, err := s.allAttached(ctx, g)
			inv.Images, errs = append(inv.Images, images...), append(errs, err)
		case named(inv, missing, g):
		case g.Image.Subject == "":
			return nil, s.notNamed(g)
		default:
			img, err := s.attached(ctx, g)
			if err != nil {
				errs = append(errs, err)
			} else {
				inv.Images = append(inv.Images, img)
			}
		}
	}
	inv.Sort()
	if err := errors.Join(errs...); err != nil || len(inv.Images) > 0 {
		return inv, err
	}
	return nil, &ListError{s.OnlyFile + " lists signatures alone, and the registry has none of them", "there is nothing to carry later"}
}

// notNamed refuses what the list names and the configuration does not.
func (s *Set) notNamed(g oci.Gap) error {
	do := "give the list with the configuration that it was written for; if the name was wrong and is corrected there, pack the corrected configuration whole into a new directory, or remove this image from the list"
	if len(s.Only.Lost) > 0 {
		do = "a list of what lost drives had brings more than the configuration names only on the host that packed bundle " + s.Only.Bundle + ", and only what that bundle has; there, or if that host's state is gone, name the image in the configuration, or remove it from the list"
	}
	return &ListError{fmt.Sprintf("%s lists %s, which %s does not name", s.OnlyFile, g.Image.Source, s.File), do}
}

// listed reports whether the gap list names an image: itself, or as part of a release,
// catalog or chart that could not even be read, or that is another one now. inv has all that was resolved.
func (s *Set) listed(inv *oci.Inventory, moved []oci.Image, img oci.Image) bool {
	return s.Only.Names(img) || slices.ContainsFunc(s.Only.Images, func(g oci.Gap) bool { return partOf(inv, img, g.Image) }) ||
		slices.ContainsFunc(moved, func(m oci.Image) bool { return partOf(inv, img, m) })
}

// partOf reports whether an image is of the release, catalog or chart that was missing.
func partOf(inv *oci.Inventory, img, missing oci.Image) bool {
	if missing.Root.Digest != "" || missing.Subject != "" {
		return false
	}
	within := func(wholes []oci.Reason) bool {
		return slices.ContainsFunc(img.Reasons, func(r oci.Reason) bool { return slices.ContainsFunc(wholes, r.Within) })
	}
	switch missing.Origin {
	case manifests.OriginCatalog:
		return slices.ContainsFunc(img.Reasons, func(r oci.Reason) bool { return r.Catalog == missing.Source.String() })
	case manifests.OriginRelease, manifests.OriginChart:
		return img.Origin == missing.Origin && !img.Built && (within(wholes(missing.Reasons)) || within(wholesOf(inv, missing)))
	}
	return false
}

// wholesOf gives what an image that was missing turned out to be, now that it can be read.
func wholesOf(inv *oci.Inventory, missing oci.Image) (list []oci.Reason) {
	for _, img := range inv.Images {
		if img.Origin != missing.Origin || !img.Matches(missing.Source) || img.MirrorPath() != missing.MirrorPath() {
			continue
		}
		list = append(list, wholes(img.Reasons)...)
	}
	return list
}

// wholes leaves of reasons the releases and charts that have parts: other releases may be
// of the same channel.
func wholes(list []oci.Reason) []oci.Reason {
	return slices.DeleteFunc(slices.Clone(list), func(r oci.Reason) bool {
		return r.Part != "" || r.Kind != manifests.KindRelease && r.Kind != manifests.KindChart
	})
}

// named reports whether a listed image was resolved, or tried.
func named(inv *oci.Inventory, missing []*oci.Gap, g oci.Gap) bool {
	return slices.ContainsFunc(inv.Images, func(i oci.Image) bool { return gaps.Is(i, g) }) ||
		slices.ContainsFunc(missing, func(e *oci.Gap) bool { return gaps.Is(e.Image, g) })
}

// allAttached pins what is attached to an image that was carried before without,
// because its registry did not list it.
func (s *Set) allAttached(ctx context.Context, g oci.Gap) ([]oci.Image, error) {
	owner, source := oci.Image{Origin: g.Image.Origin, Source: g.Image.Source, Path: g.Image.Path}, g.Image.Source
	subject, _, err := s.images().Resolve(ctx, source)
	all := &transport.Attached{}
	if err == nil {
		all, err = s.attachmentsOf(ctx, source, subject)
	}
	if err == nil && len(all.Unknown) > 0 { // it is a gap because it has to be known
		err = all.Unknown[0]
	}
	if err != nil {
		return nil, &oci.Gap{Image: g.Image, Err: fmt.Errorf("signatures of %s: %w", source, err)}
	}
	return images(all.List, owner, oci.Node{Descriptor: subject}, source.Repo()), nil
}

// attached pins a listed signature or referrer of an image that was carried before.
func (s *Set) attached(ctx context.Context, g oci.Gap) (oci.Image, error) {
	img := g.Image
	if img.Root = (oci.Descriptor{}); img.Source.Tag != "" {
		img.Tags = []string{img.Source.Tag}
	}
	root, _, err := s.images().Resolve(ctx, img.Source)
	if err != nil {
		return img, &oci.Gap{Image: img, Err: err}
	}
	img.Root = oci.Descriptor{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size}
	return img, nil
}
