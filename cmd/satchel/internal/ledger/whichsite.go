package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// Arrival says where a bundle arrived, and by what that is known.
type Arrival struct {
	Site   string        // its name, [Unnamed] or [Everywhere]; "" where it was not said
	Mirror string        // of a receipt; "" of a slip
	First  digest.Digest // of a receipt: of its mirror, see receipt.Receipt.Site
	How    How
}

// WhichSiteError says that it is not known at which site a bundle arrived, so that nothing is kept of it.
type WhichSiteError struct {
	Mirror string // of a receipt that may be of another site; "" of a slip
	Sites  []string
}

func (e *WhichSiteError) Error() string {
	if e.Mirror != "" {
		return fmt.Sprintf("it is not known whose the receipt is: another mirror %.200q has sent one before, as the site %s", e.Mirror, strings.Join(e.Sites, ", "))
	}
	return "it is not said at which site it arrived, and there are several: " + strings.Join(e.Sites, ", ")
}

// Permanent is true: it must be said.
func (e *WhichSiteError) Permanent() bool { return true }

// Hint says what to do now.
func (e *WhichSiteError) Hint() string {
	if e.Mirror != "" {
		return "give the site a name of its own; if it is the same site with a new mirror, take the old one out first"
	}
	return "name the site, or " + Everywhere + " of them"
}

// OtherSiteError says that a receipt is of a site that is known under another name.
type OtherSiteError struct{ Given, Known string }

func (e *OtherSiteError) Error() string {
	return fmt.Sprintf("the receipt is of the mirror of the site %.200q, and not of %.200q", e.Known, e.Given)
}

// Permanent is true: the receipt stays what it is.
func (e *OtherSiteError) Permanent() bool { return true }

// Hint says what to do now.
func (e *OtherSiteError) Hint() string {
	return "name the site as it is known; to call it otherwise, take the known name out first"
}

// where gives the names of the sites that a bundle arrived at. A site that has the name of its
// mirror gets the one that a receipt of the same mirror is given for it.
func (l *Ledger) where(a Arrival) ([]string, error) {
	switch {
	case a.Site == Everywhere:
		if names := slices.Sorted(maps.Keys(l.ArrivedAt())); len(names) > 0 {
			return names, nil
		}
		return []string{""}, nil
	case a.Site == Unnamed:
		return []string{""}, nil
	case a.Mirror != "":
		return l.ofReceipt(a)
	case a.Site != "":
		return []string{a.Site}, nil
	}
	names := slices.Sorted(maps.Keys(l.ArrivedAt()))
	switch len(names) {
	case 0:
		return []string{""}, nil
	case 1:
		return names, nil
	}
	for i, name := range names {
		names[i] = cmp.Or(name, Unnamed)
	}
	return nil, &WhichSiteError{Sites: names}
}

func (l *Ledger) ofReceipt(a Arrival) ([]string, error) {
	known := ""
	for _, s := range l.all() {
		if s.Name != "" && s.Mirror == a.Mirror && s.First == a.First {
			known = s.Name
		}
	}
	switch {
	case known == "" && a.Site == "":
		other := func(s Site) bool { return s.Name == a.Mirror && s.Mirror == a.Mirror && s.First != a.First }
		if slices.ContainsFunc(l.all(), other) {
			return nil, &WhichSiteError{Mirror: a.Mirror, Sites: []string{a.Mirror}}
		}
		return []string{a.Mirror}, nil
	case known == "" || known == a.Site:
		return []string{a.Site}, nil
	case a.Site == "":
		return []string{known}, nil
	case known == a.Mirror:
		l.rename(known, a.Site)
		return []string{a.Site}, nil
	}
	return nil, &OtherSiteError{a.Site, known}
}

// rename gives a site another name.
func (l *Ledger) rename(from, to string) {
	for i := range l.Bundles {
		b := &l.Bundles[i]
		has := slices.ContainsFunc(b.Sites, func(s Site) bool { return s.Name == to })
		b.Sites = slices.DeleteFunc(slices.Clone(b.Sites), func(s Site) bool { return has && s.Name == from })
		for k := range b.Sites {
			if b.Sites[k].Name == from {
				b.Sites[k].Name = to
			}
		}
	}
}

// ForgetSite takes a site that is gone out of all ledgers of this host, and gives the streams
// that it was in. Errors: *[UnknownSiteError], those of [All].
func ForgetSite(state, site string) (streams []string, err error) {
	list, unread := All(state)
	known := map[string]bool{}
	if site == Unnamed {
		site = ""
	}
	for _, l := range list {
		for _, s := range l.all() {
			known[cmp.Or(s.Name, Unnamed)] = true
		}
		if !slices.ContainsFunc(l.all(), func(s Site) bool { return s.Name == site }) {
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
	if len(streams) == 0 {
		return nil, errors.Join(&UnknownSiteError{cmp.Or(site, Unnamed), slices.Sorted(maps.Keys(known))}, unread)
	}
	return streams, unread
}
