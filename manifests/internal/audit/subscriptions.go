package audit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Lack is what an operator misses in the catalogs.
type Lack string

// What an operator can miss.
const (
	LackSource    Lack = "catalog"   // no object serves the catalog that it names
	LackPackage   Lack = "package"   // the catalog does not have its package
	LackChannel   Lack = "channel"   // the package does not have its channel
	LackInstalled Lack = "installed" // the channel does not have what is installed, and nothing is known of updates from it
	LackPath      Lack = "path"      // no updates lead from what is installed to the head of the channel
	LackVersion   Lack = "version"   // no version is one of those that it asks for
	LackPriority  Lack = "priority"  // several catalogs of one priority have it, and OLM takes it from none
	LackUnread    Lack = "unread"    // the catalog cannot be read, so nobody knows
	LackPlan      Lack = "plan"      // its InstallPlan failed
	LackFuture    Lack = "future"    // the catalog says that it is deprecated; it is served all the same
)

// Operator is one of the cluster that the catalogs after the cut do not serve as it asks.
type Operator struct {
	Kind      string `json:"kind"` // Subscription, ClusterExtension, CatalogSource or InstallPlan
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Catalog   string `json:"catalog,omitempty"` // the object that it gets updates from
	Package   string `json:"package"`
	Channel   string `json:"channel,omitempty"`
	Installed string `json:"installed,omitempty"` // the bundle
	Lacks     Lack   `json:"lacks"`
	Detail    string `json:"detail"`
	// Stops says that it cannot be installed or updated. It runs on all the same.
	Stops bool `json:"stops"`
}

// subscription is what of one matters here (operator-framework/api, v1alpha1).
type subscription struct {
	Spec struct {
		Package   string `json:"name"`
		Channel   string `json:"channel"`
		Source    string `json:"source"`
		Namespace string `json:"sourceNamespace"`
		Starting  string `json:"startingCSV"`
	} `json:"spec"`
	Status struct {
		Installed string `json:"installedCSV"`
	} `json:"status"`
}

// Wanted tells which packages of a catalog are needed: those that Subscriptions and ClusterExtensions of a cluster
// name, and those that have a bundle which an InstallPlan is to install.
func Wanted(state *cluster.State) func(p *catalog.Package) bool {
	all, bundles := map[string]bool{}, map[string]bool{}
	for _, p := range state.InstallPlans() {
		for _, b := range p.Bundles {
			bundles[b] = true
		}
	}
	for _, o := range state.Of("Subscription") {
		var s subscription
		if json.Unmarshal(o.Body, &s) == nil {
			all[s.Spec.Package] = true
		}
	}
	for _, o := range state.Of("ClusterExtension") {
		var x clusterExtension
		if json.Unmarshal(o.Body, &x) == nil {
			all[x.Spec.Source.Catalog.Package] = true
		}
	}
	return func(p *catalog.Package) bool {
		return all[p.Name] || len(bundles) > 0 && slices.ContainsFunc(p.Bundles, func(b catalog.Bundle) bool { return bundles[b.Name] })
	}
}

// Subscriptions says which Subscriptions of a cluster get no updates from the catalogs that will serve
// them, and counts all of them.
func Subscriptions(state *cluster.State, catalogs []Catalog) (list []Operator, count int) {
	for _, o := range state.Of("Subscription") {
		var s subscription
		if json.Unmarshal(o.Body, &s) != nil || s.Spec.Package == "" {
			continue
		}
		count++
		one := subscriber(o, s)
		if one.lacksFrom(s, versionOf(state, o.Namespace, s.Status.Installed), catalogs) {
			list = append(list, one)
		}
	}
	return append(list, deadSources(state, catalogs)...), count
}

// subscriber is the operator of a Subscription.
func subscriber(o cluster.Object, s subscription) Operator {
	return Operator{Kind: o.Kind, Namespace: text.ASCII(o.Namespace), Name: text.ASCII(o.Name), Catalog: text.ASCII(s.Spec.Namespace + "/" + s.Spec.Source),
		Package: text.ASCII(s.Spec.Package), Channel: text.ASCII(s.Spec.Channel), Installed: text.ASCII(s.Status.Installed)}
}

// global is the namespace whose CatalogSources OLM looks into for all others, by OpenShift's configuration.
const global = "openshift-marketplace"

// deadSources are the CatalogSources without which OLM resolves nothing: it asks all of a namespace and the global
// ones, and gives up for the whole namespace where one does not answer (operator-lifecycle-manager,
// pkg/controller/registry/resolver, namespacedCache.Error).
func deadSources(state *cluster.State, catalogs []Catalog) (list []Operator) {
	for i := range catalogs {
		c := &catalogs[i]
		if c.Kind != "CatalogSource" || !c.Gone && (c.Err == nil || c.Image == "") {
			continue
		}
		var held []string
		for _, o := range state.Of("Subscription") {
			if c.Namespace == global || c.Namespace == o.Namespace {
				held = append(held, o.Namespace+"/"+o.Name)
			}
		}
		one := Operator{Kind: c.Kind, Namespace: text.ASCII(c.Namespace), Name: text.ASCII(c.Name), Catalog: text.ASCII(c.Namespace + "/" + c.Name)}
		switch {
		case len(held) == 0 || !c.Gone && Followed(state, c): // what follows it says that
			continue
		case c.Gone:
			one.lacks(LackSource, "nothing serves it after the cut: %s. While it is there, OLM updates none of %s: %s", c.away(), text.Count(len(held), "Subscription", "Subscriptions"), text.Some(held, 3))
		default:
			one.lacks(LackUnread, "it was not read, so whether it is served is not known (%v). While one is not, OLM updates none of %s: %s", c.Err, text.Count(len(held), "Subscription", "Subscriptions"), text.Some(held, 3))
		}
		list = append(list, one)
	}
	return list
}

// Followed reports whether a Subscription names a catalog, or a ClusterExtension may select it.
func Followed(state *cluster.State, c *Catalog) bool {
	if c.Kind != "CatalogSource" {
		return len(state.Of("ClusterExtension")) > 0
	}
	return slices.ContainsFunc(state.Of("Subscription"), func(o cluster.Object) bool {
		var s subscription
		return json.Unmarshal(o.Body, &s) == nil && s.Spec.Source == c.Name && s.Spec.Namespace == c.Namespace
	})
}

// lacksFrom says what a Subscription misses; false for nothing. Of a catalog that was not read whole, what it lacks is
// not known.
func (o *Operator) lacksFrom(s subscription, version string, catalogs []Catalog) bool {
	var from *Catalog
	for i := range catalogs {
		if c := &catalogs[i]; c.Kind == "CatalogSource" && c.Name == s.Spec.Source && c.Namespace == s.Spec.Namespace {
			from = c
		}
	}
	switch {
	case from == nil:
		return o.lacks(LackSource, "no CatalogSource of that name is in the cluster after the cut")
	case from.Gone:
		return o.lacks(LackSource, "nothing serves its catalog after the cut: %s", from.away())
	case from.Err != nil:
		return o.lacks(LackUnread, "its catalog %s was not read: %v", from.Image, from.Err)
	}
	return o.lacksIt(s, version, from) && (!from.Unsure || o.unsure())
}

// unsure says that a part of a catalog was not read, which may have what is lacking.
func (o *Operator) unsure() bool {
	return o.lacks(LackUnread, "a part of the catalog could not be read. By the rest of it: %s", o.Detail)
}

// lacksIt says what a Subscription misses in its catalog.
func (o *Operator) lacksIt(s subscription, version string, from *Catalog) bool {
	p := from.Packages[s.Spec.Package]
	if p == nil {
		return o.lacks(LackPackage, "the catalog %s does not have the package", from.Image)
	}
	name := cmp.Or(s.Spec.Channel, p.Default)
	ch := p.channel(name)
	switch {
	case ch == nil:
		return o.lacks(LackChannel, "the catalog %s does not have the channel %s of it, but %s", from.Image, name, text.Some(p.names(), 8))
	case s.Status.Installed == "" && s.Spec.Starting != "" && !ch.Heads && !ch.has(s.Spec.Starting):
		return o.lacks(LackVersion, "it is to begin with %s, which the channel %s does not have", s.Spec.Starting, name)
	case s.Status.Installed == "":
		return false
	}
	return o.lacksPath([]*Channel{ch}, version)
}

// lacksPath says whether updates lead from what is installed to the head of one of some channels.
func (o *Operator) lacksPath(channels []*Channel, version string) bool {
	var heads, names []string
	known, there := true, false
	for _, ch := range channels {
		if ch.Head == o.Installed || ch.Paths && ch.leads(o.Installed, version) || ch.Heads {
			return false
		}
		known = known && ch.Paths
		there = there || ch.has(o.Installed)
		names, heads = append(names, ch.Name), append(heads, cmp.Or(ch.Head, "none"))
	}
	switch {
	case !known && there:
		return false // by the list of a bundle, which keeps the way from there on
	case !known:
		return o.lacks(LackInstalled, "%s is not in the channel %s, so an update from it may be missing", o.Installed, text.Or(names))
	case there:
		return o.lacks(LackPath, "no updates lead from %s to the head of the channel %s, %s", o.Installed, text.Or(names), text.Or(heads))
	}
	return o.lacks(LackPath, "%s is not in the channel %s, and no updates lead from it to its head, %s", o.Installed, text.Or(names), text.Or(heads))
}

func (o *Operator) lacks(what Lack, format string, args ...any) bool {
	o.Lacks, o.Detail, o.Stops = what, text.ASCII(text.Cut(text.OneLine(fmt.Sprintf(format, args...)), 400)), what != LackUnread && what != LackInstalled
	return true
}

// versionOf is the version of an installed bundle: of its ClusterServiceVersion, or what its name ends with.
func versionOf(state *cluster.State, namespace, csv string) string {
	one, ok := state.One("ClusterServiceVersion", namespace, csv)
	var in struct {
		Spec struct {
			Version string `json:"version"`
		} `json:"spec"`
	}
	if ok && json.Unmarshal(one.Body, &in) == nil && in.Spec.Version != "" {
		return in.Spec.Version
	}
	_, after, _ := strings.Cut(csv, ".")
	if v, err := semver.Parse(strings.TrimPrefix(after, "v")); err == nil {
		return v.String()
	}
	return ""
}
