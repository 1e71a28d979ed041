package emit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// applyPage writes the steps that point the cluster at the mirror, in the order
// of "Converting a connected cluster to a disconnected cluster".
func (e *emission) applyPage() []byte {
	p := &page{}
	p.text("# Point the cluster at %s", e.site.Mirror)
	p.text("satchel wrote these files for %s. Run the commands in this directory, logged in as cluster-admin (`oc whoami`), one step after the other.", text.Count(len(e.images)+len(e.graph), "image", "images"))
	e.pageGaps(p)
	if len(e.notes) > 0 {
		p.head("Read this first")
		var list []string
		for _, n := range e.notes {
			list = append(list, markdown(n))
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
	e.stepGraph(p)
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
	p.head(text.Count(len(e.gaps), "image is missing", "images are missing"))
	p.text("They were asked for and are not in the mirror; the rules below are for what is there alone. Nodes that need one fail to pull it once the cable is cut. Carry them (`satchel pack --only`) before that.")
	for _, inc := range origin.IncompleteOf(e.gaps) {
		p.text("The %s %s is incomplete without:", inc.Kind, markdown(inc.Name))
		var list []string
		for _, g := range e.gaps {
			if g.Image.Subject == "" && slices.Contains(inc.Missing, g.Image.Source) {
				what := ""
				if parts := inc.Parts(g); parts != "" {
					what = " (" + markdown(parts) + ")"
				}
				list = append(list, fmt.Sprintf("`%s`%s: %s", g.Image.Source, what, markdown(g.Reason())))
			}
		}
		p.list(list)
	}
	e.pageOtherGaps(p)
}

// pageOtherGaps lists what is a part of nothing.
func (e *emission) pageOtherGaps(p *page) {
	var list []string
	for _, g := range e.gaps {
		if len(origin.Wholes(g)) > 0 {
			continue
		}
		what := string(g.Image.Origin)
		if words := oci.Words(g.Image.Reasons); len(words) > 0 {
			what = strings.Join(words, ", ")
		}
		list = append(list, fmt.Sprintf("`%s` (%s): %s", g.Image.Source, markdown(what), markdown(g.Reason())))
	}
	if len(list) == 0 {
		return
	}
	if len(list) < len(e.gaps) {
		p.text("A part of none of these:")
	}
	p.list(list)
}

func (e *emission) stepBefore(p *page) {
	p.step("Look at the cluster, and keep what is there")
	p.text("Every node Ready, every pool Updated and not paused (a paused pool takes nothing up), no operator degraded. The copies are for the way back, see %s; those that are here already stay, so keep the files of the first run.", fileRestore)
	lines := []string{
		"oc get clusterversion,clusteroperators,nodes,machineconfigpools",
		keep("image.config.openshift.io/cluster", beforeImage),
	}
	if e.switchesHub() {
		lines = append(lines, keep("operatorhub.config.openshift.io/cluster", beforeHub), keep("catalogsource -n openshift-marketplace", "before-catalogsources.yaml"))
	}
	if e.secret.written {
		lines = append(lines, "[ -s "+beforeSecret+" ] || "+extractPullSecret(beforeSecret))
	}
	if len(e.icsps) > 0 {
		lines = append(lines, keep("imagecontentsourcepolicy", "before-icsp.yaml"), keep("imagedigestmirrorset,imagetagmirrorset", "before-idms-itms.yaml")+" || true")
	}
	p.run(lines...)
	if len(e.icsps) > 0 {
		p.text("Clusters before 4.13 do not have the last two resources; the error says so, and does no harm.")
	}
}

const (
	beforeImage = "before-image-config.yaml"
	beforeHub   = "before-operatorhub.yaml"
	// beforeSecret holds credentials; the command that writes it keeps others out.
	beforeSecret = "before-pull-secret.json"
)

// keep is a command that saves a resource, and never writes over an older copy.
func keep(resource, file string) string {
	return fmt.Sprintf("[ -s %s ] || oc get %s -o yaml > %[1]s", file, resource)
}

const (
	// nodesPullSecret is what a change of the pull secret does to nodes ("Updating
	// the global cluster pull secret").
	nodesPullSecret = "Nodes: since 4.7.4 they take it up without drain or reboot; before, every node is drained and rebooted."
	// wholeSecret comes before a command that replaces the pull secret.
	wholeSecret = "The command replaces the whole secret by what it was when these files were made: if the cluster's was changed since, run satchel render again with it first."
)

func (e *emission) stepPullSecret(p *page) {
	switch {
	case e.secret.written && (e.secret.added || e.secret.entry != ""):
		p.step("Pull secret")
		what := "the present pull secret with the mirror's credential"
		if !e.secret.added {
			what = fmt.Sprintf("the pull secret that was given, which has `%s` for the mirror; if the cluster has that one already, go on with the next step", e.secret.entry)
		}
		p.text("%s is %s. %s %s", filePullSecret, what, wholeSecret, nodesPullSecret)
		p.text("Never `oc apply` %s as it is: that leaves every credential in an annotation (for GitOps: `oc apply --server-side --force-conflicts`).", filePullSecretYAML)
		p.run(setPullSecret(filePullSecret))
	case e.secret.missing:
		p.step("Pull secret: not written yet")
		p.text("The mirror wants a credential. It belongs in the cluster's pull secret, beside what that has now; a secret with the mirror alone would throw the rest away. Get the present one, and run satchel render again with it, with every other flag as before (KEY is the key file, DRIVE the bundle). Then start again at step 1 of the new %s.", fileApply)
		p.run(
			extractPullSecret("present-pull-secret.json"),
			"satchel render -i KEY --pull-secret present-pull-secret.json --to "+e.site.Mirror.String()+" --output-dir . DRIVE",
		)
	}
}

func setPullSecret(file string) string {
	return "oc set data secret/pull-secret -n openshift-config --from-file=.dockerconfigjson=" + file
}

func extractPullSecret(file string) string {
	return "(umask 077; oc extract secret/pull-secret -n openshift-config --to=- > " + file + ")"
}

func (e *emission) stepCA(p *page) {
	if !e.ca.written {
		return
	}
	p.step("The mirror's authorities")
	const trusted = "oc get image.config.openshift.io/cluster -o jsonpath='{.spec.additionalTrustedCA.name}{\"\\n\"}'"
	const again = "else run satchel render again with the ConfigMap that it names as `--present-registry-ca`, or the registries in that are cut off"
	switch {
	case !e.ca.present:
		var checks []string
		if e.site.PresentImage == nil {
			checks = append(checks, trusted)
		}
		checks = append(checks, "oc get configmap "+e.ca.name+" -n openshift-config --ignore-not-found -o name")
		p.text("image.config can name one ConfigMap of authorities. This must print nothing; %s:", again)
		p.run(checks...)
	case e.site.PresentImage == nil:
		p.text("image.config can name one ConfigMap of authorities. This must print nothing, or `%s`; %s:", e.ca.name, again)
		p.run(trusted)
	}
	change := "oc apply -f " + fileCA
	p.text("The ConfigMap %s gets them under `%s`, and image.config names it. Nodes: no drain, no reboot; the certificates get to /etc/docker/certs.d of every node within minutes.", e.ca.name, e.ca.key)
	if e.ca.present {
		change = "oc patch configmap -n openshift-config " + e.ca.name + " --type=merge --patch-file " + fileCAPatch
		p.text("The patch leaves every other registry as it is; %s has the whole, for GitOps.", fileCA)
	}
	p.run(change, "oc patch image.config.openshift.io/cluster --type=merge --patch-file "+fileImagePatch)
}

func (e *emission) stepRules(p *page) {
	if len(e.icsps) == 0 {
		return
	}
	p.step("Rules: where nodes find the images")
	p.text("Look at the rules that are there (`%s` has the new ones):", e.icsps[0].file)
	p.run("oc get imagecontentsourcepolicy", "oc get imagedigestmirrorset,imagetagmirrorset || true")
	p.list([]string{
		"If the second command lists any (oc-mirror v2 writes them) and the cluster is older than 4.13.27, or is 4.14.0 to 4.14.2, stop here and update it first: it refuses them beside an ImageContentSourcePolicy, and its nodes then take up no change at all.",
		"Of the rules for an image only the one with the longest source counts. If one that is there has a wider source than ours (`quay.io`, and ours `quay.io/acme/tool`), its mirrors are not asked for that repository any more: the mirror here must have every image of it that pods use.",
		"Rules of earlier runs (satchel-*) may stay, they do no harm. Delete one only if every source and mirror in it is also in the files here; nodes then change nothing.",
	})
	p.text("Nodes: since 4.8 rules that are new take effect with no drain and no reboot, but releases from before mid-2022 drain if image.config has blocked or insecure registries. 4.7 drains every node, before that each is also rebooted. Taking a source or a mirror away drains every node in every version (but never a single-node cluster); satchel never changes a rule: other rules have another name.")
	p.run("oc apply" + flagged(e.icsps))
	p.text("Wait until every node has them; the first command ends after two minutes if there is nothing to take up:")
	p.run(waitForNodes()...)
}

// flagged lists the files of objects for one command, so that nodes change once.
func flagged(list []named) string {
	var b strings.Builder
	for _, o := range list {
		b.WriteString(" -f " + o.file)
	}
	return b.String()
}

func (e *emission) stepCheck(p *page) {
	if len(e.icsps) == 0 {
		return
	}
	p.step("Check a node")
	p.text("The difference to %s is what rules of other origin add. (Older versions write `mirror-by-digest-only = true` once for each registry, in place of `pull-from-mirror` for each mirror; that is the same.) Then an image by the mirror's name, and by its own as pods pull it:", fileRegistries)
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
	img, ok := e.ruled()
	if ok {
		lines = append(lines,
			"oc debug -q node/\"$NODE\" -- chroot /host crictl pull "+e.place(img),
			"oc debug -q node/\"$NODE\" -- chroot /host crictl pull "+img.Source.WithDigest(img.Root.Digest).String())
	}
	p.run(lines...)
	if ok {
		p.text("The first pull names the mirror itself. If it fails, stop here: the second may have come from the internet, which a node falls back to as long as it is there.")
	}
	p.text("`journalctl -u crio` on the node names the mirror in \"Trying to access\"; `crictl images` shows an image's own name always.")
}

// ruled is an image that a node pulls through the rules, a payload if there is one.
func (e *emission) ruled() (oci.Image, bool) {
	for _, img := range slices.Concat(e.payloads, e.nodeImages()) {
		// A chart or another artifact cannot be pulled as an image; what was made has no rule.
		if runs := len(img.Platforms) > 0 || img.Path == origin.PathPayload; runs && img.Subject == "" && !img.Built && img.Source.Name() != e.site.Mirror.Repo(img).Name() {
			return img, true
		}
	}
	return oci.Image{}, false
}
