package rebuild

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

const (
	maxDepth   = 8  // indexes within indexes
	maxIndexes = 64 // indexes read for one image
	maxImages  = 64 // of one index
	maxShown   = 64 // bytes of a platform in an error
)

// Index makes an index of those images that root has for the platforms which take
// accepts, each by the recipe that cook gives for it; of a root that is one image it
// builds an image of any platform. What belongs to images as they were, such
// as attestations, is left out. It gives the platforms, as os/arch[/variant], sorted.
// A root without any such image is an *[oci.UnsupportedError] that names what it has.
func Index(ctx context.Context, src oci.Source, root oci.Descriptor, take func(ispec.Platform) bool,
	cook func(context.Context, oci.Descriptor) (Recipe, error), k Store) (oci.Descriptor, []string, error) {
	one := func(d oci.Descriptor) (oci.Descriptor, error) {
		r, err := cook(ctx, d)
		if err != nil {
			return d, err
		}
		return Image(ctx, src, d, r, k)
	}
	if !oci.IsIndex(root.MediaType) {
		platforms, err := oci.Platforms(ctx, src, root)
		if err != nil {
			return root, nil, err
		}
		built, err := one(root)
		return built, platforms, err
	}
	list, err := images(ctx, src, root, take)
	if err != nil {
		return root, nil, err
	}
	index := ispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: root.MediaType}
	var platforms []string
	for _, d := range list {
		image, err := one(oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size})
		if err != nil {
			return root, nil, err
		}
		image.Platform = d.Platform
		index.Manifests = append(index.Manifests, image)
		platforms = append(platforms, oci.PlatformString(d.Platform))
	}
	slices.Sort(platforms)
	built, err := putManifest(k, root.MediaType, index)
	return built, slices.Compact(platforms), err
}

// images lists the images of an index, and of those nested in it, that are taken,
// each platform's first.
func images(ctx context.Context, src oci.Source, root oci.Descriptor, take func(ispec.Platform) bool) ([]oci.Descriptor, error) {
	p := picker{src: src, take: take}
	if err := p.index(ctx, root, 0); err != nil {
		return nil, err
	}
	if len(p.list) == 0 {
		return nil, &oci.UnsupportedError{What: "index " + root.Digest.String(),
			Why: "it has no image for a platform that was asked for; it has " + strings.Join(p.others, ", ")}
	}
	return p.list, nil
}

type picker struct {
	src    oci.Source
	take   func(ispec.Platform) bool
	read   int // indexes
	list   []oci.Descriptor
	others []string // platforms that were not taken
}

func (p *picker) index(ctx context.Context, d oci.Descriptor, depth int) error {
	children, err := oci.ReadChildren(ctx, p.src, d)
	if err != nil {
		return fmt.Errorf("read index: %w", err)
	}
	if p.read++; depth > maxDepth || p.read > maxIndexes || len(children) > maxImages {
		return &oci.UnsupportedError{What: "index " + d.Digest.String(), Why: "it names too much, or indexes are nested too deep"}
	}
	for _, c := range children {
		if oci.IsIndex(c.MediaType) {
			if err := p.index(ctx, c, depth+1); err != nil {
				return err
			}
			continue
		}
		if err := p.image(c); err != nil {
			return err
		}
	}
	return nil
}

// image takes an image that has a platform. One that an inventory does not take is none.
func (p *picker) image(c oci.Descriptor) error {
	name := oci.PlatformString(c.Platform)
	if !oci.IsManifest(c.MediaType) || !oci.IsPlatform(name) || c.Platform.OS == "unknown" {
		return nil
	}
	if !p.take(*c.Platform) {
		name = name[:min(len(name), maxShown)]
		if !slices.Contains(p.others, name) && len(p.others) < maxImages {
			p.others = append(p.others, name)
		}
		return nil
	}
	if slices.ContainsFunc(p.list, func(d oci.Descriptor) bool { return samePlatform(d.Platform, c.Platform) }) {
		return nil
	}
	if p.list = append(p.list, c); len(p.list) > maxImages {
		return &oci.UnsupportedError{What: "index", Why: fmt.Sprintf("it has images for more than %d platforms", maxImages)}
	}
	return nil
}

// samePlatform compares what a node chooses by.
func samePlatform(a, b *ispec.Platform) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}
