package emit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/strict"
	"github.com/satchel-airgap/satchel/oci"
)

// PresentCatalogSources are the CatalogSources that a cluster has now in openshift-marketplace.
type PresentCatalogSources struct{ sources []presentSource }

// presentSource is one of them.
type presentSource struct {
	name  string
	image oci.Ref // zero for one without an image
}

// presentCatalog is what of a CatalogSource matters here.
type presentCatalog struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Spec struct {
		Image string `json:"image"`
	} `json:"spec"`
}

// ParsePresentCatalogSources reads what "oc get catalogsource -n openshift-marketplace -o yaml" (or
// json) prints: a list, an object, or several documents of these. Errors are
// *[imageset.ConfigError]s without what the file says.
func ParsePresentCatalogSources(file string, data []byte) (*PresentCatalogSources, error) {
	present := &PresentCatalogSources{}
	err := eachDocument(file, data, func(doc *strict.Document) error {
		var list struct {
			Kind  string           `json:"kind"`
			Items []presentCatalog `json:"items"`
		}
		p, err := peekIn(file, doc, &list)
		if err != nil {
			return err
		}
		if strings.HasSuffix(list.Kind, "List") {
			for i, o := range list.Items {
				present.object(p, fmt.Sprintf("items[%d].", i), o)
			}
			return p.Join()
		}
		var one presentCatalog
		if p, err = peekIn(file, doc, &one); err != nil {
			return err
		}
		present.object(p, "", one)
		return p.Join()
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(present.sources, func(a, b presentSource) int { return strings.Compare(a.name, b.name) })
	return present, nil
}

func (c *PresentCatalogSources) object(p *imageset.Problems, path string, in presentCatalog) {
	switch {
	case in.Kind != "CatalogSource" || !strings.HasPrefix(in.APIVersion, "operators.coreos.com/"):
		p.Add(path+"kind", "this is not a CatalogSource")
		return
	case len(in.Metadata.Name) > 253 || !namePattern.MatchString(in.Metadata.Name):
		p.Add(path+"metadata.name", "%smetadata.name is not the name of an object", path)
		return
	case in.Metadata.Namespace != "" && in.Metadata.Namespace != "openshift-marketplace":
		return // Subscriptions name the namespace too
	}
	ref, err := oci.ParseRef(in.Spec.Image)
	if err != nil {
		ref = oci.Ref{} // of another kind, or by a name that no image of a bundle has
	}
	c.sources = append(c.sources, presentSource{in.Metadata.Name, ref})
}

// keepNames gives catalogs the name under which the cluster has them, unless the site names
// them, or the cluster has another one under the name that they would get.
func (e *emission) keepNames() {
	if e.site.PresentCatalogSources == nil {
		return
	}
	taken := map[string]bool{}
	for _, c := range e.catalogs {
		taken[c.name] = true
	}
	for i := range e.catalogs {
		c := &e.catalogs[i]
		if c.name != "" || e.isPresent(e.plainName(c.image.Source)) {
			continue
		}
		for _, s := range e.servedAs(c.image) {
			if labelPattern.MatchString(s.name) && !taken[s.name] && !(e.hosted() && isDefault(s.name)) {
				c.name, c.fixed, c.kept, taken[s.name] = s.name, true, true, true
				break
			}
		}
	}
}

// noteReplaced warns of CatalogSources of the cluster that serve another catalog under the name of
// one here. Another mirror, or the source itself, may have the same catalog.
func (e *emission) noteReplaced() {
	if e.site.PresentCatalogSources == nil {
		return
	}
	for _, c := range e.catalogs {
		place := e.repo(c.image)
		for _, s := range e.site.PresentCatalogSources.sources {
			moved := s.image.Registry != place.Registry && (lastWord(s.image.Repository) == lastWord(place.Repository) || lastWord(s.image.Repository) == lastWord(c.image.Source.Repository))
			if s.name != c.name || s.image == (oci.Ref{}) || slices.Contains(e.repositories(c.image), s.image.Name()) || moved {
				continue
			}
			e.note("the CatalogSource %s of the cluster serves another catalog, %s: applying %s replaces it, and Subscriptions to it get %s. If both are needed, give this one another name: --catalog-name %s=NAME", s.name, s.image, c.file, place.Name(), c.image.MirrorPath())
		}
	}
}

// readPresentCatalogs takes the CatalogSources from what is known of the cluster, where they were
// not given by hand.
func (e *emission) readPresentCatalogs() {
	if e.site.PresentCatalogSources != nil || !e.site.Cluster.Known("CatalogSource") {
		return
	}
	present := &PresentCatalogSources{}
	for _, o := range e.site.Cluster.Of("CatalogSource") {
		var in presentCatalog
		if o.Namespace != marketplace || json.Unmarshal(o.Body, &in) != nil {
			continue
		}
		ref, err := oci.ParseRef(in.Spec.Image)
		if err != nil {
			ref = oci.Ref{}
		}
		present.sources = append(present.sources, presentSource{o.Name, ref})
	}
	e.site.PresentCatalogSources = present
}

// isMirror reports whether an image is in the mirror, at any of its addresses.
func (e *emission) isMirror(image oci.Ref) bool {
	return image.Registry == e.site.Mirror.Host || slices.ContainsFunc(e.mirrors(), func(m oci.Mirror) bool { return m.Host == image.Registry })
}

// repositories are where the mirror has an image: as satchel pushes to it first, then as nodes pull.
func (e *emission) repositories(img oci.Image) []string {
	list := []string{e.site.Mirror.Repo(img).Name()}
	for _, m := range e.mirrors() {
		list = append(list, m.Repo(img).Name())
	}
	return list
}

// isPresent reports whether the cluster has a CatalogSource of that name.
func (e *emission) isPresent(name string) bool {
	return slices.ContainsFunc(e.site.PresentCatalogSources.sources, func(s presentSource) bool { return s.name == name })
}

// replaced reports whether a default catalog needs no replacement: the cluster does not have
// it, or has it from this mirror.
func (e *emission) replaced(name string) bool {
	if e.site.PresentCatalogSources == nil {
		return false
	}
	return !slices.ContainsFunc(e.site.PresentCatalogSources.sources, func(s presentSource) bool {
		return s.name == name && !e.isMirror(s.image)
	})
}

// servedAs lists the present CatalogSources that serve a catalog: from its place in the
// mirror or from its source, of the same version.
func (e *emission) servedAs(img oci.Image) (list []presentSource) {
	places := e.repositories(img)
	only := !slices.ContainsFunc(e.catalogs, func(c catalogObject) bool {
		return c.image.Root.Digest != img.Root.Digest && e.site.Mirror.Repo(c.image).Name() == places[0]
	})
	for _, s := range e.site.PresentCatalogSources.sources {
		tag := s.image.Tag
		same := s.image.Digest == img.Root.Digest || tag != "" && (tag == img.Configured().Tag || slices.Contains(img.Tags, tag)) || tag == "" && only
		if name := s.image.Name(); s.image != (oci.Ref{}) && same && (slices.Contains(places, name) || name == img.Source.Name()) {
			list = append(list, s)
		}
	}
	return list
}

// renaming is a CatalogSource of the cluster that serves a catalog under another name.
type renaming struct{ old, name string }

// renamed lists those of the cluster.
func (e *emission) renamed() (list []renaming) {
	if e.hosted() {
		list = e.fromDefaults()
	}
	if e.site.PresentCatalogSources == nil {
		return list
	}
	for _, c := range e.catalogs {
		for _, s := range e.servedAs(c.image) {
			if r := (renaming{s.name, c.name}); !slices.ContainsFunc(e.catalogs, func(c catalogObject) bool { return c.name == s.name }) && !slices.ContainsFunc(list, func(o renaming) bool { return o.old == r.old }) {
				list = append(list, r)
			}
		}
	}
	return list
}

// fromDefaults are the default catalogs of a hosted cluster that somebody may be subscribed to, and
// those that take their place.
func (e *emission) fromDefaults() (list []renaming) {
	for _, c := range e.catalogs {
		d, ok := defaultCatalogs[c.image.Source.Name()]
		if ok && c.name == "satchel-"+d.name && (!e.site.Cluster.Known("Subscription") || e.subscribed(d.name)) {
			list = append(list, renaming{d.name, c.name})
		}
	}
	return list
}

// pageRenamed lists CatalogSources that serve a catalog under another name. What the Subscriptions
// followed is kept; and only satchel's own are deleted by a command to paste, each only while no
// Subscription names it.
func (e *emission) pageRenamed(p *page.Page) {
	var list, moves, gone, keep, offers []string
	var old []catalogObject
	for _, r := range e.renamed() {
		list = append(list, fmt.Sprintf("`%s` is now `%s`", r.old, r.name))
		moves = append(moves, moveSubscriptions(r)...)
		old = append(old, catalogObject{named: named{name: r.old}})
		one, has := e.present("CatalogSource", marketplace, r.old)
		switch {
		case isDefault(r.old): // those go with the patch of the operator hub
		case has && ours(one):
			gone = append(gone, unlessSubscribed(r.old))
		case has && e.ownCatalog(one):
			offers = append(offers, offerCatalog(r.old, "an earlier version of satchel made it, as its image shows. If it did"))
		default:
			keep = append(keep, keepObject("catalogsource", marketplace, r.old))
			offers = append(offers, offerCatalog(r.old, whose(one)+". If whoever made it agrees"))
		}
	}
	if len(list) == 0 {
		return
	}
	p.Text("The cluster has these catalogs under another name too:")
	p.List(list)
	if e.hosted() {
		p.Text("(A hosted cluster deletes a catalog that has the name of a default one while those are off, and writes over it while they are on.)")
	}
	p.Text("Subscriptions that name such a catalog must name the new one. %s", e.catalogNodes(old))
	e.pageMoves(p, old)
	p.Text("The ConfigMap %s keeps what they named, for the way back:", beforeName)
	p.Run(withKeep(moves...)...)
	if len(gone) > 0 {
		p.Text("Then the old ones that satchel made go. The commands leave one alone that a Subscription still names:")
		p.Run(gone...)
	}
	if len(keep) > 0 {
		p.Text("Some of them are not satchel's. The commands copy them into the ConfigMap %s for the way back, and delete nothing:", beforeName)
		p.Run(withKeep(keep...)...)
	}
	if len(offers) > 0 {
		p.Text("These may go once no Subscription names them:")
		p.List(offers)
	}
}

// offerCatalog names a CatalogSource that may go, on a condition.
func offerCatalog(name, condition string) string {
	return fmt.Sprintf("`%s`: %s: `oc delete catalogsource %[1]s -n %[3]s`", name, condition, marketplace)
}

// moveSubscriptions are commands that let Subscriptions follow a catalog under its new name.
func moveSubscriptions(r renaming) []string {
	return []string{
		fmt.Sprintf(`for s in $(oc get subscriptions.operators.coreos.com -A -o jsonpath='{range .items[?(@.spec.source=="%s")]}{.spec.sourceNamespace}/{.metadata.namespace}.{.metadata.name} {end}'); do`, r.old),
		`  case "$s" in ` + marketplace + `/*) s=${s#*/} ;; *) continue ;; esac`,
		fmt.Sprintf(`  keep "%s$s" echo %s && oc patch subscriptions.operators.coreos.com "${s#*.}" -n "${s%%%%.*}" --type=merge -p '{"spec":{"source":"%s"}}'`, keySource, r.old, r.name),
		"done",
	}
}

// unlessSubscribed deletes a CatalogSource if no Subscription of any namespace names it at that
// moment: what was read before may be older, or not of all namespaces.
func unlessSubscribed(name string) string {
	return fmt.Sprintf(`USED=$(oc get subscriptions.operators.coreos.com -A -o jsonpath='{.items[?(@.spec.source=="%s")].metadata.name}') && [ -z "$USED" ] && oc delete catalogsource %[1]s -n %s --ignore-not-found`, name, marketplace)
}

// isDefault reports whether every cluster has a catalog of that name from the start.
func isDefault(name string) bool {
	for _, d := range defaultCatalogs {
		if d.name == name {
			return true
		}
	}
	return false
}
