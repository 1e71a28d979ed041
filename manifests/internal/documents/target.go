package documents

import (
	"cmp"
	"slices"

	"github.com/satchel-airgap/satchel/oci"
)

// Target is where a catalog goes in the mirror: it tells two entries of one catalog apart.
type Target struct {
	Path string `json:"path,omitempty"` // targetCatalog; empty for the catalog's own
	Tag  string `json:"tag,omitempty"`  // empty for a catalog that has none
}

// Of reports whether an image is the catalog that goes there; ref is its reference as
// configured.
func (t Target) Of(ref string, img oci.Image) bool {
	r, err := oci.ParseRef(ref)
	return err == nil && img.Subject == "" && img.Matches(r) && cmp.Or(t.Path, r.Repository) == img.MirrorPath() &&
		(t.Tag == "" || slices.Contains(img.Tags, t.Tag))
}
