package receipt

import (
	"cmp"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

func (r *Receipt) checkFirst() error {
	if r.First == "" {
		return nil
	}
	return oci.CheckDigest(r.First)
}

// Site tells apart mirrors of one name, such as those of two sites that call their registry the
// same: receipts with one Site are of one mirror. own is the digest of the receipt's bytes.
func (r *Receipt) Site(own digest.Digest) digest.Digest { return cmp.Or(r.First, own) }

// First is the Site of what is kept of the mirror, for the next receipt; "" where nothing is. What
// this host alone has may be of another mirror of that name.
func (k *Keeper) First(h *History) digest.Digest {
	var first digest.Digest
	for _, one := range h.Done { // the newest first
		there := one.Tag != "" || k.Mirror == nil || h.Refused != nil
		switch site := one.Head.Site(one.Digest); {
		case !there || one.Head.From == Pruned:
		case one.Trusted():
			return site
		default:
			first = cmp.Or(first, site)
		}
	}
	return first
}
