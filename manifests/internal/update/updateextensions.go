package update

import (
	"encoding/json"
	"regexp"
)

// inExtension is how the cluster operator olm names what holds back an update
// (cluster-olm-operator, incompatible_operator_controller.go).
var inExtension = regexp.MustCompile(`bundle "[^"]*" for ClusterExtension "([^"]+)"`)

// extensions lists what OLM v1 has installed. A ClusterExtension does not say on which versions
// its bundle may be: that is in the contents of its catalog, or in what the cluster operator says.
func (w *Way) extensions() (list []installedOperator) {
	held := w.heldExtensions()
	for _, o := range w.Site.Cluster.Of("ClusterExtension") {
		var x struct {
			Spec struct {
				Source struct {
					Catalog struct {
						PackageName, Version string
						Channels             []string
					}
				}
			}
			Status struct {
				Install struct {
					Bundle struct{ Name, Version string }
				}
			}
		}
		if json.Unmarshal(o.Body, &x) != nil || x.Status.Install.Bundle.Name == "" {
			continue
		}
		c, b := x.Spec.Source.Catalog, x.Status.Install.Bundle
		list = append(list, installedOperator{csv: b.Name, extension: o.Name, version: b.Version, pkg: c.PackageName, channels: c.Channels,
			pinned: c.Version, holds: held[o.Name], most: w.mostOf(c.PackageName, b.Name)})
	}
	return list
}

// heldExtensions are the ClusterExtensions that hold back the next minor version, as the cluster
// says itself.
func (w *Way) heldExtensions() map[string]bool {
	held := map[string]bool{}
	one, ok := w.Present("ClusterOperator", "", "olm")
	if !ok {
		return held
	}
	var co struct {
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	_ = json.Unmarshal(one.Body, &co) // nothing then
	for _, c := range co.Status.Conditions {
		if c.Type != "Upgradeable" || c.Status != "False" {
			continue
		}
		for _, m := range inExtension.FindAllStringSubmatch(c.Message, -1) {
			held[m[1]] = true
		}
	}
	return held
}

// mostOf is the newest minor version that a bundle may be on, by the contents of catalogs; "" where
// they do not say it.
func (w *Way) mostOf(pkg, bundle string) string {
	for _, c := range w.Site.Contents {
		for _, p := range c.Packages {
			if p.Name != pkg {
				continue
			}
			for _, ch := range p.Channels {
				for _, v := range ch.Versions {
					if v.Bundle == bundle && v.MostOpenShift != "" {
						return v.MostOpenShift
					}
				}
			}
		}
	}
	return ""
}
