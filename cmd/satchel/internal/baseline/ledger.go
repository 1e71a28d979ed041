package baseline

import (
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// NoneArrivedError says that no bundle of a stream is known to have arrived.
type NoneArrivedError struct {
	Stream  string
	Bundles []ledger.Bundle // of the stream
}

func (e *NoneArrivedError) Error() string {
	if len(e.Bundles) == 0 {
		return "the stream " + e.Stream + " has no bundle yet that another one could be compared with"
	}
	return "no bundle of the stream " + e.Stream + " is known to have arrived"
}

// Permanent is true: somebody must say that one arrived.
func (e *NoneArrivedError) Permanent() bool { return true }

// Hint says what to do now.
func (e *NoneArrivedError) Hint() string {
	if len(e.Bundles) == 0 {
		return "pack a whole bundle first"
	}
	return "note that a bundle arrived, by its fingerprint on the slip, or name a receipt that came back"
}

// SitesError says that bundles of a stream are known to have arrived at too few sites.
type SitesError struct {
	Stream string
	Known  string // the sites, each with its newest bundle; "" for none
	Has    int
	Least  int
}

func (e *SitesError) Error() string {
	s := fmt.Sprintf("bundles of the stream %s are known to have arrived at %s, and not at %d", e.Stream, text.Count(e.Has, "site", "sites"), e.Least)
	if e.Known != "" {
		s += ": " + e.Known
	}
	return s
}

// Permanent is true: somebody must say that one arrived.
func (e *SitesError) Permanent() bool { return true }

// Hint says what to do now.
func (e *SitesError) Hint() string {
	return "note what arrived at the others, by their receipts or with their names; or pack a whole bundle, which needs no site to have anything"
}

// OfLedger is what the newest bundle of a stream needs that is known to have arrived, whether
// it travelled in that bundle or an earlier one, and with it what bundles of a part of the images
// brought after it; of several sites, what each of them has. Of
// fewer than least it is a *[SitesError]; other errors: *[NoneArrivedError], those of
// [ledger.Read] and [ledger.Store.Content].
func OfLedger(state, stream string, least int) (*Known, error) {
	l, err := ledger.Read(state, stream)
	if err != nil {
		return nil, err
	}
	if l == nil {
		return nil, &NoneArrivedError{Stream: stream}
	}
	at := l.ArrivedAt()
	named := len(at)
	if at[""] != nil {
		named-- // it was not said where
	}
	switch {
	case len(at) == 0:
		return nil, &NoneArrivedError{Stream: stream, Bundles: l.Bundles}
	case least > 1 && named < least:
		return nil, &SitesError{stream, l.SiteList(), named, least}
	}
	return ofSites(ledger.At(state, stream), l)
}

// ofSites takes together what each site has; sites with the same bundles count as one.
func ofSites(store ledger.Store, l *ledger.Ledger) (*Known, error) {
	known, of := &Known{}, l.Stream()
	same := func(a, b []*ledger.Bundle) int {
		return slices.CompareFunc(a, b, func(a, b *ledger.Bundle) int { return a.Sequence - b.Sequence })
	}
	sites := slices.SortedFunc(maps.Values(l.CountedAt()), same)
	for _, site := range slices.CompactFunc(sites, func(a, b []*ledger.Bundle) bool { return same(a, b) == 0 }) {
		m := ofBundles()
		for _, b := range site {
			content, err := store.Content(*b)
			if err != nil {
				return nil, err
			}
			m.add(content, bundle.BaselineSource{Bundle: b.Bundle, Fingerprint: string(b.Fingerprint), Stream: &of, Sequence: b.Sequence})
		}
		known.mirrors = append(known.mirrors, m)
	}
	return known, nil
}

// ofBundles is a mirror that has nothing yet.
func ofBundles() *mirror {
	return &mirror{
		repo: oci.Image.MirrorPath, path: func(repo string) string { return repo }, short: digest.Digest.String,
		manifests: map[digest.Digest]entry{}, blobs: map[string]entry{},
	}
}

// add puts into the mirror what a bundle needs. What is there already was brought by who brought
// it first.
func (m *mirror) add(c ledger.Content, self bundle.BaselineSource) {
	with := func(e entry, n ledger.Needed) entry {
		from := self
		if _, earlier, ok := c.Baseline.Find(n.Descriptor.Digest); ok {
			from = earlier
		}
		for _, i := range n.Images {
			e = e.and(c.Images[i].MirrorPath(), from)
		}
		return e
	}
	for _, n := range c.Manifests {
		m.manifests[n.Descriptor.Digest] = with(m.manifests[n.Descriptor.Digest], n)
	}
	for _, n := range c.Blobs {
		d := n.Descriptor.Digest.String()
		m.blobs[d] = with(m.blobs[d], n)
	}
}
