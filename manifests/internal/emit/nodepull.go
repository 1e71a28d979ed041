package emit

import (
	"fmt"

	"github.com/satchel-airgap/satchel/oci"
)

// NodePull is how nodes pull from the mirror once the pages were followed.
type NodePull struct {
	From oci.Mirror   // the address that they try first
	Then []oci.Mirror // those that they try after it, in this order
	// Secret is what they log in by; nil where they have no credential for the mirror.
	Secret *PullSecret
	// Known: the mirror needs no credential, or Secret has it.
	Known bool
}

// NodePullOf finds out how nodes will pull the images of an inventory. A fault of the site is a
// *[SiteError].
func NodePullOf(inv *oci.Inventory, site Site) (*NodePull, error) {
	e := &emission{site: site, images: pulled(sortedImages(inv.Images))}
	if err := e.checkMirrors(); err != nil {
		return nil, fmt.Errorf("find out how nodes pull: %w", err)
	}
	n := &NodePull{From: e.mirrors()[0], Then: e.mirrors()[1:], Known: site.Credential == nil}
	var err error
	if e.secret.nodes, err = e.nodeSecret(); err != nil {
		return nil, fmt.Errorf("find out how nodes pull: %w", err)
	}
	switch {
	case site.PullSecret != nil:
		to, _ := site.PullSecret.secret.Edit(e.secretEdit())
		if _, has := to.Covers(n.From.String()); has || e.secret.nodes != nil {
			n.Secret = &PullSecret{to}
		}
	case e.secret.nodes != nil:
		n.Secret = &PullSecret{e.secret.nodes}
	}
	n.Known = n.Known || n.Secret != nil
	return n, nil
}
