package emit

import (
	"slices"
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
	update, first := e.stepUpdate, func(*page.Page) {}
	if e.updateFirst() {
		update, first = first, update
	}
	for _, step := range []func(*page.Page){
		e.stepBefore, first,
		e.stepProxy,
		e.stepPullSecret, e.stepCA, e.stepPlainHTTP,
		e.stepRules, e.stepCheck, e.stepTagRules, e.stepSuperfluous,
		e.stepCatalogs, e.stepClusterCatalogs, e.stepHelm,
		e.stepPinned, update, e.stepUnpin,
		e.stepUpdateService,
		e.stepNoLonger,
		e.stepHostedClusters,
		e.stepApplications,
		e.pageQuery, e.pageCut, e.pageTagged, e.pageCollect,
	} {
		step(steps)
	}
	p := page.New(false)
	p.Text("# Point the cluster at %s", e.site.Mirror)
	p.Text("satchel wrote these files for %s. Log in as cluster-admin (check with `oc whoami`) and run the commands in this directory, in bash, one step after the other.", e.counted)
	if e.has(fileKustomization) {
		what := "all of this"
		if e.hosted() {
			what = "what is in this cluster itself (not in its HostedCluster)"
		}
		p.Text("For GitOps, %s has %s once more, as the whole desired state. Use the one or the other.", fileKustomization, what)
	}
	if len(steps.IdleParts()) > 0 {
		p.Text("Nothing to do: %s. (A file that no step names has what the cluster has already.)", strings.Join(steps.IdleParts(), ", "))
	}
	e.pageGaps(p)
	if len(e.notes) > 0 {
		p.Head("Read this first")
		var list []string
		for _, n := range e.notes {
			list = append(list, strings.ReplaceAll(text.OneLine(text.Printable(n)), fileApply, "this page"))
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

// configurations is a command that prints the configuration that each pool is to have.
const configurations = `oc get mcp -o jsonpath='{range .items[*]}{.spec.configuration.name}{"\n"}{end}'`

// notPaused is a command that prints the pools that are not paused: a paused one does not become
// Updated while a change waits for it.
const notPaused = `oc get mcp -o jsonpath='{range .items[*]}mcp/{.metadata.name} {.spec.paused}{"\n"}{end}' | grep -v ' true$' | cut -d ' ' -f1`

// pools names, for oc wait, the pools that get changes.
func (e *emission) pools() string {
	if !e.site.Cluster.Known("MachineConfigPool") || len(e.pausedPools()) > 0 {
		return "$(" + notPaused + ")"
	}
	return "mcp --all"
}

// rollout is a chain of commands that change what nodes have, and wait until every node has it. A
// pool says that it is Updated until it has a new configuration, so that is waited for first; oc
// wait itself then looks at no status that is older than it.
func (e *emission) rollout(change ...string) []string {
	if e.hosted() { // it has no pools of machines
		return page.Chain(append(change, "oc wait nodes --all --for=condition=Ready --timeout=90m")...)
	}
	return page.Chain(slices.Concat([]string{"WAS=$(" + configurations + ")"}, change, []string{
		"for i in $(seq 24); do sleep 5; " + configurations + ` | grep -qxF "$WAS" || break; done`,
		"oc wait " + e.pools() + " --for=condition=Updated --timeout=90m",
	})...)
}

// waits says, before the commands of rollout, what they wait for, such as "Every node must have the rules".
func (e *emission) waits(p *page.Page, what string) {
	if e.hosted() {
		p.Text("%s before you go on: the commands wait for that.", what)
		return
	}
	p.Text("%s before you go on: the commands wait for that. The loop ends when every pool has a new configuration, or after two minutes if none has to change. A pool that is paused is not waited for.", what)
}
