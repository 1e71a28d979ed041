package origin

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// CarriedRelease is a release that an inventory has.
type CarriedRelease struct {
	Name   string        `json:"name"` // VERSION-ARCH, its tag in the mirror
	Source oci.Ref       `json:"source"`
	Digest digest.Digest `json:"digest"`
	Why    []string      `json:"why"` // what chose it, and who signed it
}

// Releases lists the releases of an inventory, the oldest first.
func Releases(inv *oci.Inventory) (list []CarriedRelease) {
	for _, img := range inv.Images {
		if img.Origin != Release || img.Path != PathPayload || img.Subject != "" {
			continue
		}
		for _, tag := range img.NamedTags() {
			r := CarriedRelease{Name: tag, Source: img.Source, Digest: img.Root.Digest, Why: []string{}}
			for _, why := range img.Reasons {
				if why.Kind != KindRelease { // which is its name
					r.Why = append(r.Why, why.String())
				}
			}
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b CarriedRelease) int {
		return CompareReleaseTags(a.Name, b.Name)
	})
	return list
}

// ReleaseImages gives the images of each payload of an inventory, itself among them, by its
// digest: those of which a reason names the same release.
func ReleaseImages(images []oci.Image) map[digest.Digest][]oci.Image {
	payloads := map[string][]digest.Digest{} // by the release's name
	for _, img := range images {
		if img.Origin != Release || img.Path != PathPayload || img.Subject != "" {
			continue
		}
		for _, why := range img.Reasons {
			if why.Kind == KindRelease {
				payloads[why.Name] = append(payloads[why.Name], img.Root.Digest)
			}
		}
	}
	all := map[digest.Digest][]oci.Image{}
	for _, img := range images {
		of := map[digest.Digest]bool{}
		for _, why := range img.Reasons {
			for _, d := range payloads[why.Name] {
				if why.Kind == KindRelease && img.Subject == "" && !of[d] {
					of[d] = true
					all[d] = append(all[d], img)
				}
			}
		}
	}
	return all
}
