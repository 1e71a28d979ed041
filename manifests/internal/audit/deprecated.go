package audit

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Deprecated says which operators of a cluster follow a package or a channel, or have a bundle installed, of which the
// catalog that serves them after the cut says that it is to go. Nothing stops because of it.
func Deprecated(state *cluster.State, catalogs []Catalog) (list []Operator) {
	add := func(one Operator, c *Catalog, channels []string) {
		p := c.Packages[one.Package]
		if p == nil {
			return
		}
		parts := []string{"package", "bundle " + one.Installed}
		for _, ch := range channels {
			parts = append(parts, "channel "+ch)
		}
		for _, d := range p.Deprecated {
			if slices.Contains(parts, d.What) {
				one.Lacks, one.Detail = LackFuture, text.ASCII(text.Cut(text.OneLine(fmt.Sprintf("%s says that the %s is deprecated: %s", c, d.What, d.Message)), 400))
				list = append(list, one)
			}
		}
	}
	for _, o := range state.Of("Subscription") {
		var s subscription
		if json.Unmarshal(o.Body, &s) != nil {
			continue
		}
		for i := range catalogs {
			if c := &catalogs[i]; c.Kind == "CatalogSource" && c.Name == s.Spec.Source && c.Namespace == s.Spec.Namespace {
				channel := s.Spec.Channel
				if p := c.Packages[s.Spec.Package]; channel == "" && p != nil {
					channel = p.Default
				}
				add(subscriber(o, s), c, []string{channel})
			}
		}
	}
	for _, o := range state.Of("ClusterExtension") {
		var x clusterExtension
		if json.Unmarshal(o.Body, &x) != nil {
			continue
		}
		selected, _ := x.selected(catalogs) // a wrong selector is said of the extension
		for _, c := range selected {
			add(extender(o, x), c, x.Spec.Source.Catalog.Channels)
		}
	}
	return list
}
