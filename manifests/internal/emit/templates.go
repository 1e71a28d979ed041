package emit

const ()

// templated is a CatalogSource made from a template: its spec with our image.
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
