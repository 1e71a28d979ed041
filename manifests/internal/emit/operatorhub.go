package emit

import (
	"slices"
	"strings"
)

// emitHub writes the patch that takes the default catalogs away, where the bundle
// is for more than single images.
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
		if !have[d.name] {
			lost = append(lost, d.name)
		}
	}
	if len(lost) > 0 {
		slices.Sort(lost)
		e.note("no catalog here takes the place of %s: Subscriptions to them stay without a source once the default catalogs are off", strings.Join(lost, ", "))
	}
	return e.addObject(fileHubPatch, modePublic, hubPatch{hubPatchSpec{DisableAllDefaultSources: true}})
}

// switchesHub reports whether the default catalogs are taken away.
func (e *emission) switchesHub() bool { return len(e.catalogs)+len(e.payloads) > 0 }

func (e *emission) stepCatalogs(p *page) {
	if !e.switchesHub() {
		return
	}
	p.step("Take the default catalogs away")
	where := "They are on the internet. Installed operators stay, and so do Subscriptions, but each SOURCE that this prints must be"
	if len(e.catalogs) > 0 {
		where += " in the list of the next step, or a catalog of your own; as long as the default ones are on, the cluster puts them back over catalogs of the same name."
	} else {
		where += " a catalog of your own: none is carried here."
	}
	p.text("%s The second command shows entries that keep a default catalog on (`disabled: false`): take those out first (`oc edit operatorhub cluster`).", where)
	p.run(
		"oc get subscriptions.operators.coreos.com -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,SOURCE:.spec.source",
		"oc get operatorhub.config.openshift.io/cluster -o jsonpath='{.spec.sources}{\"\\n\"}'",
	)
	p.text("Then take them away. Nodes: nothing happens to them.")
	p.run("oc patch operatorhub.config.openshift.io/cluster --type=merge --patch-file " + fileHubPatch)
	if len(e.catalogs) > 0 {
		e.stepCatalogSources(p)
	}
}

func (e *emission) restoreCatalogs(p *page) {
	if !e.switchesHub() {
		return
	}
	p.step("The default catalogs again")
	p.text("Leave the patch out if %s says that they were off before (`disableAllDefaultSources: true`).", beforeHub)
	var lines []string
	if len(e.catalogs) > 0 {
		names := ""
		for _, c := range e.catalogs {
			names += " " + c.name
		}
		lines = append(lines, "oc delete catalogsource -n openshift-marketplace --ignore-not-found"+names)
	}
	p.run(append(lines,
		"oc patch operatorhub.config.openshift.io/cluster --type=merge --patch-file "+fileHubRestore,
		"oc get catalogsource,pods -n openshift-marketplace",
	)...)
}
