package unpack

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/changes"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/transport"
)

// judge finds out which tags name other images than the bundle's, and has those stay that a
// newer bundle of the same stream has set, as somebody says who is trusted. Of other bundles nobody
// knows which is newer: clocks decide nothing.
func (u *unpacking) judge(ctx context.Context, missing *transport.Missing) (err error) {
	if len(missing.Moves) == 0 {
		return nil
	}
	newest, all, err := u.knownTags(missing.Moves)
	if err != nil {
		return err
	}
	if u.tags, err = u.dated(ctx, missing.Moves); err != nil {
		return err
	}
	setters, err := u.setters(missing.Moves, all)
	if err != nil {
		return err
	}
	place := make(map[string]int, len(u.tags))
	for i, tag := range u.tags {
		place[tag.Tag] = i
	}
	var stay []transport.TagMove
	for _, move := range missing.Moves {
		tag, key := &u.tags[place[move.Tag.String()]], keyOf(move)
		ours, known := newest.sure[key]
		setter := setters[key]
		if setter != nil {
			tag.Old.Packed = setter.Packed
		}
		switch {
		case known && ours.By.Sequence > u.r.Sequence() && !u.MoveTagsBack:
			tag.State, tag.Why = changes.Stays, fmt.Sprintf("bundle %d of the stream %q, which is newer than this one (%d), has set it", ours.By.Sequence, ours.By.Stream.Name, u.r.Sequence())
			if ours.Digest != move.Old {
				tag.Why = fmt.Sprintf("bundle %d of the stream %q, which is newer than this one (%d), had set it to %s, and it was moved since", ours.By.Sequence, ours.By.Stream.Name, u.r.Sequence(), ours.Digest)
			}
			stay = append(stay, move)
		case newest.claimed[key].By != nil && newest.claimed[key].By.Sequence > u.r.Sequence():
			by := newest.claimed[key].By
			tag.Why = fmt.Sprintf("bundle %d of the stream %q, which is newer than this one (%d), has set it, by a receipt that nobody who is trusted has signed: such a receipt keeps no tag", by.Sequence, by.Stream.Name, u.r.Sequence())
		case known && ours.By.Sequence > u.r.Sequence():
			tag.Why = fmt.Sprintf("back from bundle %d of the stream %q, which is newer than this one (%d)", ours.By.Sequence, ours.By.Stream.Name, u.r.Sequence())
		case known && ours.Digest == move.Old, u.isEarlier(setter):
			tag.Expected = true
		case setter != nil:
			tag.Why = "brought by " + bundleNamed(setter) + ": which of the two is newer is not known"
		default:
			tag.Why = "no receipt says who has set it: which of the two is newer is not known"
		}
	}
	u.mirror.Leave(missing, stay)
	return nil
}

func keyOf(move transport.TagMove) receipt.Tagged {
	return receipt.Tagged{Repo: move.Tag.Repository, Tag: move.Tag.Tag}
}

// isEarlier reports whether a receipt is of the bundle's own stream, and of no later bundle.
func (u *unpacking) isEarlier(r *receipt.Receipt) bool {
	own := receipt.Stream(u.r.Stream())
	return r != nil && own != (receipt.Stream{}) && r.Stream == own && r.Sequence <= u.r.Sequence()
}

// setters finds for each tag the newest receipt that says that it names what it does: not always
// the newest that names the tag, which may have been moved back since.
func (u *unpacking) setters(moves []transport.TagMove, newest map[receipt.Tagged]receipt.TagFact) (map[receipt.Tagged]*receipt.Receipt, error) {
	found, want := map[receipt.Tagged]*receipt.Receipt{}, map[receipt.Tagged]digest.Digest{}
	for _, move := range moves {
		switch fact, known := newest[keyOf(move)]; {
		case known && fact.Digest == move.Old:
			found[keyOf(move)] = fact.By
		case known: // else no receipt names it
			want[keyOf(move)] = move.Old
		}
	}
	for _, one := range u.receipts.history.Done {
		if len(want) == 0 {
			break
		}
		r, err := one.Load()
		if err != nil {
			return nil, err
		}
		for _, img := range r.Images {
			for _, tag := range img.Tags {
				key := receipt.Tagged{Repo: img.Repo, Tag: tag.Name}
				if old, wanted := want[key]; wanted && old == img.Digest {
					found[key] = &one.Head
					delete(want, key)
				}
			}
		}
	}
	return found, nil
}

// bundleNamed names the bundle of a receipt.
func bundleNamed(r *receipt.Receipt) string {
	if r.From == receipt.Pruned {
		return "a bundle whose receipts a prune has replaced"
	}
	if r.Stream == (receipt.Stream{}) {
		return "bundle " + r.Bundle
	}
	return fmt.Sprintf("bundle %s, %d of the stream %q", r.Bundle, r.Sequence, r.Stream.Name)
}

// streamTags is what the newest receipts of the bundle's own stream say of tags.
type streamTags struct {
	sure    map[receipt.Tagged]receipt.TagFact
	claimed map[receipt.Tagged]receipt.TagFact // by what nobody confirmed
}

// knownTags says what receipts say of tags: the newest of the bundle's own stream, and the newest
// of all. A run that did not end has set a tag where that names what the run intended.
func (u *unpacking) knownTags(moves []transport.TagMove) (stream streamTags, all map[receipt.Tagged]receipt.TagFact, err error) {
	want := map[receipt.Tagged]bool{}
	for _, move := range moves {
		want[keyOf(move)] = true
	}
	h := u.receipts.history
	own := receipt.Stream(u.r.Stream())
	sure, claims := byTrust(h.Stream(own))
	if stream.sure, err = h.Tags(sure, want); err != nil {
		return stream, nil, err
	}
	if stream.claimed, err = h.Tags(claims, want); err != nil {
		return stream, nil, err
	}
	if all, err = h.Tags(h.Done, want); err != nil || u.r.Stream() == (bundle.Stream{}) {
		return stream, all, err
	}
	for _, open := range h.Open() {
		if open.Head.Stream != own || !open.Trusted() {
			continue
		}
		intended, err := h.Tags([]*receipt.Kept{open}, want)
		if err != nil {
			return stream, nil, err
		}
		for _, move := range moves {
			key := keyOf(move)
			fact, is := intended[key]
			if have, known := stream.sure[key]; is && fact.Digest == move.Old && (!known || have.By.Sequence < fact.By.Sequence) {
				stream.sure[key], all[key] = fact, fact
			}
		}
	}
	return stream, all, nil
}

// byTrust separates what counts from what somebody else claims.
func byTrust(list []*receipt.Kept) (sure, claims []*receipt.Kept) {
	for _, one := range list {
		if one.Trusted() {
			sure = append(sure, one)
		} else {
			claims = append(claims, one)
		}
	}
	return sure, claims
}
