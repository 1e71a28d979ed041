package hub

import (
	"slices"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// merge gives what a newer bundle of a stream brought, and of an older one what the newer says
// nothing of: one that was packed for gaps alone has few images, and few documents.
func merge(old, h *manifests.Hub) *manifests.Hub {
	m := *h
	m.Images, m.Gaps = slices.Clone(h.Images), slices.Clone(h.Gaps)
	for _, img := range old.Images {
		if img, left := without(img, h); left && !slices.ContainsFunc(h.Images, func(by oci.Image) bool { return replaces(h.Mirror, by, img) }) {
			m.Images = append(m.Images, img)
		}
	}
	has := func(ref oci.Ref) bool {
		same := func(img oci.Image) bool { return img.Matches(ref) }
		return slices.ContainsFunc(h.Images, same) || slices.ContainsFunc(h.Gaps, func(g oci.Gap) bool { return same(g.Image) })
	}
	for _, g := range old.Gaps {
		if _, left := without(g.Image, h); left && !has(g.Image.Source) {
			m.Gaps = append(m.Gaps, g)
		}
	}
	m.Files = manifests.MergeHubFiles(old.Files, h.Files)
	return &m
}

// localCharts stands for the host of charts that were files.
const localCharts = "charts.local"

// replaces reports whether an image takes the place of an older one: a tag of it in the mirror,
// or what its source names. A chart that was a file takes that of its other versions: the file
// is the same.
func replaces(at oci.Mirror, by, old oci.Image) bool {
	if by.Origin == manifests.OriginChart && by.Source.Registry == localCharts && by.Source.Repo() == old.Source.Repo() {
		return true
	}
	if at.Repo(by) == at.Repo(old) {
		return by.Root.Digest == old.Root.Digest || slices.ContainsFunc(old.Tags, func(tag string) bool { return slices.Contains(by.Tags, tag) })
	}
	return by.Source == old.Source && by.Origin == old.Origin && !by.Built && !old.Built
}

// without takes away that a catalog is why an image is there, where the newer bundle has brought
// that catalog; left is false if nothing else asked for it.
func without(img oci.Image, h *manifests.Hub) (_ oci.Image, left bool) {
	before := len(img.Reasons)
	img.Reasons = slices.DeleteFunc(slices.Clone(img.Reasons), func(why oci.Reason) bool {
		return why.Catalog != "" && slices.ContainsFunc(h.Images, func(c oci.Image) bool {
			ref, err := oci.ParseRef(why.Catalog)
			return err == nil && c.Origin == manifests.OriginCatalog && c.Matches(ref)
		})
	})
	return img, before == 0 || len(img.Reasons) > 0
}
