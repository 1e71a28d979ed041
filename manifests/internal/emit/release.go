package emit

import (
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// noteSigstore names the payloads whose Sigstore signature is not carried.
func (e *emission) noteSigstore() {
	if unsigned := origin.WithoutSigstore(e.payloads, e.images); len(unsigned) > 0 {
		e.note("no Sigstore signature is carried for %s: nodes of 4.21 and later, and earlier ones with technology previews, refuse a release without it", text.Some(unsigned, 3))
	}
}

func (e *emission) stepRelease(p *page) {
	if len(e.payloads)+len(e.signed) == 0 {
		return
	}
	p.step("The release")
	p.text("If the cluster already runs a release of this bundle, there is nothing to do. An update drains and reboots every node, and it needs the signatures of the release.")
	e.stepSignatures(p)
	p.text("Nodes of 4.21 and later also check the Sigstore signature (ClusterImagePolicy `openshift`). If the mirror lacks it, a note at the top of this page says so. `--force` does not skip this check.")
	if slices.ContainsFunc(e.gaps, func(g oci.Gap) bool {
		return g.Image.Origin == origin.Release && g.Image.Subject == "" && !origin.IsGraph(g.Image.Source)
	}) {
		p.text("Images of a release are missing (see the top of this page). Do not update before they are in the mirror too.")
		return
	}
	for _, img := range e.payloads {
		p.text("To update to %s (in the mirror: `%s`):", origin.PayloadName(img), e.place(img))
		p.run("oc adm upgrade --allow-explicit-upgrade --to-image " + shell(img.Source.WithDigest(img.Root.Digest).String()))
	}
}
