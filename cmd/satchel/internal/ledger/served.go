package ledger

import "slices"

// Served are the filtered catalogs that the mirror serves if every finished bundle of the
// stream arrived: of each repository and tag the newest that is kept, and where none is kept the
// newest, which cannot be opened.
func (l *Ledger) Served() (list []ServedCatalog) {
	kept, lost := map[string]bool{}, map[string]int{} // by repository and tag; the bundle
	for _, withFile := range []bool{true, false} {
		for _, b := range slices.Backward(l.Bundles) {
			if b.Sealed.IsZero() {
				continue
			}
			for _, c := range b.Catalogs {
				list = append(list, c.newest(b.Sequence, withFile, kept, lost)...)
			}
		}
	}
	return list
}

// newest takes those tags of a catalog for which it is the newest.
func (c Catalog) newest(sequence int, withFile bool, kept map[string]bool, lost map[string]int) (list []ServedCatalog) {
	for _, tag := range c.Tags {
		key := c.Path + ":" + tag
		switch {
		case kept[key]:
		case c.File == "" && withFile:
			lost[key] = max(lost[key], sequence)
		default:
			kept[key] = true
			one := ServedCatalog{c, sequence, 0}
			if one.Tags = []string{tag}; withFile {
				one.Newer = lost[key]
			}
			if n := len(list) - 1; n >= 0 && list[n].Newer == one.Newer {
				list[n].Tags = append(list[n].Tags, tag)
			} else {
				list = append(list, one)
			}
		}
	}
	return list
}

// ServedCatalog is a catalog with the number of the bundle that carried it.
type ServedCatalog struct {
	Catalog
	Sequence int
	Newer    int // the bundle that carried it after that, and of which it is not kept; 0 for none
}
