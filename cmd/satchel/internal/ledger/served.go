package ledger

import "slices"

// Served are the filtered catalogs that the mirror serves if every finished bundle of the
// stream arrived: of each repository and tag the newest that is kept. In is the bundle that
// carried it.
func (l *Ledger) Served() (list []ServedCatalog) {
	seen := map[string]bool{}
	for _, b := range slices.Backward(l.Bundles) {
		if b.Sealed.IsZero() {
			continue
		}
		for _, c := range b.Catalogs {
			fresh := slices.DeleteFunc(slices.Clone(c.Tags), func(tag string) bool { return seen[c.Path+":"+tag] })
			for _, tag := range fresh {
				seen[c.Path+":"+tag] = true
			}
			if c.Tags = fresh; c.File != "" && len(fresh) > 0 {
				list = append(list, ServedCatalog{c, b.Sequence})
			}
		}
	}
	return list
}

// ServedCatalog is a catalog with the number of the bundle that carried it.
type ServedCatalog struct {
	Catalog
	Sequence int
}
