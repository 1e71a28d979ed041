package operatorhub

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci/text"
)

// EmitHub writes the patch that turns the default catalogs off, unless the bundle
// has only single images.
func (h *Hub) EmitHub() error {
	if !h.SwitchesHub() {
		return nil
	}
	var lost []string
	for _, name := range h.defaultNames() {
		if !h.standsIn(name) && !h.replaced(name) {
			lost = append(lost, name)
		}
	}
	if len(lost) > 0 {
		h.Note("this bundle has no replacement for the default catalogs %s; Subscriptions to them stop working unless an earlier bundle added one", strings.Join(lost, ", "))
	}
	return h.AddObject(handover.FileHubPatch, handover.ModePublic, h.HubOff())
}

// standsIn reports whether a catalog here takes the place of a default one.
func (h *Hub) standsIn(name string) bool {
	stays := func(c OlderCatalog) bool { return c.kind == "CatalogSource" && c.Name == name }
	return slices.ContainsFunc(h.Older, stays) || slices.ContainsFunc(h.Catalogs, func(c CatalogObject) bool { return c.Name == name || h.Hosted() && c.Name == "satchel-"+name })
}

// defaultNames lists the default catalogs of the cluster. OKD has one (operator-marketplace,
// hack/okd); from 4.22 on, redhat-marketplace is none any more (operator-marketplace 3308bf64e).
func (h *Hub) defaultNames() []string {
	switch {
	case h.Okd():
		return []string{"community-operators"}
	case h.Since(22):
		return []string{"certified-operators", "community-operators", "redhat-operators"}
	}
	return []string{"certified-operators", "community-operators", "redhat-marketplace", "redhat-operators"}
}

// pageSources says which Subscriptions lose their catalog.
func (h *Hub) pageSources(p *page.Page) {
	const stays = "They are on the internet. Installed operators and Subscriptions stay."
	const over = " While the default catalogs are on, the cluster restores them over catalogs of the same name."
	if !h.Site.Cluster.Known("Subscription") {
		where := " But each SOURCE that the command prints must be a catalog of your own or of an earlier bundle: this bundle has none."
		if len(h.Catalogs) > 0 {
			where = " But each SOURCE that the command prints must be in the list of the next step, or a catalog of your own or of an earlier bundle." + over
		}
		p.Text("%s", stays+where)
		p.Run("oc get subscriptions.operators.coreos.com -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,SOURCE:.spec.source")
		return
	}
	var lost []CatalogObject
	for _, name := range h.defaultNames() {
		if !h.standsIn(name) && !h.replaced(name) {
			lost = append(lost, CatalogObject{Named: handover.Named{Name: name}})
		}
	}
	var lines []string
	for _, s := range h.subscriptions(lost) {
		lines = append(lines, fmt.Sprintf("`%s` in `%s`: package `%s`, from `%s`", page.Markdown(s.name), page.Markdown(s.namespace), page.Markdown(s.Spec.Name), page.Markdown(s.Spec.Source)))
	}
	p.Text("%s", stays+over)
	if len(lines) > 0 {
		p.Text("**These Subscriptions lose their catalog, and get no updates:** this bundle has none in its place, nor has the cluster from the mirror. Their operators keep running.")
		p.List(lines)
	}
}

// SwitchesHub reports whether the default catalogs are turned off. A cluster without the
// marketplace has no OperatorHub.
func (h *Hub) SwitchesHub() bool {
	_, has := h.Present("OperatorHub", "", "cluster")
	return len(h.Catalogs)+len(h.Later)+len(h.Payloads) > 0 && (has || !h.Site.Cluster.Known("OperatorHub"))
}

// hub gives the entries of the OperatorHub for single catalogs, which count more than the switch
// for all.
func (h *Hub) hub() (spec kube.HubPatchSpec, known bool) {
	one, ok := h.Present("OperatorHub", "", "cluster")
	if !ok {
		if h.Okd() {
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

// HubOff is the patch that turns all default catalogs off. A merge patch replaces a list whole,
// so all its entries are in it; it has none where no entry keeps a catalog on.
func (h *Hub) HubOff() kube.HubPatch {
	patch := kube.HubPatch{Spec: kube.HubPatchSpec{DisableAllDefaultSources: true}}
	spec, _ := h.hub()
	if !slices.ContainsFunc(spec.Sources, func(s kube.HubSource) bool { return !s.Disabled }) {
		return patch
	}
	for _, s := range spec.Sources {
		patch.Spec.Sources = append(patch.Spec.Sources, kube.HubSource{Name: s.Name, Disabled: true})
	}
	return patch
}

// HubChange says whether the cluster must be told to turn the default catalogs off.
func (h *Hub) HubChange() handover.Change { return h.Change(h.HubOff(), "OperatorHub", "", "cluster") }

// StepCatalogs applies the CatalogSources and turns the default ones off.
func (h *Hub) StepCatalogs(p *page.Page) {
	if h.SwitchesHub() {
		if h.HubChange() == handover.Same {
			p.Nothing("the default catalogs")
		} else {
			h.stepHub(p)
		}
	}
	if len(h.Catalogs)+len(h.Later)+len(h.Older)+len(h.Outdated) > 0 {
		h.stepCatalogSources(p)
	}
}

func (h *Hub) stepHub(p *page.Page) {
	p.Step("Turn the default catalogs off")
	h.pageSources(p)
	spec, known := h.hub()
	var on []string
	for _, s := range spec.Sources {
		if !s.Disabled {
			on = append(on, s.Name)
		}
	}
	if len(on) > 0 {
		p.Text("An entry of the OperatorHub keeps %s on. The patch turns that off too.", text.And(handover.Codes(on)))
	}
	if h.Hosted() {
		h.pageHostedHub(p)
	}
	patch := "oc patch operatorhub.config.openshift.io/cluster --type=merge --patch-file " + handover.FileHubPatch
	if known || len(spec.Sources) > 0 {
		p.Text("The command turns them off. Nodes: nothing changes.")
		p.Run(patch)
		return
	}
	p.Text("These commands turn them off. An entry for a single catalog counts more than the switch for all, so such entries go first; the ConfigMap %s keeps them for the way back. Nodes: nothing changes.", handover.BeforeName)
	p.Run(page.Chain(
		"ENTRIES=$(oc get operatorhub.config.openshift.io/cluster -o jsonpath='{.spec.sources[*].name}')",
		page.Or(`[ -z "$ENTRIES" ]`, `oc patch operatorhub.config.openshift.io/cluster --type=merge -p '{"spec":{"sources":null}}'`),
		patch,
	)...)
}
