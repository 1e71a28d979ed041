package origin

import (
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// SigstoreRepository is where the default ClusterImagePolicy "openshift" makes
// nodes demand a signature ("Manage secure signatures with sigstore").
const SigstoreRepository = "quay.io/openshift-release-dev/ocp-release"

// WithoutSigstore names those payloads of which all has no signature, under the
// tag that cosign gives it.
func WithoutSigstore(payloads, all []oci.Image) (unsigned []string) {
	for _, p := range payloads {
		tag := "sha256-" + p.Root.Digest.Encoded() + ".sig"
		signs := func(img oci.Image) bool { return img.Subject == p.Root.Digest && slices.Contains(img.Tags, tag) }
		if p.Source.Name() == SigstoreRepository && !slices.ContainsFunc(all, signs) {
			unsigned = append(unsigned, PayloadName(p))
		}
	}
	return unsigned
}

// isPayload reports whether an image is a release.
func isPayload(img oci.Image) bool {
	return img.Origin == Release && img.Path == PathPayload && img.Subject == ""
}

// NeedsSignature reports whether an image is a release for which that policy demands one.
func NeedsSignature(img oci.Image) bool {
	return isPayload(img) && img.Source.Name() == SigstoreRepository
}

// SigstoreNotes says which releases of an inventory lack their Sigstore signature,
// which is carried, as every other thing attached to an image, where it is found.
func SigstoreNotes(inv *oci.Inventory) []string {
	var payloads []oci.Image
	for _, img := range inv.Images {
		if isPayload(img) {
			payloads = append(payloads, img)
		}
	}
	unsigned := WithoutSigstore(payloads, inv.Images)
	if len(unsigned) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s has no Sigstore signature of the release %s: the release is carried without one, and nodes of 4.21 and later, which require it, will refuse the release", SigstoreRepository, text.Some(unsigned, 3))}
}
