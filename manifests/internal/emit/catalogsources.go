package emit

import (
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/oci"
)

// defaultCatalog is a catalog that every cluster has from the start, as
// operator-marketplace's defaults directory gives it. The priorities decide
// which catalog a dependency is taken from.
type defaultCatalog struct {
	name, displayName string
	priority          int
}

// marketplace is the namespace of the default catalogs.
const marketplace = "openshift-marketplace"

var defaultCatalogs = map[string]defaultCatalog{
	"registry.redhat.io/redhat/redhat-operator-index":    {"redhat-operators", "Red Hat Operators", -100},
	"registry.redhat.io/redhat/certified-operator-index": {"certified-operators", "Certified Operators", -200},
	"registry.redhat.io/redhat/redhat-marketplace-index": {"redhat-marketplace", "Red Hat Marketplace", -300},
	"registry.redhat.io/redhat/community-operator-index": {"community-operators", "Community Operators", -400},
	// What OKD has under that name.
	"registry.access.redhat.com/redhat/community-operator-index": {"community-operators", "Community Operators", -400},
}

// catalogObject is a catalog image and its CatalogSource.
type catalogObject struct {
	named
	image oci.Image
	kept  bool  // its name is that of a CatalogSource that the cluster has
	fixed bool  // its name stays if others share it: it was given by hand, or is the plain name
	after minor // the version of the cluster that it is for; zero for the one that runs
}

// emitCatalogs writes a CatalogSource for each catalog.
func (e *emission) emitCatalogs() error {
	e.readPresentCatalogs()
	if err := e.nameCatalogs(); err != nil {
		return err
	}
	e.noteLost()
	e.noteReplaced()
	e.noteOtherMinor()
	for _, c := range slices.Concat(e.catalogs, e.later) {
		if err := e.addObject(c.file, modePublic, e.catalogSource(c)); err != nil {
			return err
		}
	}
	return nil
}

// catalogSource makes the object for a catalog.
func (e *emission) catalogSource(c catalogObject) any {
	source := c.image.Source
	o := kube.Ours("operators.coreos.com/v1alpha1", "CatalogSource", c.name, marketplace)
	o.Metadata.Annotations = map[string]string{"target.workload.openshift.io/management": `{"effect": "PreferredDuringScheduling"}`}
	if cs, ok := e.template(c, o); ok {
		return cs
	}
	cs := kube.CatalogSource{
		Object: o,
		Spec: kube.CatalogSourceSpec{
			SourceType: "grpc", Image: e.place(c.image),
			DisplayName: c.name, Publisher: source.Registry + "/" + strings.Split(source.Repository, "/")[0],
			GRPCPodConfig: e.podConfig(c),
		},
	}
	if d, ok := defaultCatalogs[source.Name()]; ok {
		cs.Spec.DisplayName, cs.Spec.Publisher, cs.Spec.Priority = d.displayName, "Red Hat", d.priority
		if version := source.Tag; c.name != d.name && version != "" && !c.kept {
			cs.Spec.DisplayName += " " + version
		}
	}
	return cs
}

// hasCatalog reports whether a catalog was met before under the same reference, with
// the same place in the mirror.
func (e *emission) hasCatalog(img oci.Image) bool {
	return slices.ContainsFunc(e.catalogs, func(c catalogObject) bool {
		return c.image.Source == img.Source && e.place(c.image) == e.place(img)
	})
}

// templated is a CatalogSource from a template: its spec with the image in the mirror.
type templated struct {
	kube.Object
	Spec map[string]any `json:"spec"`
}

// template gives the CatalogSource of a catalog that has a template.
func (e *emission) template(c catalogObject, o kube.Object) (templated, bool) {
	for _, t := range e.site.Templates {
		if !t.Of(t.Catalog, c.image) {
			continue
		}
		spec := map[string]any{}
		for k, v := range t.Spec {
			spec[k] = v
		}
		spec["sourceType"], spec["image"] = "grpc", e.place(c.image)
		if config := e.podConfig(c); len(config) > 0 {
			if own, ok := spec["grpcPodConfig"].(map[string]any); ok {
				maps.Copy(config, own) // what the template says counts
			}
			spec["grpcPodConfig"] = config
		}
		return templated{o, spec}, true
	}
	return templated{}, false
}
