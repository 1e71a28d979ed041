package oci

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Descriptor names content by media type, digest and size in bytes.
type Descriptor = ispec.Descriptor

// Media types of the manifests that satchel carries.
const (
	MediaTypeManifest       = ispec.MediaTypeImageManifest
	MediaTypeIndex          = ispec.MediaTypeImageIndex
	MediaTypeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeDockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"

	// MediaTypeAnyManifest stands in a descriptor for whichever of them its content has:
	// a [Source] that has manifests and blobs apart gives the manifest. It is in no bundle.
	MediaTypeAnyManifest = "application/vnd.satchel.any-manifest"

	mediaTypeDockerSchema1       = "application/vnd.docker.distribution.manifest.v1+json"
	mediaTypeDockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"
)

// MaxManifestSize is the largest manifest that is carried, in bytes. It is what
// registries promise to accept (OCI distribution-spec, "Pushing Manifests").
const MaxManifestSize = 4 << 20

// ManifestMediaTypes lists every manifest media type that is carried, in the
// order in which a registry is asked for them.
func ManifestMediaTypes() []string {
	return []string{MediaTypeIndex, MediaTypeManifest, MediaTypeDockerList, MediaTypeDockerManifest}
}

// IsManifest reports whether the media type is one of a manifest or an index,
// as opposed to a blob.
func IsManifest(mediaType string) bool {
	return IsIndex(mediaType) || mediaType == MediaTypeManifest || mediaType == MediaTypeDockerManifest
}

// IsIndex reports whether the media type is one whose manifest lists manifests.
func IsIndex(mediaType string) bool {
	return mediaType == MediaTypeIndex || mediaType == MediaTypeDockerList
}

func isSchema1(mediaType string) bool {
	return mediaType == mediaTypeDockerSchema1 || mediaType == mediaTypeDockerSchema1Signed
}

// IsConfig reports whether the media type is one of an image config.
func IsConfig(mediaType string) bool { return mediaType == mediaConfig || mediaType == mediaDocker }

// IsForeign reports whether the media type is one of a layer that its registry
// may not have: licences of old base images forbid to distribute them (OCI
// image-spec, "Non-Distributable Layers"). Such a layer is never fetched from
// the URLs that its descriptor names.
func IsForeign(mediaType string) bool {
	return strings.HasPrefix(mediaType, "application/vnd.oci.image.layer.nondistributable.v1.") ||
		strings.HasPrefix(mediaType, "application/vnd.docker.image.rootfs.foreign.diff.")
}

// UnsupportedError says that content is of a kind that satchel does not carry.
type UnsupportedError struct {
	What string // the content, such as "manifest sha256:..."
	Why  string
}

func (e *UnsupportedError) Error() string { return e.What + ": " + e.Why }

// Permanent reports that trying again gives the same answer.
func (e *UnsupportedError) Permanent() bool { return true }

// maxBlob is the largest blob, in bytes: [MaxReached] of them, added, do not overflow.
const maxBlob = 1 << 40

// CheckDescriptor reports what makes d unfit to be carried: a digest that is
// malformed or not SHA-256, a size that is negative or more than 1 TiB, a media type that is refused, a
// manifest above [MaxManifestSize]. The error is an *[UnsupportedError].
func CheckDescriptor(d Descriptor) error {
	if err := CheckDigest(d.Digest); err != nil {
		return err
	}
	what := "blob " + d.Digest.String()
	switch {
	case isSchema1(d.MediaType):
		return &UnsupportedError{"manifest " + d.Digest.String(), "it is a Docker schema 1 manifest, which no current registry stores unchanged; rebuild or re-push the image"}
	case d.Size < 0 || d.Size > maxBlob:
		return &UnsupportedError{what, fmt.Sprintf("its descriptor gives a size of %d bytes", d.Size)}
	case IsManifest(d.MediaType) && d.Size > MaxManifestSize:
		return tooLarge(d)
	}
	return nil
}

func tooLarge(d Descriptor) error {
	return &UnsupportedError{"manifest " + d.Digest.String(), fmt.Sprintf("it has %d bytes; registries accept at most %d", d.Size, MaxManifestSize)}
}

// CheckDigest reports what makes a digest unfit: malformed, or not SHA-256. The
// error is an *[UnsupportedError].
func CheckDigest(d digest.Digest) error {
	if err := d.Validate(); err != nil {
		return &UnsupportedError{fmt.Sprintf("digest %q", string(d)), "it is not a valid digest"}
	}
	if d.Algorithm() != digest.SHA256 {
		return &UnsupportedError{"digest " + d.String(), "only sha256 digests are carried"}
	}
	return nil
}
