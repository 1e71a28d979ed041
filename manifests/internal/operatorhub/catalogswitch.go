package operatorhub

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// keepLater takes the catalogs for later versions out of those for the version that runs. They
// would offer operators that are not for it. Those for earlier versions, which are for other
// clusters, are left out, unless this one uses them.
func (h *Hub) keepLater() {
	runs, known := h.Minor()
	if !known {
		return
	}
	all := h.Catalogs
	var stay []CatalogObject
	for _, c := range all {
		m, tagged := handover.IndexMinor(c.Image)
		_, isDefault := handover.DefaultCatalogs[c.Image.Source.Name()]
		fits := hasIndex(c.Image, all, runs)
		switch {
		case tagged && m.Compare(runs) > 0 && isIndex(c.Image, all, runs):
			c.After = m
			h.Later = append(h.Later, c)
		case !tagged || m.Compare(runs) >= 0 || c.Name != "" || h.inUse(c):
			stay = append(stay, c)
		case fits: // it is for other clusters
		case isDefault && !h.knownAs(c, m):
			c.Name = h.plainName(c.Image.Source)
			h.Outdated = append(h.Outdated, c)
		default:
			stay = append(stay, c)
		}
	}
	h.Catalogs = stay
}

// knownAs reports whether the cluster has a catalog under the name that one for an earlier version
// than it runs would get, the highest of those: from this mirror and no newer, so that it is renewed; or
// a newer one, which stays (see leaveOlder).
func (h *Hub) knownAs(c CatalogObject, m handover.Minor) bool {
	runs, _ := h.Minor()
	higher := func(o CatalogObject) bool {
		other, tagged := handover.IndexMinor(o.Image)
		return tagged && o.Image.Source.Name() == c.Image.Source.Name() && other.Compare(m) > 0 && other.Compare(runs) < 0
	}
	if h.Site.PresentCatalogSources == nil || slices.ContainsFunc(h.Catalogs, higher) {
		return false
	}
	return slices.ContainsFunc(h.Site.PresentCatalogSources.Sources, func(s site.PresentSource) bool {
		serves, tagged := handover.TaggedMinor(s.Image.Tag, s.For)
		later := tagged && m.Compare(serves) < 0
		return s.Name == h.plainName(c.Image.Source) && !h.goesOff(s, c) && (later || h.isMirror(s.Image))
	})
}

// inUse reports whether the cluster has a catalog under a name of its own that somebody needs.
func (h *Hub) inUse(c CatalogObject) bool {
	if h.Site.PresentCatalogSources == nil {
		return false
	}
	return slices.ContainsFunc(h.servedAs(c.Image), func(s site.PresentSource) bool {
		if s.Name == h.plainName(c.Image.Source) { // see knownAs
			return false
		}
		one, known := h.Present("CatalogSource", Marketplace, s.Name)
		return !known || !handover.Ours(one) || !h.Site.Cluster.Known("Subscription") || h.subscribed(s.Name)
	})
}

// hasIndex reports whether there is a catalog of the same repository for a version.
func hasIndex(img oci.Image, all []CatalogObject, m handover.Minor) bool {
	return slices.ContainsFunc(all, func(c CatalogObject) bool {
		of, ok := handover.IndexMinor(c.Image)
		return ok && of == m && c.Image.Source.Name() == img.Source.Name()
	})
}

// isIndex reports whether a catalog's tag is a version of OpenShift: it is a default catalog, or
// there is one of the same repository for the version that runs.
func isIndex(img oci.Image, all []CatalogObject, runs handover.Minor) bool {
	_, isDefault := handover.DefaultCatalogs[img.Source.Name()]
	return isDefault || hasIndex(img, all, runs)
}

// nameLater gives each catalog for a later version the name of the one whose place it takes, so
// that Subscriptions follow it after the update.
func (h *Hub) nameLater() {
	slices.SortStableFunc(h.Later, func(a, b CatalogObject) int {
		return cmp.Or(a.After.Compare(b.After), compareEntries(a.Image, b.Image))
	})
	for _, m := range h.laterMinors() {
		then := &Hub{Handover: &handover.Handover{Site: h.Site}}
		for _, c := range h.Later {
			if c.After == m {
				then.Catalogs = append(then.Catalogs, c)
			}
		}
		for i := range then.Catalogs {
			if c := &then.Catalogs[i]; c.Name == "" {
				c.Name, c.kept, c.fixed = h.successor(then.Catalogs, c.Image)
			}
		}
		then.namePlainly()
		for i := range h.Later {
			if c := &h.Later[i]; c.After == m {
				*c, then.Catalogs = then.Catalogs[0], then.Catalogs[1:]
				c.File = fmt.Sprintf("catalogsource-%s-after-%s.yaml", c.Name, m)
			}
		}
	}
}

// successor gives the name of the catalog that another one replaces: of the same repository, at
// the same place of the mirror; "" if that is not clear. kept says that the cluster has it under
// that name.
func (h *Hub) successor(later []CatalogObject, img oci.Image) (name string, kept, only bool) {
	like := func(c CatalogObject) bool {
		return c.Image.Source.Name() == img.Source.Name() && c.Image.Path == img.Path
	}
	var now []CatalogObject
	for _, c := range h.Catalogs {
		if like(c) {
			now = append(now, c)
		}
	}
	// Of several versions, the highest is the one for the version that runs.
	slices.SortStableFunc(now, func(a, b CatalogObject) int {
		ma, _ := handover.IndexMinor(a.Image)
		mb, _ := handover.IndexMinor(b.Image)
		return mb.Compare(ma)
	})
	if len(now) == 0 || len(slices.DeleteFunc(slices.Clone(later), func(c CatalogObject) bool { return !like(c) })) > 1 {
		return "", false, false
	}
	return now[0].Name, now[0].kept, true
}

// laterMinors lists the later versions that there are catalogs for, the next one first.
func (h *Hub) laterMinors() (list []handover.Minor) {
	for _, c := range h.Later {
		if !slices.Contains(list, c.After) {
			list = append(list, c.After)
		}
	}
	return list
}

// NotNow reports whether a file has a catalog that the cluster does not get now: for a later version
// than it runs, or one that is applied only where somebody wants it.
func (h *Hub) NotNow(file string) bool {
	return slices.ContainsFunc(slices.Concat(h.Later, h.clusterCatalogs(h.Later), h.Others), func(c CatalogObject) bool { return c.File == file })
}

// atOnce lists the catalogs that a cluster has together: now, and after each update.
func (h *Hub) atOnce() [][]CatalogObject {
	all := [][]CatalogObject{h.Catalogs}
	for _, m := range h.laterMinors() {
		all = append(all, h.laterOf(m))
	}
	return all
}

// laterOf lists the catalogs for one later version.
func (h *Hub) laterOf(m handover.Minor) (list []CatalogObject) {
	for _, c := range h.Later {
		if c.After == m {
			list = append(list, c)
		}
	}
	return list
}

// noteOtherMinor says which default catalogs are carried for other versions than the one that runs.
func (h *Hub) noteOtherMinor() {
	runs, known := h.Minor()
	if !known {
		return
	}
	has, left := map[string][]string{}, map[string]bool{}
	for _, c := range h.Outdated {
		left[handover.DefaultCatalogs[c.Image.Source.Name()].Name] = true
	}
	fits := map[string]bool{}
	for _, c := range slices.Concat(h.Outdated, h.Catalogs, h.Later) {
		d, isDefault := handover.DefaultCatalogs[c.Image.Source.Name()]
		if m, ok := handover.IndexMinor(c.Image); ok && isDefault && !c.past {
			fits[d.Name] = fits[d.Name] || m == runs
			has[d.Name] = append(has[d.Name], m.String())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(has)) {
		if fits[name] {
			continue
		}
		out := ""
		if left[name] {
			out = fmt.Sprintf("; what is for an earlier version is left out (carry the catalog for %s, or give an earlier one a name of its own: --catalog-name CATALOG=NAME)", runs)
		}
		h.Note("the bundle has the catalog %s for %s and not for %s, which the cluster runs%s", name, text.And(has[name]), runs, out)
	}
}

// StepCatalogSwitch comes after an update to a version: its catalogs take the place of the earlier
// ones.
func (h *Hub) StepCatalogSwitch(p *page.Page, v semver.Version) {
	list := h.laterOf(handover.MinorOf(v))
	if len(list) == 0 {
		return
	}
	p.Step("Catalogs for %s", handover.MinorOf(v))
	p.Text("Only after the update: these catalogs are for %s. They have the names of those before, so Subscriptions follow them. %s", handover.MinorOf(v), h.catalogNodes(list))
	h.pageMoves(p, list)
	h.applyCatalogs(p, list)
	h.switchClusterCatalogs(p, handover.MinorOf(v))
}

// PageNoSwitch says, before updates, for which versions the mirror has no default catalog that takes
// the place of the one that the cluster has from it.
func (h *Hub) PageNoSwitch(p *page.Page, to []semver.Version) {
	runs, known := h.Minor()
	if !known {
		return
	}
	for _, name := range h.fromMirror() {
		var lacks []string
		for _, v := range to {
			m := handover.MinorOf(v)
			has := slices.ContainsFunc(h.laterOf(m), func(c CatalogObject) bool {
				return handover.DefaultCatalogs[c.Image.Source.Name()].Name == name
			})
			if m.Compare(runs) > 0 && !has && !slices.Contains(lacks, m.String()) {
				lacks = append(lacks, m.String())
			}
		}
		if len(lacks) > 0 {
			p.Text("**No catalog `%s` for %s is known to be in the mirror: after the update, Subscriptions to it stay with what the one for an earlier version has.** Carry the index for %s before the update, unless the operators that are installed are all for that version already.", name, text.And(lacks), lacks[len(lacks)-1])
		}
	}
}

// fromMirror lists the default catalogs that the cluster has from the mirror, or gets now.
func (h *Hub) fromMirror() (names []string) {
	add := func(name string) {
		if handover.IsDefault(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, c := range h.Catalogs {
		if _, tagged := handover.IndexMinor(c.Image); tagged {
			add(handover.DefaultCatalogs[c.Image.Source.Name()].Name)
		}
	}
	if h.Site.PresentCatalogSources != nil {
		for _, s := range h.Site.PresentCatalogSources.Sources {
			if h.isMirror(s.Image) {
				add(s.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// pageLater says what the files are for that no step of now applies.
func (h *Hub) pageLater(p *page.Page) {
	var lines []string
	for _, m := range h.laterMinors() {
		var files []string
		v1 := h.clusterCatalogs(h.laterOf(m))
		for _, c := range slices.Concat(h.laterOf(m), v1) {
			files = append(files, "`"+c.File+"`")
		}
		if runs, _ := h.Minor(); len(v1) > 0 && runs.Compare(handover.Minor{Major: 4, Minor: OlmV1}) < 0 {
			files = append(files, "and `"+FileCatalogsOff+"` for the default ones of OLM v1")
		}
		lines = append(lines, fmt.Sprintf("after the update to %s: %s", m, strings.Join(files, ", ")))
	}
	if len(lines) > 0 {
		runs, _ := h.Minor()
		p.Text("The cluster runs %s. Do not apply these catalogs before the update that they are for:", runs)
		p.List(lines)
	}
}
