package emit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci/text"
)

func (e *emission) stepCatalogSources(p *page.Page) {
	list := e.newCatalogs(e.catalogs)
	if len(list)+len(e.later) == 0 && len(e.renamed()) == 0 {
		p.Nothing("the catalogs")
		return
	}
	p.Step("Catalogs")
	e.stepGone(p)
	if len(list) > 0 {
		if e.hubChange() != same && !e.hosted() { // there, none has the name of a default one
			p.Text("First repeat this command until it prints nothing. A new catalog that is created before the default one of that name is gone is deleted together with it.")
			// By name: a copy that somebody made of a default one has its annotation too.
			p.Run("oc get catalogsource -n openshift-marketplace " + strings.Join(e.defaultNames(), " ") + " --ignore-not-found -o yaml | grep 'managed-by: marketplace-operator'")
		}
		p.Text("A filtered catalog shows only the packages and versions that were chosen. %s", e.catalogNodes(list))
		e.pageMoves(p, list)
		e.pageLost(p)
		e.applyCatalogs(p, list)
		e.listCatalogPlaces(p)
	}
	e.pageOldPods(p)
	e.pageRenamed(p)
	e.pageLater(p)
}

// newCatalogs leaves out the catalogs that the cluster has already, as they are here.
func (e *emission) newCatalogs(all []catalogObject) (list []catalogObject) {
	for _, c := range all {
		if e.change(e.catalogSource(c), "CatalogSource", marketplace, c.name) != same {
			list = append(list, c)
		}
	}
	return list
}

// listCatalogPlaces says where catalogs are in the mirror.
func (e *emission) listCatalogPlaces(p *page.Page) {
	var list []string
	for _, c := range e.catalogs {
		line := fmt.Sprintf("`%s` is `%s`, from `%s`", c.name, e.place(c.image), c.image.Configured())
		if c.kept {
			line += "; the cluster has it under this name, and Subscriptions may use it"
		}
		list = append(list, line)
	}
	p.List(list)
}

// applyCatalogs are the commands that apply catalogs, and wait until they are served.
func (e *emission) applyCatalogs(p *page.Page, list []catalogObject) {
	var files []named
	var names []string
	for _, c := range list {
		files, names = append(files, c.named), append(names, "catalogsource/"+c.name)
	}
	if keep := e.keepReplaced(p, list); len(keep) > 0 {
		p.Run(withKeep(page.Chain(append(keep, "oc apply"+flagged(files))...)...)...)
	} else {
		p.Run("oc apply" + flagged(files))
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
func (e *emission) keepReplaced(p *page.Page, list []catalogObject) (lines []string) {
	if !e.site.Cluster.Known("CatalogSource") {
		p.Text("Where the cluster has a catalog of others under one of these names, the commands first keep it in the ConfigMap %s, for the way back.", beforeName)
		return e.keepUnknown(list)
	}
	var names []string
	for _, c := range list {
		one, has := e.present("CatalogSource", marketplace, c.name)
		if has && !ours(one) && !e.ownCatalog(one) && !marketplaces(one) {
			lines, names = append(lines, keepObject("catalogsource", marketplace, c.name)), append(names, fmt.Sprintf("`%s` (%s)", c.name, whose(one)))
		}
	}
	if len(lines) > 0 {
		p.Text("The cluster has %s, and the catalogs here take that name. The commands first keep what is replaced in the ConfigMap %s, for the way back.", text.And(names), beforeName)
	}
	return lines
}

// keepUnknown keeps those of a list that the cluster has from others: without satchel's label, and
// not an image of the mirror by digest, as earlier versions of satchel wrote them.
func (e *emission) keepUnknown(list []catalogObject) (lines []string) {
	own := `""`
	for _, m := range slices.Compact(e.mirrorNames()) {
		own += "|*=" + page.Shell(m) + "/*@sha256:*"
	}
	for _, c := range list {
		lines = append(lines,
			"FOUND=$(oc get catalogsource -n "+marketplace+" --field-selector metadata.name="+c.name+" -l "+theirsAlone+" -o jsonpath='{range .items[*]}{.metadata.name}={.spec.image}{end}')",
			`case "$FOUND" in `+own+") ;; *) "+keepObject("catalogsource", marketplace, c.name)+" ;; esac")
	}
	return lines
}

// follower is a Subscription, and what of one matters here (operator-framework/api, v1alpha1).
type follower struct {
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
func (e *emission) subscriptions(list []catalogObject) (subs []follower) {
	for _, o := range e.site.Cluster.Of("Subscription") {
		s := follower{namespace: o.Namespace, name: o.Name}
		if json.Unmarshal(o.Body, &s) == nil && s.Spec.SourceNamespace == marketplace &&
			slices.ContainsFunc(list, func(c catalogObject) bool {
				return c.name == s.Spec.Source || e.hosted() && c.name == "satchel-"+s.Spec.Source
			}) {
			subs = append(subs, s)
		}
	}
	return subs
}

// operatorsMove is what catalogs do to nodes where operators follow them.
const operatorsMove = "Nodes: the catalogs change nothing themselves. **An operator that is updated may drain or restart nodes**: its release notes say whether it does."

// catalogNodes says what catalogs do to nodes.
func (e *emission) catalogNodes(list []catalogObject) string {
	follows := slices.ContainsFunc(e.subscriptions(list), func(s follower) bool { return s.Spec.InstallPlanApproval != "Manual" })
	if !follows && e.site.Cluster.Known("Subscription") {
		return "Nodes: nothing changes."
	}
	return operatorsMove
}

// pageMoves lists the operators that follow the catalogs without being asked.
func (e *emission) pageMoves(p *page.Page, list []catalogObject) {
	const manual = "To decide about an update yourself, set the approval to Manual before: `oc patch subscriptions.operators.coreos.com NAME -n NS --type=merge -p '{\"spec\":{\"installPlanApproval\":\"Manual\"}}'`."
	if !e.site.Cluster.Known("Subscription") {
		p.Text("**Subscriptions with Automatic approval follow at once:** OLM updates their operators to what these catalogs have. The command lists them. " + manual)
		p.Run("oc get subscriptions.operators.coreos.com -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,SOURCE:.spec.source,APPROVAL:.spec.installPlanApproval,INSTALLED:.status.installedCSV")
		return
	}
	var lines []string
	for _, s := range e.subscriptions(list) {
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
func (e *emission) lostChannels() (lines []string) {
	for _, c := range e.catalogs {
		at := slices.IndexFunc(e.site.Contents, func(one documents.CatalogContents) bool { return one.Catalog == c.image.Configured().String() })
		if at < 0 {
			continue
		}
		for _, s := range e.subscriptions([]catalogObject{c}) {
			if why := e.site.Contents[at].Lacks(s.Spec.Name, s.Spec.Channel, s.Status.InstalledCSV); why != "" {
				lines = append(lines, fmt.Sprintf("`%s` in `%s`: %s", page.Markdown(s.name), page.Markdown(s.namespace), page.Markdown(why)))
			}
		}
	}
	return lines
}

// pageLost says which Subscriptions get no updates from the new catalogs.
func (e *emission) pageLost(p *page.Page) {
	if lines := e.lostChannels(); len(lines) > 0 {
		p.Text("**These Subscriptions get no updates from the new catalogs:** what they follow is not there. Their operators keep running. Let them follow another channel (`oc patch subscriptions.operators.coreos.com NAME -n NS --type=merge -p '{\"spec\":{\"channel\":\"CHANNEL\"}}'`), or carry theirs with the next bundle.")
		p.List(lines)
	}
}

// noteLost says the same to whoever runs satchel.
func (e *emission) noteLost() {
	for _, line := range e.lostChannels() {
		e.note("a Subscription of the cluster gets no updates from its new catalog: %s", strings.ReplaceAll(line, "`", ""))
	}
}

// pageOldPods says for which clusters the CatalogSources are, where the version is not known.
func (e *emission) pageOldPods(p *page.Page) {
	if _, known := e.minor(); !known && len(e.catalogs) > 0 {
		p.Text("The pods of these catalogs run as those of the default ones do on 4.12 and later: on nodes of the control plane, restricted. For an older version, or a hosted control plane, run satchel render with what the cluster is (`--from-cluster`, or `--cluster-version`) first.")
	}
}
