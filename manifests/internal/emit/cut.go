package emit

import (
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/login"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/page"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/update"
	"github.com/satchel-airgap/satchel/oci/text"
)

// fileCut has what is done once, when the cluster is cut off.

// emitCut writes the chapter of the cut.
func (e *emission) emitCut() error {
	p := e.NewPage()
	p.Text("# The cut")
	e.pageWhich(p)
	p.Text("Log in as cluster-admin (check with `oc whoami`) and run the commands in this directory, in bash, one step after the other.")
	p.Text("This is done once, when every step of %s is done. After it, the cluster has only what is in %s. The way back is in %s.", handover.FileApply, e.Site.Mirror, handover.FileRestore)
	e.stepBeforeCut(p)
	e.stepNewNodes(p)
	e.stepSamples(p)
	p.Step("Updates")
	e.way.CutUpdates(p)
	p.Step("Disconnect")
	p.Text("Disconnect the cluster from the internet.")
	e.stepInsights(p)
	p.Step("Look again")
	p.Text("Wait an hour, then look again. Every node must be Ready, and no operator degraded.")
	p.Run("oc get nodes", "oc get clusteroperators")
	p.Text("When it is so, note in the cluster that it is cut off. From then on, satchel leaves out what is for the cut only. (Where GitOps made the changes, there may be no such ConfigMap: the command then reports NotFound, and %s names the cut again with each bundle.)", handover.FileApply)
	p.Run("oc patch configmap " + handover.BeforeName + ` -n openshift-config --type=merge -p '{"data":{"` + handover.KeyCut + `":"true"}}'`)
	e.Add(handover.FileCut, handover.ModePublic, p.Bytes())
	return nil
}

// stepBeforeCut shows what must be right before nothing can be fetched any more.
func (e *emission) stepBeforeCut(p *page.Page) {
	p.Step("Look before you disconnect")
	e.runCompare(p)
	if len(e.Gaps) > 0 {
		p.Text("**Images are missing in the mirror: %s lists them at its top. Bring them there first.**", handover.FileApply)
	}
	p.Text("First rehearse the cut, on a host that reaches the mirror: save the state of the cluster again (the line is at the end of %s), and run `satchel check --output-dir . --from-cluster cluster.yaml` in this directory. It pulls every image as nodes will, asks no registry outside, and lists what would not start again. **Do not disconnect before it says that nothing would fail.**", handover.FileApply)
	e.pageRunning(p)
	e.lead.PageCutUnsigned(p)
	p.Text("The first command lists every image that pods use now. Each must be in the mirror (%s shows which sources lead there), or in another registry that stays reachable. The second one must print nothing. No operator may be degraded.", handover.FileRegistries)
	p.Run(
		"oc get pods --all-namespaces -o jsonpath='{..image}' | tr ' ' '\\n' | sort -u",
		"oc get pods --all-namespaces | grep -e ImagePullBackOff -e ErrImagePull",
		"oc get clusteroperators",
	)
	e.pagePoolsBeforeCut(p)
	e.pageNodesBeforeCut(p)
}

// pagePoolsBeforeCut has every pool checked: nodes of one that is paused did not get the rules, and
// nothing else on the page shows that while they reach the internet.
func (e *emission) pagePoolsBeforeCut(p *page.Page) {
	if len(e.lead.Groups) == 0 {
		return
	}
	if names := e.PausedPools(); len(names) > 0 {
		p.Text("**Stop if they still are: when the state of the cluster was saved, these pools were paused: %s. Do not disconnect before they are resumed, and all their nodes have what has waited (%s, step 1, has the command).**", text.And(handover.Codes(names)), handover.FileApply)
	}
	const why = "nodes of a paused one lack rules, authorities or credentials that came since, and get no images at all after the cut."
	if e.Hosted() {
		p.Text("No NodePool may be paused: %s %s %s Then log in to this cluster again.", why, handover.OnManagement, e.GoodPools())
	} else {
		p.Text("No pool may be paused: %s %s", why, e.GoodPools())
	}
	p.Run(e.LookPools()...)
}

// pageNodesBeforeCut has every node checked: for the rules, and whether it reaches the mirror.
func (e *emission) pageNodesBeforeCut(p *page.Page) {
	lines := []string{`echo "== $NODE"`}
	var what []string
	if len(e.lead.Groups) > 0 {
		what = append(what, "looks for the mirror in its rules")
		for _, m := range e.Mirrors() {
			lines = append(lines, `oc debug -q "$NODE" -- chroot /host grep -qF `+page.Shell(m.String())+" "+handover.NodeRegistries+` || echo "STOP: the rules of $NODE do not name the mirror, or could not be read"`)
		}
	}
	var read []string
	if img, ok := e.sampleImage(); ok && !e.way.ReleaseIncomplete() {
		what = append(what, "pulls an image by its name in the mirror")
		for _, place := range e.Places(img) {
			name := page.Shell(place)
			if repo, _, ok := strings.Cut(place, "@"); ok && img.Path == origin.PathPayload { // the release that runs by then
				read = []string{"RELEASE=$(oc get clusterversion version -o jsonpath='{.status.desired.image}')"}
				name = page.Shell(repo) + `@"${RELEASE#*@}"`
			}
			lines = append(lines, `oc debug -q "$NODE" -- chroot /host crictl pull `+name+` || echo "STOP: $NODE did not get it"`)
		}
	}
	if len(what) == 0 {
		return
	}
	p.Text("Every node must get images from the mirror itself: while nodes reach the internet, one that lacks the rules, or that a firewall keeps from the mirror, does not show. On each node, the loop %s. No line may begin with STOP.", text.And(what))
	p.Run(append(read, page.Each("NODE", "oc get nodes -l kubernetes.io/os=linux -o name", lines...)...)...)
}

// stepNewNodes has nodes that are added later trust the mirror. The machine config server gives a
// new node the authorities of the proxy settings, in its MachineConfig, but not those of
// image.config, which the daemon on the running node writes.
func (e *emission) stepNewNodes(p *page.Page) {
	if !e.trust.CA.Written || !e.Has(fileInstallCA) || e.Hosted() {
		return
	}
	p.Step("Nodes that are added later")
	p.Text("A node that is added or replaced pulls the image of its operating system before it has the authorities of image.config. It has only those that the cluster's proxy settings name (trustedCA). So the mirror's must be there too, else no node can be added after the cut. The commands add them, and keep what stands there. Where they are there already, nothing changes.")
	e.trust.PageTrusted(p)
	e.Waits(p, "Every node must have the authorities")
	p.Run(e.Rollout(update.AddTrusted(fileInstallCA)...)...)
}

// stepInsights takes the entry for reports to Red Hat out of the pull secret.
func (e *emission) stepInsights(p *page.Page) {
	p.Step("The pull secret without Insights")
	e.login.CutPullSecret(p)
}

// pageCut names the chapter of the cut in one line.
func (e *emission) pageCut(p *page.Page) {
	if why := e.cutAlready(); why != "" {
		p.Nothing("the cut (" + why + "; if it is connected all the same, " + handover.FileCut + " has the steps)")
		return
	}
	p.Head("The cut")
	p.Text("When the cluster is to be disconnected from the internet, follow %s. This is done once, not with every bundle.", handover.FileCut)
	if !e.Site.Cluster.Known("ConfigMap") {
		p.Text("If this prints `true`, it was done:")
		p.Run("oc get configmap " + handover.BeforeName + " -n openshift-config --ignore-not-found -o jsonpath='{.data." + handover.KeyCut + "}'")
	}
}

// cutAlready says what shows that the cluster is cut off; empty if nothing does. A pull secret
// alone does not: who wants no reports takes the entry out of a connected cluster too.
func (e *emission) cutAlready() string {
	switch {
	case e.Before[handover.KeyCut] == "true":
		return "the ConfigMap " + handover.BeforeName + " says that the cluster is cut off"
	case e.login.Secret.Given && !e.login.Secret.Insights && e.Applied():
		return "the pull secret has no " + login.InsightsHost + ", and the cluster has rules of satchel"
	}
	return ""
}
