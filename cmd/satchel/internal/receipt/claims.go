package receipt

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
)

// Trusted reports whether a receipt is more than a claim: a run on this host wrote it, somebody
// who is trusted has signed it, or a key of this run has.
func (k *Kept) Trusted() bool { return k.Own || len(k.Signed) > 0 || k.signedHere }

// noteSigned finds out whether one of these signers has signed a receipt.
func (k *Kept) noteSigned(signers []*bundle.Signer) {
	if len(signers) == 0 || len(k.signatures) == 0 {
		return
	}
	body, err := k.Body()
	k.signedHere = err == nil && len(k.unsigned(body, signers)) < len(signers)
}

// Rests lists what nobody confirmed of that which the pushed marks of a receipt may rest on:
// the receipt itself, or what it names as its claims. None: they are facts.
func (h *History) Rests(one *Kept) (list []digest.Digest) {
	if !one.Trusted() {
		return []digest.Digest{one.Digest}
	}
	for _, d := range one.Head.Claims {
		if claim := h.find(d); claim != nil {
			list = append(list, h.Rests(claim)...)
		} else {
			list = append(list, d)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// RestsOf is [History.Rests] of the receipt that a fact is from.
func (h *History) RestsOf(fact TagFact) []digest.Digest {
	for _, one := range h.Done {
		if &one.Head == fact.By {
			return h.Rests(one)
		}
	}
	return nil
}

func (h *History) find(d digest.Digest) *Kept {
	for _, list := range [][]*Kept{h.Done, h.Intents, h.Replaced} {
		if i := slices.IndexFunc(list, func(k *Kept) bool { return k.Digest == d }); i >= 0 {
			return list[i]
		}
	}
	return nil
}

// Sure reads a receipt as what may be acted on: whatever it marks as pushed and nobody may have
// confirmed is marked as found. Where a claim is not kept any more, that is all of it.
func (h *History) Sure(one *Kept) (*Receipt, error) {
	r, err := one.Load()
	if err != nil {
		return nil, err
	}
	rests := h.Rests(one)
	if len(rests) == 0 {
		return r, nil
	}
	claimed := Pushes{}
	for _, d := range rests {
		claim := h.find(d)
		if claim == nil {
			claim = one
		}
		c, err := claim.Load()
		if err != nil {
			return nil, err
		}
		claimed.Add(c)
	}
	r.demote(claimed)
	return r, nil
}

// LoadSure reads all that have ended, the newest first, each as [History.Sure] does.
func (h *History) LoadSure() (list []*Receipt, err error) {
	for _, one := range h.Done {
		r, err := h.Sure(one)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// demote marks as found what is in a set.
func (r *Receipt) demote(claimed Pushes) {
	for i, m := range r.Manifests {
		r.Manifests[i].Mark = m.Mark && !Mark(claimed[ManifestIn(m.Repo, m.Digest)])
	}
	for i, b := range r.Blobs {
		r.Blobs[i].In = slices.Clone(b.In)
		for k, p := range b.In {
			r.Blobs[i].In[k].Mark = p.Mark && !Mark(claimed[BlobIn(p.Repo, b.Short)])
		}
	}
	for _, img := range r.Images {
		for k, tag := range img.Tags {
			img.Tags[k].Mark = tag.Mark && !Mark(claimed[TagIn(img.Repo, tag.Name)])
		}
	}
	r.Sort()
}

// Thing is a manifest, blob or tag in one repository, see [ManifestIn], [BlobIn], [TagIn].
type Thing struct {
	kind       byte
	repo, name string
}

// ManifestIn is a manifest in a repository.
func ManifestIn(repo string, d digest.Digest) Thing { return Thing{'m', repo, d.String()} }

// BlobIn is a blob in a repository.
func BlobIn(repo string, s Short) Thing { return Thing{'b', repo, string(s[:])} }

// TagIn is a tag in a repository.
func TagIn(repo, tag string) Thing { return Thing{'t', repo, tag} }

// Pushes is a set of what receipts mark as pushed.
type Pushes map[Thing]bool

// Add adds what a receipt marks as pushed.
func (p Pushes) Add(r *Receipt) {
	for _, m := range r.Manifests {
		if m.Mark == Pushed {
			p[ManifestIn(m.Repo, m.Digest)] = true
		}
	}
	for _, b := range r.Blobs {
		for _, in := range b.In {
			if in.Mark == Pushed {
				p[BlobIn(in.Repo, b.Short)] = true
			}
		}
	}
	for _, img := range r.Images {
		for _, tag := range img.Tags {
			if tag.Mark == Pushed {
				p[TagIn(img.Repo, tag.Name)] = true
			}
		}
	}
}
