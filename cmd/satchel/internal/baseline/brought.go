package baseline

import (
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
)

// brought says which bundle carried what a receipt names: the receipt's own, unless this host
// packed that one and still knows what was left out of it, because an earlier one had brought it.
type brought struct {
	own     bundle.BaselineSource
	earlier *bundle.Baseline // nil: not known, or nothing
}

func broughtBy(state string, own bundle.BaselineSource) brought {
	b := brought{own: own}
	if state == "" || own.Stream == nil || own.Fingerprint == "" {
		return b
	}
	l, err := ledger.Read(state, own.Stream.Name)
	if err != nil || l == nil || l.Stream() != *own.Stream { // the receipt alone is enough
		return b
	}
	i := slices.IndexFunc(l.Bundles, func(known ledger.Bundle) bool { return string(known.Fingerprint) == own.Fingerprint })
	if i < 0 {
		return b
	}
	if content, err := ledger.At(state, l.Name).Content(l.Bundles[i]); err == nil { // else it is not kept any more
		b.earlier = content.Baseline
	}
	return b
}

// of is the bundle that carried content.
func (b brought) of(d digest.Digest) bundle.BaselineSource {
	_, from, ok := b.earlier.Find(d)
	if !ok {
		return b.own
	}
	from.Receipt, from.Mirror = b.own.Receipt, b.own.Mirror // by which it is known to be there
	return from
}

// ofBlob is the same of a blob, of which a receipt has as much of the digest as a baseline needs.
func (b brought) ofBlob(s receipt.Short) bundle.BaselineSource {
	hex := s.String()
	return b.of(digest.NewDigestFromEncoded(digest.SHA256, hex+strings.Repeat("0", digest.SHA256.Size()*2-len(hex))))
}
