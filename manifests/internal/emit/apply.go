package emit

import (
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci/text"
)

// applyPage writes the steps that point the cluster at the mirror, in the order
// of "Converting a connected cluster to a disconnected cluster". A step is left out, and named
// in the list of what is not to be done, only where the cluster's own objects show that.
func (e *emission) applyPage() []byte {
	steps := e.NewPage()
	for _, step := range []func(*page.Page){
		e.stepBefore, e.way.StepUnderWay,
		e.trust.StepProxy,
		e.login.StepPullSecret, e.trust.StepCA, e.trust.StepPlainHTTP,
		e.lead.StepRules, e.stepCheck, e.lead.StepTagRules, e.lead.StepSuperfluous,
		e.hub.StepCatalogs, e.hub.StepClusterCatalogs, e.hub.StepHelm,
		e.way.StepPinned, e.way.StepUpdate, e.way.StepUnpin,
		e.way.StepUpdateService,
		e.hub.StepNoLonger,
		e.stepHostedClusters,
		e.stepApplications,
		e.pageQuery, e.pageCut, e.lead.PageTagged, e.pageCollect,
	} {
		step(steps)
	}
	p := page.New(false)
	p.Text("# Point the cluster at %s", e.Site.Mirror)
	e.pageWhich(p)
	p.Text("satchel wrote these files for %s. Log in as cluster-admin (check with `oc whoami`) and run the commands in this directory, in bash, one step after the other.", e.counted)
	if e.Has(fileKustomization) {
		what := "all of this"
		if e.Hosted() {
			what = "what is in this cluster itself (not in its HostedCluster)"
		}
		p.Text("For GitOps, %s has %s once more, as the whole desired state. Use the one or the other; but step 1 of this page comes first in both cases, because the way back needs what it keeps.", fileKustomization, what)
	}
	if len(steps.IdleParts()) > 0 {
		p.Text("Nothing to do: %s. (A file that no step names has what the cluster has already.)", strings.Join(steps.IdleParts(), ", "))
	}
	e.pageGaps(p)
	if len(e.Notes) > 0 {
		p.Head("Read this first")
		var list []string
		for _, n := range e.Notes {
			list = append(list, strings.ReplaceAll(text.OneLine(text.Printable(n)), handover.FileApply, "this page"))
		}
		p.List(list)
	}
	p.Append(steps)
	return p.Bytes()
}

func (e *emission) stepApplications(p *page.Page) {
	p.Step("Check that everything still works")
	p.Text("Every node must be Ready, no pod in ImagePullBackOff or ErrImagePull, and no operator degraded. A node does not pull images again that it already has, so a missing image shows only when a node must pull it.")
	p.Run(
		"oc get nodes",
		"oc get pods --all-namespaces | grep -v -e Running -e Completed",
		"oc get clusteroperators",
	)
}
