package update

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/operatorhub"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
	"github.com/satchel-airgap/satchel/oci/text"
)

// stepPause has the worker nodes wait for the updates over two minor versions; backup: none was made
// for them before.
func (w *Way) stepPause(p *page.Page, stage updatepath.Stage, backup bool) {
	var to []string
	for _, s := range stage.Steps {
		to = append(to, s.To.String())
	}
	p.Step("Pause the pools of worker nodes")
	p.Text("The next updates, %s, lead over two minor versions. Worker nodes can wait until both are done, so that they drain and restart once. While a pool is paused, its nodes get no rules, no certificate authority and no pull secret: change none of these until the pools are resumed, and do not leave them paused for days, because certificates of nodes would expire.", text.And(to))
	if stay := w.sitePaused(); len(stay) > 0 {
		p.Text("The site has paused %s itself: these commands leave that as it is.", text.And(handover.Codes(stay)))
	}
	w.pageMost(p, stage)
	if backup {
		w.pageBackup(p)
	}
	p.Text("Then pause the pools. Nodes: nothing changes now.")
	p.Run(w.pause()...)
}

// pageMost lists on which version each operator may be at most. OLM itself looks one minor version
// ahead alone, so it does not say before a pause what holds back the second of two updates
// (operator-lifecycle-manager, openshift/helpers.go).
func (w *Way) pageMost(p *page.Page, stage updatepath.Stage) {
	first, last := stage.Steps[0].To, updatepath.MinorOf(stage.Steps[len(stage.Steps)-1].To)
	p.Text("First the operators. The cluster says only what holds back the next update, to %s, not the one after it. This command lists what has a newest version that it may be on. **Each must be %s or newer: else the cluster stays on %s, with paused nodes.** What it does not list has no such limit.", updatepath.MinorOf(first), last, updatepath.MinorOf(first))
	p.Run(`oc get csv -A -l '!` + labelCopied + `' -o jsonpath='{range .items[*]}{.metadata.namespace}{" "}{.metadata.name}{" "}{.metadata.annotations.olm\.properties}{" "}{.metadata.annotations.operatorframework\.io/properties}{"\n"}{end}' | sed -n 's/^\([^ ]* [^ ]*\) .*` + strings.ReplaceAll(propertyMost, ".", `\.`) + `[^0-9]*\([0-9]*\.[0-9]*\).*/\1 \2/p'`)
	if !w.OlderThan(operatorhub.OlmV1) && !w.Hub.WithoutOLMv1() {
		p.Text("Of what ClusterExtensions have installed (OLM v1), only their catalogs say it (`%s`).", propertyMost)
	}
}

// KeyPaused is an annotation of the pools that the commands paused: only these go on.
const KeyPaused = "satchel-paused"

// pageStays says which nodes an update does not reach, because the site has paused their pools.
func (w *Way) pageStays(p *page.Page, to semver.Version) {
	if stay := w.sitePaused(); len(stay) > 0 {
		p.Text("**But the nodes of the pools that are paused keep the release that they have: %s.** When you resume them, they drain and restart, to get %s. Do it before the next update to another minor version, and before certificates of their nodes expire.", text.And(handover.Codes(stay)), to)
	}
}

// pageOperatorsThrough shows between two updates of a stage that waits whether the operators of
// Subscriptions, and of ClusterExtensions, are through with theirs.
func (w *Way) pageOperatorsThrough(p *page.Page, next updatepath.Step) {
	p.Text("Before the update to %s, the operators that are installed must be through too. The first command must print nothing: it names each whose phase is not Succeeded. In what the second one prints, the two versions of a line must be the same, unless the site holds that update back. Wait until it is so.", next.To)
	lines := []string{
		`oc get csv -A -o jsonpath='{range .items[*]}{.metadata.namespace}{" "}{.metadata.name}{" "}{.status.phase}{"\n"}{end}' | grep -v ' Succeeded$'`,
		`oc get subscriptions.operators.coreos.com -A -o jsonpath='{range .items[*]}{.metadata.namespace}{" "}{.metadata.name}{" "}{.status.installedCSV}{" "}{.status.currentCSV}{"\n"}{end}'`,
	}
	if !w.OlderThan(operatorhub.OlmV1) && !w.Hub.WithoutOLMv1() {
		p.Text("The last command must print True in each line (OLM v1).")
		lines = append(lines, `oc get clusterextension -o jsonpath='{range .items[*]}{.metadata.name}{" "}{.status.conditions[?(@.type=="Installed")].status}{"\n"}{end}'`)
	}
	p.Run(lines...)
}

// stepUnpause resumes the pools of worker nodes.
func (w *Way) stepUnpause(p *page.Page, stage updatepath.Stage) {
	to := stage.Steps[len(stage.Steps)-1].To
	p.Step("Resume the pools of worker nodes")
	p.Text("**Nodes: this drains and restarts every node of these pools, one after the other,** and brings it to %s.", to)
	if stay := w.sitePaused(); len(stay) > 0 {
		p.Text("The site itself had paused %s: that stays as it is. Its nodes keep the version that they have until somebody resumes it.", text.And(handover.Codes(stay)))
	}
	wait := []string{"oc wait $(" + handover.NotPaused + ") --for=condition=Updated --timeout=8h", "oc get nodes,machineconfigpools"}
	if pools := w.pausedHere(); len(pools) > 0 {
		var lines []string
		for _, name := range pools {
			lines = append(lines, fmt.Sprintf(setPaused, page.Shell(name), false), "oc annotate machineconfigpool "+page.Shell(name)+" "+KeyPaused+"-")
		}
		p.Run(page.Chain(append(lines, wait...)...)...)
		return
	}
	p.Text("Only pools that the commands above paused are resumed. If the last command shows another one that is paused, the site had paused it itself.")
	const resume = `echo "$POOLS" | while IFS== read -r POOL PAUSED; do [ "$PAUSED" != true ] || { ` + setPaused + ` && oc annotate machineconfigpool "$POOL" ` + KeyPaused + "-; }; done"
	p.Run(page.Chain(append([]string{
		"POOLS=$(oc get machineconfigpool -o jsonpath='{range .items[*]}{.metadata.name}={.metadata.annotations." + KeyPaused + `}{"\n"}{end}')`,
		fmt.Sprintf(resume, `"$POOL"`, false),
	}, wait...)...)...)
}

const setPaused = `oc patch machineconfigpool %s --type=merge -p '{"spec":{"paused":%t}}'`

// pause are the commands that pause the pools of worker nodes which are not paused, and mark them.
// That of the control plane, and of an arbiter, are never paused.
func (w *Way) pause() (lines []string) {
	const mark = "oc annotate machineconfigpool %s --overwrite " + KeyPaused + "=true && " + setPaused
	pools := w.pausedHere()
	if len(pools) == 0 {
		return page.Chain(
			`POOLS=$(oc get machineconfigpool -o jsonpath='{range .items[*]}{.metadata.name}={.spec.paused}{"\n"}{end}')`,
			fmt.Sprintf(`echo "$POOLS" | while read -r POOL; do case $POOL in master=*|arbiter=*|*=true) ;; *) `+mark+` ;; esac; done`, `"${POOL%=*}"`, `"${POOL%=*}"`, true))
	}
	for _, name := range pools {
		lines = append(lines, fmt.Sprintf(mark, page.Shell(name), page.Shell(name), true))
	}
	return lines
}

// workerPool is a pool of worker nodes.
type workerPool struct {
	Metadata struct {
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Paused bool `json:"paused"`
	} `json:"spec"`
	Status struct {
		Conditions []struct{ Type, Status string } `json:"conditions"`
	} `json:"status"`
}

// workerPools sorts the pools of worker nodes, as far as they are known: those that the pages pause
// and let go on, and those that the site has paused for its own reasons. If an update waits already
// and nothing is marked, somebody has paused the pool "worker" for it.
func (w *Way) workerPools() (here, given []string) {
	for _, o := range w.Site.Cluster.Of("MachineConfigPool") {
		var pool workerPool
		if o.Name == "master" || o.Name == "arbiter" || json.Unmarshal(o.Body, &pool) != nil {
			continue
		}
		if pool.Spec.Paused && pool.Metadata.Annotations[KeyPaused] == "" && !(w.Updates.paused && o.Name == "worker") {
			given = append(given, o.Name)
		} else {
			here = append(here, o.Name)
		}
	}
	return here, given
}

func (w *Way) pausedHere() []string {
	here, _ := w.workerPools()
	return here
}

func (w *Way) sitePaused() []string {
	_, given := w.workerPools()
	return given
}
