package manifests

import (
	"context"
	"fmt"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/mirrored"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/payload"
	"github.com/satchel-airgap/satchel/oci"
)

// What a mirror has, and what of it clusters use.
type (
	// ClusterUse is what the objects of clusters say is in use. Its methods read files.
	ClusterUse = cluster.Use
	// ClusterRelease is a release that a cluster needs.
	ClusterRelease = cluster.Release
	// ClusterOperator is an operator that a cluster has.
	ClusterOperator = cluster.Operator
	// ClusterFileError says what is wrong with a file of objects, and nothing of its content.
	ClusterFileError = cluster.Error
	// ReleaseContents is what a release is made of.
	ReleaseContents = payload.Payload
	// DeleteConfig is a DeleteImageSetConfiguration of mirror.openshift.io/v2alpha1.
	DeleteConfig = imageset.Delete
	// ChartContents is a Helm chart that a registry has, with its images.
	ChartContents = mirrored.Chart
	// CatalogBundle is one version of an operator in a catalog, with its images.
	CatalogBundle = mirrored.Bundle
)

// Repositories of releases in the mirror, below its namespace.
const (
	PathRelease    = origin.PathPayload
	PathComponents = origin.PathComponents
	PathGraph      = origin.PathGraph
	PathCharts     = origin.PathCharts // and the chart's name
)

// ParseDelete reads a DeleteImageSetConfiguration as [Parse] reads an ImageSetConfiguration,
// with the same errors.
func ParseDelete(name string, data []byte) (*DeleteConfig, error) {
	return imageset.ParseDelete(name, data)
}

// ReadRelease reads the payload of a release that a registry has. An image that is none is
// an *[oci.UnsupportedError]; the source's errors pass through.
func ReadRelease(ctx context.Context, src oci.Source, root oci.Descriptor) (*ReleaseContents, error) {
	return mirrored.Release(ctx, src, root)
}

// ReadEarlierRelease reads a payload that an earlier bundle brought into a mirror: what it says of
// updates, and its images. Its first tag must be that of its version. Errors are those of
// [ReadRelease].
func ReadEarlierRelease(ctx context.Context, src oci.Source, img oci.Image) (*EarlierRelease, error) {
	read, err := mirrored.Release(ctx, src, img.Root)
	if err != nil {
		return nil, err
	}
	tag, ok := origin.ParseReleaseTag(img.Tags[0])
	if !ok || tag.Version.String() != read.Version {
		return nil, &oci.UnsupportedError{What: "payload " + img.Root.Digest.String(), Why: fmt.Sprintf("its tag is %s, and its version %s", img.Tags[0], read.Version)}
	}
	facts, err := payload.Manifests(ctx, src, img.Root)
	if err != nil {
		return nil, err
	}
	list := imagesOfRelease(img, read, read.Version+" "+tag.Arch)
	return &EarlierRelease{Image: list[0], Images: list[1:], Facts: PayloadFacts{Payload: img.Root.Digest, Version: tag.Version, Architecture: tag.Arch, Facts: *facts}}, nil
}

// imagesOfRelease lists a payload and the images that it names, by the name of the release.
func imagesOfRelease(img oci.Image, read *ReleaseContents, name string) []oci.Image {
	img.Origin, img.Reasons = origin.Release, []oci.Reason{{Kind: origin.KindRelease, Name: name}}
	list := []oci.Image{img}
	for _, c := range read.Components {
		list = append(list, oci.Image{Origin: origin.Release, Source: c.Image, Path: origin.PathComponents, Root: oci.Descriptor{Digest: c.Image.Digest}, Reasons: []oci.Reason{{Kind: origin.KindRelease, Name: name, Part: c.Name}}})
	}
	return list
}

// ReadBundles gives each version of each operator of a catalog. selection, which may be nil,
// marks what it chooses; doubt gets the packages from which it cannot. sure says that all of
// the catalog could be read. Errors are those of [ReadCatalog].
func ReadBundles(ctx context.Context, name string, src oci.Source, root oci.Descriptor, selection *Operator, each func(CatalogBundle), doubt func(pkg, why string)) (sure bool, err error) {
	return mirrored.Operators(ctx, name, src, root, selection, each, doubt)
}

// ReadChart reads a Helm chart that a registry has, and renders it with its own values; paths
// are further places of images, as JSONPath. An image that is no chart is an
// *[oci.UnsupportedError]. A chart that cannot be read or does not render is an error with a
// result, as far as that goes.
func ReadChart(ctx context.Context, render ChartRenderer, src oci.Source, root oci.Descriptor, paths []string) (*ChartContents, error) {
	return mirrored.ReadChart(ctx, render, src, root, paths)
}
