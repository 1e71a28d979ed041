package emit

import (
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

func (e *emission) stepCatalogs(p *page) {
	if !e.switchesHub() {
		return
	}
	p.step("Take the default catalogs away")
	where := "They are on the internet. Installed operators stay, and so do Subscriptions, but each SOURCE that this prints must be"
	if len(e.catalogs) > 0 {
		where += " in the list of the next step, or a catalog of your own; as long as the default ones are on, the cluster puts them back over catalogs of the same name."
	} else {
		where += " a catalog of your own: none is carried here."
	}
	p.text("%s The second command shows entries that keep a default catalog on (`disabled: false`): take those out first (`oc edit operatorhub cluster`).", where)
	p.run(
		"oc get subscriptions.operators.coreos.com -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,SOURCE:.spec.source",
		"oc get operatorhub.config.openshift.io/cluster -o jsonpath='{.spec.sources}{\"\\n\"}'",
	)
	p.text("Then take them away. Nodes: nothing happens to them.")
	p.run("oc patch operatorhub.config.openshift.io/cluster --type=merge --patch-file " + fileHubPatch)
	if len(e.catalogs) > 0 {
		e.stepCatalogSources(p)
	}
}

func (e *emission) stepCatalogSources(p *page) {
	p.step("Catalogs")
	p.text("First repeat this until it prints nothing: a catalog that comes before the old one of its name is gone is deleted with it.")
	p.run("oc get catalogsource -n openshift-marketplace -o yaml | grep 'managed-by: marketplace-operator'")
	p.text("A catalog of which packages or versions were chosen has these alone, and shows no others. Nodes: nothing happens to them.")
	var files []named
	var list []string
	for _, c := range e.catalogs {
		files = append(files, c.named)
		list = append(list, fmt.Sprintf("`%s` is `%s`, for `%s`", c.name, e.place(c.image), c.image.Configured()))
	}
	p.run("oc apply"+flagged(files), "oc get catalogsource,pods -n openshift-marketplace")
	p.list(list)
}

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

func (e *emission) stepApplications(p *page) {
	p.step("See that everything still works")
	p.text("Every node Ready, no pod in ImagePullBackOff or ErrImagePull, no operator degraded. Pods keep images that their node has already; what a node must pull again shows only when it must.")
	p.run(
		"oc get nodes",
		"oc get pods --all-namespaces | grep -v -e Running -e Completed",
		"oc get clusteroperators",
	)
}

func (e *emission) stepCut(p *page) {
	p.step("The cut")
	p.text("Disconnect the cluster from the network. What the way back takes is in %s.", fileRestore)
	switch {
	case e.secret.written && !e.secret.insights:
		p.text("The pull secret has no %s, so the Insights operator does not report and will not be degraded.", insightsHost)
	case e.secret.written:
		p.step("After the cut: the pull secret without Insights")
		p.text("The Insights operator cannot report any more and would be degraded. Without %s in the pull secret it does not try. %s %s", insightsHost, wholeSecret, nodesPullSecret)
		p.run(setPullSecret(fileAfterCut), "oc get clusteroperator insights")
	default:
		p.text("The Insights operator is degraded from then on, until %s is taken out of the pull secret; satchel render writes that secret too if it has the present one (`--pull-secret`).", insightsHost)
	}
}

// pageTagged lists what rules by digest do not reach.
func (e *emission) pageTagged(p *page) {
	if len(e.tagged) == 0 {
		return
	}
	p.head("Images that are named by tag")
	p.text("The rules are for pulls by digest. A pod that names one of these by its tag is not sent to the mirror: name it by digest, or by the mirror's name.")
	var list []string
	for _, img := range e.tagged {
		repo := e.site.Mirror.Repo(img)
		for _, tag := range img.MirrorTags() {
			name := img.Source
			if name.Digest != "" { // a pod names it by the tag, and its node knew the digest
				name = name.WithTag(tag)
			}
			list = append(list, fmt.Sprintf("`%s` is `%s`, or `%s`", name, repo.WithTag(tag), img.Source.WithDigest(img.Root.Digest)))
		}
	}
	p.list(list)
}
