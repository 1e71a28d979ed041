package ledger

import (
	"slices"
	"strings"
)

// Served are the filtered catalogs that a mirror may serve. First those of a mirror where every
// finished bundle of the stream arrived: of each repository and tag the newest that is kept, and
// where none is kept the newest, which cannot be opened. Then, of each site, those from the newest that is
// known to have arrived there, where these are others: which of what came after it did is not known.
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
	return append(list, l.arrived(list)...)
}

// arrived are the catalogs that each site may have, from the newest that is known to have arrived
// there, but for those that are known.
func (l *Ledger) arrived(known []ServedCatalog) (list []ServedCatalog) {
	have := map[string]bool{} // by file, repository and tag
	add := func(c Catalog, tag string) bool {
		key := strings.Join([]string{c.File, c.Path, tag}, " ")
		fresh := !have[key]
		have[key] = true
		return fresh
	}
	for _, c := range known {
		for _, tag := range c.Tags {
			add(c.Catalog, tag)
		}
	}
	for site := range l.ArrivedAt() {
		taken := map[string]bool{} // by repository and tag
		for _, b := range slices.Backward(l.Bundles) {
			here := slices.ContainsFunc(b.sites(), func(s Site) bool { return s.Name == site || s.Name == "" })
			for _, c := range b.Catalogs {
				for _, tag := range c.Tags {
					key := c.Path + " " + tag
					if c.File == "" || taken[key] || b.Sealed.IsZero() {
						continue
					}
					taken[key] = here
					if add(c, tag) {
						one := ServedCatalog{c, b.Sequence, 0}
						one.Tags = []string{tag}
						list = append(list, one)
					}
				}
			}
		}
	}
	slices.SortStableFunc(list, func(a, b ServedCatalog) int { return b.Sequence - a.Sequence })
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
