package manifests

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// EarlierCatalog gives the catalog that an image of a mirror is, by its repository and a tag there: a
// default one, or another version of one in the inventory. ok is false for others, and where it is
// not for a minor version after that of low, up to that of high.
func EarlierCatalog(inv *oci.Inventory, mirror oci.Mirror, repo, tag string, d digest.Digest, low, high Version) (img oci.Image, ok bool) {
	m, tagged := handover.TaggedMinor(tag)
	if !tagged || m.Compare(handover.MinorOf(low)) <= 0 || m.Compare(handover.MinorOf(high)) > 0 {
		return oci.Image{}, false
	}
	for _, c := range knownCatalogs(inv) {
		c.Source, c.Tags = c.Source.WithTag(tag), []string{tag}
		if mirror.Repo(c).Repository == repo {
			// Whether it was filtered is not known: as a filtered one it is served in either case.
			c.Origin, c.Root, c.Built = oci.Origin(origin.Catalog), oci.Descriptor{Digest: d}, true
			return c, true
		}
	}
	return oci.Image{}, false
}

// knownCatalogs are the catalogs of an inventory and the default ones, without what is of one version.
func knownCatalogs(inv *oci.Inventory) (list []oci.Image) {
	for _, img := range inv.Images {
		if img.Origin == origin.Catalog && img.Subject == "" {
			list = append(list, oci.Image{Source: oci.Ref{Registry: img.Source.Registry, Repository: img.Source.Repository}, Path: img.Path})
		}
	}
	var names []string
	for name := range handover.DefaultCatalogs {
		names = append(names, name)
	}
	slices.Sort(names)
	slices.Reverse(names) // registry.redhat.io before what OKD has
	for _, name := range names {
		if ref, err := oci.ParseRef(name + ":v0"); err == nil {
			list = append(list, oci.Image{Source: oci.Ref{Registry: ref.Registry, Repository: ref.Repository}})
		}
	}
	return list
}
