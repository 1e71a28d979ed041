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
