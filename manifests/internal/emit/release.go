package emit

import (
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

func (e *emission) stepRelease(p *page) {
	if len(e.payloads)+len(e.signed) == 0 {
		return
	}
	p.step("The release")
	p.text("If the cluster already runs a release of this bundle, there is nothing to do. An update drains and reboots every node, and it needs the signatures of the release.")
	e.stepSignatures(p)
	if slices.ContainsFunc(e.gaps, func(g oci.Gap) bool {
		return g.Image.Origin == origin.Release && g.Image.Subject == "" && !origin.IsGraph(g.Image.Source)
	}) {
		p.text("Images of a release are missing (see the top of this page). Do not update before they are in the mirror too.")
		return
	}
	for _, img := range e.payloads {
		if e.unsignedIn(img) > 0 {
			p.text("%s", e.noUpdate(img))
			continue
		}
		p.text("To update to %s (in the mirror: `%s`):", origin.PayloadName(img), e.place(img))
		p.run("oc adm upgrade --allow-explicit-upgrade --to-image " + shell(img.Source.WithDigest(img.Root.Digest).String()))
	}
}
