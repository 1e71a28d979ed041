package oci

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
)

// Origin says why an image is carried.
type Origin string

// The origins that an image can have.
const (
	OriginRelease    Origin = "release"
	OriginCatalog    Origin = "catalog"
	OriginOperator   Origin = "operator"
	OriginAdditional Origin = "additional"
	OriginChart      Origin = "chart"
	OriginPod        Origin = "pod"
)

var (
	origins         = []Origin{OriginRelease, OriginCatalog, OriginOperator, OriginAdditional, OriginChart, OriginPod}
	platformPattern = regexp.MustCompile(`^[A-Za-z0-9._+-]+/[A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)?$`)
)

// Image is one pinned image of an inventory.
type Image struct {
	Origin    Origin     `json:"origin"`
	Source    Ref        `json:"source"`              // as configured: tag, digest or both
	Root      Descriptor `json:"root"`                // the manifest or index it was pinned to
	Platforms []string   `json:"platforms,omitempty"` // os/arch[/variant], sorted
	Tags      []string   `json:"tags,omitempty"`      // tags it gets in the mirror; none: see [Image.MirrorTags]
}

// MirrorTags lists the tags that the image gets in the mirror. An image that is
// only ever pulled by digest gets satchel-<64 hex>, because registries collect
// untagged manifests; sha256-<hex> would be taken for a referrers index.
func (i Image) MirrorTags() []string {
	if len(i.Tags) > 0 {
		return i.Tags
	}
	return []string{"satchel-" + i.Root.Digest.Encoded()}
}

// Inventory is the pinned list of what a bundle carries.
type Inventory struct {
	Images []Image `json:"images"`
}

// Sort orders the images by source reference, then origin, so that the same
// set is always the same list.
func (inv *Inventory) Sort() {
	slices.SortFunc(inv.Images, func(a, b Image) int {
		return cmp.Or(cmp.Compare(a.Source.String(), b.Source.String()), cmp.Compare(a.Origin, b.Origin))
	})
}

// Validate checks every image as strictly as if it came from an enemy: it may.
func (inv *Inventory) Validate() error {
	for _, img := range inv.Images {
		if _, err := ParseRef(img.Source.String()); err != nil {
			return err
		}
		if err := CheckDescriptor(img.Root); err != nil {
			return fmt.Errorf("image %s: %w", img.Source, err)
		}
		if !IsManifest(img.Root.MediaType) {
			return fmt.Errorf("image %s: %q is not the media type of a manifest", img.Source, img.Root.MediaType)
		}
		if img.Source.Digest != "" && img.Source.Digest != img.Root.Digest {
			return fmt.Errorf("image %s: pinned to another digest, %s", img.Source, img.Root.Digest)
		}
		if !slices.Contains(origins, img.Origin) {
			return fmt.Errorf("image %s: unknown origin %q", img.Source, img.Origin)
		}
		for _, p := range img.Platforms {
			if !platformPattern.MatchString(p) {
				return fmt.Errorf("image %s: platform %q", img.Source, p)
			}
		}
		for _, tag := range img.Tags {
			if _, err := ParseRef(img.Source.WithTag(tag).String()); err != nil {
				return fmt.Errorf("image %s: tag %q: %w", img.Source, tag, err)
			}
		}
	}
	return nil
}
