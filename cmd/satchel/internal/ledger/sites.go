package ledger

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Site is a mirror, or another name for where bundles go, that a bundle arrived at.
type Site struct {
	Name string    `json:"name"` // "" where it was not named: then the bundle arrived at all of them
	At   time.Time `json:"at"`   // when it became known
	How  How       `json:"how"`
}

// sites are those that a bundle is known to have arrived at. One that was confirmed before sites
// were named arrived everywhere.
func (b *Bundle) sites() []Site {
	if len(b.Sites) == 0 && !b.Confirmed.IsZero() {
		return []Site{{At: b.Confirmed, How: b.How}}
	}
	return b.Sites
}

// arrive notes that a bundle arrived at a site, and reports whether that was not known.
func (b *Bundle) arrive(site string, how How) bool {
	list := b.sites()
	if slices.ContainsFunc(list, func(s Site) bool { return s.Name == site }) {
		return false
	}
	at := now()
	if b.Confirmed.IsZero() {
		b.Confirmed, b.How = at, how
	}
	b.Sites = append(slices.Clone(list), Site{site, at, how})
	return true
}

// ArrivedAt gives for each site that is known by name the newest bundle that arrived there;
// without any, the newest that arrived, under no name.
func (l *Ledger) ArrivedAt() map[string]*Bundle {
	newest := map[string]*Bundle{}
	var everywhere *Bundle
	for i := range l.Bundles {
		b := &l.Bundles[i]
		for _, s := range b.sites() {
			if s.Name == "" {
				everywhere = b
			} else {
				newest[s.Name] = b
			}
		}
	}
	for name, b := range newest {
		if everywhere != nil && everywhere.Sequence > b.Sequence {
			newest[name] = everywhere
		}
	}
	if len(newest) == 0 && everywhere != nil {
		newest[""] = everywhere
	}
	return newest
}

// CountedAt gives for each site of [Ledger.ArrivedAt] the bundles that a baseline counts on, the
// oldest first: the newest that arrived there of all images of the configuration, and those of a
// part of them that arrived after it; together they have what was to be there.
func (l *Ledger) CountedAt() map[string][]*Bundle {
	counted := map[string][]*Bundle{}
	for name := range l.ArrivedAt() {
		for i := range l.Bundles {
			b := &l.Bundles[i]
			if !slices.ContainsFunc(b.sites(), func(s Site) bool { return s.Name == name || s.Name == "" }) {
				continue
			}
			if !b.Partial {
				counted[name] = nil
			}
			counted[name] = append(counted[name], b)
		}
	}
	return counted
}

// counted are the bundles that a baseline counts on at any site, the oldest first.
func (l *Ledger) counted() (list []*Bundle) {
	for _, at := range l.CountedAt() {
		for _, b := range at {
			if !slices.Contains(list, b) {
				list = append(list, b)
			}
		}
	}
	slices.SortFunc(list, func(a, b *Bundle) int { return a.Sequence - b.Sequence })
	return list
}

// SiteList says for people which bundle each site has, "bundle 3 at north, bundle 2 at south";
// "" if no site is known by name.
func (l *Ledger) SiteList() string {
	at := l.ArrivedAt()
	var words []string
	for _, name := range slices.Sorted(maps.Keys(at)) {
		if name != "" {
			words = append(words, fmt.Sprintf("bundle %d at %s", at[name].Sequence, name))
		}
	}
	return strings.Join(words, ", ")
}

// UnknownSiteError says that no bundle is known to have arrived at a site.
type UnknownSiteError struct {
	Site  string
	Known []string
}

func (e *UnknownSiteError) Error() string {
	return fmt.Sprintf("no bundle of this host is known to have arrived at %.200q", e.Site)
}

// Permanent is true: the ledger stays what it is.
func (e *UnknownSiteError) Permanent() bool { return true }

// Hint says what to do now.
func (e *UnknownSiteError) Hint() string {
	if len(e.Known) == 0 {
		return "no site is known by name"
	}
	return "name one of " + strings.Join(e.Known, ", ")
}

// ForgetSite takes a site that is gone out of all ledgers of this host, and gives the streams
// that it was in. Errors: *[UnknownSiteError], those of [All].
func ForgetSite(state, site string) (streams []string, err error) {
	list, unread := All(state)
	known := map[string]bool{}
	for _, l := range list {
		for name := range l.ArrivedAt() {
			known[name] = true
		}
		if l.ArrivedAt()[site] == nil {
			continue
		}
		streams = append(streams, l.Name)
		err := At(state, l.Name).change(func(l *Ledger) (bool, error) {
			for i := range l.Bundles {
				b := &l.Bundles[i]
				b.Sites = slices.DeleteFunc(slices.Clone(b.sites()), func(s Site) bool { return s.Name == site })
				if len(b.Sites) == 0 {
					b.Confirmed, b.How, b.Sites = time.Time{}, "", nil
				}
			}
			return true, nil
		})
		if err != nil {
			return streams, err
		}
	}
	delete(known, "")
	if len(streams) == 0 {
		return nil, errors.Join(&UnknownSiteError{site, slices.Sorted(maps.Keys(known))}, unread)
	}
	return streams, unread
}
