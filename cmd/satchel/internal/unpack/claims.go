package unpack

import (
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
)

// claim reads what satchel pushed, by intents that nothing ends and by receipts of this bundle.
// What somebody else wrote, and nobody who is trusted has signed, is noted as a claim.
func (u *unpacking) claim() error {
	u.receipts.ours, u.receipts.claims = receipt.Pushes{}, map[receipt.Thing][]digest.Digest{}
	h := u.receipts.history
	for _, one := range append(h.Open(), h.Of(u.bundle)...) {
		sure, err := h.Sure(one)
		if err != nil {
			return err
		}
		u.receipts.ours.Add(sure)
		rests := h.Rests(one)
		if len(rests) == 0 {
			continue
		}
		r, err := one.Load()
		if err != nil {
			return err
		}
		claimed := receipt.Pushes{}
		claimed.Add(r)
		for thing := range claimed {
			if u.receipts.claims[thing] == nil {
				u.receipts.claims[thing] = rests
			}
		}
	}
	return nil
}

// suffices reports whether a receipt with the facts of this run says all that this run knows. One
// that nobody confirmed says less than a run that saw itself what was absent; and a signature
// confirms.
func (u *unpacking) suffices(one *receipt.Kept) bool {
	k := u.receipts.keeper
	return one.Trusted() || len(k.Signers) == 0 && (k.Dir == "" || !u.receipts.sure)
}

// lastAs is the newest receipt of the bundle, or the newest that somebody confirmed, if it has
// these facts and suffices; else nil.
func (u *unpacking) lastAs(r *receipt.Receipt) (*receipt.Kept, error) {
	all := u.receipts.history.Of(u.bundle)
	if len(all) == 0 || len(r.Closes) > 0 {
		return nil, nil
	}
	last := all[:1]
	if i := slices.IndexFunc(all, (*receipt.Kept).Trusted); i > 0 {
		last = append(slices.Clone(last), all[i])
	}
	for _, one := range last {
		if same, err := u.sameAs(one, r); err != nil || same && u.suffices(one) {
			return one, err
		}
	}
	return nil, nil
}

// newestOwn is the time of the newest receipt of the bundle that this host wrote.
func (u *unpacking) newestOwn() (at time.Time) {
	for _, one := range u.receipts.history.Of(u.bundle) {
		if one.Own && one.Head.Time.After(at) {
			at = one.Head.Time
		}
	}
	return at
}

// marks tells a receipt what satchel pushed.
type marks struct{ u *unpacking }

// pushed judges what was or was not seen to be absent, and notes what the mark rests on.
func (m marks) pushed(thing receipt.Thing, absent bool, more ...digest.Digest) receipt.Mark {
	rc := &m.u.receipts
	if absent || rc.ours[thing] {
		rc.sure = true
		return receipt.Pushed
	}
	if len(more) == 0 {
		more = rc.claims[thing]
	}
	if len(more) > receipt.MaxCloses-len(rc.rests) { // more strangers claim it than a receipt can name: nobody knows
		return receipt.Found
	}
	for _, d := range more {
		rc.rests[d] = true
	}
	return len(more) > 0
}

func (m marks) Manifest(repo string, d digest.Digest) (receipt.Mark, bool) {
	absent := m.u.receipts.absent
	return m.pushed(receipt.ManifestIn(repo, d), absent != nil && absent.Manifest(repo, d)), true
}

func (m marks) Blob(repo string, d oci.Descriptor) (receipt.Mark, bool) {
	if oci.IsForeign(d.MediaType) && !m.u.carries(d) {
		return receipt.Found, false
	}
	absent := m.u.receipts.absent
	return m.pushed(receipt.BlobIn(repo, receipt.ShortOf(d.Digest)), absent != nil && absent.Blob(repo, d.Digest)), true
}

// Tag is satchel's where nothing had that name, or satchel had set what it named.
func (m marks) Tag(repo, tag string) (receipt.Mark, bool) {
	thing := receipt.TagIn(repo, tag)
	if m.u.receipts.absent == nil {
		return m.pushed(thing, false), true
	}
	absent, named := m.u.receipts.absent.Tag(repo, tag)
	before, known := m.u.receipts.moved[receipt.Tagged{Repo: repo, Tag: tag}]
	if !known || before.Digest != named || before.Mark != receipt.Pushed {
		return m.pushed(thing, absent), true
	}
	rests := m.u.receipts.history.RestsOf(before)
	return m.pushed(thing, absent || len(rests) == 0, rests...), true
}
