package operatorhub

import (
	"fmt"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// RestoreCatalogs is the way back of the catalogs. What satchel made is found by its label, so
// that the catalogs of other weeks go too, also where this bundle has none.
func (h *Hub) RestoreCatalogs(p *page.Page) {
	p.Step("The catalogs as they were")
	p.Text("Subscriptions that were moved to a catalog of satchel follow the one that they followed before. satchel's catalogs are deleted, those of others that they replaced are created again, and the default ones are on again if they were before. Installed operators and Subscriptions stay. If a line begins with STOP, paste that block again before you go on. Nodes: nothing changes.")
	p.Run(restoreSubscriptions()...)
	if h.Hosted() {
		h.restoreHostedHub(p)
	}
	if old := h.unlabelled(); len(old) > 0 {
		p.Text("These have no label, but an image of the mirror by digest, as earlier versions of satchel made them. If satchel made them, delete them too:")
		var list []string
		for _, name := range old {
			list = append(list, fmt.Sprintf("`%s`: `oc delete catalogsource %[1]s -n openshift-marketplace --ignore-not-found`", name))
		}
		p.List(list)
	}
	p.Run("oc delete catalogsource -n openshift-marketplace -l "+kube.Mine, handover.CreateAgain(handover.KeyCatalog))
	p.Run(append(page.Chain(
		handover.ReadBefore("SOURCES", handover.KeySources), handover.ReadBefore("OFF", handover.KeyDefaultsOff),
		`oc patch operatorhub.config.openshift.io/cluster --type=merge -p "{\"spec\":{\"disableAllDefaultSources\":${OFF:-null},\"sources\":${SOURCES:-null}}}"`,
	), "oc get catalogsource,pods -n openshift-marketplace")...)
}

// restoreSubscriptions sets back the catalogs and channels that were kept. A Subscription that
// somebody has moved to a catalog of others since stays there.
func restoreSubscriptions() []string {
	const sub = `oc %s subscriptions.operators.coreos.com "${s#*.}" -n "${s%%%%.*}" `
	get, patch := fmt.Sprintf(sub, "get"), fmt.Sprintf(sub, "patch")
	return []string{
		"for f in " + handover.DirKept + "/" + handover.KeySource + "*; do",
		`  [ -s "$f" ] || continue`,
		"  s=${f##*/" + handover.KeySource + "}; WAS=$(cat \"$f\")",
		"  NOW=$(" + get + "--ignore-not-found -o jsonpath='{.spec.source}') || " + page.Unread(`"$s"`),
		"  OTHERS=$(oc get catalogsource -n openshift-marketplace --field-selector metadata.name=\"$NOW\" -l " + handover.TheirsAlone + " -o name) || " + page.Unread(`"$s"`),
		`  [ -z "$NOW" ] || [ "$NOW" = "$WAS" ] || [ -n "$OTHERS" ] || ` + patch + `--type=merge -p '{"spec":{"source":"'"$WAS"'"}}'`,
		"done",
		"for f in " + handover.DirKept + "/" + handover.KeyFollows + "*; do",
		`  [ -s "$f" ] || continue`,
		"  s=${f##*/" + handover.KeyFollows + "}; WAS=$(cat \"$f\")",
		"  NOW=$(" + get + "--ignore-not-found -o jsonpath='{.spec.channel}') || " + page.Unread(`"$s"`),
		`  [ -z "$NOW" ] || [ "$NOW" = "$WAS" ] || ` + patch + `--type=merge -p '{"spec":{"channel":"'"$WAS"'"}}'`,
		"done",
	}
}

// unlabelled are the CatalogSources that earlier versions of satchel made, which have no label.
func (h *Hub) unlabelled() (names []string) {
	for _, o := range h.Site.Cluster.Of("CatalogSource") {
		if o.Namespace == "openshift-marketplace" && !handover.Ours(o) && h.OwnCatalog(o) {
			names = append(names, o.Name)
		}
	}
	return names
}
