package origin

import (
	"slices"

	"github.com/satchel-airgap/satchel/oci"
)

// PulledByTag reports whether something may pull an image by its tag: it has no digest in its
// name, or it has a tag beside it that the mirror has too, or pods name it so.
func PulledByTag(img oci.Image) bool {
	switch {
	case img.Source.Digest == "":
		return true
	case len(img.Tags) == 0:
		return false
	case img.Origin == Additional && slices.Contains(img.Tags, img.Source.Tag): // as init writes what pods name by tag
		return true
	}
	return slices.ContainsFunc(img.Reasons, func(r oci.Reason) bool { return r.Kind == KindPod })
}
