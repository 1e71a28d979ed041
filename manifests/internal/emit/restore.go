package emit

import (
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/lead"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// emitRestore writes how to go back when the network returns ("Restoring the network"). What the
// cluster was is read in the cluster then: files of any week would know less.
func (e *emission) emitRestore() error {
	e.Add(handover.FileRestore, handover.ModePublic, e.restorePage())
	return nil
}

func (e *emission) restorePage() []byte {
	p := e.NewPage()
	p.Text("# When the network returns")
	e.pageWhich(p)
	p.Text("Log in as cluster-admin and run the commands, in bash, in the directory above this one, where APPLY.md is. First check that a node can reach the registries on the internet. The mirror may keep running.")
	e.restoreKept(p)
	e.hub.RestoreCatalogs(p)
	e.hub.RestoreClusterCatalogs(p)
	e.hub.RestoreHelm(p)
	e.restoreOthers(p)
	e.way.RestoreUpdates(p)
	e.lead.RestoreRules(p)
	e.trust.RestoreCA(p)
	e.way.RestoreTrusted(p)
	e.trust.RestorePlainHTTP(p)
	e.login.RestoreSecret(p)
	e.trust.RestoreProxy(p)
	e.restoreLast(p)
	return p.Bytes()
}

// restoreLast deletes what is of no use without the mirror and harms nobody.
func (e *emission) restoreLast(p *page.Page) {
	p.Step("The rest: only if the mirror goes away")
	p.Text("The signatures of releases, and what this page reads. Nodes: nothing changes.")
	p.Run(
		"oc delete configmap -n openshift-config-managed -l "+kube.Mine,
		"oc delete configmap "+handover.BeforeName+" -n openshift-config --ignore-not-found",
	)
}

// restoreKept reads what was kept into files.
func (e *emission) restoreKept(p *page.Page) {
	p.Step("What was there before")
	e.runCompare(p)
	p.Text("The ConfigMap openshift-config/%s has it. The commands write each of its values into a file in %s, and the following steps read those. If they print that it is not found, stop: without it, nobody knows what the cluster was before satchel.", handover.BeforeName, handover.DirKept)
	p.Run("mkdir -p "+handover.DirKept, "oc extract configmap/"+handover.BeforeName+" -n openshift-config --to="+handover.DirKept+" --confirm")
	p.Text("From now on the cluster counts as connected again: satchel no longer leaves out what is for the cut.")
	p.Run("oc patch configmap " + handover.BeforeName + ` -n openshift-config --type=merge -p '{"data":{"` + handover.KeyCut + `":null}}'`)
}

// restoreOthers creates rules of others again, before satchel's go.
func (e *emission) restoreOthers(p *page.Page) {
	kept := slices.ContainsFunc(slices.Collect(maps.Keys(e.Before)), func(key string) bool { return strings.HasPrefix(key, handover.KeyRules) })
	if e.Hosted() || e.Site.PresentRules != nil && !kept && len(e.lead.Others(lead.Offered)) == 0 {
		return // no week has named one for deletion
	}
	p.Step("The rules of others")
	p.Text("Rules of others that were deleted, because satchel's have all that is in them, are created again. Nodes: no drain and no reboot. If it prints nothing, there are none.")
	p.Run(handover.CreateAgain(handover.KeyRules))
}
