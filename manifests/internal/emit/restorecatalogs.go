package emit

import (
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// restoreCatalogs is the way back of the catalogs. What satchel made is found by its label, so
// that the catalogs of other weeks go too, also where this bundle has none.
func (e *emission) restoreCatalogs(p *page.Page) {
	p.Step("The catalogs as they were")
	p.Text("satchel's catalogs are deleted, and the default ones are on again if they were before. Installed operators and Subscriptions stay. Nodes: nothing changes.")
	lines := []string{"oc delete catalogsource -n openshift-marketplace -l " + kube.Mine}
	if old := e.unlabelled(); len(old) > 0 {
		lines = append(lines, "oc delete catalogsource -n openshift-marketplace --ignore-not-found "+strings.Join(old, " "))
	}
	keys := e.recreated(keyCatalog)
	for _, key := range keys {
		lines = append(lines, "oc create -f restore/"+key)
	}
	names, known := e.before.get(keyCatalogs)
	for _, c := range e.catalogs {
		was := c.kept || known && slices.Contains(strings.Fields(names), c.name) && !isDefault(c.name)
		if was && !slices.Contains(keys, keyCatalog+c.name+".yaml") {
			p.Text("The cluster had %s before. What it was is in %s, in the directory of the first run.", c.name, beforeCatalogs)
		}
	}
	if e.has(fileHubRestore) {
		lines = append(lines, "oc patch operatorhub.config.openshift.io/cluster --type=merge --patch-file "+fileHubRestore)
	} else {
		lines = append(lines,
			readBefore("SOURCES", keySources),
			readBefore("OFF", keyDefaultsOff)+` && oc patch operatorhub.config.openshift.io/cluster --type=merge -p "{\"spec\":{\"disableAllDefaultSources\":${OFF:-null},\"sources\":${SOURCES:-null}}}"`)
	}
	p.Run(append(lines, "oc get catalogsource,pods -n openshift-marketplace")...)
}

// unlabelled are the CatalogSources that earlier versions of satchel made, which have no label.
func (e *emission) unlabelled() (names []string) {
	for _, o := range e.site.Cluster.Of("CatalogSource") {
		if o.Namespace == "openshift-marketplace" && !ours(o) && e.ownCatalog(o) {
			names = append(names, o.Name)
		}
	}
	return names
}
