package origin

import (
	"slices"

	"github.com/satchel-airgap/satchel/oci"
)

// SigstoreRepository is where OpenShift's own ClusterImagePolicy, "openshift", has nodes
// demand a signature in every version that has it.
const SigstoreRepository = "quay.io/openshift-release-dev/ocp-release"

// partDemanded marks a gap that is the signature of an image which nodes demand.
const partDemanded = "demanded"

// ReasonDemanded is the reason of a gap that is a signature which nodes demand; image says what
// image it is of.
func ReasonDemanded(image string) oci.Reason {
	return oci.Reason{Kind: oci.ReasonSignatures, Name: image, Part: partDemanded}
}

// IsDemanded reports whether a gap is a signature that nodes demand. Whether the mirror has it is
// looked at there.
func IsDemanded(g oci.Gap) bool {
	return slices.ContainsFunc(g.Image.Reasons, func(r oci.Reason) bool { return r.Kind == oci.ReasonSignatures && r.Part == partDemanded })
}

// isPayload reports whether an image is a release.
func isPayload(img oci.Image) bool {
	return img.Origin == Release && img.Path == PathPayload && img.Subject == ""
}

// NeedsSignature reports whether an image is a release for which that policy demands one.
func NeedsSignature(img oci.Image) bool {
	return isPayload(img) && img.Source.Name() == SigstoreRepository
}
