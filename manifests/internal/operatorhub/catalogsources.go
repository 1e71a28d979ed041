package operatorhub

import (
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
)

// Marketplace is the namespace of the default catalogs.
const Marketplace = "openshift-marketplace"

// CatalogObject is a catalog image and its CatalogSource.
type CatalogObject struct {
	handover.Named
	Image oci.Image
	kept  bool           // its name is that of a CatalogSource that the cluster has
	fixed bool           // its name stays if others share it: it was given by hand, or is the plain name
	past  bool           // an earlier bundle brought it
	After handover.Minor // the version of the cluster that it is for; zero for the one that runs
}

// Hub is the part of the catalogs.
type Hub struct {
	*handover.Handover
	Catalogs []CatalogObject
	Later    []CatalogObject // for later versions than the cluster runs
	// Older are for an earlier version than the cluster runs, and not written: under their names the
	// cluster has catalogs for a later one.
	Older []OlderCatalog
	// Outdated are default catalogs for an earlier version than the cluster runs, and not written: the
	// bundle has none for that version, and their operators would not be those for it.
	Outdated []CatalogObject
	// Others are written and applied only where somebody wants them: default catalogs for other versions
	// than the plain one, where it is not known which version the cluster runs.
	Others []CatalogObject
}

// EmitCatalogs writes a CatalogSource for each catalog.
func (h *Hub) EmitCatalogs() error {
	h.readPresentCatalogs()
	if err := h.nameCatalogs(); err != nil {
		return err
	}
	h.noteHosted()
	h.noteLost()
	h.noteReplaced()
	h.noteOtherMinor()
	h.noteOlder()
	for _, c := range slices.Concat(h.Catalogs, h.Later, h.Others) {
		if err := h.AddObject(c.File, handover.ModePublic, h.catalogSource(c)); err != nil {
			return err
		}
	}
	return nil
}

// catalogSource makes the object for a catalog.
func (h *Hub) catalogSource(c CatalogObject) any {
	source := c.Image.Source
	o := kube.Ours("operators.coreos.com/v1alpha1", "CatalogSource", c.Name, Marketplace)
	o.Metadata.Annotations = map[string]string{"target.workload.openshift.io/management": `{"effect": "PreferredDuringScheduling"}`}
	if m, tagged := handover.IndexMinor(c.Image); tagged {
		o.Metadata.Annotations[site.IndexVersion] = m.String()
	}
	if cs, ok := h.template(c, o); ok {
		return cs
	}
	cs := kube.CatalogSource{
		Object: o,
		Spec: kube.CatalogSourceSpec{
			SourceType: "grpc", Image: h.Place(c.Image),
			DisplayName: c.Name, Publisher: source.Registry + "/" + strings.Split(source.Repository, "/")[0],
			GRPCPodConfig: h.PodConfig(c),
		},
	}
	if d, ok := handover.DefaultCatalogs[source.Name()]; ok {
		cs.Spec.DisplayName, cs.Spec.Publisher, cs.Spec.Priority = d.DisplayName, "Red Hat", d.Priority
		if version := source.Tag; c.Name != d.Name && version != "" && !c.kept {
			cs.Spec.DisplayName += " " + version
		}
	}
	return cs
}

// hasCatalog reports whether a catalog was met before under the same reference, with
// the same place in the mirror.
func (h *Hub) hasCatalog(img oci.Image) bool {
	return slices.ContainsFunc(h.Catalogs, func(c CatalogObject) bool {
		return c.Image.Source == img.Source && h.Place(c.Image) == h.Place(img)
	})
}

// templated is a CatalogSource from a template: its spec with the image in the mirror.
type templated struct {
	kube.Object
	Spec map[string]any `json:"spec"`
}

// template gives the CatalogSource of a catalog that has a template.
func (h *Hub) template(c CatalogObject, o kube.Object) (templated, bool) {
	for _, t := range h.Site.Templates {
		if !t.Of(t.Catalog, c.Image) {
			continue
		}
		spec := map[string]any{}
		for k, v := range t.Spec {
			spec[k] = v
		}
		spec["sourceType"], spec["image"] = "grpc", h.Place(c.Image)
		if config := h.PodConfig(c); len(config) > 0 {
			if own, ok := spec["grpcPodConfig"].(map[string]any); ok {
				maps.Copy(config, own) // what the template says counts
			}
			spec["grpcPodConfig"] = config
		}
		return templated{o, spec}, true
	}
	return templated{}, false
}
