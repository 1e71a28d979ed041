package operatorhub

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci/text"
)

func (h *Hub) stepCatalogSources(p *page.Page) {
	list := h.newCatalogs(h.Catalogs)
	if len(list)+len(h.Later)+len(h.Older)+len(h.Outdated) == 0 && len(h.Renamed()) == 0 {
		p.Nothing("the catalogs")
		return
	}
	p.Step("Catalogs")
	h.pageOlder(p)
	h.stepGone(p)
	if len(list) > 0 {
		if h.HubChange() != handover.Same && !h.Hosted() { // there, none has the name of a default one
			p.Text("First repeat this command until it prints nothing. A new catalog that is created before the default one of that name is gone is deleted together with it.")
			// By name: a copy that somebody made of a default one has its annotation too.
			p.Run("oc get catalogsource -n openshift-marketplace " + strings.Join(h.defaultNames(), " ") + " --ignore-not-found -o yaml | grep 'managed-by: marketplace-operator'")
		}
		p.Text("A filtered catalog shows only the packages and versions that were chosen. %s", h.catalogNodes(list))
		h.pageMoves(p, list)
		h.pageLost(p)
		h.applyCatalogs(p, list)
		h.listCatalogPlaces(p)
	}
	h.pageOldPods(p)
	h.pageOthers(p)
	h.pageRenamed(p)
	h.pageLater(p)
}

// newCatalogs leaves out the catalogs that the cluster has already, as they are here.
func (h *Hub) newCatalogs(all []CatalogObject) (list []CatalogObject) {
	for _, c := range all {
		if h.Change(h.catalogSource(c), "CatalogSource", Marketplace, c.Name) != handover.Same {
			list = append(list, c)
		}
	}
	return list
}

// listCatalogPlaces says where catalogs are in the mirror.
func (h *Hub) listCatalogPlaces(p *page.Page) {
	var list []string
	for _, c := range h.Catalogs {
		line := fmt.Sprintf("`%s` is `%s`, from `%s`", c.Name, h.Place(c.Image), c.Image.Configured())
		if c.kept {
			line += "; the cluster has it under this name, and Subscriptions may use it"
		}
		list = append(list, line)
	}
	p.List(list)
}

// applyCatalogs are the commands that apply catalogs, and wait until they are served.
func (h *Hub) applyCatalogs(p *page.Page, list []CatalogObject) {
	var files []handover.Named
	var names []string
	for _, c := range list {
		files, names = append(files, c.Named), append(names, "catalogsource/"+c.Name)
	}
	h.pageFits(p, list)
	fits := h.fitsVersion(list)
	if keep := h.keepReplaced(p, list); len(keep) > 0 {
		p.Run(handover.WithKeep(page.Chain(slices.Concat(fits, keep, []string{"oc apply" + handover.Flagged(files)})...)...)...)
	} else if len(fits) > 0 {
		p.Run(page.Chain(append(fits, "oc apply"+handover.Flagged(files))...)...)
	} else {
		p.Run("oc apply" + handover.Flagged(files))
	}
	p.Text("A catalog is served when its state is READY. One that was READY before shows that for a minute longer, so look at the age of the pods too. (If the first command says that a field is not found, repeat it: oc before 4.13 does not wait for it.)")
	p.Run(
		"oc wait "+strings.Join(names, " ")+" -n openshift-marketplace --for=jsonpath='{.status.connectionState.lastObservedState}'=READY --timeout=10m",
		"oc get catalogsource -n openshift-marketplace -o custom-columns=NAME:.metadata.name,STATE:.status.connectionState.lastObservedState,IMAGE:.spec.image",
		"oc get pods -n openshift-marketplace",
	)
}

// keepReplaced are the lines of a chain that keep CatalogSources of others, which catalogs here
// replace by their names.
func (h *Hub) keepReplaced(p *page.Page, list []CatalogObject) (lines []string) {
	if !h.Site.Cluster.Known("CatalogSource") {
		p.Text("Where the cluster has a catalog of others under one of these names, the commands first keep it in the ConfigMap %s, for the way back.", handover.BeforeName)
		return h.keepUnknown(list)
	}
	var names []string
	for _, c := range list {
		one, has := h.Present("CatalogSource", Marketplace, c.Name)
		if has && !handover.Ours(one) && !h.OwnCatalog(one) && !handover.Marketplaces(one) {
			lines, names = append(lines, handover.KeepObject("catalogsource", Marketplace, c.Name)), append(names, fmt.Sprintf("`%s` (%s)", c.Name, handover.Whose(one)))
		}
	}
	if len(lines) > 0 {
		p.Text("The cluster has %s, and the catalogs here take that name. The commands first keep what is replaced in the ConfigMap %s, for the way back.", text.And(names), handover.BeforeName)
	}
	return lines
}

// keepUnknown keeps those of a list that the cluster has from others: without satchel's label, and
// not an image of the mirror by digest, as earlier versions of satchel wrote them.
func (h *Hub) keepUnknown(list []CatalogObject) (lines []string) {
	own := `""`
	for _, m := range slices.Compact(h.MirrorNames()) {
		own += "|*=" + page.Shell(m) + "/*@sha256:*"
	}
	for _, c := range list {
		lines = append(lines,
			"FOUND=$(oc get catalogsource -n "+Marketplace+" --field-selector metadata.name="+c.Name+" -l "+handover.TheirsAlone+" -o jsonpath='{range .items[*]}{.metadata.name}={.spec.image}{end}')",
			`case "$FOUND" in `+own+") ;; *) "+handover.KeepObject("catalogsource", Marketplace, c.Name)+" ;; esac")
	}
	return lines
}

// Follower is a Subscription, and what of one matters here (operator-framework/api, v1alpha1).
type Follower struct {
	namespace, name string
	Spec            struct {
		Name                string `json:"name"`
		Channel             string `json:"channel"`
		Source              string `json:"source"`
		SourceNamespace     string `json:"sourceNamespace"`
		InstallPlanApproval string `json:"installPlanApproval"`
	} `json:"spec"`
	Status struct {
		InstalledCSV string `json:"installedCSV"`
	} `json:"status"`
}

// subscriptions lists those of the cluster that get operators from one of the catalogs.
func (h *Hub) subscriptions(list []CatalogObject) (subs []Follower) {
	for _, o := range h.Site.Cluster.Of("Subscription") {
		s := Follower{namespace: o.Namespace, name: o.Name}
		if json.Unmarshal(o.Body, &s) == nil && s.Spec.SourceNamespace == Marketplace &&
			slices.ContainsFunc(list, func(c CatalogObject) bool {
				return c.Name == s.Spec.Source || h.Hosted() && c.Name == "satchel-"+s.Spec.Source
			}) {
			subs = append(subs, s)
		}
	}
	return subs
}

// operatorsMove is what catalogs do to nodes where operators follow them.
const operatorsMove = "Nodes: the catalogs change nothing themselves. **An operator that is updated may drain or restart nodes**: its release notes say whether it does."

// catalogNodes says what catalogs do to nodes.
func (h *Hub) catalogNodes(list []CatalogObject) string {
	follows := slices.ContainsFunc(h.subscriptions(list), func(s Follower) bool { return s.Spec.InstallPlanApproval != "Manual" })
	if !follows && h.Site.Cluster.Known("Subscription") {
		return "Nodes: nothing changes."
	}
	return operatorsMove
}

// pageMoves lists the operators that follow the catalogs without being asked.
func (h *Hub) pageMoves(p *page.Page, list []CatalogObject) {
	const manual = "To decide about an update yourself, set the approval to Manual before: `oc patch subscriptions.operators.coreos.com NAME -n NS --type=merge -p '{\"spec\":{\"installPlanApproval\":\"Manual\"}}'`."
	if !h.Site.Cluster.Known("Subscription") {
		p.Text("**Subscriptions with Automatic approval follow at once:** OLM updates their operators to what these catalogs have. The command lists them. " + manual)
		p.Run("oc get subscriptions.operators.coreos.com -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,SOURCE:.spec.source,APPROVAL:.spec.installPlanApproval,INSTALLED:.status.installedCSV")
		return
	}
	var lines []string
	for _, s := range h.subscriptions(list) {
		if s.Spec.InstallPlanApproval != "Manual" {
			lines = append(lines, fmt.Sprintf("`%s` in `%s`: package `%s`, channel `%s`, installed `%s`", page.Markdown(s.name), page.Markdown(s.namespace), page.Markdown(s.Spec.Name), page.Markdown(s.Spec.Channel), page.Markdown(cmp.Or(s.Status.InstalledCSV, "nothing yet"))))
		}
	}
	if len(lines) > 0 {
		p.Text("**These Subscriptions have Automatic approval and follow at once:** OLM updates their operators to what the catalogs have. " + manual)
		p.List(lines)
	}
}

// lostChannels lists the Subscriptions whose channel, or whose installed version, is not in the
// catalog that they get operators from.
func (h *Hub) lostChannels() (lines []string) {
	for _, c := range h.Catalogs {
		at := slices.IndexFunc(h.Site.Contents, func(one documents.CatalogContents) bool { return one.Catalog == c.Image.Configured().String() })
		if at < 0 {
			continue
		}
		for _, s := range h.subscriptions([]CatalogObject{c}) {
			if why := h.Site.Contents[at].Lacks(s.Spec.Name, s.Spec.Channel, s.Status.InstalledCSV); why != "" {
				lines = append(lines, fmt.Sprintf("`%s` in `%s`: %s", page.Markdown(s.name), page.Markdown(s.namespace), page.Markdown(why)))
			}
		}
	}
	return lines
}

// pageLost says which Subscriptions get no updates from the new catalogs.
func (h *Hub) pageLost(p *page.Page) {
	if lines := h.lostChannels(); len(lines) > 0 {
		p.Text("**These Subscriptions get no updates from the new catalogs:** what they follow is not there. Their operators keep running. Let them follow another channel (`oc patch subscriptions.operators.coreos.com NAME -n NS --type=merge -p '{\"spec\":{\"channel\":\"CHANNEL\"}}'`), or carry theirs with the next bundle.")
		p.List(lines)
	}
}

// noteLost says the same to whoever runs satchel.
func (h *Hub) noteLost() {
	for _, line := range h.lostChannels() {
		h.Note("a Subscription of the cluster gets no updates from its new catalog: %s", strings.ReplaceAll(line, "`", ""))
	}
}

// pageOldPods says for which clusters the CatalogSources are, where the version is not known.
func (h *Hub) pageOldPods(p *page.Page) {
	if _, known := h.Minor(); !known && len(h.Catalogs) > 0 {
		p.Text("The pods of these catalogs run as those of the default ones do on 4.12 and later: on nodes of the control plane, restricted. For an older version, or a hosted control plane, run satchel render with what the cluster is (`--from-cluster`, or `--cluster-version`) first.")
	}
}
