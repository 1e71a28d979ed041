package ask

import (
	"context"
	"slices"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Among reports whether a platform is one of those names.
func Among(names []string, p ispec.Platform) bool {
	return slices.ContainsFunc(names, func(name string) bool { return oci.SamePlatform(name, oci.PlatformString(&p)) })
}

// Pick gives the image that is read for root: one of those that are carried.
func Pick(ctx context.Context, src oci.Source, root oci.Descriptor, only []string) (oci.Descriptor, error) {
	if only != nil {
		if _, err := oci.SelectPlatforms(ctx, src, root, only); err != nil {
			return oci.Descriptor{}, err
		}
	}
	return layers.Pick(ctx, src, root, only...)
}

// eitherOf joins what two parts of the configuration want of an image: one that
// wants all platforms has its way.
func eitherOf(a, b []string) []string {
	if a == nil || b == nil {
		return nil
	}
	return text.Sorted(slices.Concat(a, b))
}

// Lacking lists the platforms that an image for some does not have.
func Lacking(only, has []string) (list []string) {
	for _, name := range only {
		if len(has) > 0 && !slices.ContainsFunc(has, func(p string) bool { return oci.SamePlatform(name, p) }) {
			list = append(list, name)
		}
	}
	return list
}
