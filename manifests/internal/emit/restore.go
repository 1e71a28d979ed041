package emit

import (
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/lead"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
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
	some, tags := e.rulesToCreate()
	if e.Hosted() || !some {
		return
	}
	p.Step("The rules of others")
	p.Text("Rules of others that were deleted, because satchel's have all that is in them, are created again. If none were deleted, nothing is created, and nothing changes.")
	create := handover.CreateAgain(handover.KeyRules)
	if !tags {
		p.Text("Nodes: no drain and no reboot.")
		e.PageDisruption(p, handover.NodeRegistries)
		p.Run(create)
		return
	}
	p.Drains("creating rules for tags again (ImageTagMirrorSet)")
	e.PageDisruption(p, handover.NodeRegistries)
	p.Text("If this lists no file, there are none for tags: no drain and no reboot.")
	p.Run("ls " + handover.DirKept + " | grep -F " + handover.KeyRules + strings.ToLower(string(rules.TagMirrors)))
	e.Waits(p, "Every node must have them")
	p.Run(e.Rollout(create)...)
}

// rulesToCreate reports whether any week may have had rules of others deleted, and whether some of
// them may be for tags: satchel has rules for digests in their place, so creating those again drains.
func (e *emission) rulesToCreate() (some, tags bool) {
	v, known := e.Site.Cluster.Running()
	sets := !known || site.HasMirrorSets(v)
	if e.Site.PresentRules == nil || !e.Site.Cluster.Known("ConfigMap") {
		return true, sets
	}
	for key := range e.Before {
		if kind, ok := strings.CutPrefix(key, handover.KeyRules); ok {
			some, tags = true, tags || strings.HasPrefix(kind, strings.ToLower(string(rules.TagMirrors)))
		}
	}
	for _, o := range e.lead.Others(lead.Offered) {
		some, tags = true, tags || o.Kind == rules.TagMirrors
	}
	return some, tags
}
