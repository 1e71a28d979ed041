package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci/text"
)

// noIntentError says that nothing open has a name.
type noIntentError struct {
	Name, Mirror string
	Open         []string // bundles
}

func (e *noIntentError) Error() string {
	return fmt.Sprintf("end an intent: nothing that a killed unpack left in %s has the bundle or the ID %.80q", e.Mirror, e.Name)
}

// Hint says what to do now.
func (e *noIntentError) Hint() string {
	if len(e.Open) == 0 {
		return "there are no open intents: nothing has to be ended"
	}
	return "open is " + text.Some(e.Open, 10)
}

// endIntents ends what killed runs of unpack left open, by what the mirror has.
func (j *receiptJob) endIntents(ctx context.Context) error {
	release, err := j.keeper.Hold(true) // an unpack of this host may be the one
	if err != nil {
		return err
	}
	defer release()
	h, err := j.history(ctx)
	if err != nil {
		return err
	}
	named := func(one *receipt.Kept) bool { return one.IsNamed(j.endIntent) }
	all := h.Open()
	open := slices.DeleteFunc(slices.Clone(all), func(one *receipt.Kept) bool { return !named(one) })
	if len(open) == 0 {
		if slices.ContainsFunc(slices.Concat(h.Intents, h.Done, h.Replaced), named) {
			j.info("nothing of %s is open: it has ended", j.endIntent)
			return j.print(receiptsReport{Mirror: j.place.String(), Receipts: []receiptReport{}, ended: true})
		}
		no := &noIntentError{Name: j.endIntent, Mirror: j.place.String()}
		for _, one := range all {
			no.Open = append(no.Open, one.Head.Bundle)
		}
		return usage(no, no.Hint())
	}
	rep := receiptsReport{Mirror: j.place.String(), Receipts: []receiptReport{}, ended: true}
	for _, group := range inOneReceipt(open) {
		one, err := j.endGroup(ctx, h, group)
		if err != nil {
			return err
		}
		r, err := j.report(ctx, h, one)
		if err != nil {
			return err
		}
		rep.Receipts = append(rep.Receipts, r)
	}
	return j.print(rep)
}

// inOneReceipt puts intents of one bundle in one layout of the mirror together: one receipt ends them.
func inOneReceipt(open []*receipt.Kept) (groups [][]*receipt.Kept) {
	for _, one := range open {
		i := slices.IndexFunc(groups, func(g []*receipt.Kept) bool {
			return len(g) < receipt.MaxCloses && g[0].Head.Bundle == one.Head.Bundle && g[0].Head.Mirror == one.Head.Mirror
		})
		if i < 0 {
			groups = append(groups, []*receipt.Kept{one})
			continue
		}
		groups[i] = append(groups[i], one)
	}
	return groups
}

// endGroup looks at the mirror and keeps the receipt.
func (j *receiptJob) endGroup(ctx context.Context, h *receipt.History, open []*receipt.Kept) (*receipt.Kept, error) {
	for _, one := range open {
		j.info("looking for what the unpack of bundle %s, begun %s, was about to push into %s", one.Head.Bundle, text.Minute(one.Head.Time), one.Head.Mirror)
		if !one.Trusted() {
			j.warn("another host wrote that intent, and nobody whom you trust has signed it: what is there counts as found")
		}
	}
	ended, err := j.keeper.EndOpen(ctx, j.client, h, open)
	if err != nil {
		return nil, err
	}
	j.info("of %s that it was about to push, %s there", text.Count(ended.Pushed, "manifest", "manifests"), text.Count(ended.There, "is", "are"))
	one, err := j.keep(ctx, ended.Receipt, h)
	if err != nil {
		return nil, err
	}
	h.Add(one)
	j.info("ended: no unpack of bundle %s is open any more", one.Head.Bundle)
	return one, nil
}
