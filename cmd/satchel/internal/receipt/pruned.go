package receipt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// PrunedID stands where other receipts have the ID of their bundle: what a prune leaves is of no
// bundle.
const PrunedID = "pruned"

var errPruned = errors.New("what a prune left is of no bundle, replaces other receipts, and nothing else does")

func (r *Receipt) checkPruned() error {
	if len(r.Replaces) > maxReplaces {
		return fmt.Errorf("it replaces %d receipts", len(r.Replaces))
	}
	if r.From != Pruned {
		if r.Bundle == PrunedID || len(r.Replaces) > 0 {
			return errPruned
		}
		return nil
	}
	ofBundle := r.Bundle != PrunedID || r.Fingerprint != "" || r.Stream != (Stream{}) || r.Sequence != 0 || r.Supplement != Supplement{} || !r.Packed.IsZero()
	if ofBundle || r.State != Done || len(r.Closes) > 0 || len(r.Blobs) > 0 || len(r.Replaces) == 0 {
		return errPruned
	}
	return ascending("replaced receipt", r.Replaces, oci.CheckDigest)
}

func (r *Receipt) pruned() int {
	if r.From == Pruned {
		return 1
	}
	return 0
}

// replaced lists what counts no longer. Who is not trusted replaces nothing.
func replaced(known map[digest.Digest]*Kept) map[digest.Digest]bool {
	gone := map[digest.Digest]bool{}
	for _, one := range known {
		if one.Head.From == Pruned && one.Trusted() {
			for _, d := range one.Head.Replaces {
				gone[d] = true
			}
		}
	}
	return gone
}

// There says what a mirror still has.
type There interface {
	Manifest(repo string, d digest.Digest) bool
	Tag(repo, tag string, d digest.Digest) bool // it is there, and names that digest
}

// Left is what receipts, read by [History.Sure], mark as pushed and a prune left in the mirror,
// with all their repositories. It is for [Keeper.Replace].
func Left(mirror oci.Mirror, dropped []*Receipt, there There) *Receipt {
	facts := Merge(dropped...)
	r := &Receipt{Mirror: mirror, From: Pruned, Repositories: facts.Repositories()}
	l := leaving{r, there, map[manifestKey]int{}, map[manifestKey]int{}}
	for _, from := range facts.Receipts() {
		sizes := map[manifestKey]Manifest{}
		for _, m := range from.Manifests {
			sizes[manifestKey{m.Repo, m.Digest}] = m
			if m.Mark == Pushed && there.Manifest(m.Repo, m.Digest) {
				l.manifest(m)
			}
		}
		for _, img := range from.Images {
			l.image(img, sizes[manifestKey{img.Repo, img.Digest}])
		}
	}
	r.Sort()
	return r
}

type leaving struct {
	r         *Receipt
	there     There
	manifests map[manifestKey]int // places in the lists
	images    map[manifestKey]int
}

func (l leaving) manifest(m Manifest) {
	key := manifestKey{m.Repo, m.Digest}
	i, known := l.manifests[key]
	if !known {
		l.manifests[key] = len(l.r.Manifests)
		l.r.Manifests = append(l.r.Manifests, m)
		return
	}
	l.r.Manifests[i].Mark = l.r.Manifests[i].Mark || m.Mark
}

// image keeps what there is of a root: its manifest, and the tags that satchel set.
func (l leaving) image(img Image, m Manifest) {
	var tags []Tag
	for _, tag := range img.Tags {
		if tag.Mark == Pushed && l.there.Tag(img.Repo, tag.Name, img.Digest) {
			tags = append(tags, tag)
		}
	}
	key := manifestKey{img.Repo, img.Digest}
	if _, kept := l.manifests[key]; !kept && len(tags) == 0 {
		return
	}
	l.manifest(m)
	i, known := l.images[key]
	if !known {
		l.images[key] = len(l.r.Images)
		l.r.Images = append(l.r.Images, Image{Repo: img.Repo, Digest: img.Digest, Origins: slices.Clone(img.Origins), Subject: img.Subject, Tags: tags})
		return
	}
	have := &l.r.Images[i]
	for _, o := range img.Origins {
		have.Origins = with(have.Origins, o)
	}
	for _, tag := range tags {
		if !slices.Contains(have.Tags, tag) {
			have.Tags = append(have.Tags, tag)
		}
	}
}

// Replace keeps what a prune left, see [Left], on this host and in the mirror, in place of dropped
// receipts, of what they ended, and of what earlier prunes left. These count no longer then, and
// are in [History.Replaced], for [Keeper.Remove]. If nothing is new, what is missing of the last
// one is added.
func (k *Keeper) Replace(ctx context.Context, h *History, r *Receipt, dropped []*Kept) (*Kept, error) {
	gone := map[digest.Digest]bool{}
	add := func(one *Kept) {
		gone[one.Digest] = true
		for _, d := range slices.Concat(one.Head.Closes, one.Head.Replaces) {
			gone[d] = true
		}
	}
	for _, one := range slices.Concat(dropped, h.Replaced) {
		add(one)
	}
	var last []*Kept
	for _, one := range h.Of(PrunedID) {
		if one.Trusted() {
			last = append(last, one)
		}
	}
	if len(last) == 1 && last[0].Own {
		if same, err := last[0].leaves(r, gone); err != nil || same {
			return k.complete(ctx, h, last[0], err)
		}
	}
	for _, one := range last {
		add(one)
	}
	r.State, r.Bundle, r.From, r.Time = Done, PrunedID, Pruned, time.Now()
	r.Replaces = h.bounded(gone)
	r.Sort()
	one, err := k.Seal(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := k.ToHost(one); err != nil {
		return nil, err
	}
	return k.complete(ctx, h, one, nil)
}

// leaves reports whether a receipt says the same, and replaces all that is gone.
func (k *Kept) leaves(r *Receipt, gone map[digest.Digest]bool) (bool, error) {
	have, err := k.Load()
	if err != nil {
		return false, err
	}
	for d := range gone {
		if _, found := slices.BinarySearch(have.Replaces, d); !found && d != k.Digest {
			return false, nil
		}
	}
	as := *r
	as.State, as.Bundle, as.From, as.Replaces = Done, PrunedID, Pruned, have.Replaces
	as.Sort()
	return have.SameFacts(&as), nil
}

// complete brings a receipt of a prune into the mirror, and has it count.
func (k *Keeper) complete(ctx context.Context, h *History, one *Kept, err error) (*Kept, error) {
	if err == nil && one.Tag == "" {
		err = k.ToMirror(ctx, h, one)
	}
	if err != nil {
		return nil, err
	}
	is := func(o *Kept) bool { return slices.Contains(one.Head.Replaces, o.Digest) }
	for _, list := range []*[]*Kept{&h.Done, &h.Intents} {
		for _, o := range *list {
			if is(o) {
				h.Replaced = append(h.Replaced, o)
			}
		}
		*list = slices.DeleteFunc(*list, is)
	}
	if !slices.Contains(h.Done, one) {
		h.Done = append(h.Done, one) // the oldest
	}
	return one, nil
}

// maxReplaces bounds what a receipt replaces, and of a few a week it is years.
const maxReplaces = 1 << 12

// bounded lists what is gone; of too much, what is not kept here any more is left out first.
func (h *History) bounded(gone map[digest.Digest]bool) (list []digest.Digest) {
	add := func(d digest.Digest) {
		if gone[d] && len(list) < maxReplaces {
			list = append(list, d)
			delete(gone, d)
		}
	}
	for _, one := range slices.Concat(h.Done, h.Replaced, h.Intents) {
		add(one.Digest)
	}
	for _, d := range slices.Sorted(maps.Keys(gone)) {
		add(d)
	}
	slices.Sort(list)
	return list
}

// Remove removes what was replaced from the mirror and from this host. What the mirror refuses to
// delete stays, counts no longer, and is in the list. What another receipt names as its claim stays
// too: it would mean nothing without. If a run ended before the mirror had what replaces, it gets
// that first: other hosts know nothing else.
func (k *Keeper) Remove(ctx context.Context, h *History) (refused []*transport.DeleteError, err error) {
	if err := k.completeAll(ctx, h); err != nil {
		return nil, err
	}
	claimed := maps.Clone(h.claims)
	if claimed == nil {
		claimed = map[digest.Digest]bool{}
	}
	for _, one := range slices.Concat(h.Done, h.Intents) {
		for _, d := range one.Head.Claims {
			claimed[d] = true
		}
	}
	var stay []*Kept
	for _, one := range h.Replaced {
		if claimed[one.Digest] {
			stay = append(stay, one)
			continue
		}
		no, err := k.removeFrom(ctx, one)
		if err != nil {
			return refused, err
		}
		if len(no) > 0 {
			refused, stay = append(refused, no...), append(stay, one)
			continue
		}
		if err := k.forget(one); err != nil {
			return refused, err
		}
	}
	h.Replaced = stay
	return refused, nil
}

// completeAll brings what prunes on this host left into the mirror, if it is not there.
func (k *Keeper) completeAll(ctx context.Context, h *History) error {
	for _, one := range h.Of(PrunedID) {
		if one.Tag == "" && one.Trusted() {
			if err := k.ToMirror(ctx, h, one); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeFrom removes a receipt from the mirror, whatever tags it has.
func (k *Keeper) removeFrom(ctx context.Context, one *Kept) (refused []*transport.DeleteError, err error) {
	if k.Mirror == nil {
		return nil, nil
	}
	for _, at := range one.places {
		ref := k.Repo
		ref.Digest = at.manifest
		err := k.Mirror.Delete(ctx, ref)
		var no *transport.DeleteError
		switch {
		case errors.As(err, &no):
			refused = append(refused, no)
		case err != nil:
			return refused, fmt.Errorf("remove a receipt from the mirror: %w", err)
		}
	}
	return refused, nil
}

// forget removes a receipt from this host: the copies first, so that a run that is killed knows of
// the rest.
func (k *Keeper) forget(one *Kept) error {
	if k.Dir == "" {
		return nil
	}
	var files []string
	for _, at := range one.places {
		files = append(files, k.copyOf(at.tag))
	}
	for _, dir := range []string{ownDone, ownIntents} {
		files = append(files, filepath.Join(k.Dir, dir, ownFile(one.Head.Bundle, one.Digest)))
	}
	for _, file := range files {
		if err := removeKept(file); err != nil {
			return fmt.Errorf("remove a receipt from this host: %w", err)
		}
	}
	return nil
}

// removeKept removes a receipt with its signatures; it need not be there.
func removeKept(file string) error {
	for n := range maxSigners {
		_ = os.Remove(SignatureFile(file, n)) // without its receipt it means nothing
	}
	if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
