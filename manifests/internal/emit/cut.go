package emit

import "github.com/satchel-airgap/satchel/manifests/internal/page"

// fileCut has what is done once, when the cluster is cut off.
const fileCut = "CUT.md"

// emitCut writes the chapter of the cut.
func (e *emission) emitCut() error {
	p := e.newPage()
	p.Text("# The cut")
	p.Text("This is done once, when every step of %s is done. After it, the cluster has only what is in %s. The way back is in %s.", fileApply, e.site.Mirror, fileRestore)
	e.stepBeforeCut(p)
	e.stepSamples(p)
	p.Step("Updates")
	e.cutUpdates(p)
	p.Step("Disconnect")
	p.Text("Disconnect the cluster from the internet.")
	e.stepInsights(p)
	p.Step("Look again")
	p.Text("Wait an hour, then look again. Every node must be Ready, and no operator degraded.")
	p.Run("oc get nodes", "oc get clusteroperators")
	p.Text("When it is so, note in the cluster that it is cut off. From then on, satchel leaves out what is for the cut only.")
	p.Run("oc patch configmap " + beforeName + ` -n openshift-config --type=merge -p '{"data":{"` + keyCut + `":"true"}}'`)
	e.add(fileCut, modePublic, p.Bytes())
	return nil
}

// stepBeforeCut shows what must be right before nothing can be fetched any more.
func (e *emission) stepBeforeCut(p *page.Page) {
	p.Step("Look before you disconnect")
	if len(e.gaps) > 0 {
		p.Text("**Images are missing in the mirror: %s lists them at its top. Bring them there first.**", fileApply)
	}
	p.Text("The first command lists every image that pods use now. Each must be in the mirror (%s shows which sources lead there), or in another registry that stays reachable. The second one must print nothing. No operator may be degraded.", fileRegistries)
	p.Run(
		"oc get pods --all-namespaces -o jsonpath='{..image}' | tr ' ' '\\n' | sort -u",
		"oc get pods --all-namespaces | grep -e ImagePullBackOff -e ErrImagePull",
		"oc get clusteroperators",
	)
}

// stepInsights takes the entry for reports to Red Hat out of the pull secret.
func (e *emission) stepInsights(p *page.Page) {
	p.Step("The pull secret without Insights")
	e.cutPullSecret(p)
}

// pageCut names the chapter of the cut in one line.
func (e *emission) pageCut(p *page.Page) {
	if why := e.cutAlready(); why != "" {
		p.Nothing("the cut (" + why + "; if it is connected all the same, " + fileCut + " has the steps)")
		return
	}
	p.Head("The cut")
	p.Text("When the cluster is to be disconnected from the internet, follow %s. This is done once, not with every bundle.", fileCut)
	if !e.site.Cluster.Known("ConfigMap") {
		p.Text("If this prints `true`, it was done:")
		p.Run("oc get configmap " + beforeName + " -n openshift-config --ignore-not-found -o jsonpath='{.data." + keyCut + "}'")
	}
}

// cutAlready says what shows that the cluster is cut off; empty if nothing does. A pull secret
// alone does not: who wants no reports takes the entry out of a connected cluster too.
func (e *emission) cutAlready() string {
	switch {
	case e.before[keyCut] == "true":
		return "the ConfigMap " + beforeName + " says that the cluster is cut off"
	case e.secret.given && !e.secret.insights && e.applied():
		return "the pull secret has no " + insightsHost + ", and the cluster has rules of satchel"
	}
	return ""
}
