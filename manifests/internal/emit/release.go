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
		e.note("no Sigstore signature of the release %s is carried: from 4.21 on, and with technology previews before, nodes refuse that release without it", text.Some(unsigned, 3))
	}
}

func (e *emission) stepRelease(p *page) {
	if len(e.payloads)+len(e.signed) == 0 {
		return
	}
	p.step("The release")
	p.text("A cluster that runs a release that is here keeps running: there is nothing to do. An update drains and reboots every node, and wants two signatures.")
	e.stepSignatures(p)
	p.text("Nodes of 4.21 and later want the Sigstore signature too (ClusterImagePolicy `openshift`): a note at the top says so if the mirror lacks it. `--force` does nothing about it.")
	if slices.ContainsFunc(e.gaps, func(g oci.Gap) bool {
		return g.Image.Origin == origin.Release && g.Image.Subject == "" && !origin.IsGraph(g.Image.Source)
	}) {
		p.text("Images of a release are missing, see the top of this page: do not update before they are in the mirror too.")
		return
	}
	for _, img := range e.payloads {
		p.text("To update to %s, which the mirror has as `%s`:", origin.PayloadName(img), e.place(img))
		p.run("oc adm upgrade --allow-explicit-upgrade --to-image " + img.Source.WithDigest(img.Root.Digest).String())
	}
}

// stepGraph says what an UpdateService object is made of.
func (e *emission) stepGraph(p *page) {
	if len(e.graph) == 0 {
		return
	}
	graph, releases := e.graph[0], e.site.Mirror.Repo(oci.Image{Path: origin.PathPayload})
	p.step("The update service")
	p.text("An UpdateService object of the OpenShift Update Service operator finds what it needs in the mirror: `spec.graphDataImage` is `%s`, which is `%s` now, and `spec.releases` is `%s`.",
		e.site.Mirror.Repo(graph).WithTag(graph.MirrorTags()[0]), graph.Root.Digest, releases.Name())
}
