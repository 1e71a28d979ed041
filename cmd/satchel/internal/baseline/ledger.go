package baseline

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/oci"
)

// NoneArrivedError says that no bundle of a stream is known to have arrived.
type NoneArrivedError struct {
	Stream  string
	Bundles []ledger.Bundle // of the stream
}

func (e *NoneArrivedError) Error() string {
	if len(e.Bundles) == 0 {
		return "the stream " + e.Stream + " has no bundle yet that another one could be compared with"
	}
	return "no bundle of the stream " + e.Stream + " is known to have arrived"
}

// Permanent is true: somebody must say that one arrived.
func (e *NoneArrivedError) Permanent() bool { return true }

// Hint says what to do now.
func (e *NoneArrivedError) Hint() string {
	if len(e.Bundles) == 0 {
		return "pack a whole bundle first"
	}
	return "note that a bundle arrived, by its fingerprint on the slip, or name a receipt that came back"
}

// OfLedger is what the newest bundle of a stream needs that is known to have arrived, whether
// it travelled in that bundle or an earlier one. Errors: *[NoneArrivedError], those of
// [ledger.Read] and [ledger.Store.Content].
func OfLedger(state, stream string) (*Known, error) {
	l, err := ledger.Read(state, stream)
	if err != nil {
		return nil, err
	}
	if l == nil {
		return nil, &NoneArrivedError{Stream: stream}
	}
	b := l.Arrived()
	if b == nil {
		return nil, &NoneArrivedError{Stream: stream, Bundles: l.Bundles}
	}
	content, err := ledger.At(state, stream).Content(*b)
	if err != nil {
		return nil, err
	}
	of := l.Stream()
	self := bundle.BaselineSource{Bundle: b.Bundle, Fingerprint: string(b.Fingerprint), Stream: &of, Sequence: b.Sequence}
	return &Known{[]*mirror{ofContent(content, self)}}, nil
}

func ofContent(c ledger.Content, self bundle.BaselineSource) *mirror {
	m := &mirror{
		repo: oci.Image.MirrorPath, path: func(repo string) string { return repo }, short: digest.Digest.String,
		manifests: map[digest.Digest]entry{}, blobs: map[string]entry{},
	}
	one := func(n ledger.Needed) entry {
		e := entry{from: self}
		if _, earlier, ok := c.Baseline.Find(n.Descriptor.Digest); ok {
			e.from = earlier
		}
		for _, i := range n.Images {
			e.repos = append(e.repos, c.Images[i].MirrorPath())
		}
		slices.Sort(e.repos)
		e.repos = slices.Compact(e.repos)
		return e
	}
	for _, n := range c.Manifests {
		m.manifests[n.Descriptor.Digest] = one(n)
	}
	for _, n := range c.Blobs {
		m.blobs[n.Descriptor.Digest.String()] = one(n)
	}
	return m
}
