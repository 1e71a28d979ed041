package manifests

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// applyPage writes the steps that point the cluster at the mirror, in the order
// of "Converting a connected cluster to a disconnected cluster".
func (e *emission) applyPage() []byte {
	p := &page{}
	p.text("# Point the cluster at %s", e.site.Mirror)
	p.text("satchel wrote these files for %s in the mirror. Run the commands in this directory, logged in as cluster-admin (`oc whoami`), one step after the other.", plural(len(e.images), "image", "images"))
	e.pageGaps(p)
	if len(e.notes) > 0 {
		p.head("Read this first")
		var list []string
		for _, n := range e.notes {
			list = append(list, clean(n))
		}
		p.list(list)
	}
	e.stepBefore(p)
	e.stepPullSecret(p)
	e.stepCA(p)
	e.stepRules(p)
	e.stepCheck(p)
	e.stepCatalogs(p)
	e.stepRelease(p)
	e.stepApplications(p)
	e.stepCut(p)
	e.pageTagged(p)
	return p.bytes()
}

// pageGaps says what was asked for and is not in the mirror.
func (e *emission) pageGaps(p *page) {
	if len(e.gaps) == 0 {
		return
	}
	p.head(plural(len(e.gaps), "image is missing", "images are missing"))
	p.text("They were asked for and are not in the mirror; the rules below are for what is there alone. Nodes that need one fail to pull it once the cable is cut. Carry them (`satchel pack --only`) before that.")
	var list []string
	for _, g := range e.gaps {
		list = append(list, fmt.Sprintf("`%s` (%s): %s", g.Source, g.Origin, clean(g.Error)))
	}
	p.list(list)
}

func (e *emission) stepBefore(p *page) {
	p.step("Look at the cluster, and keep what is there")
	p.text("Every node Ready, every pool Updated and not paused (a paused pool takes nothing up), no operator degraded. The copy is for the way back, see %s.", fileRestore)
	p.run(
		"oc get clusterversion,clusteroperators,nodes,machineconfigpools",
		"oc get image.config.openshift.io/cluster -o yaml > before-image-config.yaml",
	)
}

// nodesPullSecret is what a change of the pull secret does to nodes ("Updating the
// global cluster pull secret").
const nodesPullSecret = "Nodes: since 4.7.4 they take it up without drain or reboot; before, every node is drained and rebooted."

func (e *emission) stepPullSecret(p *page) {
	switch {
	case e.secret.added:
		p.step("Pull secret")
		p.text("%s is the present pull secret with the mirror's credential. `oc set data` puts it in place; a plain `oc apply` of %s would leave every credential in an annotation (for GitOps, apply that one on the server's side: `oc apply --server-side --force-conflicts`).", filePullSecret, filePullSecretYAML)
		p.run("oc set data secret/pull-secret -n openshift-config --from-file=.dockerconfigjson=" + filePullSecret)
		p.text(nodesPullSecret)
	case e.secret.missing:
		p.step("Pull secret: not written yet")
		p.text("The mirror wants a credential. It belongs in the cluster's pull secret, beside what that has now; a secret with the mirror alone would throw the rest away. Get the present one, and run satchel render again with it, with every other flag as before (KEY is the key file, DRIVE the bundle):")
		p.run(
			"(umask 077; oc extract secret/pull-secret -n openshift-config --to=- > present-pull-secret.json)",
			"satchel render -i KEY --pull-secret present-pull-secret.json --to "+e.site.Mirror.String()+" --output-dir . DRIVE",
		)
	}
}

func (e *emission) stepCA(p *page) {
	if !e.ca.written {
		return
	}
	p.step("The mirror's authorities")
	if e.site.PresentImage == nil {
		p.text("image.config.openshift.io/cluster can name one ConfigMap. This must print nothing, or `%s`; for any other name run satchel render again with that ConfigMap as `--present-registry-ca`, or the registries in it are cut off:", e.ca.name)
		p.run("oc get image.config.openshift.io/cluster -o jsonpath='{.spec.additionalTrustedCA.name}{\"\\n\"}'")
	}
	p.text("The ConfigMap %s has them under `%s`; the patch makes image.config name it.", e.ca.name, e.ca.key)
	p.run(
		"oc apply -f "+fileCA,
		"oc patch image.config.openshift.io/cluster --type=merge --patch-file "+fileImagePatch,
	)
	p.text("Nodes: no drain, no reboot. The certificates get to /etc/docker/certs.d of every node within minutes.")
}

func (e *emission) stepRules(p *page) {
	if len(e.icsps) == 0 {
		return
	}
	p.step("Rules: where nodes find the images")
	var lines []string
	for _, o := range e.icsps {
		lines = append(lines, "oc apply -f "+o.file)
	}
	p.run(lines...)
	p.text("Nodes: since 4.8, rules that are new make CRI-O read its configuration again, with no drain and no reboot. In 4.7 every node is drained, before that also rebooted, one after the other. Deleting a rule, or changing one in place, drains every node in every version; satchel never changes one: other rules have another name.")
	p.text("Delete rules of an earlier run only when these are in place. Wait until every node has them; the first command ends after two minutes if there is nothing to take up:")
	p.run(waitForNodes()...)
}

func (e *emission) stepCheck(p *page) {
	if len(e.icsps) == 0 {
		return
	}
	p.step("Check a node")
	p.text("The difference to %s is what rules of other origin add. (Older versions write `mirror-by-digest-only = true` once for each registry, in place of `pull-from-mirror` for each mirror; that is the same.) Then an image by its own name, pulled as pods pull it:", fileRegistries)
	lines := []string{
		"NODE=$(oc get nodes -o jsonpath='{.items[0].metadata.name}')",
		"oc debug -q node/\"$NODE\" -- chroot /host cat /etc/containers/registries.conf | diff " + fileRegistries + " -",
	}
	if e.ca.written {
		lines = append(lines, "oc debug -q node/\"$NODE\" -- chroot /host ls /etc/docker/certs.d")
	}
	if e.secret.added {
		lines = append(lines, "oc debug -q node/\"$NODE\" -- chroot /host grep -oF '\""+e.site.Mirror.Host+"' /var/lib/kubelet/config.json")
	}
	if img, ok := e.ruled(); ok {
		lines = append(lines, "oc debug -q node/\"$NODE\" -- chroot /host crictl pull "+img.Source.WithDigest(img.Root.Digest).String())
	}
	p.run(lines...)
	p.text("`journalctl -u crio` on the node names the mirror in \"Trying to access\"; `crictl images` shows an image's own name always.")
}

// ruled is an image that a node pulls through the rules, a payload if there is one.
func (e *emission) ruled() (oci.Image, bool) {
	for _, img := range slices.Concat(e.payloads, e.images) {
		if img.Subject == "" && img.Source.Name() != e.site.Mirror.Repo(img).Name() {
			return img, true
		}
	}
	return oci.Image{}, false
}

func (e *emission) stepCatalogs(p *page) {
	if !e.switchesHub() {
		return
	}
	p.step("Take the default catalogs away")
	p.text("They are on the internet. This comes before the next step: as long as they are on, the cluster puts them back over catalogs of the same name. Subscriptions and installed operators stay.")
	p.run("oc patch operatorhub.config.openshift.io/cluster --type=merge --patch-file " + fileHubPatch)
	p.text("Nodes: nothing happens to them.")
	if len(e.catalogs) == 0 {
		return
	}
	p.step("Catalogs")
	var lines, list []string
	for _, c := range e.catalogs {
		lines = append(lines, "oc apply -f "+c.file)
		list = append(list, fmt.Sprintf("`%s` is `%s`, for `%s`", c.name, e.place(c.image), c.image.Source))
	}
	p.run(append(lines, "oc get catalogsource,pods -n openshift-marketplace")...)
	p.list(list)
	p.text("Catalogs are carried whole in this version: packages whose images were not chosen show in them too, and cannot be installed. Nodes: nothing happens to them.")
}

func (e *emission) stepRelease(p *page) {
	if len(e.payloads) == 0 {
		return
	}
	p.step("The release")
	p.text("A cluster that runs this release keeps running: there is nothing to do. In the mirror it is")
	var list []string
	for _, img := range e.payloads {
		name := strings.Join(img.Tags, ", ")
		if name == "" {
			name = img.Source.String()
		}
		list = append(list, fmt.Sprintf("%s: `%s`", name, e.place(img)))
	}
	p.list(list)
	p.text("To update a cluster to it, name it by digest: `oc adm upgrade --allow-explicit-upgrade --to-image %s`. An update drains and reboots every node.", e.place(e.payloads[0]))
	p.text("A cluster takes a release only with its signature, which this version of satchel does not carry. As long as it reaches the internet, it fetches the signature itself: update before the cut. After the cut the signature must be there first, in a ConfigMap in openshift-config-managed with the label `release.openshift.io/verification-signatures`; outside, `oc adm release mirror --release-image-signature-to-dir` writes that ConfigMap. `--force` passes over the signature, and over the other checks that keep a cluster from harm.")
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
		p.text("The Insights operator cannot report any more and would be degraded. Without %s in the pull secret it does not try.", insightsHost)
		p.run("oc set data secret/pull-secret -n openshift-config --from-file=.dockerconfigjson="+fileAfterCut, "oc get clusteroperator insights")
		p.text(nodesPullSecret)
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
			list = append(list, fmt.Sprintf("`%s` is `%s`, or `%s`", img.Source, repo.WithTag(tag), img.Source.WithDigest(img.Root.Digest)))
		}
	}
	p.list(list)
}
