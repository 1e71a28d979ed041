package emit

import (
	"fmt"

	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
	"github.com/satchel-airgap/satchel/oci/text"
)

// stepPause has the worker nodes wait for the updates over two minor versions.
func (e *emission) stepPause(p *page.Page, stage updatepath.Stage) {
	var to []string
	for _, s := range stage.Steps {
		to = append(to, s.To.String())
	}
	p.Step("Pause the pools of worker nodes")
	p.Text("The next updates, %s, lead over two minor versions. Worker nodes can wait until both are done, so that they drain and restart once. While a pool is paused, its nodes get no rules, no certificate authority and no pull secret: change none of these until the pools go on, and do not leave them paused for days, because certificates of nodes would expire.", text.And(to))
	p.Text("Nodes: nothing changes now.")
	p.Run(e.setPaused(true)...)
}

// stepUnpause lets the worker nodes go on.
func (e *emission) stepUnpause(p *page.Page, stage updatepath.Stage) {
	to := stage.Steps[len(stage.Steps)-1].To
	p.Step("Let the pools of worker nodes go on")
	p.Text("**Nodes: this drains and restarts every worker node, one after the other,** and brings it to %s.", to)
	p.Run(append(e.setPaused(false), page.Chain(
		"oc wait $("+notPaused+") --for=condition=Updated --timeout=8h",
		"oc get nodes,machineconfigpools",
	)...)...)
}

// setPaused pauses the pools of worker nodes, or lets them go on. That of the control plane, and
// of an arbiter, are never paused.
func (e *emission) setPaused(paused bool) (lines []string) {
	const patch = `oc patch machineconfigpool %s --type=merge -p '{"spec":{"paused":%t}}'`
	pools := e.workerPools()
	if len(pools) == 0 {
		return []string{
			"POOLS=$(oc get machineconfigpool -o jsonpath='{.items[*].metadata.name}')",
			fmt.Sprintf("for POOL in $POOLS; do case $POOL in master|arbiter) ;; *) "+patch+" ;; esac; done", "$POOL", paused),
		}
	}
	for _, name := range pools {
		lines = append(lines, fmt.Sprintf(patch, page.Shell(name), paused))
	}
	return lines
}
