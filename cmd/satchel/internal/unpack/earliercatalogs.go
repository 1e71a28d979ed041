package unpack

import (
	"context"
	"net/http"
	"slices"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// recallCatalogs finds the catalogs for later versions that earlier bundles brought into the mirror and
// that it still has, as far as an update to a release of this bundle leads to these versions. The
// newest of each counts.
func (u *unpacking) recallCatalogs(ctx context.Context) error {
	low, high, ok := u.updateRange()
	if !ok || u.Unasked {
		return nil
	}
	if err := u.readReceipts(ctx); err != nil {
		return err
	}
	for _, img := range u.earlierCatalogs(low, high) {
		root, _, err := u.inMirrorNow(ctx, img)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case status(err) == http.StatusNotFound: // it was deleted
		case err != nil:
			u.Warn("the catalog %s, which an earlier bundle brought, does not count for updates: %v", img.Source, err)
		default:
			img.Root = root
			u.Site.EarlierCatalogs = append(u.Site.EarlierCatalogs, img)
		}
	}
	return nil
}

// earlierCatalogs lists the catalogs for versions after one up to another that receipts of other
// bundles name.
func (u *unpacking) earlierCatalogs(low, high manifests.Version) (list []oci.Image) {
	known := map[string]bool{}
	for _, one := range u.receipts.history.Done { // the newest first
		if one.Head.Bundle == u.bundle {
			continue
		}
		r, err := one.Load()
		if err != nil {
			u.Warn("the catalogs that bundle %s brought do not count for updates: %v", one.Head.Bundle, err)
			continue
		}
		for _, img := range r.Images {
			if img.Subject != "" || !slices.Contains(img.Origins, manifests.OriginCatalog) {
				continue
			}
			for _, tag := range img.Tags {
				c, ok := manifests.EarlierCatalog(u.r.Inventory(), u.Site.Mirror, img.Repo, tag.Name, img.Digest, low, high)
				if at := img.Repo + ":" + tag.Name; ok && !known[at] {
					known[at] = true
					list = append(list, c)
				}
			}
		}
	}
	return list
}
