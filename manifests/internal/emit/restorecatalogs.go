package emit

import (
	"fmt"

	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// restoreCatalogs is the way back of the catalogs. What satchel made is found by its label, so
// that the catalogs of other weeks go too, also where this bundle has none.
func (e *emission) restoreCatalogs(p *page.Page) {
	p.Step("The catalogs as they were")
	p.Text("Subscriptions that were moved to a catalog of satchel follow the one that they followed before. satchel's catalogs are deleted, those of others that they replaced are created again, and the default ones are on again if they were before. Installed operators and Subscriptions stay. Nodes: nothing changes.")
	p.Run(restoreSubscriptions()...)
	if e.hosted() {
		e.restoreHostedHub(p)
	}
	if old := e.unlabelled(); len(old) > 0 {
		p.Text("These have no label, but an image of the mirror by digest, as earlier versions of satchel made them. If satchel made them, delete them too:")
		var list []string
		for _, name := range old {
			list = append(list, fmt.Sprintf("`%s`: `oc delete catalogsource %[1]s -n openshift-marketplace --ignore-not-found`", name))
		}
		p.List(list)
	}
	p.Run("oc delete catalogsource -n openshift-marketplace -l "+kube.Mine, createAgain(keyCatalog))
	p.Run(append(page.Chain(
		readBefore("SOURCES", keySources), readBefore("OFF", keyDefaultsOff),
		`oc patch operatorhub.config.openshift.io/cluster --type=merge -p "{\"spec\":{\"disableAllDefaultSources\":${OFF:-null},\"sources\":${SOURCES:-null}}}"`,
	), "oc get catalogsource,pods -n openshift-marketplace")...)
}

// restoreSubscriptions sets back the catalogs and channels that were kept. A Subscription that
// somebody has moved to a catalog of others since stays there.
func restoreSubscriptions() []string {
	const sub = `oc %s subscriptions.operators.coreos.com "${s#*.}" -n "${s%%%%.*}" `
	get, patch := fmt.Sprintf(sub, "get"), fmt.Sprintf(sub, "patch")
	return []string{
		"for f in " + dirKept + "/" + keySource + "*; do",
		`  [ -s "$f" ] || continue`,
		"  s=${f##*/" + keySource + "}; WAS=$(cat \"$f\")",
		"  NOW=$(" + get + "--ignore-not-found -o jsonpath='{.spec.source}') || continue",
		"  OTHERS=$(oc get catalogsource -n openshift-marketplace --field-selector metadata.name=\"$NOW\" -l " + theirsAlone + " -o name) || continue",
		`  [ -z "$NOW" ] || [ "$NOW" = "$WAS" ] || [ -n "$OTHERS" ] || ` + patch + `--type=merge -p '{"spec":{"source":"'"$WAS"'"}}'`,
		"done",
		"for f in " + dirKept + "/" + keyFollows + "*; do",
		`  [ -s "$f" ] || continue`,
		"  s=${f##*/" + keyFollows + "}; WAS=$(cat \"$f\")",
		"  NOW=$(" + get + "--ignore-not-found -o jsonpath='{.spec.channel}') || continue",
		`  [ -z "$NOW" ] || [ "$NOW" = "$WAS" ] || ` + patch + `--type=merge -p '{"spec":{"channel":"'"$WAS"'"}}'`,
		"done",
	}
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
