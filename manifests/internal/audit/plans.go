package audit

import (
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/oci/text"
)

// InstallPlans says which InstallPlans of a cluster failed, or are to install what the catalogs after the cut do not
// have. Most of what was fetched of clusters has none: a must-gather does.
func InstallPlans(state *cluster.State, catalogs []Catalog) (list []Operator) {
	for _, p := range state.InstallPlans() {
		one := Operator{Kind: "InstallPlan", Namespace: text.ASCII(p.Namespace), Name: text.ASCII(p.Name)}
		gone := absent(p, catalogs)
		switch {
		case p.Phase == cluster.PlanFailed && p.Wrong != "":
			one.lacks(LackPlan, "it failed: %s", p.Wrong)
		case p.Phase == cluster.PlanFailed:
			one.lacks(LackPlan, "it failed")
		case len(gone) > 0:
			one.lacks(LackVersion, "it is to install %s, which the catalogs after the cut do not have", text.Some(gone, 3))
		default:
			continue
		}
		list = append(list, one)
	}
	return list
}

// absent lists the bundles of an InstallPlan that none of its catalogs has; none where one of those was not read
// whole.
func absent(p cluster.InstallPlan, catalogs []Catalog) (gone []string) {
	has := map[string]bool{}
	for i := range catalogs {
		c := &catalogs[i]
		if c.Kind != "CatalogSource" || len(p.Catalogs) > 0 && !slices.Contains(p.Catalogs, c.Name) || c.Gone {
			continue
		}
		if c.Err != nil || c.Unsure || c.Packages == nil {
			return nil
		}
		for _, pkg := range c.Packages {
			for _, ch := range pkg.Channels {
				for _, e := range ch.Entries {
					has[e.Name] = true
				}
			}
		}
	}
	for _, b := range p.Bundles {
		if !has[b] {
			gone = append(gone, text.ASCII(b))
		}
	}
	return gone
}
