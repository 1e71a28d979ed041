package emit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// defaultCatalog is a catalog that every cluster has from the start, as
// operator-marketplace's defaults directory gives it. The priorities decide
// which catalog a dependency is taken from.
type defaultCatalog struct {
	name, displayName string
	priority          int
}

var defaultCatalogs = map[string]defaultCatalog{
	"registry.redhat.io/redhat/redhat-operator-index":    {"redhat-operators", "Red Hat Operators", -100},
	"registry.redhat.io/redhat/certified-operator-index": {"certified-operators", "Certified Operators", -200},
	"registry.redhat.io/redhat/redhat-marketplace-index": {"redhat-marketplace", "Red Hat Marketplace", -300},
	"registry.redhat.io/redhat/community-operator-index": {"community-operators", "Community Operators", -400},
}

// catalogObject is a catalog image and its CatalogSource.
type catalogObject struct {
	named
	image oci.Image
	kept  bool // its name is that of a CatalogSource that the cluster has
	fixed bool // its name stays if others share it: it was given by hand, or is the plain name
}

// emitCatalogs writes a CatalogSource for each catalog.
func (e *emission) emitCatalogs() error {
	if err := e.nameCatalogs(); err != nil {
		return err
	}
	e.noteReplaced()
	for _, c := range e.catalogs {
		source := c.image.Source
		if cs, ok := e.template(c, objectOf("operators.coreos.com/v1alpha1", "CatalogSource", c.name, "openshift-marketplace")); ok {
			if err := e.addObject(c.file, modePublic, cs); err != nil {
				return err
			}
			continue
		}
		cs := catalogSource{
			object: objectOf("operators.coreos.com/v1alpha1", "CatalogSource", c.name, "openshift-marketplace"),
			Spec: catalogSourceSpec{
				SourceType: "grpc", Image: e.place(c.image),
				DisplayName: c.name, Publisher: source.Registry + "/" + strings.Split(source.Repository, "/")[0],
			},
		}
		if d, ok := defaultCatalogs[source.Name()]; ok {
			cs.Spec.DisplayName, cs.Spec.Publisher, cs.Spec.Priority = d.displayName, "Red Hat", d.priority
			if version := source.Tag; c.name != d.name && version != "" {
				cs.Spec.DisplayName += " " + version
			}
		}
		if err := e.addObject(c.file, modePublic, cs); err != nil {
			return err
		}
	}
	return nil
}

// hasCatalog reports whether a catalog was met before under the same reference, with
// the same place in the mirror.
func (e *emission) hasCatalog(img oci.Image) bool {
	return slices.ContainsFunc(e.catalogs, func(c catalogObject) bool {
		return c.image.Source == img.Source && e.place(c.image) == e.place(img)
	})
}

func (e *emission) stepCatalogSources(p *page) {
	p.step("Catalogs")
	e.stepGone(p)
	p.text("First repeat this command until it prints nothing. A new catalog that is created before the default one of that name is gone is deleted together with it.")
	p.run("oc get catalogsource -n openshift-marketplace -o yaml | grep 'managed-by: marketplace-operator'")
	p.text("A filtered catalog shows only the packages and versions that were chosen. Nodes: nothing changes.")
	var files []named
	var list []string
	for _, c := range e.catalogs {
		files = append(files, c.named)
		line := fmt.Sprintf("`%s` is `%s`, from `%s`", c.name, e.place(c.image), c.image.Configured())
		if c.kept {
			line += "; the cluster has it under this name, and Subscriptions may use it"
		}
		list = append(list, line)
	}
	p.run("oc apply"+flagged(files), "oc get catalogsource,pods -n openshift-marketplace")
	p.list(list)
	e.pageRenamed(p)
}

// templated is a CatalogSource from a template: its spec with the image in the mirror.
type templated struct {
	object
	Spec map[string]any `json:"spec"`
}

// template gives the CatalogSource of a catalog that has a template.
func (e *emission) template(c catalogObject, o object) (templated, bool) {
	for _, t := range e.site.Templates {
		if !t.Of(t.Catalog, c.image) {
			continue
		}
		spec := map[string]any{}
		for k, v := range t.Spec {
			spec[k] = v
		}
		spec["sourceType"], spec["image"] = "grpc", e.place(c.image)
		return templated{o, spec}, true
	}
	return templated{}, false
}
