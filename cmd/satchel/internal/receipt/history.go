package receipt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// Keeper is where the receipts of one mirror are kept.
type Keeper struct {
	Dir     string            // of this host, see [HostDir]; "" for none
	Mirror  *transport.Mirror // nil: the mirror keeps none
	Repo    oci.Ref           // of it, see [RepoIn]
	Trust   *bundle.Trust     // whose receipts count, of those of the mirror; nil: everyone's
	Signers []*bundle.Signer  // of what is kept; none: it is not signed
	Look    bool              // nothing is written on this host
	AnyHost bool              // receipts count that were written under another name of the registry

	most bounds // of what is read of the mirror; zero: the usual ones
}

// RepoIn is the repository of a mirror that keeps receipts.
func RepoIn(mirror oci.Mirror) oci.Ref { return mirror.Repo(oci.Image{Path: "satchel/receipts"}) }

// History is all receipts that are kept of a mirror.
type History struct {
	Done     []*Kept // the newest first, see [Newest]
	Intents  []*Kept
	Replaced []*Kept // done ones and intents that count no longer: a prune has put another in their place
	Odd      []error // what has the name of a receipt and does not count: it cannot be read, or nobody who is trusted has signed it
	Host     error   // this host does not give what it has
	Refused  error   // the mirror does not say which receipts it has

	tags   map[string]bool        // of the mirror
	claims map[digest.Digest]bool // that receipts name which do not count: later they may
}

// fetchers is how many receipts are fetched at once.
const fetchers = 4

// History reads what this host and the mirror have. What the mirror has is copied to this
// host, so that each is fetched once. A receipt of a newer satchel is an *[oci.VersionError].
func (k *Keeper) History(ctx context.Context) (*History, error) {
	h := &History{tags: map[string]bool{}}
	known := map[digest.Digest]*Kept{}
	for _, dir := range []string{ownDone, ownIntents} {
		if err := k.readOwn(h, dir, known); err != nil {
			return nil, err
		}
	}
	kept, err := k.fetch(ctx, h, known)
	if err != nil {
		return nil, err
	}
	for _, one := range kept {
		have := known[one.Digest]
		if have != nil {
			have.Head.number = one.Head.number
			have.places = append(have.places, one.places...)
		}
		switch {
		case have == nil:
			known[one.Digest] = one
		case one.verified() > have.verified():
			have.Tag, have.signatures, have.Signed = one.Tag, one.signatures, one.Signed
		case one.verified() == have.verified() && (have.Tag == "" || one.Tag < have.Tag): // one with fewer is not what is to be there
			have.Tag = one.Tag
		}
	}
	for _, one := range known {
		one.noteSigned(k.Signers)
	}
	h.fill(known)
	return h, nil
}

func (h *History) fill(known map[digest.Digest]*Kept) {
	number(known)
	byHead, gone := map[*Receipt]*Kept{}, replaced(known)
	var done []*Receipt
	for _, one := range known {
		if gone[one.Digest] {
			h.Replaced = append(h.Replaced, one)
			continue
		}
		if one.Head.State == Intent {
			h.Intents = append(h.Intents, one)
			continue
		}
		byHead[&one.Head] = one
		done = append(done, &one.Head)
	}
	byDigest := func(a, b *Kept) int { return cmp.Compare(a.Digest, b.Digest) }
	slices.SortFunc(h.Intents, byDigest)
	slices.SortFunc(h.Replaced, byDigest)
	slices.SortFunc(done, func(a, b *Receipt) int { return byDigest(byHead[a], byHead[b]) })
	for _, r := range Newest(done) {
		h.Done = append(h.Done, byHead[r])
	}
}

// readOwn reads what runs on this host wrote. It counts without a signature.
func (k *Keeper) readOwn(h *History, dir string, known map[digest.Digest]*Kept) error {
	if k.Dir == "" {
		return nil
	}
	files, err := list(filepath.Join(k.Dir, dir), ownName())
	if err != nil {
		h.Host = fmt.Errorf("read receipts of this host: %w", err)
	}
	for _, file := range files {
		one, err := readKept(file, nobody)
		if err := h.oddHere(err); err != nil {
			return err
		}
		if one != nil {
			one.Own = true
			known[one.Digest] = one
		}
	}
	return nil
}

// odd notes what does not count. What a newer satchel wrote is an error.
func (h *History) odd(err error) error {
	var newer *oci.VersionError
	if errors.As(err, &newer) {
		return err
	}
	if err != nil {
		h.Odd = append(h.Odd, err)
	}
	return nil
}

// oddHere is odd for a file of this host.
func (h *History) oddHere(err error) error {
	n := len(h.Odd)
	if err := h.odd(err); err != nil {
		return err
	}
	for i := range h.Odd[n:] {
		h.Odd[n+i] = &HostError{h.Odd[n+i]}
	}
	return nil
}

// isOf refuses a receipt of another mirror, or of another namespace or depth of it, which was copied
// from there: what was pushed there, somebody else may have pushed here, and what a prune there
// replaced would count again.
func (k *Keeper) isOf(one *Kept) error {
	of := RepoIn(one.Head.Mirror)
	if of == k.Repo || k.AnyHost && of.Repository == k.Repo.Repository {
		return nil
	}
	return &OtherError{one.name, one.Head.Mirror}
}

var fetchedName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9]{1,64}(?:\.[1-9][0-9]{0,6}|-intent-[0-9a-f]{12})?\.json$`)
})

// trust says who must have signed: nobody, what this host wrote.
func (k *Keeper) trust(own map[digest.Digest]*Kept) func(digest.Digest) *bundle.Trust {
	return func(d digest.Digest) *bundle.Trust {
		if own[d] != nil {
			return nil
		}
		return k.Trust
	}
}

func nobody(digest.Digest) *bundle.Trust { return nil }

// maxSignature is the largest of all signatures of a receipt together, in bytes.
const maxSignature = 1 << 20

// signaturesIn gives the signatures in an artifact.
func signaturesIn(a *transport.Artifact) (list [][]byte) {
	for n := range maxSigners { // one that is not there does not hide the next
		if sig := a.File(SignatureFile(File, n)); sig != nil {
			list = append(list, sig)
		}
	}
	return list
}

// Open lists the intents that no receipt ends: of runs that did not end. What is trusted is ended by
// what is trusted alone: else anybody could end what a run on this host has begun.
func (h *History) Open() (open []*Kept) {
	for _, intent := range h.Intents {
		ends := func(d *Kept) bool {
			return slices.Contains(d.Head.Closes, intent.Digest) && (d.Trusted() || !intent.Trusted())
		}
		if !slices.ContainsFunc(h.Done, ends) {
			open = append(open, intent)
		}
	}
	return open
}

// Of lists the receipts of one bundle, the newest first.
func (h *History) Of(bundle string) (list []*Kept) {
	for _, one := range h.Done {
		if one.Head.Bundle == bundle {
			list = append(list, one)
		}
	}
	return list
}

// Stream lists the receipts of one stream, the newest first; none for no stream.
func (h *History) Stream(s Stream) (list []*Kept) {
	for _, one := range h.Done {
		if one.Head.Stream == s && s != (Stream{}) {
			list = append(list, one)
		}
	}
	return list
}

// Load reads all that have ended, the newest first. It takes their memory at once.
func (h *History) Load() (list []*Receipt, err error) {
	for _, one := range h.Done {
		r, err := one.Load()
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// Tagged is a tag of a repository.
type Tagged struct{ Repo, Tag string }

// Tags says what the newest of these receipts that names it says of each tag. It reads as
// many as it needs, the first first; By has no lists.
func (h *History) Tags(list []*Kept, want map[Tagged]bool) (map[Tagged]TagFact, error) {
	found := map[Tagged]TagFact{}
	for _, one := range list {
		if len(found) == len(want) {
			break
		}
		r, err := one.Load()
		if err != nil {
			return nil, err
		}
		for _, img := range r.Images {
			for _, tag := range img.Tags {
				key := Tagged{img.Repo, tag.Name}
				if _, known := found[key]; want[key] && !known {
					found[key] = TagFact{Digest: img.Digest, Mark: tag.Mark, By: &one.Head}
				}
			}
		}
	}
	return found, nil
}
