package oci

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"

	"github.com/opencontainers/go-digest"
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
	// Subject is the manifest that this one is attached to, as a referrer or a
	// signature under a tag; empty for an image carried for itself.
	Subject digest.Digest `json:"subject,omitempty"`
}

// MirrorTags lists the tags that the image gets in the mirror. An image that is
// only ever pulled by digest gets satchel-<64 hex>, because registries collect
// untagged manifests; sha256-<hex> would be taken for a referrers index. A
// referrer has no tag: registries keep it with its subject.
func (i Image) MirrorTags() []string {
	if len(i.Tags) > 0 || i.Subject != "" {
		return i.Tags
	}
	return []string{"satchel-" + i.Root.Digest.Encoded()}
}

// Gap is an image that was asked for and is not carried.
type Gap struct {
	Origin  Origin        `json:"origin"`
	Source  Ref           `json:"source"`
	Digest  digest.Digest `json:"digest,omitempty"`  // what it was pinned to, if it got so far
	Subject digest.Digest `json:"subject,omitempty"` // the manifest that it is attached to
	Error   string        `json:"error"`             // why it could not be had
}

// Inventory is the pinned list of what a bundle carries.
type Inventory struct {
	Images []Image `json:"images"`
	Gaps   []Gap   `json:"gaps,omitempty"` // what it goes without
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
		if err := img.Validate(); err != nil {
			return fmt.Errorf("image %s: %w", img.Source, err)
		}
	}
	return nil
}

// Validate checks that an image is named, pinned and tagged as the format allows.
func (i Image) Validate() error {
	if _, err := ParseRef(i.Source.String()); err != nil {
		return err
	}
	if err := CheckDescriptor(i.Root); err != nil {
		return err
	}
	if !IsManifest(i.Root.MediaType) {
		return fmt.Errorf("%q is not the media type of a manifest", i.Root.MediaType)
	}
	if i.Source.Digest != "" && i.Source.Digest != i.Root.Digest {
		return fmt.Errorf("pinned to another digest, %s", i.Root.Digest)
	}
	if i.Subject != "" {
		if err := CheckDigest(i.Subject); err != nil {
			return fmt.Errorf("subject: %w", err)
		}
	}
	if !slices.Contains(origins, i.Origin) {
		return fmt.Errorf("unknown origin %q", i.Origin)
	}
	for _, p := range i.Platforms {
		if !platformPattern.MatchString(p) {
			return fmt.Errorf("platform %q", p)
		}
	}
	for _, tag := range i.Tags {
		if _, err := ParseRef(i.Source.WithTag(tag).String()); err != nil {
			return fmt.Errorf("tag %q: %w", tag, err)
		}
	}
	return nil
}
