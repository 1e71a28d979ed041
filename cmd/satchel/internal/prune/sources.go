package prune

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// thing is a manifest in a repository.
type thing struct {
	repo string
	d    digest.Digest
}

// sources are the receipts of a mirror, in the order of [receipt.Newest].
type sources struct {
	history *receipt.History
	kept    []*receipt.Receipt // of bundles that are kept
	dropped []*receipt.Receipt
	others  []*receipt.Receipt // nobody confirmed them: what they name stays
	all     []*receipt.Receipt // kept and dropped

	elsewhere   map[oci.Ref][]string // tags of receipts in other places
	replaced    []*receipt.Kept      // the dropped ones
	unconfirmed int                  // how many of the others are receipts of this place
}

// readSources reads what this host and the mirror have, and decides what is kept.
func readSources(ctx context.Context, o *Options) (*sources, error) {
	k := o.Keeper
	h, err := k.History(ctx)
	if err != nil {
		return nil, err
	}
	s := &sources{history: h}
	known := map[digest.Digest]bool{}
	for _, list := range [][]*receipt.Kept{h.Done, h.Intents, h.Replaced} {
		for _, one := range list {
			known[one.Digest] = true
		}
	}
	claims, odd := []*receipt.Kept(nil), h.Odd
	if k.Trust != nil { // what nobody trusted has signed protects what it names, too
		k.Trust, k.Signers = nil, nil
		all, err := k.History(ctx)
		if err != nil {
			return nil, err
		}
		odd = all.Odd
		for _, list := range [][]*receipt.Kept{all.Done, all.Intents, all.Replaced} {
			for _, one := range list {
				if !known[one.Digest] {
					claims = append(claims, one)
				}
			}
		}
	}
	refused := h.Refused
	if o.Apart { // the mirror keeps none
		refused = nil
	}
	if err := errors.Join(h.Host, refused, unreadable(odd)); err != nil {
		return nil, err
	}
	if open := h.Open(); len(open) > 0 {
		return nil, openError(open)
	}
	if err := s.divide(o.Keep); err != nil {
		return nil, err
	}
	for _, one := range claims {
		r, err := one.Load()
		if err != nil {
			return nil, err
		}
		s.others = append(s.others, r)
	}
	s.unconfirmed = len(s.others)
	return s, s.readElsewhere(ctx, k, s.otherPlaces(receipt.RepoIn(o.Place)))
}

// divide decides which receipts are kept.
func (s *sources) divide(keep int) error {
	newest := newestBundles(s.history.Done, keep)
	for _, one := range s.history.Done {
		r, err := s.history.Sure(one)
		if err != nil {
			return err
		}
		switch {
		case !one.Trusted():
			s.others = append(s.others, r)
			continue
		case r.From != receipt.Pruned && newest[r.Bundle]:
			s.kept = append(s.kept, r)
		default:
			s.dropped = append(s.dropped, r)
			s.replaced = append(s.replaced, one)
		}
		s.all = append(s.all, r)
	}
	return nil
}

// place is where a bundle stands among those of its stream.
type place struct {
	sequence int
	packed   time.Time
}

// newer orders the newest first.
func newer(a, b place) int {
	return cmp.Or(cmp.Compare(b.sequence, a.sequence), b.packed.Compare(a.packed))
}

// newestBundles lists the bundles of which the receipts are kept: the newest of each stream, by
// sequence, and of all that are of no stream, by when they were packed. Two bundles with the same
// place count as one; one that may never have arrived whole, or is of a part of the images alone,
// does not count, and is kept if it is newer.
func newestBundles(list []*receipt.Kept, keep int) map[string]bool {
	places, whole := map[receipt.Stream]map[string]place{}, map[receipt.Stream][]place{}
	for _, one := range list {
		h := &one.Head
		if h.From == receipt.Pruned || !one.Trusted() {
			continue
		}
		at := place{sequence: h.Sequence} // numbers, not clocks
		if h.Stream == (receipt.Stream{}) {
			at = place{packed: h.Packed}
		}
		if places[h.Stream] == nil {
			places[h.Stream] = map[string]place{}
		}
		places[h.Stream][h.Bundle] = at
		if !h.Partial && (h.From != receipt.Rebuilt || len(h.Closes) == 0) { // else it may only end what was begun
			whole[h.Stream] = append(whole[h.Stream], at)
		}
	}
	newest := map[string]bool{}
	for stream, bundles := range places {
		order := whole[stream]
		slices.SortFunc(order, newer)
		order = slices.CompactFunc(order, func(a, b place) bool { return newer(a, b) == 0 })
		for id, at := range bundles {
			if len(order) <= keep || newer(at, order[keep-1]) <= 0 {
				newest[id] = true
			}
		}
	}
	return newest
}

// bundlesOf lists the bundles of receipts, in their order.
func bundlesOf(list []*receipt.Receipt) []Bundle {
	out, known := []Bundle{}, map[string]bool{}
	for _, r := range list {
		if r.From == receipt.Pruned || known[r.Bundle] {
			continue
		}
		known[r.Bundle] = true
		out = append(out, Bundle{ID: r.Bundle, Stream: r.Stream.Name, Sequence: r.Sequence, Packed: r.Packed})
	}
	return out
}

// pushes reports whether a receipt marks anything as pushed.
func pushes(list []*receipt.Receipt) bool {
	return slices.ContainsFunc(list, func(r *receipt.Receipt) bool {
		return slices.ContainsFunc(r.Manifests, func(m receipt.Manifest) bool { return m.Mark == receipt.Pushed })
	})
}

// OpenError says that an unpack into the mirror has begun and has not ended.
type OpenError struct{ Bundles []string }

func (e *OpenError) Error() string {
	return fmt.Sprintf("nothing was deleted: an unpack into this mirror has begun and has not ended, of %s", named(e.Bundles))
}

// Hint says what to do now.
func (e *OpenError) Hint() string {
	return "wait until it has ended, or unpack that bundle again; if it never will be, end what it has begun"
}

func openError(open []*receipt.Kept) error {
	e := &OpenError{}
	for _, one := range open {
		if !slices.Contains(e.Bundles, one.Head.Bundle) {
			e.Bundles = append(e.Bundles, one.Head.Bundle)
		}
	}
	return e
}

// UnreadableError says that a receipt cannot be read: it may be the one that needs what would go.
type UnreadableError struct{ Errs []error }

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("nothing was deleted: which of its content the mirror needs is not known: %v", e.Errs[0])
}

func (e *UnreadableError) Unwrap() []error { return e.Errs }

// Hint says what to do now.
func (e *UnreadableError) Hint() string {
	return "if nothing needs that receipt any more, delete it where it is"
}

func unreadable(odd []error) error {
	if len(odd) == 0 {
		return nil
	}
	return &UnreadableError{odd}
}

// named names bundles.
func named(bundles []string) string {
	one := "bundle "
	if len(bundles) > 1 {
		one = "bundles "
	}
	return one + text.And(bundles)
}
