package emit

import (
	"slices"
	"strings"
)

// emitHub writes the patch that turns the default catalogs off, unless the bundle
// has only single images.
func (e *emission) emitHub() error {
	if len(e.catalogs)+len(e.payloads) == 0 {
		return nil
	}
	have := map[string]bool{}
	for _, c := range e.catalogs {
		have[c.name] = true
	}
	var lost []string
	for _, d := range defaultCatalogs {
		if !have[d.name] && !e.replaced(d.name) {
			lost = append(lost, d.name)
		}
	}
	if len(lost) > 0 {
		slices.Sort(lost)
		e.note("this bundle has no replacement for the default catalogs %s; Subscriptions to them stop working unless an earlier bundle added one", strings.Join(lost, ", "))
	}
	return e.addObject(fileHubPatch, modePublic, hubPatch{hubPatchSpec{DisableAllDefaultSources: true}})
}

// switchesHub reports whether the default catalogs are turned off.
func (e *emission) switchesHub() bool { return len(e.catalogs)+len(e.payloads) > 0 }

func (e *emission) stepCatalogs(p *page) {
	if !e.switchesHub() {
		return
	}
	p.step("Turn the default catalogs off")
	where := "They are on the internet. Installed operators and Subscriptions stay. But each SOURCE that the first command prints must be"
	if len(e.catalogs) > 0 {
		where += " in the list of the next step, or a catalog of your own or of an earlier bundle. While the default catalogs are on, the cluster restores them over catalogs of the same name."
	} else {
		where += " a catalog of your own or of an earlier bundle: this bundle has none."
	}
	p.text("%s The second command shows entries that keep a default catalog on (`disabled: false`): remove those first (`oc edit operatorhub cluster`).", where)
	p.run(
		"oc get subscriptions.operators.coreos.com -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,SOURCE:.spec.source",
		"oc get operatorhub.config.openshift.io/cluster -o jsonpath='{.spec.sources}{\"\\n\"}'",
	)
	p.text("Then turn them off. Nodes: nothing changes.")
	p.run("oc patch operatorhub.config.openshift.io/cluster --type=merge --patch-file " + fileHubPatch)
	if len(e.catalogs) > 0 {
		e.stepCatalogSources(p)
	}
}
