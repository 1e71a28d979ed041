package emit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// keepLater takes the catalogs for later versions out of those for the version that runs. They
// would offer operators that are not for it. Those for earlier versions, which are for other
// clusters, are left out, unless this one uses them.
func (e *emission) keepLater() {
	runs, known := e.minor()
	if !known {
		return
	}
	all := e.catalogs
	isLater := func(c catalogObject) bool {
		m, ok := indexMinor(c.image)
		return ok && m.compare(runs) > 0 && isIndex(c.image, all, runs)
	}
	for _, c := range all {
		if isLater(c) {
			c.after, _ = indexMinor(c.image)
			e.later = append(e.later, c)
		}
	}
	e.catalogs = slices.DeleteFunc(slices.Clone(all), func(c catalogObject) bool {
		m, ok := indexMinor(c.image)
		return isLater(c) || ok && m.compare(runs) < 0 && c.name == "" && hasIndex(c.image, all, runs) && !e.inUse(c)
	})
}

// inUse reports whether the cluster has a catalog under a name of its own that somebody needs.
func (e *emission) inUse(c catalogObject) bool {
	if e.site.PresentCatalogSources == nil {
		return false
	}
	return slices.ContainsFunc(e.servedAs(c.image), func(s presentSource) bool {
		one, known := e.present("CatalogSource", marketplace, s.name)
		return !known || !ours(one) || !e.site.Cluster.Known("Subscription") || e.subscribed(s.name)
	})
}

// hasIndex reports whether there is a catalog of the same repository for a version.
func hasIndex(img oci.Image, all []catalogObject, m minor) bool {
	return slices.ContainsFunc(all, func(c catalogObject) bool {
		of, ok := indexMinor(c.image)
		return ok && of == m && c.image.Source.Name() == img.Source.Name()
	})
}

// isIndex reports whether a catalog's tag is a version of OpenShift: it is a default catalog, or
// there is one of the same repository for the version that runs.
func isIndex(img oci.Image, all []catalogObject, runs minor) bool {
	_, isDefault := defaultCatalogs[img.Source.Name()]
	return isDefault || hasIndex(img, all, runs)
}

// nameLater gives each catalog for a later version the name of the one whose place it takes, so
// that Subscriptions follow it after the update.
func (e *emission) nameLater() {
	slices.SortStableFunc(e.later, func(a, b catalogObject) int {
		return cmp.Or(a.after.compare(b.after), compareEntries(a.image, b.image))
	})
	for _, m := range e.laterMinors() {
		then := &emission{site: e.site}
		for _, c := range e.later {
			if c.after == m {
				then.catalogs = append(then.catalogs, c)
			}
		}
		for i := range then.catalogs {
			if c := &then.catalogs[i]; c.name == "" {
				c.name, c.kept, c.fixed = e.successor(then.catalogs, c.image)
			}
		}
		then.namePlainly()
		for i := range e.later {
			if c := &e.later[i]; c.after == m {
				*c, then.catalogs = then.catalogs[0], then.catalogs[1:]
				c.file = fmt.Sprintf("catalogsource-%s-after-%s.yaml", c.name, m)
			}
		}
	}
}

// successor gives the name of the catalog that another one replaces: of the same repository, at
// the same place of the mirror; "" if that is not clear. kept says that the cluster has it under
// that name.
func (e *emission) successor(later []catalogObject, img oci.Image) (name string, kept, only bool) {
	like := func(c catalogObject) bool {
		return c.image.Source.Name() == img.Source.Name() && c.image.Path == img.Path
	}
	var now []catalogObject
	for _, c := range e.catalogs {
		if like(c) {
			now = append(now, c)
		}
	}
	// Of several versions, the highest is the one for the version that runs.
	slices.SortStableFunc(now, func(a, b catalogObject) int {
		ma, _ := indexMinor(a.image)
		mb, _ := indexMinor(b.image)
		return mb.compare(ma)
	})
	if len(now) == 0 || len(slices.DeleteFunc(slices.Clone(later), func(c catalogObject) bool { return !like(c) })) > 1 {
		return "", false, false
	}
	return now[0].name, now[0].kept, true
}

// laterMinors lists the later versions that there are catalogs for, the next one first.
func (e *emission) laterMinors() (list []minor) {
	for _, c := range e.later {
		if !slices.Contains(list, c.after) {
			list = append(list, c.after)
		}
	}
	return list
}

// atOnce lists the catalogs that a cluster has together: now, and after each update.
func (e *emission) atOnce() [][]catalogObject {
	all := [][]catalogObject{e.catalogs}
	for _, m := range e.laterMinors() {
		all = append(all, e.laterOf(m))
	}
	return all
}

// laterOf lists the catalogs for one later version.
func (e *emission) laterOf(m minor) (list []catalogObject) {
	for _, c := range e.later {
		if c.after == m {
			list = append(list, c)
		}
	}
	return list
}

// noteOtherMinor says which default catalogs are carried for other versions than the one that runs.
func (e *emission) noteOtherMinor() {
	runs, known := e.minor()
	if !known {
		return
	}
	has := map[string][]string{}
	fits := map[string]bool{}
	for _, c := range slices.Concat(e.catalogs, e.later) {
		d, isDefault := defaultCatalogs[c.image.Source.Name()]
		if m, ok := indexMinor(c.image); ok && isDefault {
			fits[d.name] = fits[d.name] || m == runs
			has[d.name] = append(has[d.name], m.String())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(has)) {
		if !fits[name] {
			e.note("the bundle has the catalog %s for %s and not for %s, which the cluster runs", name, text.And(has[name]), runs)
		}
	}
}

// stepCatalogSwitch comes after an update to a version: its catalogs take the place of the earlier
// ones.
func (e *emission) stepCatalogSwitch(p *page.Page, v semver.Version) {
	list := e.laterOf(minorOf(v))
	if len(list) == 0 {
		return
	}
	p.Step("Catalogs for %s", minorOf(v))
	p.Text("Only after the update: these catalogs are for %s. They have the names of those before, so Subscriptions follow them. %s", minorOf(v), e.catalogNodes(list))
	e.pageMoves(p, list)
	e.applyCatalogs(p, list)
	e.switchClusterCatalogs(p, minorOf(v))
}

// pageLater says what the files are for that no step of now applies.
func (e *emission) pageLater(p *page.Page) {
	var lines []string
	for _, m := range e.laterMinors() {
		var files []string
		v1 := e.clusterCatalogs(e.laterOf(m))
		for _, c := range slices.Concat(e.laterOf(m), v1) {
			files = append(files, "`"+c.file+"`")
		}
		if runs, _ := e.minor(); len(v1) > 0 && runs.compare(minor{4, olmV1}) < 0 {
			files = append(files, "and `"+fileCatalogsOff+"` for the default ones of OLM v1")
		}
		lines = append(lines, fmt.Sprintf("after the update to %s: %s", m, strings.Join(files, ", ")))
	}
	if len(lines) > 0 {
		runs, _ := e.minor()
		p.Text("The cluster runs %s. Do not apply these catalogs before the update that they are for:", runs)
		p.List(lines)
	}
}
