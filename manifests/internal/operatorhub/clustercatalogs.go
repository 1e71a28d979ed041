package operatorhub

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

const (
	FileCatalogsOff = "clustercatalogs-off.yaml"
	FileCatalogsOn  = "restore/clustercatalogs-on.yaml"

	// LabelCatalog is the label that each ClusterCatalog has with its name (operator-controller).
	LabelCatalog = "olm.operatorframework.io/metadata.name"
)

// OlmV1 is the first minor version of 4 with OLM v1.
const OlmV1 = 18

// defaultClusterCatalogs are what cluster-olm-operator keeps
// (openshift/operator-framework-operator-controller, openshift/catalogd). OKD has them too (okd #2122).
var defaultClusterCatalogs = []string{"openshift-certified-operators", "openshift-community-operators", "openshift-redhat-marketplace", "openshift-redhat-operators"}

// clusterCatalogs lists the catalogs that a cluster with OLM v1 gets, each with the name and file
// of its ClusterCatalog. Of several versions of one only the highest: a ClusterExtension that is
// offered a package by two of one priority is not resolved.
func (h *Hub) clusterCatalogs(all []CatalogObject) (list []CatalogObject) {
	for _, c := range all {
		m, known := handover.IndexMinor(c.Image)
		higher := func(o CatalogObject) bool {
			other, ok := handover.IndexMinor(o.Image)
			return ok && o.Image.Source.Name() == c.Image.Source.Name() && other.Compare(m) > 0
		}
		if known && slices.ContainsFunc(all, higher) || !h.hasOLMv1(c, m, known) || !catalogdTakes(h.Place(c.Image)) {
			continue
		}
		c.Name, c.kept = h.clusterCatalogName(c)
		if _, older := h.olderThanServed(c); older {
			continue
		}
		c.File = "clustercatalog-" + c.Name + ".yaml"
		if c.After != (handover.Minor{}) {
			c.File = fmt.Sprintf("clustercatalog-%s-after-%s.yaml", c.Name, c.After)
		}
		list = append(list, c)
	}
	return list
}

// hasOLMv1 reports whether the cluster that a catalog is for may have OLM v1.
func (h *Hub) hasOLMv1(c CatalogObject, index handover.Minor, tagged bool) bool {
	runs, known := h.Minor()
	first := handover.Minor{Major: 4, Minor: OlmV1}
	switch {
	case h.WithoutOLMv1():
		return false
	case h.Hosted(): // it has none, unless it shows (operator-framework-operator-controller runs on control plane nodes)
		return len(h.Site.Cluster.Of("ClusterCatalog")) > 0
	case c.After != (handover.Minor{}):
		return c.After.Compare(first) >= 0
	case known:
		return runs.Compare(first) >= 0
	}
	return !tagged || index.Compare(first) >= 0
}

// WithoutOLMv1 reports whether the cluster was installed without that capability, or is known not to
// serve what belongs to it. Versions before have it only after the update.
func (h *Hub) WithoutOLMv1() bool {
	if !h.OlderThan(OlmV1) && h.Site.Cluster.Unserved("ClusterCatalog") {
		return true
	}
	const capability = "OperatorLifecycleManagerV1"
	one, ok := h.Present("ClusterVersion", "", "version")
	if !ok {
		return false
	}
	var cv struct {
		Status struct {
			Capabilities struct {
				EnabledCapabilities, KnownCapabilities []string
			} `json:"capabilities"`
		} `json:"status"`
	}
	return json.Unmarshal(one.Body, &cv) == nil && slices.Contains(cv.Status.Capabilities.KnownCapabilities, capability) && !slices.Contains(cv.Status.Capabilities.EnabledCapabilities, capability)
}

// capabilitiesKnown reports whether it is known which capabilities the cluster has.
func (h *Hub) capabilitiesKnown() bool {
	_, ok := h.Present("ClusterVersion", "", "version")
	return ok
}

// catalogdTakes reports whether a ClusterCatalog can name an image: its host is a name or an IPv4
// address (the CRD's rules).
func catalogdTakes(place string) bool { return !strings.HasPrefix(place, "[") }

// clusterCatalogName is the name that the cluster has the catalog under, else that of its
// CatalogSource; never one of the default ones, which the cluster sets back. kept says that
// somebody else made it.
func (h *Hub) clusterCatalogName(c CatalogObject) (name string, kept bool) {
	for _, o := range h.Site.Cluster.Of("ClusterCatalog") {
		ref, err := oci.ParseRef(catalogRef(o))
		if err == nil && !IsDefaultClusterCatalog(o.Name) && slices.Contains(h.repositories(c.Image), ref.Name()) && LabelPattern().MatchString(o.Name) {
			return o.Name, !handover.Ours(o)
		}
	}
	name = c.Name
	if c.kept {
		name = catalogName(c.Image.Source)
	}
	if strings.HasPrefix(name, "openshift-") {
		name = Label("satchel-" + name)
	}
	return name, false
}

// IsDefaultClusterCatalog reports whether every cluster has a ClusterCatalog of that name from the start.
func IsDefaultClusterCatalog(name string) bool { return slices.Contains(defaultClusterCatalogs, name) }

// catalogRef is the image of a ClusterCatalog.
func catalogRef(o cluster.Object) string {
	var in kube.ClusterCatalog
	if json.Unmarshal(o.Body, &in) != nil {
		return ""
	}
	return in.Spec.Source.Image.Ref
}

// clusterCatalog makes the object. A digest is not polled, and pollIntervalMinutes is refused
// beside one.
func (h *Hub) clusterCatalog(c CatalogObject) kube.ClusterCatalog {
	o := kube.ClusterCatalog{Object: kube.Ours("olm.operatorframework.io/v1", "ClusterCatalog", c.Name, "")}
	if m, tagged := handover.IndexMinor(c.Image); tagged {
		o.Metadata.Annotations = map[string]string{site.IndexVersion: m.String()}
	}
	o.Spec.Source.Type = "Image"
	o.Spec.Source.Image.Ref = h.Place(c.Image)
	o.Spec.Priority = handover.DefaultCatalogs[c.Image.Source.Name()].Priority
	return o
}

// EmitClusterCatalogs writes a ClusterCatalog for each catalog, and the patches of the default ones.
func (h *Hub) EmitClusterCatalogs() error {
	all := slices.Concat(h.clusterCatalogs(h.Catalogs), h.clusterCatalogs(h.Later))
	for _, c := range all {
		if err := h.AddObject(c.File, handover.ModePublic, h.clusterCatalog(c)); err != nil {
			return err
		}
	}
	for _, c := range slices.Concat(h.Catalogs, h.Later) {
		if m, known := handover.IndexMinor(c.Image); h.hasOLMv1(c, m, known) && !catalogdTakes(h.Place(c.Image)) {
			h.Note("a ClusterCatalog cannot name an image at an IPv6 address: none was written for %s; give nodes the mirror by name (--pull-from)", c.Image.Configured())
		}
	}
	if len(all) == 0 && !h.hasClusterCatalogs() {
		return nil
	}
	if len(all) > 0 {
		if err := h.AddObject(FileCatalogsOff, handover.ModePublic, AvailabilityOf("Unavailable")); err != nil {
			return err
		}
	}
	return h.AddObject(FileCatalogsOn, handover.ModePublic, AvailabilityOf(""))
}

// AvailabilityOf is the patch of one field; "" takes it away, and the catalog is served again.
func AvailabilityOf(mode string) (p kube.AvailabilityPatch) {
	if mode != "" {
		p.Spec.AvailabilityMode = &mode
	}
	return p
}

// StepClusterCatalogs applies the ClusterCatalogs and turns the default ones off.
func (h *Hub) StepClusterCatalogs(p *page.Page) {
	list := h.clusterCatalogs(h.Catalogs)
	if len(list) == 0 {
		return
	}
	fresh := h.newClusterCatalogs(list)
	if len(fresh)+len(h.defaultsOn()) == 0 && h.Site.Cluster.Known("ClusterCatalog") {
		p.Nothing("the catalogs of OLM v1")
		return
	}
	p.Step("Catalogs of OLM v1")
	if !h.capabilitiesKnown() {
		p.Text("Only from 4.%d on, and not without the capability OperatorLifecycleManagerV1: the commands do nothing on a cluster without ClusterCatalogs.", OlmV1)
	}
	p.Text("ClusterExtensions get their operators from ClusterCatalogs. The default ones (openshift-...) are on the internet. The cluster undoes a change of their images, so those of the mirror have names of their own, and the default ones are made Unavailable, which the cluster leaves as it is. %s", h.extensionNodes())
	h.pageExtensions(p, list)
	h.applyClusterCatalogs(p, fresh)
	h.turnClusterCatalogsOff(p)
}

// extensionNodes says what catalogs do to nodes: a ClusterExtension follows them unless it names
// one version.
func (h *Hub) extensionNodes() string {
	follows := slices.ContainsFunc(h.Site.Cluster.Of("ClusterExtension"), func(o cluster.Object) bool {
		var x extension
		if json.Unmarshal(o.Body, &x) != nil {
			return true
		}
		_, err := semver.Parse(x.Spec.Source.Catalog.Version)
		return err != nil
	})
	if !follows && h.Site.Cluster.Known("ClusterExtension") {
		return "Nodes: nothing changes."
	}
	return operatorsMove
}

// newClusterCatalogs leaves out those that the cluster has already, as they are here.
func (h *Hub) newClusterCatalogs(all []CatalogObject) (list []CatalogObject) {
	for _, c := range all {
		if h.Change(h.clusterCatalog(c), "ClusterCatalog", "", c.Name) != handover.Same {
			list = append(list, c)
		}
	}
	return list
}

// defaultsOn lists the default catalogs that the cluster is known to serve.
func (h *Hub) defaultsOn() (names []string) {
	for _, o := range h.Site.Cluster.Of("ClusterCatalog") {
		if IsDefaultClusterCatalog(o.Name) && h.Change(AvailabilityOf("Unavailable"), "ClusterCatalog", "", o.Name) != handover.Same {
			names = append(names, o.Name)
		}
	}
	return names
}

// OffNow lists the default ClusterCatalogs and HelmChartRepositories that the cluster has turned off.
func (h *Hub) OffNow() (served, charts []string) {
	for _, o := range h.Site.Cluster.Of("ClusterCatalog") {
		if IsDefaultClusterCatalog(o.Name) && h.Change(AvailabilityOf("Unavailable"), "ClusterCatalog", "", o.Name) == handover.Same {
			served = append(served, o.Name)
		}
	}
	_, charts = h.defaultHelm()
	return served, charts
}

// applyClusterCatalogs are the commands that apply catalogs, and wait until they are served.
func (h *Hub) applyClusterCatalogs(p *page.Page, list []CatalogObject) {
	if len(list) == 0 {
		return
	}
	var files []handover.Named
	var names, keep []string
	for _, c := range list {
		files, names = append(files, c.Named), append(names, "clustercatalog/"+c.Name)
		if one, has := h.Present("ClusterCatalog", "", c.Name); has && !handover.Ours(one) {
			keep = append(keep, handover.KeepObject("clustercatalog", "", c.Name))
			p.Text("The cluster has the ClusterCatalog `%s` (%s), and gets it from this mirror now. The ConfigMap %s keeps what it was, for the way back.", c.Name, handover.Whose(one), handover.BeforeName)
		}
	}
	apply, wait := "oc apply"+handover.Flagged(files), "oc wait "+strings.Join(names, " ")+" --for=condition=Serving --timeout=10m"
	if !h.capabilitiesKnown() {
		v1 := "V1=$(oc get crd clustercatalogs.olm.operatorframework.io --ignore-not-found -o name)"
		p.Run(page.Chain(v1, page.Or(`[ -z "$V1" ]`, "{ "+strings.Join(append(h.fitsVersion(list), apply, wait), " && ")+"; }"))...)
		return
	}
	if len(keep) > 0 {
		p.Run(handover.WithKeep(page.Chain(append(keep, apply, wait)...)...)...)
		return
	}
	p.Run(apply, wait)
}

// turnClusterCatalogsOff makes the default catalogs Unavailable.
func (h *Hub) turnClusterCatalogsOff(p *page.Page) {
	if h.Site.Cluster.Known("ClusterCatalog") && !h.OlderThan(OlmV1) {
		var lines []string
		for _, name := range h.defaultsOn() {
			lines = append(lines, "oc patch clustercatalog "+name+" --type=merge --patch-file "+FileCatalogsOff)
		}
		if len(lines) > 0 {
			p.Run(lines...)
		} else {
			p.Text("The default ones are off already (`%s`).", FileCatalogsOff)
		}
		return
	}
	p.Run(page.Chain(eachDefault("oc patch \"$c\" --patch-file " + FileCatalogsOff + " --type=merge")...)...)
}

// eachDefault does something with each default catalog that the cluster has.
func eachDefault(command string) []string {
	return page.EachOf("c", "clustercatalogs.olm.operatorframework.io", "oc get clustercatalogs -o name",
		`case "$c" in */`+strings.Join(defaultClusterCatalogs, "|*/")+") "+command+" ;; esac")
}

// switchClusterCatalogs comes after an update to a version.
func (h *Hub) switchClusterCatalogs(p *page.Page, m handover.Minor) {
	list := h.clusterCatalogs(h.laterOf(m))
	if len(list) == 0 {
		return
	}
	runs, _ := h.Minor()
	if runs.Compare(handover.Minor{Major: 4, Minor: OlmV1}) < 0 {
		p.Text("This version has OLM v1: ClusterExtensions get their operators from ClusterCatalogs. The default ones are on the internet and are made Unavailable.")
	}
	h.applyClusterCatalogs(p, list)
	if runs.Compare(handover.Minor{Major: 4, Minor: OlmV1}) < 0 || len(h.clusterCatalogs(h.Catalogs)) == 0 { // else they are off before
		h.turnClusterCatalogsOff(p)
	}
}

// extension is what of a ClusterExtension matters here (operator-controller, v1).
type extension struct {
	name string
	Spec struct {
		Source struct {
			Catalog struct {
				PackageName string `json:"packageName"`
				Version     string `json:"version"`
				Selector    *struct {
					MatchLabels      map[string]string `json:"matchLabels"`
					MatchExpressions []struct {
						Key      string   `json:"key"`
						Operator string   `json:"operator"`
						Values   []string `json:"values"`
					} `json:"matchExpressions"`
				} `json:"selector"`
			} `json:"catalog"`
		} `json:"source"`
	} `json:"spec"`
}

// selects lists the default catalogs that an extension names.
func (x extension) selects() (names []string) {
	s := x.Spec.Source.Catalog.Selector
	if s == nil {
		return nil
	}
	if name := s.MatchLabels[LabelCatalog]; IsDefaultClusterCatalog(name) {
		names = append(names, name)
	}
	for _, m := range s.MatchExpressions {
		if m.Key != LabelCatalog || m.Operator != "In" {
			continue
		}
		for _, name := range m.Values {
			if IsDefaultClusterCatalog(name) {
				names = append(names, name)
			}
		}
	}
	return text.Sorted(names)
}

// selectsMore reports whether an extension selects by anything but the names of catalogs: all of a
// selector must be true of a catalog.
func (x extension) selectsMore() bool {
	s := x.Spec.Source.Catalog.Selector
	for key := range s.MatchLabels {
		if key != LabelCatalog {
			return true
		}
	}
	for _, m := range s.MatchExpressions {
		if m.Key != LabelCatalog {
			return true
		}
	}
	return false
}

// pageExtensions lists the ClusterExtensions that the change concerns.
func (h *Hub) pageExtensions(p *page.Page, list []CatalogObject) {
	const patch = `oc patch clusterextension %s --type=merge -p '{"spec":{"source":{"catalog":{"selector":{"matchExpressions":null,"matchLabels":{"` + LabelCatalog + `":"%s"}}}}}}'`
	if !h.Site.Cluster.Known("ClusterExtension") {
		p.Text("A ClusterExtension whose SELECTOR names a default catalog gets no updates after that. Let it select one of these: `"+patch+"`. One without a selector follows the new catalogs at once. The command lists them all.", "NAME", example(list))
		p.Run("oc get clusterextensions -o custom-columns=NAME:.metadata.name,PACKAGE:.spec.source.catalog.packageName,SELECTOR:.spec.source.catalog.selector || true")
		p.Text("The ConfigMap %s keeps what they select now, for the way back:", handover.BeforeName)
		p.Run(handover.WithKeep(page.Chain(page.EachOf("x", "clusterextensions.olm.operatorframework.io", "oc get clusterextensions -o jsonpath='{range .items[?(@.spec.source.catalog.selector)]}{.metadata.name} {end}'", keepSelector("$x"))...)...)...)
		return
	}
	var chosen, free, keep []string
	for _, o := range h.Site.Cluster.Of("ClusterExtension") {
		x := extension{name: o.Name}
		if json.Unmarshal(o.Body, &x) != nil || x.Spec.Source.Catalog.PackageName == "" {
			continue
		}
		if x.Spec.Source.Catalog.Selector == nil {
			free = append(free, "`"+page.Markdown(o.Name)+"`")
		}
		if len(x.selects()) > 0 {
			keep = append(keep, keepSelector(o.Name))
		}
		for _, name := range x.selects() {
			line := fmt.Sprintf("`%s` (package `%s`) selects `%s`", page.Markdown(o.Name), page.Markdown(x.Spec.Source.Catalog.PackageName), name)
			if to := successorOf(list, name); to != "" && x.selectsMore() {
				line += fmt.Sprintf(", among other things: edit its selector (`oc edit clusterextension %s`), so that it selects `%s` and nothing keeps it from that", page.Shell(o.Name), to)
			} else if to != "" {
				line += ": `" + fmt.Sprintf(patch, o.Name, to) + "`"
			} else {
				line += ", which no catalog of this bundle replaces"
			}
			chosen = append(chosen, line)
		}
	}
	if len(chosen) > 0 {
		p.Text("These ClusterExtensions select a default catalog, and get no updates until they select another one. Run the command of each when the next blocks are done:")
		p.List(chosen)
		p.Text("The ConfigMap %s keeps what they select now, for the way back:", handover.BeforeName)
		p.Run(handover.WithKeep(keep...)...)
	}
	if len(free) > 0 {
		p.Text("These have no selector, and follow the new catalogs at once: %s.", strings.Join(free, ", "))
	}
}

// keepSelector keeps which catalogs a ClusterExtension selects.
func keepSelector(name string) string {
	return "keep " + handover.KeyExtension + name + " oc get clusterextension " + name + " -o jsonpath='{.spec.source.catalog.selector}'"
}

// restoreExtensions sets back the selectors that were kept, of extensions that select a catalog of
// satchel, or one that is gone.
func restoreExtensions() []string {
	label := strings.ReplaceAll(LabelCatalog, ".", `\.`)
	return []string{
		"for f in " + handover.DirKept + "/" + handover.KeyExtension + "*; do",
		`  [ -s "$f" ] || continue`,
		"  x=${f##*/" + handover.KeyExtension + "}",
		`  NOW=$(oc get clusterextension "$x" --ignore-not-found -o jsonpath='{.spec.source.catalog.selector.matchLabels.` + label + `}') || ` + page.Unread(`"$x"`),
		`  OTHERS=$(oc get clustercatalog --field-selector metadata.name="$NOW" -l ` + handover.TheirsAlone + ` -o name) || ` + page.Unread(`"$x"`),
		`  [ -z "$NOW" ] || [ -n "$OTHERS" ] || oc patch clusterextension "$x" --type=json -p '[{"op":"replace","path":"/spec/source/catalog/selector","value":'"$(cat "$f")"'}]'`,
		"done",
	}
}

// example is the name of a catalog for a command, that of a default one if there is one.
func example(list []CatalogObject) string {
	for _, c := range list {
		if _, ok := handover.DefaultCatalogs[c.Image.Source.Name()]; ok {
			return c.Name
		}
	}
	return list[0].Name
}

// successorOf is the catalog that takes the place of a default one.
func successorOf(list []CatalogObject, name string) string {
	for _, c := range list {
		if d, ok := handover.DefaultCatalogs[c.Image.Source.Name()]; ok && "openshift-"+d.Name == name {
			return c.Name
		}
	}
	return ""
}

// RestoreClusterCatalogs serves the default catalogs again. What satchel made is found by its
// label, so that the catalogs of other weeks go too.
func (h *Hub) RestoreClusterCatalogs(p *page.Page) {
	if !h.Has(FileCatalogsOn) {
		return
	}
	p.Step("Catalogs of OLM v1")
	sentence, lines := h.TellUnkept(handover.KeyServedOff)
	p.Text("The default catalogs are served again, except those that were off before satchel.%s ClusterExtensions that were changed to select a catalog of satchel select again what they did before; any other that still selects one must select another before its catalog is deleted by the last block. If a line begins with STOP, paste that block again before you go on. Nodes: nothing changes.", sentence)
	p.Run(page.Chain(slices.Concat(lines, []string{handover.ReadBefore("OFF", handover.KeyServedOff)},
		eachDefault(`case " $OFF " in *" ${c##*/} "*) ;; *) oc patch "$c" --patch-file `+FileCatalogsOn+" --type=merge ;; esac"))...)...)
	p.Run(restoreExtensions()...)
	remove := "oc delete clustercatalog -l " + kube.Mine
	if !h.Since(OlmV1) {
		remove = "if oc get clustercatalogs; then " + remove + "; fi"
	}
	p.Run("oc get clusterextensions -o custom-columns=NAME:.metadata.name,SELECTOR:.spec.source.catalog.selector")
	p.Run(remove, handover.CreateAgain("clustercatalog-"))
}

// hasClusterCatalogs reports whether the cluster is known to have one of satchel's.
func (h *Hub) hasClusterCatalogs() bool {
	return slices.ContainsFunc(h.Site.Cluster.Of("ClusterCatalog"), handover.Ours)
}
