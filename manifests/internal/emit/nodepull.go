package emit

import (
	"fmt"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
)

// NodePull is how nodes pull from the mirror once the pages were followed.
type NodePull struct {
	From oci.Mirror   // the address that they try first
	Then []oci.Mirror // those that they try after it, in this order
	// Secret is what they log in by; nil where they have no credential for the mirror.
	Secret *site.PullSecret
	// Known: the mirror needs no credential, or Secret has it.
	Known bool
}

// NodePullOf finds out how nodes will pull the images of an inventory. A fault of the site is a
// *[SiteError].
func NodePullOf(inv *oci.Inventory, given site.Site) (*NodePull, error) {
	h, err := handover.New(inv, given)
	if err != nil {
		return nil, fmt.Errorf("find out how nodes pull: %w", err)
	}
	e := newEmission(h)
	n := &NodePull{From: e.Mirrors()[0], Then: e.Mirrors()[1:], Known: given.Credential == nil}
	if e.login.Secret.Nodes, err = e.login.NodeSecret(); err != nil {
		return nil, fmt.Errorf("find out how nodes pull: %w", err)
	}
	switch {
	case given.PullSecret != nil:
		to, _ := given.PullSecret.Secret.Edit(e.login.SecretEdit())
		if _, has := to.Covers(n.From.String()); has || e.login.Secret.Nodes != nil {
			n.Secret = &site.PullSecret{Secret: to}
		}
	case e.login.Secret.Nodes != nil:
		n.Secret = &site.PullSecret{Secret: e.login.Secret.Nodes}
	}
	n.Known = n.Known || n.Secret != nil
	return n, nil
}
