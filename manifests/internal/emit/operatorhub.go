package emit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci/text"
)

// emitHub writes the patch that turns the default catalogs off, unless the bundle
// has only single images.
func (e *emission) emitHub() error {
	if !e.switchesHub() {
		return nil
	}
	var lost []string
	for _, name := range e.defaultNames() {
		if !e.standsIn(name) && !e.replaced(name) {
			lost = append(lost, name)
		}
	}
	if len(lost) > 0 {
		e.note("this bundle has no replacement for the default catalogs %s; Subscriptions to them stop working unless an earlier bundle added one", strings.Join(lost, ", "))
	}
	return e.addObject(fileHubPatch, modePublic, e.hubOff())
}

// standsIn reports whether a catalog here takes the place of a default one.
func (e *emission) standsIn(name string) bool {
	return slices.ContainsFunc(e.catalogs, func(c catalogObject) bool { return c.name == name || e.hosted() && c.name == "satchel-"+name })
}

// defaultNames lists the default catalogs of the cluster. OKD has one (operator-marketplace,
// hack/okd); from 4.22 on, redhat-marketplace is none any more (operator-marketplace 3308bf64e).
func (e *emission) defaultNames() []string {
	switch {
	case e.okd():
		return []string{"community-operators"}
	case e.since(22):
		return []string{"certified-operators", "community-operators", "redhat-operators"}
	}
	return []string{"certified-operators", "community-operators", "redhat-marketplace", "redhat-operators"}
}

// pageSources says which Subscriptions lose their catalog.
func (e *emission) pageSources(p *page.Page) {
	const stays = "They are on the internet. Installed operators and Subscriptions stay."
	const over = " While the default catalogs are on, the cluster restores them over catalogs of the same name."
	if !e.site.Cluster.Known("Subscription") {
		where := " But each SOURCE that the command prints must be a catalog of your own or of an earlier bundle: this bundle has none."
		if len(e.catalogs) > 0 {
			where = " But each SOURCE that the command prints must be in the list of the next step, or a catalog of your own or of an earlier bundle." + over
		}
		p.Text("%s", stays+where)
		p.Run("oc get subscriptions.operators.coreos.com -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,SOURCE:.spec.source")
		return
	}
	var lost []catalogObject
	for _, name := range e.defaultNames() {
		if !e.standsIn(name) && !e.replaced(name) {
			lost = append(lost, catalogObject{named: named{name: name}})
		}
	}
	var lines []string
	for _, s := range e.subscriptions(lost) {
		lines = append(lines, fmt.Sprintf("`%s` in `%s`: package `%s`, from `%s`", page.Markdown(s.name), page.Markdown(s.namespace), page.Markdown(s.Spec.Name), page.Markdown(s.Spec.Source)))
	}
	p.Text("%s", stays+over)
	if len(lines) > 0 {
		p.Text("**These Subscriptions lose their catalog, and get no updates:** this bundle has none in its place, nor has the cluster from the mirror. Their operators keep running.")
		p.List(lines)
	}
}

// switchesHub reports whether the default catalogs are turned off. A cluster without the
// marketplace has no OperatorHub.
func (e *emission) switchesHub() bool {
	_, has := e.present("OperatorHub", "", "cluster")
	return len(e.catalogs)+len(e.later)+len(e.payloads) > 0 && (has || !e.site.Cluster.Known("OperatorHub"))
}

// hub gives the entries of the OperatorHub for single catalogs, which count more than the switch
// for all.
func (e *emission) hub() (spec kube.HubPatchSpec, known bool) {
	one, ok := e.present("OperatorHub", "", "cluster")
	if !ok {
		if e.okd() {
			spec = kube.HubPatchSpec{DisableAllDefaultSources: true, Sources: []kube.HubSource{{Name: "community-operators"}}}
		}
		return spec, false
	}
	var in kube.HubPatch
	if json.Unmarshal(one.Body, &in) != nil {
		return spec, false
	}
	return in.Spec, true
}

// hubOff is the patch that turns all default catalogs off. A merge patch replaces a list whole,
// so all its entries are in it; it has none where no entry keeps a catalog on.
func (e *emission) hubOff() kube.HubPatch {
	patch := kube.HubPatch{Spec: kube.HubPatchSpec{DisableAllDefaultSources: true}}
	spec, _ := e.hub()
	if !slices.ContainsFunc(spec.Sources, func(s kube.HubSource) bool { return !s.Disabled }) {
		return patch
	}
	for _, s := range spec.Sources {
		patch.Spec.Sources = append(patch.Spec.Sources, kube.HubSource{Name: s.Name, Disabled: true})
	}
	return patch
}

// hubChange says whether the cluster must be told to turn the default catalogs off.
func (e *emission) hubChange() change { return e.change(e.hubOff(), "OperatorHub", "", "cluster") }

func (e *emission) stepCatalogs(p *page.Page) {
	if e.switchesHub() {
		if e.hubChange() == same {
			p.Nothing("the default catalogs")
		} else {
			e.stepHub(p)
		}
	}
	if len(e.catalogs)+len(e.later) > 0 {
		e.stepCatalogSources(p)
	}
}

func (e *emission) stepHub(p *page.Page) {
	p.Step("Turn the default catalogs off")
	e.pageSources(p)
	spec, known := e.hub()
	var on []string
	for _, s := range spec.Sources {
		if !s.Disabled {
			on = append(on, s.Name)
		}
	}
	if len(on) > 0 {
		p.Text("An entry of the OperatorHub keeps %s on. The patch turns that off too.", text.And(codes(on)))
	}
	if e.hosted() {
		e.pageHostedHub(p)
	}
	patch := "oc patch operatorhub.config.openshift.io/cluster --type=merge --patch-file " + fileHubPatch
	if known || len(spec.Sources) > 0 {
		p.Text("The command turns them off. Nodes: nothing changes.")
		p.Run(patch)
		return
	}
	p.Text("These commands turn them off. An entry for a single catalog counts more than the switch for all, so such entries go first; the ConfigMap %s keeps them for the way back. Nodes: nothing changes.", beforeName)
	p.Run(page.Chain(
		"ENTRIES=$(oc get operatorhub.config.openshift.io/cluster -o jsonpath='{.spec.sources[*].name}')",
		page.Or(`[ -z "$ENTRIES" ]`, `oc patch operatorhub.config.openshift.io/cluster --type=merge -p '{"spec":{"sources":null}}'`),
		patch,
	)...)
}
