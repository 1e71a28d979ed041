package audit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	msemver "github.com/Masterminds/semver/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/oci/text"
)

// labelCatalog is on each ClusterCatalog, with its name (operator-controller, catalogd).
const labelCatalog = "olm.operatorframework.io/metadata.name"

// clusterExtension is what of one matters here (operator-controller, v1).
type clusterExtension struct {
	Spec struct {
		Source struct {
			Catalog struct {
				Package  string                `json:"packageName"`
				Version  string                `json:"version"`
				Channels []string              `json:"channels"`
				Selector *metav1.LabelSelector `json:"selector"`
				Policy   string                `json:"upgradeConstraintPolicy"`
			} `json:"catalog"`
		} `json:"source"`
	} `json:"spec"`
	Status struct {
		Install struct {
			Bundle struct {
				Name    string `json:"name"`
				Version string `json:"version"`
			} `json:"bundle"`
		} `json:"install"`
	} `json:"status"`
}

// Extensions says which ClusterExtensions of a cluster (OLM v1) get nothing from the catalogs that will
// serve them, and counts all of them.
func Extensions(state *cluster.State, catalogs []Catalog) (list []Operator, count int) {
	for _, o := range state.Of("ClusterExtension") {
		var x clusterExtension
		if json.Unmarshal(o.Body, &x) != nil || x.Spec.Source.Catalog.Package == "" {
			continue
		}
		count++
		one := extender(o, x)
		if one.lacksIn(x, catalogs) {
			list = append(list, one)
		}
	}
	return list, count
}

// extender is the operator of a ClusterExtension.
func extender(o cluster.Object, x clusterExtension) Operator {
	of := x.Spec.Source.Catalog
	return Operator{Kind: o.Kind, Name: text.ASCII(o.Name), Package: text.ASCII(of.Package), Channel: text.ASCII(strings.Join(of.Channels, ",")), Installed: text.ASCII(x.Status.Install.Bundle.Name)}
}

// lacksIn says what an extension misses in the catalogs that it selects; false for nothing.
func (o *Operator) lacksIn(x clusterExtension, catalogs []Catalog) bool {
	selected, err := x.selected(catalogs)
	of := x.Spec.Source.Catalog
	switch {
	case err != nil:
		return o.lacks(LackSource, "its selector of catalogs is not valid: %v", err)
	case len(selected) == 0:
		return o.lacks(LackSource, "no ClusterCatalog after the cut is one that it selects")
	}
	var packages []*Package
	var gone, unread, fit []string
	unsure := false
	top := math.MinInt
	for _, c := range selected {
		unsure = unsure || c.Unsure
		switch p := c.Packages[of.Package]; {
		case c.Gone:
			gone = append(gone, c.Name+" ("+c.away()+")")
		case c.Err != nil:
			unread = append(unread, fmt.Sprintf("%s: %v", c, c.Err))
		case p != nil:
			packages = append(packages, p)
			o.Catalog = cmp.Or(o.Catalog, c.Name)
			if alone := *o; c.Priority < top || alone.lacksOf(x, []*Package{p}) {
				continue
			}
			if c.Priority > top {
				top, fit = c.Priority, nil
			}
			fit = append(fit, c.Name)
		}
	}
	switch { // while one is away, OLM v1 takes the package from no other (operator-controller, resolve/catalog.go)
	case len(gone) > 0:
		return o.lacks(LackSource, "nothing serves a catalog that it selects after the cut, and OLM then looks into no other: %s", text.And(gone))
	case len(unread) > 0:
		return o.lacks(LackUnread, "a catalog that it selects was not read: %s", text.And(unread))
	case len(packages) == 0:
		return o.lacks(LackPackage, "none of the catalogs that it selects has the package") && (!unsure || o.unsure())
	case len(fit) > 1:
		return o.lacks(LackPriority, "%s have it with the same priority, %d: OLM takes it from none of them", text.And(fit), top)
	case len(fit) == 1:
		o.Catalog = fit[0]
		return false
	}
	return o.lacksOf(x, packages) && (!unsure || o.unsure())
}

// lacksOf says what an extension misses of its package in some catalogs.
func (o *Operator) lacksOf(x clusterExtension, packages []*Package) bool {
	of := x.Spec.Source.Catalog
	var channels []*Channel
	var names []string
	for _, p := range packages {
		for i := range p.Channels {
			names = append(names, p.Channels[i].Name)
			if len(of.Channels) == 0 || slices.Contains(of.Channels, p.Channels[i].Name) {
				channels = append(channels, &p.Channels[i])
			}
		}
	}
	if len(channels) == 0 {
		return o.lacks(LackChannel, "the catalogs that it selects do not have the channel %s, but %s", text.Or(of.Channels), text.Some(text.Sorted(names), 8))
	}
	if o.lacksVersion(of.Version, channels) {
		return true
	}
	if o.Installed == "" || of.Policy == "SelfCertified" { // it may go to any version
		return false
	}
	if of.Version != "" && slices.ContainsFunc(channels, func(c *Channel) bool { return c.has(o.Installed) }) {
		return false // it may be meant to stay
	}
	return o.lacksPath(channels, x.Status.Install.Bundle.Version)
}

// lacksVersion says whether no version of the channels is one of those that are asked for.
func (o *Operator) lacksVersion(asked string, channels []*Channel) bool {
	if asked == "" {
		return false
	}
	in, err := msemver.NewConstraint(asked)
	if err != nil {
		return o.lacks(LackVersion, "its version %s is no range of versions", asked)
	}
	for _, ch := range channels {
		if ch.Heads {
			return false
		}
		for _, e := range ch.Entries {
			if v, err := msemver.NewVersion(e.Version); err == nil && in.Check(v) {
				return false
			}
		}
	}
	return o.lacks(LackVersion, "none of the versions in the catalogs is one that it asks for: %s", asked)
}

// selected are the catalogs that an extension gets its package from: by their labels, all without a
// selector.
func (x clusterExtension) selected(catalogs []Catalog) (list []*Catalog, err error) {
	by := labels.Everything()
	if s := x.Spec.Source.Catalog.Selector; s != nil {
		if by, err = metav1.LabelSelectorAsSelector(s); err != nil {
			return nil, err
		}
	}
	for i := range catalogs {
		c := &catalogs[i]
		if c.Kind != "ClusterCatalog" {
			continue
		}
		set := labels.Set{labelCatalog: c.Name}
		for k, v := range c.Labels {
			set[k] = v
		}
		if by.Matches(set) {
			list = append(list, c)
		}
	}
	return list, nil
}
