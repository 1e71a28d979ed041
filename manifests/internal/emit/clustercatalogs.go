package emit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

const (
	fileCatalogsOff = "clustercatalogs-off.yaml"
	fileCatalogsOn  = "restore/clustercatalogs-on.yaml"

	// labelCatalog is the label that each ClusterCatalog has with its name (operator-controller).
	labelCatalog = "olm.operatorframework.io/metadata.name"
)

// olmV1 is the first minor version of 4 with OLM v1.
const olmV1 = 18

// defaultClusterCatalogs are what cluster-olm-operator keeps
// (openshift/operator-framework-operator-controller, openshift/catalogd). OKD has them too (okd #2122).
var defaultClusterCatalogs = []string{"openshift-certified-operators", "openshift-community-operators", "openshift-redhat-marketplace", "openshift-redhat-operators"}

// clusterCatalogs lists the catalogs that a cluster with OLM v1 gets, each with the name and file
// of its ClusterCatalog. Of several versions of one only the highest: a ClusterExtension that is
// offered a package by two of one priority is not resolved.
func (e *emission) clusterCatalogs(all []catalogObject) (list []catalogObject) {
	for _, c := range all {
		m, known := indexMinor(c.image)
		higher := func(o catalogObject) bool {
			other, ok := indexMinor(o.image)
			return ok && o.image.Source.Name() == c.image.Source.Name() && other.compare(m) > 0
		}
		if known && slices.ContainsFunc(all, higher) || !e.hasOLMv1(c, m, known) || !catalogdTakes(e.place(c.image)) {
			continue
		}
		c.name, c.kept = e.clusterCatalogName(c)
		c.file = "clustercatalog-" + c.name + ".yaml"
		if c.after != (minor{}) {
			c.file = fmt.Sprintf("clustercatalog-%s-after-%s.yaml", c.name, c.after)
		}
		list = append(list, c)
	}
	return list
}

// hasOLMv1 reports whether the cluster that a catalog is for may have OLM v1.
func (e *emission) hasOLMv1(c catalogObject, index minor, tagged bool) bool {
	runs, known := e.minor()
	first := minor{4, olmV1}
	switch {
	case e.withoutOLMv1():
		return false
	case e.hosted(): // it has none, unless it shows (operator-framework-operator-controller runs on control plane nodes)
		return len(e.site.Cluster.Of("ClusterCatalog")) > 0
	case c.after != (minor{}):
		return c.after.compare(first) >= 0
	case known:
		return runs.compare(first) >= 0
	}
	return !tagged || index.compare(first) >= 0
}

// withoutOLMv1 reports whether the cluster was installed without that capability.
func (e *emission) withoutOLMv1() bool {
	const capability = "OperatorLifecycleManagerV1"
	one, ok := e.present("ClusterVersion", "", "version")
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
func (e *emission) capabilitiesKnown() bool {
	_, ok := e.present("ClusterVersion", "", "version")
	return ok
}

// catalogdTakes reports whether a ClusterCatalog can name an image: its host is a name or an IPv4
// address (the CRD's rules).
func catalogdTakes(place string) bool { return !strings.HasPrefix(place, "[") }

// clusterCatalogName is the name that the cluster has the catalog under, else that of its
// CatalogSource; never one of the default ones, which the cluster sets back. kept says that
// somebody else made it.
func (e *emission) clusterCatalogName(c catalogObject) (name string, kept bool) {
	for _, o := range e.site.Cluster.Of("ClusterCatalog") {
		ref, err := oci.ParseRef(catalogRef(o))
		if err == nil && !isDefaultClusterCatalog(o.Name) && slices.Contains(e.repositories(c.image), ref.Name()) && labelPattern.MatchString(o.Name) {
			return o.Name, !ours(o)
		}
	}
	name = c.name
	if c.kept {
		name = catalogName(c.image.Source)
	}
	if strings.HasPrefix(name, "openshift-") {
		name = label("satchel-" + name)
	}
	return name, false
}

func isDefaultClusterCatalog(name string) bool { return slices.Contains(defaultClusterCatalogs, name) }

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
func (e *emission) clusterCatalog(c catalogObject) kube.ClusterCatalog {
	o := kube.ClusterCatalog{Object: kube.Ours("olm.operatorframework.io/v1", "ClusterCatalog", c.name, "")}
	o.Spec.Source.Type = "Image"
	o.Spec.Source.Image.Ref = e.place(c.image)
	o.Spec.Priority = defaultCatalogs[c.image.Source.Name()].priority
	return o
}

// emitClusterCatalogs writes a ClusterCatalog for each catalog, and the patches of the default ones.
func (e *emission) emitClusterCatalogs() error {
	all := slices.Concat(e.clusterCatalogs(e.catalogs), e.clusterCatalogs(e.later))
	for _, c := range all {
		if err := e.addObject(c.file, modePublic, e.clusterCatalog(c)); err != nil {
			return err
		}
	}
	for _, c := range slices.Concat(e.catalogs, e.later) {
		if m, known := indexMinor(c.image); e.hasOLMv1(c, m, known) && !catalogdTakes(e.place(c.image)) {
			e.note("a ClusterCatalog cannot name an image at an IPv6 address: none was written for %s; give nodes the mirror by name (--pull-from)", c.image.Configured())
		}
	}
	if len(all) == 0 && !e.hasClusterCatalogs() {
		return nil
	}
	if len(all) > 0 {
		if err := e.addObject(fileCatalogsOff, modePublic, availabilityOf("Unavailable")); err != nil {
			return err
		}
	}
	return e.addObject(fileCatalogsOn, modePublic, availabilityOf(""))
}

// availabilityOf is the patch of one field; "" takes it away, and the catalog is served again.
func availabilityOf(mode string) (p kube.AvailabilityPatch) {
	if mode != "" {
		p.Spec.AvailabilityMode = &mode
	}
	return p
}

func (e *emission) stepClusterCatalogs(p *page.Page) {
	list := e.clusterCatalogs(e.catalogs)
	if len(list) == 0 {
		return
	}
	fresh := e.newClusterCatalogs(list)
	if len(fresh)+len(e.defaultsOn()) == 0 && e.site.Cluster.Known("ClusterCatalog") {
		p.Nothing("the catalogs of OLM v1")
		return
	}
	p.Step("Catalogs of OLM v1")
	if !e.capabilitiesKnown() {
		p.Text("Only from 4.%d on, and not without the capability OperatorLifecycleManagerV1: the commands do nothing on a cluster without ClusterCatalogs.", olmV1)
	}
	p.Text("ClusterExtensions get their operators from ClusterCatalogs. The default ones (openshift-...) are on the internet. The cluster sets back their images, so those of the mirror have names of their own, and the default ones are made Unavailable, which the cluster leaves as it is. %s", e.extensionNodes())
	e.pageExtensions(p, list)
	e.applyClusterCatalogs(p, fresh)
	e.turnClusterCatalogsOff(p)
}

// extensionNodes says what catalogs do to nodes: a ClusterExtension follows them unless it names
// one version.
func (e *emission) extensionNodes() string {
	follows := slices.ContainsFunc(e.site.Cluster.Of("ClusterExtension"), func(o cluster.Object) bool {
		var x extension
		if json.Unmarshal(o.Body, &x) != nil {
			return true
		}
		_, err := semver.Parse(x.Spec.Source.Catalog.Version)
		return err != nil
	})
	if !follows && e.site.Cluster.Known("ClusterExtension") {
		return "Nodes: nothing changes."
	}
	return operatorsMove
}

// newClusterCatalogs leaves out those that the cluster has already, as they are here.
func (e *emission) newClusterCatalogs(all []catalogObject) (list []catalogObject) {
	for _, c := range all {
		if e.change(e.clusterCatalog(c), "ClusterCatalog", "", c.name) != same {
			list = append(list, c)
		}
	}
	return list
}

// defaultsOn lists the default catalogs that the cluster is known to serve.
func (e *emission) defaultsOn() (names []string) {
	for _, o := range e.site.Cluster.Of("ClusterCatalog") {
		if isDefaultClusterCatalog(o.Name) && e.change(availabilityOf("Unavailable"), "ClusterCatalog", "", o.Name) != same {
			names = append(names, o.Name)
		}
	}
	return names
}

// applyClusterCatalogs are the commands that apply catalogs, and wait until they are served.
func (e *emission) applyClusterCatalogs(p *page.Page, list []catalogObject) {
	if len(list) == 0 {
		return
	}
	var files []named
	var names, keep []string
	for _, c := range list {
		files, names = append(files, c.named), append(names, "clustercatalog/"+c.name)
		if one, has := e.present("ClusterCatalog", "", c.name); has && !ours(one) {
			keep = append(keep, keepObject("clustercatalog", "", c.name))
			p.Text("The cluster has the ClusterCatalog `%s` (%s), and gets it from this mirror now. The ConfigMap %s keeps what it was, for the way back.", c.name, whose(one), beforeName)
		}
	}
	apply, wait := "oc apply"+flagged(files), "oc wait "+strings.Join(names, " ")+" --for=condition=Serving --timeout=10m"
	if !e.capabilitiesKnown() {
		p.Run(page.Chain("V1=$(oc get crd clustercatalogs.olm.operatorframework.io --ignore-not-found -o name)", page.Or(`[ -z "$V1" ]`, "{ "+apply+" && "+wait+"; }"))...)
		return
	}
	if len(keep) > 0 {
		p.Run(withKeep(page.Chain(append(keep, apply, wait)...)...)...)
		return
	}
	p.Run(apply, wait)
}

// turnClusterCatalogsOff makes the default catalogs Unavailable.
func (e *emission) turnClusterCatalogsOff(p *page.Page) {
	if e.site.Cluster.Known("ClusterCatalog") && !e.olderThan(olmV1) {
		var lines []string
		for _, name := range e.defaultsOn() {
			lines = append(lines, "oc patch clustercatalog "+name+" --type=merge --patch-file "+fileCatalogsOff)
		}
		if len(lines) > 0 {
			p.Run(lines...)
		} else {
			p.Text("The default ones are off already (`%s`).", fileCatalogsOff)
		}
		return
	}
	p.Run(eachDefault("oc patch \"$c\" --patch-file " + fileCatalogsOff + " --type=merge"))
}

// eachDefault does something with each default catalog that the cluster has.
func eachDefault(command string) string {
	return "for c in $(oc get clustercatalogs -o name | grep -E '/(" + strings.Join(defaultClusterCatalogs, "|") + ")$'); do " + command + "; done"
}

// switchClusterCatalogs comes after an update to a version.
func (e *emission) switchClusterCatalogs(p *page.Page, m minor) {
	list := e.clusterCatalogs(e.laterOf(m))
	if len(list) == 0 {
		return
	}
	runs, _ := e.minor()
	if runs.compare(minor{4, olmV1}) < 0 {
		p.Text("This version has OLM v1: ClusterExtensions get their operators from ClusterCatalogs. The default ones are on the internet and are made Unavailable.")
	}
	e.applyClusterCatalogs(p, list)
	if runs.compare(minor{4, olmV1}) < 0 {
		e.turnClusterCatalogsOff(p)
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
	if name := s.MatchLabels[labelCatalog]; isDefaultClusterCatalog(name) {
		names = append(names, name)
	}
	for _, m := range s.MatchExpressions {
		if m.Key != labelCatalog || m.Operator != "In" {
			continue
		}
		for _, name := range m.Values {
			if isDefaultClusterCatalog(name) {
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
		if key != labelCatalog {
			return true
		}
	}
	for _, m := range s.MatchExpressions {
		if m.Key != labelCatalog {
			return true
		}
	}
	return false
}

// pageExtensions lists the ClusterExtensions that the change concerns.
func (e *emission) pageExtensions(p *page.Page, list []catalogObject) {
	const patch = `oc patch clusterextension %s --type=merge -p '{"spec":{"source":{"catalog":{"selector":{"matchExpressions":null,"matchLabels":{"` + labelCatalog + `":"%s"}}}}}}'`
	if !e.site.Cluster.Known("ClusterExtension") {
		p.Text("A ClusterExtension whose SELECTOR names a default catalog gets no updates after that. Let it select one of these: `"+patch+"`. One without a selector follows the new catalogs at once. The command lists them all.", "NAME", example(list))
		p.Run("oc get clusterextensions -o custom-columns=NAME:.metadata.name,PACKAGE:.spec.source.catalog.packageName,SELECTOR:.spec.source.catalog.selector || true")
		p.Text("The ConfigMap %s keeps what they select now, for the way back:", beforeName)
		p.Run(withKeep("for x in $(oc get clusterextensions -o jsonpath='{.items[*].metadata.name}'); do " + keepSelector("$x") + "; done")...)
		return
	}
	var chosen, free, keep []string
	for _, o := range e.site.Cluster.Of("ClusterExtension") {
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
		p.Text("The ConfigMap %s keeps what they select now, for the way back:", beforeName)
		p.Run(withKeep(keep...)...)
	}
	if len(free) > 0 {
		p.Text("These have no selector, and follow the new catalogs at once: %s.", strings.Join(free, ", "))
	}
}

// keepSelector keeps which catalogs a ClusterExtension selects.
func keepSelector(name string) string {
	return "keep " + keyExtension + name + " oc get clusterextension " + name + " -o jsonpath='{.spec.source.catalog.selector}'"
}

// restoreExtensions sets back the selectors that were kept, of extensions that select a catalog of
// satchel, or one that is gone.
func restoreExtensions() []string {
	label := strings.ReplaceAll(labelCatalog, ".", `\.`)
	return []string{
		"for f in " + dirKept + "/" + keyExtension + "*; do",
		`  [ -s "$f" ] || continue`,
		"  x=${f##*/" + keyExtension + "}",
		`  NOW=$(oc get clusterextension "$x" --ignore-not-found -o jsonpath='{.spec.source.catalog.selector.matchLabels.` + label + `}') || continue`,
		`  OTHERS=$(oc get clustercatalog --field-selector metadata.name="$NOW" -l ` + theirsAlone + ` -o name) || continue`,
		`  [ -z "$NOW" ] || [ -n "$OTHERS" ] || oc patch clusterextension "$x" --type=json -p '[{"op":"replace","path":"/spec/source/catalog/selector","value":'"$(cat "$f")"'}]'`,
		"done",
	}
}

// example is the name of a catalog for a command, that of a default one if there is one.
func example(list []catalogObject) string {
	for _, c := range list {
		if _, ok := defaultCatalogs[c.image.Source.Name()]; ok {
			return c.name
		}
	}
	return list[0].name
}

// successorOf is the catalog that takes the place of a default one.
func successorOf(list []catalogObject, name string) string {
	for _, c := range list {
		if d, ok := defaultCatalogs[c.image.Source.Name()]; ok && "openshift-"+d.name == name {
			return c.name
		}
	}
	return ""
}

// restoreClusterCatalogs serves the default catalogs again. What satchel made is found by its
// label, so that the catalogs of other weeks go too.
func (e *emission) restoreClusterCatalogs(p *page.Page) {
	if !e.has(fileCatalogsOn) {
		return
	}
	p.Step("Catalogs of OLM v1")
	p.Text("The default catalogs are served again. ClusterExtensions that were let select a catalog of satchel select again what they did before; any other that still selects one must select another before its catalog is deleted by the last block. Nodes: nothing changes.")
	p.Run(append([]string{eachDefault("oc patch \"$c\" --patch-file " + fileCatalogsOn + " --type=merge")}, restoreExtensions()...)...)
	remove := "oc delete clustercatalog -l " + kube.Mine
	if !e.since(olmV1) {
		remove = "if oc get clustercatalogs; then " + remove + "; fi"
	}
	p.Run("oc get clusterextensions -o custom-columns=NAME:.metadata.name,SELECTOR:.spec.source.catalog.selector")
	p.Run(remove, createAgain("clustercatalog-"))
}

// hasClusterCatalogs reports whether the cluster is known to have one of satchel's.
func (e *emission) hasClusterCatalogs() bool {
	return slices.ContainsFunc(e.site.Cluster.Of("ClusterCatalog"), ours)
}
