package manifests

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// The origins that an image can have.
const (
	OriginRelease    = origin.Release
	OriginCatalog    = origin.Catalog
	OriginOperator   = origin.Operator
	OriginAdditional = origin.Additional
	OriginChart      = origin.Chart
	OriginPod        = origin.Pod
)

// Kinds of reasons that wholes have; see [oci.Reason].
const (
	KindRelease  = origin.KindRelease
	KindCatalog  = origin.KindCatalog
	KindOperator = origin.KindOperator
	KindChart    = origin.KindChart
)

// What an inventory says of what is carried.
type (
	// CarriedRelease is a release that an inventory has.
	CarriedRelease = origin.CarriedRelease
	// Incomplete is a release, catalog, operator or chart of which images are missing.
	Incomplete = origin.Incomplete
	// Part is a release, catalog, operator or chart, or the rest of an origin.
	Part = origin.Part
)

// PartsOf lists what an image is part of, each once. An attachment has none of its own.
func PartsOf(img oci.Image) []Part { return origin.PartsOf(img) }

// ComparePart orders parts: by kind as a report has them, then by catalog, name and version.
func ComparePart(a, b Part) int { return origin.ComparePart(a, b) }

// Releases lists the releases of an inventory, the oldest first.
func Releases(inv *oci.Inventory) []CarriedRelease { return origin.Releases(inv) }

// ReleaseImages gives the images of each payload of an inventory, itself among them, by its digest.
func ReleaseImages(inv *oci.Inventory) map[digest.Digest][]oci.Image {
	return origin.ReleaseImages(inv.Images)
}

// NeedsSignature reports whether nodes may refuse an image that has no Sigstore signature:
// it is a release in the repository that OpenShift's own policy is for.
func NeedsSignature(img oci.Image) bool { return origin.NeedsSignature(img) }

// ReasonDemanded is the reason of a gap that is a signature which nodes demand of an image.
func ReasonDemanded(image string) oci.Reason { return origin.ReasonDemanded(image) }

// IsDemanded reports whether a gap is a signature that nodes demand.
func IsDemanded(g oci.Gap) bool { return origin.IsDemanded(g) }

// IncompleteOf says what the gaps make incomplete, sorted. A missing signature
// makes nothing incomplete.
func IncompleteOf(gaps []oci.Gap) []Incomplete { return origin.IncompleteOf(gaps) }

// Names of the documents in a bundle, and the artifact type of one.
const (
	DocumentContents  = documents.DocumentContents
	DocumentGraph     = documents.DocumentGraph
	DocumentTemplates = documents.DocumentTemplates
	ArtifactTemplates = documents.ArtifactTemplates
)

// What the documents of a bundle hold.
type (
	// Signature is one verified signature of a payload, as it was published.
	Signature = documents.Signature
	// PayloadFacts are what a carried release says to those who update to it, or from it.
	PayloadFacts = documents.PayloadFacts
	// CatalogTemplate is the template of a CatalogSource.
	CatalogTemplate = documents.CatalogTemplate
	// Target is where a catalog goes in the mirror.
	Target = documents.Target
	// CatalogContents is what of a catalog is carried.
	CatalogContents = documents.CatalogContents
	// PackageContents is what of a package is carried.
	PackageContents = documents.PackageContents
	// ChannelContents is what of a channel is carried.
	ChannelContents = documents.ChannelContents
	// VersionContents is a bundle in a channel.
	VersionContents = documents.VersionContents
)

// ReadSignatures gives the signatures of releases that a bundle carries, for [emit.Emit].
func ReadSignatures(ctx context.Context, inv *oci.Inventory, src oci.Source) ([]Signature, error) {
	return documents.ReadSignatures(ctx, inv, src)
}

// ReadPayloadFacts gives what the releases of a bundle say to those who update, the oldest
// first; none for a bundle of earlier versions.
func ReadPayloadFacts(ctx context.Context, inv *oci.Inventory, src oci.Source) ([]PayloadFacts, error) {
	return documents.ReadPayloadFacts(ctx, inv, src)
}

// ReadContents says what of each catalog a bundle carries, in the order of its
// configuration; none if the bundle does not say.
func ReadContents(ctx context.Context, inv *oci.Inventory, src oci.Source) ([]CatalogContents, error) {
	return documents.ReadContents(ctx, inv, src)
}

// ParseTemplates reads the files of the document with templates, for [emit.Emit].
func ParseTemplates(files []oci.ArtifactFile) ([]CatalogTemplate, error) {
	return documents.ParseTemplates(files)
}
