package unpack

import (
	"context"
	"slices"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
)

// recallEarlier reads what earlier bundles brought into the mirror, for the rules. Where the
// present rules are given, those count; where not all receipts can be read, none do.
func (u *unpacking) recallEarlier(ctx context.Context) error {
	if u.Site.PresentRules != nil {
		return nil
	}
	if err := u.readReceipts(ctx); err != nil {
		return err
	}
	h := u.receipts.history
	another := func(k *receipt.Kept) bool { return k.Head.Bundle != u.bundle }
	if whole := h.Host == nil && h.Refused == nil; !whole || !slices.ContainsFunc(h.Done, another) {
		return nil
	}
	// The oldest first, within a stream by sequence, so that every run places rules as those before.
	for _, one := range slices.Backward(h.Done) {
		r, err := one.Load()
		if err != nil {
			return err
		}
		places := []manifests.SourcePlace{}
		for _, repo := range r.Repositories {
			for _, source := range repo.Sources {
				places = append(places, manifests.SourcePlace{Source: source.Name, Place: u.Site.Mirror.Host + "/" + repo.Name, Origins: source.Origins})
			}
		}
		u.Site.Earlier = append(u.Site.Earlier, places)
	}
	return nil
}
