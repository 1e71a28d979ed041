package operatorhub

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
)

// StepNoLonger lists what satchel made in earlier weeks and nothing needs any more. The rules have
// a step of their own. Without facts of the cluster nothing is listed.
func (h *Hub) StepNoLonger(p *page.Page) {
	catalogs, others := h.OldCatalogs()
	catalogs2, others2 := h.OldClusterCatalogs()
	var lines []string
	for _, name := range catalogs {
		lines = append(lines, unlessSubscribed(name))
	}
	if len(catalogs2) > 0 {
		lines = append(lines, "oc delete clustercatalog --ignore-not-found "+strings.Join(catalogs2, " "))
	}
	if old := h.OldSignatures(); len(old) > 0 {
		lines = append(lines, "oc delete configmap -n openshift-config-managed --ignore-not-found "+strings.Join(old, " "))
	}
	others = append(others, others2...)
	if len(lines)+len(others) == 0 {
		return
	}
	p.Step("What satchel made and nothing needs any more")
	if len(lines) > 0 {
		p.Text("Catalogs that nothing installed comes from, in the place of which another one serves the same catalog now; signatures of releases that the cluster has left behind. The commands leave a catalog alone that a Subscription names by then. Nodes: nothing changes, no drain and no reboot.")
		p.Run(lines...)
	}
	if len(others) > 0 {
		p.Text("These catalogs of earlier bundles, or of earlier versions of satchel, are for you to decide. Keep those that somebody may want to install from, and look first whether something uses them:")
		p.Run("oc get subscriptions.operators.coreos.com -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,SOURCE:.spec.source")
		p.List(others)
	}
}

// subscribed is what of a Subscription or a ClusterExtension matters here.
type subscribed struct {
	Spec struct {
		Source          string `json:"source"`
		SourceNamespace string `json:"sourceNamespace"`
	} `json:"spec"`
}

// subscribed reports whether a Subscription names a CatalogSource of openshift-marketplace.
func (h *Hub) subscribed(name string) bool {
	return slices.ContainsFunc(h.Site.Cluster.Of("Subscription"), func(o cluster.Object) bool {
		var s subscribed
		return json.Unmarshal(o.Body, &s) != nil || s.Spec.Source == name && s.Spec.SourceNamespace == "openshift-marketplace"
	})
}

// OldCatalogs are satchel's CatalogSources that this run does not write and no Subscription is known
// to name: those that another one has replaced, and a line for each of the others and of those
// that have no label.
func (h *Hub) OldCatalogs() (replaced, others []string) {
	if !h.Site.Cluster.Known("Subscription") || len(h.Catalogs) == 0 {
		return nil, nil
	}
	moved := map[string]bool{} // the step of the catalogs has them
	for _, r := range h.Renamed() {
		moved[r.Old] = true
	}
	for _, o := range h.Site.Cluster.Of("CatalogSource") {
		named := slices.ContainsFunc(h.Catalogs, func(c CatalogObject) bool { return c.Name == o.Name })
		if o.Namespace != "openshift-marketplace" || !h.OwnCatalog(o) || named || moved[o.Name] || h.subscribed(o.Name) || h.keepsLater(o) {
			continue
		}
		var in site.PresentCatalog
		if json.Unmarshal(o.Body, &in) != nil {
			continue
		}
		why := "this bundle does not have it"
		switch {
		case !handover.Ours(o):
			why = "it has no label, but its image is as earlier versions of satchel wrote it: if satchel made it"
		case h.carries(o, in.Spec.Image):
			replaced = append(replaced, o.Name)
			continue
		}
		others = append(others, fmt.Sprintf("`%s` (`%s`): %s. To delete it: `oc delete catalogsource -n openshift-marketplace %[1]s`. Nodes: nothing changes.", o.Name, page.Markdown(in.Spec.Image), why))
	}
	return replaced, others
}

// carries reports whether a catalog of this run is in the repository of an object's image, and is not
// known to be for an earlier version.
func (h *Hub) carries(o cluster.Object, image string) bool {
	ref, err := oci.ParseRef(image)
	serves, known := servedFor(o)
	return err == nil && slices.ContainsFunc(h.Catalogs, func(c CatalogObject) bool {
		m, tagged := handover.IndexMinor(c.Image)
		older := known && tagged && m.Compare(serves) < 0
		return !older && slices.ContainsFunc(h.Places(c.Image), func(place string) bool {
			at, err := oci.ParseRef(place)
			return err == nil && at.Name() == ref.Name()
		})
	})
}

// OldClusterCatalogs are the same of OLM v1. A ClusterExtension may come from any catalog that its
// selector takes, so none goes while there are ClusterExtensions without a selector.
func (h *Hub) OldClusterCatalogs() (replaced, others []string) {
	if !h.Site.Cluster.Known("ClusterExtension") {
		return nil, nil
	}
	for _, o := range h.Site.Cluster.Of("ClusterCatalog") {
		if !handover.Ours(o) || h.Has(fileOfClusterCatalog(o.Name)) || h.selected(o) || h.keepsLater(o) {
			continue
		}
		var in struct {
			Spec struct {
				Source struct {
					Image struct {
						Ref string `json:"ref"`
					} `json:"image"`
				} `json:"source"`
			} `json:"spec"`
		}
		if json.Unmarshal(o.Body, &in) != nil || len(h.Catalogs) == 0 {
			continue
		}
		ref := in.Spec.Source.Image.Ref
		if h.carries(o, ref) {
			replaced = append(replaced, o.Name)
			continue
		}
		others = append(others, fmt.Sprintf("`%s` (`%s`): no ClusterExtension selects it. To delete it: `oc delete clustercatalog %[1]s`. Nodes: nothing changes.", o.Name, page.Markdown(ref)))
	}
	return replaced, others
}

func fileOfClusterCatalog(name string) string { return "clustercatalog-" + name + ".yaml" }

// selected reports whether a ClusterExtension may come from a ClusterCatalog.
func (h *Hub) selected(catalog cluster.Object) bool {
	return slices.ContainsFunc(h.Site.Cluster.Of("ClusterExtension"), func(o cluster.Object) bool {
		var in struct {
			Spec struct {
				Source struct {
					Catalog struct {
						Selector struct {
							MatchLabels      map[string]string `json:"matchLabels"`
							MatchExpressions []json.RawMessage `json:"matchExpressions"`
						} `json:"selector"`
					} `json:"catalog"`
				} `json:"source"`
			} `json:"spec"`
		}
		if json.Unmarshal(o.Body, &in) != nil {
			return true
		}
		for key, value := range in.Spec.Source.Catalog.Selector.MatchLabels {
			has := catalog.Labels[key]
			if key == "olm.operatorframework.io/metadata.name" { // the cluster sets it
				has = catalog.Name
			}
			if has != value {
				return false
			}
		}
		return true // no selector takes every catalog, and expressions are not looked at
	})
}

// OldSignatures are satchel's ConfigMaps of signatures of releases that the cluster ran before
// the one that it runs now.
func (h *Hub) OldSignatures() (names []string) {
	var in struct {
		Status struct {
			Desired release   `json:"desired"`
			History []release `json:"history"`
		} `json:"status"`
	}
	if !h.Read("ClusterVersion", "version", &in) || len(in.Status.History) == 0 || in.Status.History[0].State != "Completed" {
		return nil // not known, or an update is under way
	}
	now := in.Status.Desired.digest()
	for _, o := range h.Site.Cluster.Of("ConfigMap") {
		left := func(r release) bool { return r.digest() != now && r.digest() != "" && o.Name == "sha256-"+r.digest() }
		if o.Namespace == "openshift-config-managed" && handover.Ours(o) && !h.Has("release-signature-"+o.Name+".yaml") && slices.ContainsFunc(in.Status.History, left) {
			names = append(names, o.Name)
		}
	}
	return names
}

// release is one of a ClusterVersion's.
type release struct {
	State string `json:"state"`
	Image string `json:"image"`
}

// digest is the payload's, in hexadecimal.
func (r release) digest() string {
	_, hex, _ := strings.Cut(r.Image, "@sha256:")
	return hex
}
