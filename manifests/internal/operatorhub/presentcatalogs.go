package operatorhub

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
)

// keepNames gives catalogs the name under which the cluster has them, unless the site names
// them, or the cluster has another one under the name that they would get.
func (h *Hub) keepNames() {
	if h.Site.PresentCatalogSources == nil {
		return
	}
	taken := map[string]bool{}
	for _, c := range h.Catalogs {
		taken[c.Name] = true
	}
	for i := range h.Catalogs {
		c := &h.Catalogs[i]
		if c.Name != "" || h.isPresent(h.plainName(c.Image.Source)) {
			continue
		}
		for _, s := range h.servedAs(c.Image) {
			if LabelPattern().MatchString(s.Name) && !taken[s.Name] && !(h.Hosted() && handover.IsDefault(s.Name)) {
				c.Name, c.fixed, c.kept, taken[s.Name] = s.Name, true, true, true
				break
			}
		}
	}
}

// noteReplaced warns of CatalogSources of the cluster that serve another catalog under the name of
// one here. Another mirror, or the source itself, may have the same catalog.
func (h *Hub) noteReplaced() {
	if h.Site.PresentCatalogSources == nil {
		return
	}
	for _, c := range h.Catalogs {
		place := h.Repo(c.Image)
		for _, s := range h.Site.PresentCatalogSources.Sources {
			moved := s.Image.Registry != place.Registry && (lastWord(s.Image.Repository) == lastWord(place.Repository) || lastWord(s.Image.Repository) == lastWord(c.Image.Source.Repository))
			if s.Name != c.Name || s.Image == (oci.Ref{}) || slices.Contains(h.repositories(c.Image), s.Image.Name()) || moved {
				continue
			}
			h.Note("the CatalogSource %s of the cluster serves another catalog, %s: applying %s replaces it, and Subscriptions to it get %s. If both are needed, give this one another name: --catalog-name %s=NAME", s.Name, s.Image, c.File, place.Name(), c.Image.MirrorPath())
		}
	}
}

// readPresentCatalogs takes the CatalogSources from what is known of the cluster, where they were
// not given by hand.
func (h *Hub) readPresentCatalogs() {
	if h.Site.PresentCatalogSources != nil || !h.Site.Cluster.Known("CatalogSource") {
		return
	}
	present := &site.PresentCatalogSources{}
	for _, o := range h.Site.Cluster.Of("CatalogSource") {
		var in site.PresentCatalog
		if o.Namespace != Marketplace || json.Unmarshal(o.Body, &in) != nil {
			continue
		}
		in.Metadata.Name = o.Name
		present.Sources = append(present.Sources, in.Source())
	}
	h.Site.PresentCatalogSources = present
}

// isMirror reports whether an image is in the mirror, at any of its addresses.
func (h *Hub) isMirror(image oci.Ref) bool {
	return image.Registry == h.Site.Mirror.Host || slices.ContainsFunc(h.Mirrors(), func(m oci.Mirror) bool { return m.Host == image.Registry })
}

// repositories are where the mirror has an image: as satchel pushes to it first, then as nodes pull.
func (h *Hub) repositories(img oci.Image) []string {
	list := []string{h.Site.Mirror.Repo(img).Name()}
	for _, m := range h.Mirrors() {
		list = append(list, m.Repo(img).Name())
	}
	return list
}

// isPresent reports whether the cluster has a CatalogSource of that name.
func (h *Hub) isPresent(name string) bool {
	return slices.ContainsFunc(h.Site.PresentCatalogSources.Sources, func(s site.PresentSource) bool { return s.Name == name })
}

// replaced reports whether a default catalog needs no replacement: the cluster does not have
// it, or has it from this mirror.
func (h *Hub) replaced(name string) bool {
	if h.Site.PresentCatalogSources == nil {
		return false
	}
	return !slices.ContainsFunc(h.Site.PresentCatalogSources.Sources, func(s site.PresentSource) bool {
		return s.Name == name && !h.isMirror(s.Image)
	})
}

// servedAs lists the present CatalogSources that serve a catalog: from its place in the
// mirror or from its source, of the same version.
func (h *Hub) servedAs(img oci.Image) (list []site.PresentSource) {
	places := h.repositories(img)
	only := !slices.ContainsFunc(h.Catalogs, func(c CatalogObject) bool {
		return c.Image.Root.Digest != img.Root.Digest && h.Site.Mirror.Repo(c.Image).Name() == places[0]
	})
	for _, s := range h.Site.PresentCatalogSources.Sources {
		tag := s.Image.Tag
		same := s.Image.Digest == img.Root.Digest || tag != "" && (tag == img.Configured().Tag || slices.Contains(img.Tags, tag)) || tag == "" && only
		if name := s.Image.Name(); s.Image != (oci.Ref{}) && same && (slices.Contains(places, name) || name == img.Source.Name()) {
			list = append(list, s)
		}
	}
	return list
}

// renaming is a CatalogSource of the cluster that serves a catalog under another name.
type renaming struct{ Old, name string }

// Renamed lists those of the cluster.
func (h *Hub) Renamed() (list []renaming) {
	if h.Hosted() {
		list = h.fromDefaults()
	}
	if h.Site.PresentCatalogSources == nil {
		return list
	}
	for _, c := range h.Catalogs {
		for _, s := range h.servedAs(c.Image) {
			if r := (renaming{s.Name, c.Name}); !slices.ContainsFunc(h.Catalogs, func(c CatalogObject) bool { return c.Name == s.Name }) && !slices.ContainsFunc(list, func(o renaming) bool { return o.Old == r.Old }) {
				list = append(list, r)
			}
		}
	}
	return list
}

// fromDefaults are the default catalogs of a hosted cluster that somebody may be subscribed to, and
// those that take their place.
func (h *Hub) fromDefaults() (list []renaming) {
	for _, c := range h.Catalogs {
		d, ok := handover.DefaultCatalogs[c.Image.Source.Name()]
		if ok && c.Name == "satchel-"+d.Name && (!h.Site.Cluster.Known("Subscription") || h.subscribed(d.Name)) {
			list = append(list, renaming{d.Name, c.Name})
		}
	}
	return list
}

// pageRenamed lists CatalogSources that serve a catalog under another name. What the Subscriptions
// followed is kept; and only satchel's own are deleted by a command to paste, each only while no
// Subscription names it.
func (h *Hub) pageRenamed(p *page.Page) {
	var list, moves, gone, keep, offers []string
	var old []CatalogObject
	for _, r := range h.Renamed() {
		list = append(list, fmt.Sprintf("`%s` is now `%s`", r.Old, r.name))
		moves = append(moves, moveSubscriptions(r)...)
		old = append(old, CatalogObject{Named: handover.Named{Name: r.Old}})
		one, has := h.Present("CatalogSource", Marketplace, r.Old)
		switch {
		case handover.IsDefault(r.Old): // those go with the patch of the operator hub
		case has && handover.Ours(one):
			gone = append(gone, unlessSubscribed(r.Old))
		case has && h.OwnCatalog(one):
			offers = append(offers, offerCatalog(r.Old, "an earlier version of satchel made it, as its image shows. If it did", ""))
		default:
			first := handover.KeepObject("catalogsource", Marketplace, r.Old)
			keep = append(keep, first)
			offers = append(offers, offerCatalog(r.Old, handover.Whose(one)+". If whoever made it agrees", first+" && "))
		}
	}
	if len(list) == 0 {
		return
	}
	p.Text("The cluster has these catalogs under another name too:")
	p.List(list)
	if h.Hosted() {
		p.Text("(A hosted cluster deletes a catalog that has the name of a default one while those are off, and writes over it while they are on.)")
	}
	p.Text("Subscriptions that name such a catalog must name the new one. %s", h.catalogNodes(old))
	h.pageMoves(p, old)
	p.Text("The ConfigMap %s keeps what they named, for the way back:", handover.BeforeName)
	p.Run(handover.WithKeep(moves...)...)
	if len(gone) > 0 {
		p.Text("Then the old ones that satchel made go. The commands leave one alone that a Subscription still names:")
		p.Run(gone...)
	}
	if len(keep) > 0 {
		p.Text("Some of them are not satchel's. The commands copy them into the ConfigMap %s for the way back, and delete nothing:", handover.BeforeName)
		p.Run(handover.WithKeep(keep...)...)
	}
	if len(offers) > 0 {
		p.Text("These may go once no Subscription names them. (A command that begins with `keep` is for the shell that has run the commands above; it deletes only what is copied.)")
		p.List(offers)
	}
}

// offerCatalog names a CatalogSource that may go, on a condition; first is what must be successful before.
func offerCatalog(name, condition, first string) string {
	return fmt.Sprintf("`%s`: %s: `%soc delete catalogsource %[1]s -n %[4]s`", name, condition, first, Marketplace)
}

// moveSubscriptions are commands that let Subscriptions follow a catalog under its new name.
func moveSubscriptions(r renaming) []string {
	return page.Chain(
		fmt.Sprintf(`SUBSCRIPTIONS=$(oc get subscriptions.operators.coreos.com -A -o jsonpath='{range .items[?(@.spec.source=="%s")]}{.spec.sourceNamespace}/{.metadata.namespace}.{.metadata.name} {end}')`, r.Old),
		strings.Join([]string{`( for s in $(echo "$SUBSCRIPTIONS"); do`,
			`  case "$s" in ` + Marketplace + `/*) s=${s#*/} ;; *) continue ;; esac`,
			fmt.Sprintf(`  keep "%s$s" echo %s && oc patch subscriptions.operators.coreos.com "${s#*.}" -n "${s%%%%.*}" --type=merge -p '{"spec":{"source":"%s"}}' || exit 1`, handover.KeySource, r.Old, r.name),
			"done )"}, "\n"),
	)
}

// unlessSubscribed deletes a CatalogSource if no Subscription of any namespace names it at that
// moment: what was read before may be older, or not of all namespaces.
func unlessSubscribed(name string) string {
	return fmt.Sprintf(`USED=$(oc get subscriptions.operators.coreos.com -A -o jsonpath='{.items[?(@.spec.source=="%s")].metadata.name}') && [ -z "$USED" ] && oc delete catalogsource %[1]s -n %s --ignore-not-found`, name, Marketplace)
}
