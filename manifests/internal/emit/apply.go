package emit

import (
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci/text"
)

// newPage begins a page for the cluster.
func (e *emission) newPage() *page.Page {
	return page.New(e.site.Cluster.Topology() == "SingleReplica")
}

// applyPage writes the steps that point the cluster at the mirror, in the order
// of "Converting a connected cluster to a disconnected cluster". A step is left out, and named
// in the list of what is not to be done, only where the cluster's own objects show that.
func (e *emission) applyPage() []byte {
	steps := e.newPage()
	for _, step := range []func(*page.Page){
		e.stepBefore,
		e.stepProxy,
		e.stepPullSecret, e.stepCA, e.stepPlainHTTP,
		e.stepRules, e.stepCheck, e.stepTagRules, e.stepSuperfluous,
		e.stepCatalogs, e.stepClusterCatalogs, e.stepHelm,
		e.stepPinned, e.stepUpdate, e.stepUnpin,
		e.stepUpdateService,
		e.stepNoLonger,
		e.stepApplications,
		e.pageQuery, e.pageCut, e.pageTagged, e.pageCollect,
	} {
		step(steps)
	}
	p := page.New(false)
	p.Text("# Point the cluster at %s", e.site.Mirror)
	p.Text("satchel wrote these files for %s. Log in as cluster-admin (check with `oc whoami`) and run the commands in this directory, one step after the other.", e.counted)
	if e.has(fileKustomization) {
		p.Text("For GitOps, %s has all of this once more, as the whole desired state. Use the one or the other.", fileKustomization)
	}
	if len(steps.IdleParts()) > 0 {
		p.Text("Nothing to do: %s. (A file that no step names has what the cluster has already.)", strings.Join(steps.IdleParts(), ", "))
	}
	e.pageGaps(p)
	if len(e.notes) > 0 {
		p.Head("Read this first")
		var list []string
		for _, n := range e.notes {
			list = append(list, text.OneLine(text.Printable(n)))
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

// waitForNodes are the commands that wait until every node has what changed.
func (e *emission) waitForNodes() []string {
	if e.hosted() { // it has no pools of machines
		return []string{"oc wait nodes --all --for=condition=Ready --timeout=90m"}
	}
	return []string{
		"oc wait mcp --all --for=condition=Updating --timeout=2m || true",
		"oc wait mcp --all --for=condition=Updated --timeout=90m",
	}
}
