package ledger

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// Unnamed is the site of bundles that were confirmed while no site had a name. Everywhere stands
// for all sites.
const (
	Unnamed    = "unnamed"
	Everywhere = "all"
)

// Site is one that a bundle arrived at.
type Site struct {
	Name   string        `json:"name"` // "" where it was not named
	Mirror string        `json:"mirror,omitempty"`
	First  digest.Digest `json:"first,omitempty"` // that the mirror's receipts follow; it tells mirrors of one name apart
	At     time.Time     `json:"at"`              // when it became known
	How    How           `json:"how"`
}

// sites are those that a bundle is known to have arrived at.
func (b *Bundle) sites() []Site {
	if len(b.Sites) == 0 && !b.Confirmed.IsZero() {
		return []Site{{At: b.Confirmed, How: b.How}}
	}
	return b.Sites
}

// arrive notes that a bundle arrived at a site, and reports whether that was not known.
func (b *Bundle) arrive(site string, a Arrival) (fresh bool) {
	list := slices.Clone(b.sites())
	i := slices.IndexFunc(list, func(s Site) bool { return s.Name == site })
	if fresh = i < 0; fresh {
		i = len(list)
		list = append(list, Site{Name: site, At: now(), How: a.How})
	}
	if a.Mirror != "" {
		list[i].Mirror, list[i].First = a.Mirror, a.First
	}
	if b.Confirmed.IsZero() {
		b.Confirmed, b.How = list[i].At, a.How
	}
	b.Sites = list
	return fresh
}

// all lists what is known of sites.
func (l *Ledger) all() (list []Site) {
	for i := range l.Bundles {
		list = append(list, l.Bundles[i].sites()...)
	}
	return list
}

// ArrivedAt gives for each site the newest bundle that arrived there. What was confirmed without
// a name is a site of its own, "", but where the only name is that of the mirror which receipts
// have: then it is that one.
func (l *Ledger) ArrivedAt() map[string]*Bundle {
	newest := map[string]*Bundle{}
	for i := range l.Bundles {
		for _, s := range l.Bundles[i].sites() {
			newest[s.Name] = &l.Bundles[i]
		}
	}
	if unnamed := newest[""]; unnamed != nil && len(newest) == 2 {
		for name, b := range newest {
			if name != "" && l.byMirror(name) {
				delete(newest, "")
				if unnamed.Sequence > b.Sequence {
					newest[name] = unnamed
				}
			}
		}
	}
	return newest
}

// byMirror reports whether receipts gave a site its name.
func (l *Ledger) byMirror(name string) bool {
	return slices.ContainsFunc(l.all(), func(s Site) bool { return s.Name == name && s.Mirror == name })
}

// CountedAt gives for each site of [Ledger.ArrivedAt] the bundles that a baseline counts on, the
// oldest first: the newest that arrived there of all images of the configuration, and those of a
// part of them that arrived after it; together they have what was to be there.
func (l *Ledger) CountedAt() map[string][]*Bundle {
	counted := map[string][]*Bundle{}
	at := l.ArrivedAt()
	for name := range at {
		is := func(s Site) bool { return s.Name == name || s.Name == "" && at[""] == nil }
		for i := range l.Bundles {
			b := &l.Bundles[i]
			if !slices.ContainsFunc(b.sites(), is) {
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
	if at[""] != nil && len(at) == 1 {
		return ""
	}
	var words []string
	for _, name := range slices.Sorted(maps.Keys(at)) {
		words = append(words, fmt.Sprintf("bundle %d at %s", at[name].Sequence, cmp.Or(name, Unnamed)))
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
