package unpack

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// Receipts says what is kept of what the mirror has because of a run.
type Receipts struct {
	NotInMirror bool             // on this host and in the output directory alone
	Signers     []*bundle.Signer // none: they are not signed
	Trust       *bundle.Trust    // whose receipts in the mirror count; nil: everyone's
}

// receipts is what one run knows of them.
type receipts struct {
	keeper  *receipt.Keeper
	history *receipt.History
	release func() // of what keeps a prune away; may be nil

	ours   receipt.Pushes                    // satchel pushed it, by what runs that did not end intended, and by receipts of this bundle
	claims map[receipt.Thing][]digest.Digest // the same, by what nobody confirmed, and what that is
	rests  map[digest.Digest]bool            // which of that the marks of the receipt rest on
	sure   bool                              // some of its pushed marks rest on none of that
	absent *transport.Absent                 // before this run pushed anything; nil where nothing was missing
	moved  map[receipt.Tagged]receipt.TagFact
	facts  *receipt.Receipt // what this run intends; nil where nothing was missing
}

// readReceipts reads what is kept of earlier runs into this mirror.
func (u *unpacking) readReceipts(ctx context.Context) (err error) {
	if u.receipts.history != nil {
		return nil
	}
	k := &receipt.Keeper{Repo: receipt.RepoIn(u.Site.Mirror), Trust: u.Receipts.Trust, Signers: u.Receipts.Signers, Look: u.DryRun || u.Unasked}
	if u.State != "" {
		k.Dir = receipt.HostDir(u.State, u.Site.Mirror)
	}
	if !u.Receipts.NotInMirror && !u.Unasked {
		k.Mirror = u.mirror
	}
	u.receipts.keeper = k
	if !k.Look {
		if u.receipts.release, err = k.Hold(false); err != nil {
			return err
		}
	}
	if u.receipts.history, err = k.History(ctx); err != nil {
		return err
	}
	u.unnoted(u.receipts.history.Host)
	for _, odd := range u.receipts.history.Odd {
		u.Warn("a receipt does not count: %v", odd)
	}
	if err := u.receipts.history.Refused; err != nil {
		u.Debug("which receipts the mirror has is not known: %v", err)
	}
	return nil
}

// letGo lets a prune of this host begin.
func (r *receipts) letGo() {
	if r.release != nil {
		r.release()
	}
}

// receiptRepos lists the repository that the mirror keeps receipts in.
func (u *unpacking) receiptRepos() []oci.Ref {
	if u.Receipts.NotInMirror {
		return nil
	}
	return []oci.Ref{u.receipts.keeper.Repo}
}

// blameReceipts marks the error of a probe that found only the repository for receipts wrong.
func (u *unpacking) blameReceipts(err error) error {
	var p *transport.ProbeError
	if all := flat(err); len(all) == 1 && errors.As(all[0], &p) && slices.Contains(u.receiptRepos(), p.Repo) {
		return &receipt.MirrorError{Err: p}
	}
	return err
}

// intend says in the mirror what this run is about to push, before it does.
func (u *unpacking) intend(ctx context.Context, missing *transport.Missing) (err error) {
	if err := u.claim(); err != nil {
		return err
	}
	if u.receipts.absent, err = u.mirror.Absent(ctx, u.src, missing); err != nil {
		return err
	}
	if err := u.ownTags(missing.Images); err != nil {
		return err
	}
	r, err := u.fill(ctx, receipt.Intent)
	if err != nil {
		return err
	}
	u.receipts.facts = r
	if err := u.fits(*r); err != nil {
		return err
	}
	one, err := u.intended(ctx, r)
	if err != nil || one.Tag != "" || u.Receipts.NotInMirror {
		return err
	}
	return u.receipts.keeper.ToMirror(ctx, u.receipts.history, one)
}

// fits finds out before the first upload whether the receipt at the end can be written.
func (u *unpacking) fits(end receipt.Receipt) error {
	end.State = receipt.Done
	for _, open := range u.receipts.history.Closable(&end) {
		end.Closes = append(end.Closes, open.Digest)
	}
	slices.Sort(end.Closes)
	_, err := end.Encode()
	return err
}

// intended keeps an intent on this host, if none that nothing ends has the same facts.
func (u *unpacking) intended(ctx context.Context, r *receipt.Receipt) (*receipt.Kept, error) {
	for _, open := range u.receipts.history.Open() {
		same, err := u.sameAs(open, r)
		if err != nil || same && u.suffices(open) {
			return open, err
		}
	}
	one, err := u.receipts.keeper.Seal(ctx, r)
	if err != nil {
		return nil, err
	}
	u.unnoted(u.receipts.keeper.ToHost(one))
	u.receipts.history.Add(one)
	return one, nil
}

// sameAs reports whether a receipt that is kept has these facts.
func (u *unpacking) sameAs(one *receipt.Kept, r *receipt.Receipt) (bool, error) {
	if one.Head.Bundle != r.Bundle {
		return false, nil
	}
	have, err := one.Load()
	return err == nil && have.SameFacts(r), err
}

// ownTags finds out which of the tags that will move satchel has set.
func (u *unpacking) ownTags(images []oci.Image) (err error) {
	moving := map[receipt.Tagged]bool{}
	for _, img := range images {
		repo := u.Site.Mirror.Repo(img).Repository
		for _, tag := range img.MirrorTags() {
			if _, named := u.receipts.absent.Tag(repo, tag); named != "" && named != img.Root.Digest {
				moving[receipt.Tagged{Repo: repo, Tag: tag}] = true
			}
		}
	}
	u.receipts.moved, err = u.receipts.history.Tags(u.receipts.history.Done, moving)
	return err
}

// fill makes the receipt of this run from the images that were not left out.
func (u *unpacking) fill(ctx context.Context, state receipt.State) (*receipt.Receipt, error) {
	out := u.mirror.Refused()
	images := slices.DeleteFunc(slices.Clone(u.images), func(img oci.Image) bool {
		return slices.ContainsFunc(out, func(r transport.RefusedImage) bool { return same(r.Image, img) })
	})
	graph, err := oci.ReadGraph(ctx, images, func(oci.Image) (oci.Source, error) { return u.src, nil }, u.Parallel)
	if err != nil {
		return nil, err
	}
	r := u.head(state)
	u.receipts.rests, u.receipts.sure = map[digest.Digest]bool{}, false
	r.Fill(graph, marks{u})
	r.Claims = slices.Sorted(maps.Keys(u.receipts.rests))
	return r, nil
}

func (u *unpacking) head(state receipt.State) *receipt.Receipt {
	r := &receipt.Receipt{State: state, Bundle: u.bundle, Fingerprint: string(u.r.Packed()), Partial: u.r.Partial(), Packed: u.r.Created(), Mirror: u.Site.Mirror, Time: time.Now()}
	if s := u.r.Stream(); s != (bundle.Stream{}) {
		r.Stream, r.Sequence = receipt.Stream(s), u.r.Sequence()
	}
	r.Supplement = SupplementOf(u.r)
	return r
}

// SupplementOf is what a receipt says of the supplement that is read beside a damaged bundle.
func SupplementOf(r *bundle.Reader) receipt.Supplement {
	s, ok := r.Supplement()
	if !ok {
		return receipt.Supplement{}
	}
	return receipt.Supplement{Bundle: s.Bundle, Fingerprint: string(s.Fingerprint)}
}

// finish keeps the receipt and writes the YAML.
func (u *unpacking) finish(ctx context.Context) error {
	one, err := u.keepReceipt(ctx)
	if err != nil {
		return err
	}
	if err = u.asNodes(ctx); err == nil {
		err = u.checkSigned(ctx)
	}
	if err == nil {
		err = u.writeCluster(ctx)
	}
	if err != nil { // other hosts need not wait for the directory
		return errors.Join(err, u.receiptToMirror(ctx, one))
	}
	return u.giveReceipt(ctx, one)
}

// keepReceipt keeps what was seen, on this host and in the output directory; what is left is
// the mirror, see [unpacking.giveReceipt]. A run that has nothing new to say keeps the
// receipt that there is.
func (u *unpacking) keepReceipt(ctx context.Context) (*receipt.Kept, error) {
	r, err := u.done(ctx)
	if err != nil {
		return nil, err
	}
	k := u.receipts.keeper
	last, err := u.lastAs(r)
	if err != nil {
		return nil, err
	}
	if last != nil {
		more, err := k.Sign(ctx, last)
		if err == nil && (more || !last.Own && last.Trusted()) {
			u.unnoted(k.ToHost(last))
		}
		if last.Own {
			k.DropIntents(last) // a run may have ended before it did
		}
		return last, err
	}
	if newest := u.newestOwn(); newest.After(r.Time) { // the clock was set back
		r.Time = newest.Add(time.Millisecond)
	}
	one, err := k.Seal(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := k.ToHost(one); err != nil {
		if u.Receipts.NotInMirror && u.Out == nil {
			return nil, err // it would be nowhere
		}
		u.unnoted(err)
	} else {
		k.DropIntents(one)
	}
	return one, nil
}

// done makes the receipt of what the mirror has now, as was seen.
func (u *unpacking) done(ctx context.Context) (r *receipt.Receipt, err error) {
	if u.receipts.facts == nil {
		if err := u.claim(); err != nil {
			return nil, err
		}
	}
	if r = u.receipts.facts; r == nil || len(u.mirror.Refused()) > 0 {
		if r, err = u.fill(ctx, receipt.Done); err != nil {
			return nil, err
		}
	}
	r.State, r.Time, r.First = receipt.Done, time.Now(), u.receipts.keeper.First(u.receipts.history)
	u.dropTags(r)
	for _, open := range u.receipts.history.Closable(r) {
		ends, err := u.ends(open, r)
		if err != nil {
			return nil, err
		}
		if ends {
			r.Closes = append(r.Closes, open.Digest)
		}
	}
	slices.Sort(r.Closes)
	return r, nil
}

// dropTags takes the tags out of a receipt that stayed as they were, or that the mirror refused.
func (u *unpacking) dropTags(r *receipt.Receipt) {
	stayed := map[receipt.Tagged]bool{}
	for _, move := range u.mirror.Left() {
		stayed[receipt.Tagged{Repo: move.Tag.Repository, Tag: move.Tag.Tag}] = true
	}
	for _, refused := range u.mirror.RefusedTags() {
		stayed[receipt.Tagged{Repo: refused.Tag.Repository, Tag: refused.Tag.Tag}] = true
	}
	if len(stayed) == 0 {
		return
	}
	for i, img := range r.Images {
		r.Images[i].Tags = slices.DeleteFunc(img.Tags, func(t receipt.Tag) bool { return stayed[receipt.Tagged{Repo: img.Repo, Tag: t.Name}] })
	}
}

// ends reports whether all that an intent of this bundle and mirror named is accounted for: it is in the
// mirror now, or the mirror does not take it.
func (u *unpacking) ends(open *receipt.Kept, r *receipt.Receipt) (bool, error) {
	intent, err := open.Load()
	if err != nil {
		return false, err
	}
	there := map[receipt.Tagged]bool{}
	for _, m := range r.Manifests {
		there[receipt.Tagged{Repo: m.Repo, Tag: m.Digest.String()}] = true
	}
	for _, out := range u.mirror.Refused() {
		there[receipt.Tagged{Repo: u.Site.Mirror.Repo(out.Image).Repository, Tag: out.Image.Root.Digest.String()}] = true
	}
	return !slices.ContainsFunc(intent.Manifests, func(m receipt.Manifest) bool {
		return m.Mark == receipt.Pushed && !there[receipt.Tagged{Repo: m.Repo, Tag: m.Digest.String()}]
	}), nil
}

// giveReceipt brings a receipt into the output directory and the mirror.
func (u *unpacking) giveReceipt(ctx context.Context, one *receipt.Kept) error {
	body, err := one.Body()
	if err != nil {
		return err
	}
	if u.Out != nil {
		err = u.addFile(receipt.File, body)
		for i, sig := range one.Signatures() {
			err = errors.Join(err, u.addFile(receipt.SignatureFile(receipt.File, i), sig))
		}
	}
	return errors.Join(err, u.receiptToMirror(ctx, one))
}

// receiptToMirror brings a receipt into the mirror, unless it is there or is not wanted there.
func (u *unpacking) receiptToMirror(ctx context.Context, one *receipt.Kept) error {
	if one.Tag != "" || u.Receipts.NotInMirror {
		return nil
	}
	err := u.receipts.keeper.ToMirror(ctx, u.receipts.history, one)
	if err == nil {
		u.Info("the receipt of this bundle is in the mirror: %s", u.receipts.keeper.Repo.WithTag(one.Tag))
	}
	return err
}
