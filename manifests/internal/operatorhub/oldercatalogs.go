package operatorhub

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci/text"
)

// OlderCatalog is a catalog for an earlier version than the one that the cluster has under its name.
type OlderCatalog struct {
	CatalogObject
	kind   string         // of the object that the cluster has
	serves handover.Minor // the version that it is for
}

// leaveOlder leaves out the catalogs that would take the place of one for a later version: the
// operators that the cluster has from that one would be in no catalog any more.
func (h *Hub) leaveOlder() {
	h.Catalogs = slices.DeleteFunc(h.Catalogs, func(c CatalogObject) bool {
		serves, older := h.olderThanPresent(c)
		if older {
			h.Older = append(h.Older, OlderCatalog{c, "CatalogSource", serves})
		}
		return older
	})
	for _, c := range h.Catalogs {
		c.Name, c.kept = h.clusterCatalogName(c)
		if serves, older := h.olderThanServed(c); older {
			h.Older = append(h.Older, OlderCatalog{c, "ClusterCatalog", serves})
		}
	}
}

// olderThanPresent reports whether a catalog is older than the CatalogSource of its name. A default
// one of the cluster goes off in any case, and what is named by hand is meant so.
func (h *Hub) olderThanPresent(c CatalogObject) (serves handover.Minor, older bool) {
	if h.Site.PresentCatalogSources == nil || h.namedByHand(c.Name) {
		return serves, false
	}
	for _, s := range h.Site.PresentCatalogSources.Sources {
		if s.Name != c.Name || h.goesOff(s, c) {
			continue
		}
		serves, tagged := handover.TaggedMinor(s.Image.Tag, s.For)
		return serves, tagged && h.isOlder(c, serves)
	}
	return serves, false
}

// olderThanServed reports whether a catalog is older than the ClusterCatalog of its name.
func (h *Hub) olderThanServed(c CatalogObject) (serves handover.Minor, older bool) {
	one, has := h.Present("ClusterCatalog", "", c.Name)
	if !has || h.namedByHand(c.Name) {
		return serves, false
	}
	serves, tagged := servedFor(one)
	return serves, tagged && h.isOlder(c, serves)
}

// isOlder reports whether a catalog is for an earlier version than another one, and than the
// cluster runs. Tags of others may count something else than versions of OpenShift.
func (h *Hub) isOlder(c CatalogObject, than handover.Minor) bool {
	m, tagged := handover.IndexMinor(c.Image)
	runs, known := h.Minor()
	if !tagged || c.After != (handover.Minor{}) || m.Compare(than) >= 0 || known && m.Compare(runs) >= 0 {
		return false
	}
	_, isDefault := handover.DefaultCatalogs[c.Image.Source.Name()]
	return isDefault || known && than == runs
}

// goesOff reports whether a CatalogSource is one of the cluster's default ones, which is turned off.
func (h *Hub) goesOff(s site.PresentSource, c CatalogObject) bool {
	if one, has := h.Present("CatalogSource", Marketplace, s.Name); has {
		return handover.Marketplaces(one)
	}
	return handover.IsDefault(s.Name) && s.Image.Name() == c.Image.Source.Name()
}

// servedFor is the version that a ClusterCatalog or a CatalogSource is for, by its image's tag or by
// what satchel noted on it.
func servedFor(o cluster.Object) (handover.Minor, bool) {
	var in site.PresentCatalog
	if json.Unmarshal(o.Body, &in) != nil {
		return handover.Minor{}, false
	}
	if o.Kind == "ClusterCatalog" {
		in.Spec.Image = catalogRef(o)
	}
	s := in.Source()
	return handover.TaggedMinor(s.Image.Tag, s.For)
}

// keepsLater reports whether an object of the cluster stays because a catalog here is older, or is
// one to apply where it is wanted.
func (h *Hub) keepsLater(o cluster.Object) bool {
	for _, c := range slices.Concat(h.Outdated, h.Others) {
		if name, _ := h.clusterCatalogName(c); o.Name == c.Name || o.Kind == "ClusterCatalog" && o.Name == name {
			return true
		}
	}
	return slices.ContainsFunc(h.Older, func(c OlderCatalog) bool {
		name, _ := h.clusterCatalogName(c.CatalogObject)
		return o.Name == c.Name || o.Kind == "ClusterCatalog" && o.Name == name
	})
}

// say tells what stays, and how the other one comes all the same.
func (c OlderCatalog) say() string {
	m, _ := handover.IndexMinor(c.Image)
	return fmt.Sprintf("the catalog %s is for %s, and the %s %s of the cluster is for %s: that one stays as it is, and the older one is left out", c.Image.Configured(), m, c.kind, c.Name, c.serves)
}

// noteOlder says it to whoever runs satchel.
func (h *Hub) noteOlder() {
	for _, c := range h.Older {
		h.Note("%s; carry the one for %s, or give the older one a name of its own: --catalog-name %s=NAME", c.say(), c.serves, c.Image.MirrorPath())
	}
}

// pageOlder says it where the catalogs are applied.
func (h *Hub) pageOlder(p *page.Page) {
	for _, c := range h.Older {
		p.Text("**Left out: %s.** Its operators would not be those for this cluster.", c.say())
	}
	var list []string
	for _, c := range h.Outdated {
		list = append(list, "`"+c.Image.Configured().String()+"`")
	}
	if runs, _ := h.Minor(); len(list) > 0 {
		p.Text("**Left out: %s, because this cluster runs %s, and the bundle has no such catalog for that.** Carry it with the next bundle.", text.And(list), runs)
	}
}
