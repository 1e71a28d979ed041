package receipt

import "slices"

// End has a receipt that was rebuilt, for which everything that its bundle needs was looked at, end
// the intents of that bundle. What is there, and such an intent or a receipt of the bundle marks as
// pushed, is pushed; a claim is not enough for that, see [History.Sure].
func (h *History) End(r *Receipt) error {
	pushed := Pushes{}
	for _, one := range h.Of(r.Bundle) {
		sure, err := h.Sure(one)
		if err != nil {
			return err
		}
		pushed.Add(sure)
	}
	for _, open := range h.Closable(r) {
		sure, err := h.Sure(open)
		if err != nil {
			return err
		}
		pushed.Add(sure)
		r.Closes = append(r.Closes, open.Digest)
	}
	r.promote(pushed)
	return nil
}

// Closable lists the open intents of a receipt's bundle and mirror, those that are trusted first, and
// no more than a receipt can end.
func (h *History) Closable(r *Receipt) (list []*Kept) {
	for _, open := range h.Open() {
		if open.Head.Bundle == r.Bundle && open.Head.Mirror == r.Mirror {
			list = append(list, open)
		}
	}
	slices.SortStableFunc(list, func(a, b *Kept) int {
		switch {
		case a.Trusted() == b.Trusted():
			return 0
		case a.Trusted():
			return -1
		}
		return 1
	})
	return list[:min(len(list), MaxCloses)]
}

// promote marks as pushed what is in a set.
func (r *Receipt) promote(pushed Pushes) {
	for i, m := range r.Manifests {
		r.Manifests[i].Mark = m.Mark || Mark(pushed[ManifestIn(m.Repo, m.Digest)])
	}
	for i, b := range r.Blobs {
		r.Blobs[i].In = slices.Clone(b.In)
		for k, p := range b.In {
			r.Blobs[i].In[k].Mark = p.Mark || Mark(pushed[BlobIn(p.Repo, b.Short)])
		}
	}
	for _, img := range r.Images {
		for k, tag := range img.Tags {
			img.Tags[k].Mark = tag.Mark || Mark(pushed[TagIn(img.Repo, tag.Name)])
		}
	}
	r.Sort()
}
