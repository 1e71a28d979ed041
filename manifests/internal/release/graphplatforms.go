package release

import (
	"context"
	"fmt"
	"slices"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// graphPlatforms are those of the releases that are asked for, each os/architecture: the
// graph image runs where they do. None means all existing ones.
func graphPlatforms(ctx context.Context, c *imageset.Config, from ask.Images) []string {
	pf := &c.Mirror.Platform
	list := imageset.PlatformNames(pf.Platforms)
	for _, arch := range pf.Architectures {
		list = append(list, "linux/"+arch)
	}
	if len(list) == 0 {
		list = payloadPlatforms(ctx, pf.Release, from)
		if len(list) == 0 || len(pf.Channels) > 0 {
			list = append(list, "linux/"+defaultArch)
		}
	}
	if slices.Contains(list, "linux/"+MultiArch) {
		return nil
	}
	return text.Sorted(list)
}

// payloadPlatforms are those of a payload that is named. One that is not available says
// so itself.
func payloadPlatforms(ctx context.Context, name string, from ask.Images) []string {
	ref, err := oci.ParseRef(name)
	if err != nil {
		return nil
	}
	root, src, err := from.Resolve(ctx, ref)
	if err != nil {
		return nil
	}
	image, err := layers.Pick(ctx, src, root)
	if err != nil {
		return nil
	}
	arch, err := payloadArch(ctx, src, root, image)
	if err != nil {
		return nil
	}
	return []string{"linux/" + arch}
}

// taking says which of an image's platforms are those of a list; it must have them all.
func taking(ctx context.Context, src oci.Source, root oci.Descriptor, list []string) (take func(ispec.Platform) bool, err error) {
	has, err := oci.Platforms(ctx, src, root)
	if err != nil {
		return nil, err
	}
	if len(has) == 0 {
		return nil, &oci.UnsupportedError{What: root.Digest.String(), Why: "it is no image"}
	}
	if lacks := ask.Lacking(list, has); len(lacks) > 0 {
		return nil, &oci.UnsupportedError{What: root.Digest.String(), Why: fmt.Sprintf("it is not for %s; it is for %s", strings.Join(lacks, ", "), text.ASCII(strings.Join(has, ", ")))}
	}
	return func(p ispec.Platform) bool { return list == nil && p.OS == "linux" || ask.Among(list, p) }, nil
}
