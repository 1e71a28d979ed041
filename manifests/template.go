package manifests

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/oci"
)

const (
	// DocumentTemplates is the document with the templates of CatalogSources, and
	// ArtifactTemplates its artifact type.
	DocumentTemplates = "catalogsource-templates"
	ArtifactTemplates = "application/vnd.satchel.catalogsource-templates.v1"

	fileTemplates = "templates.json"
	maxTemplate   = 64 << 10 // bytes
)

// CatalogTemplate is what the CatalogSource of a catalog has beside its name and
// image: the spec of targetCatalogSourceTemplate.
type CatalogTemplate struct {
	Catalog string `json:"catalog"` // its reference, as configured
	Target
	Spec map[string]any `json:"spec"`
}

// ReadTemplates reads the files of mirror.operators[].targetCatalogSourceTemplate
// into [Extra.Templates]. One that is no CatalogSource for an image is a
// *[ConfigError].
func (c *Config) ReadTemplates(read func(name string) ([]byte, error)) error {
	p := &problems{file: c.file, places: c.places}
	for i, o := range c.Mirror.Operators {
		ref, err := o.ref()
		if o.TargetCatalogSourceTemplate == "" || err != nil { // Carried refuses those
			continue
		}
		path := fmt.Sprintf("mirror.operators[%d].targetCatalogSourceTemplate", i)
		body, err := read(o.TargetCatalogSourceTemplate)
		var spec map[string]any
		if err == nil {
			spec, err = parseTemplate(body)
		}
		if err != nil {
			p.add(path, "%s: %v", path, err)
			continue
		}
		c.Extra.Templates = append(c.Extra.Templates, CatalogTemplate{ref.String(), o.target(), spec})
	}
	return p.join()
}

// parseTemplate gives the spec of a CatalogSource. Of the metadata nothing is kept:
// an annotation of OLM's could put another image in the place of the mirror's.
func parseTemplate(body []byte) (map[string]any, error) {
	if len(body) > maxTemplate {
		return nil, fmt.Errorf("a CatalogSource of more than %d bytes is no template", maxTemplate)
	}
	if bytes.Contains(bytes.TrimPrefix(body, []byte("---\n")), []byte("\n---\n")) {
		return nil, errors.New("it has several documents; a template is one CatalogSource")
	}
	var t struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Spec       map[string]any `json:"spec"`
	}
	if err := yaml.Unmarshal(body, &t); err != nil {
		return nil, err
	}
	if t.Kind != "CatalogSource" || t.APIVersion != "operators.coreos.com/v1alpha1" {
		return nil, fmt.Errorf("it is a %.64q of %.64q; a template is a CatalogSource of operators.coreos.com/v1alpha1", t.Kind, t.APIVersion)
	}
	return t.Spec, checkSpec(t.Spec)
}

// checkSpec refuses what serves no image.
func checkSpec(spec map[string]any) error {
	if kind, ok := spec["sourceType"]; ok && kind != "grpc" {
		return fmt.Errorf("its spec.sourceType is %.64q; a catalog image is served as grpc", fmt.Sprint(kind))
	}
	if _, ok := spec["configMap"]; ok {
		return errors.New("its spec has a configMap, which would take the place of the catalog image")
	}
	return nil
}

// catalogTemplates puts the templates into a document, for the far side.
func catalogTemplates(ctx context.Context, c *Config, from Images) (asked, error) {
	want := 0
	for _, o := range c.Mirror.Operators {
		if o.TargetCatalogSourceTemplate != "" {
			want++
		}
	}
	if want != len(c.Extra.Templates) {
		return asked{}, fmt.Errorf("%d of %d templates of CatalogSources were read", len(c.Extra.Templates), want)
	}
	if want == 0 {
		return asked{}, nil
	}
	body, err := json.MarshalIndent(c.Extra.Templates, "", "  ")
	if err != nil {
		return asked{}, fmt.Errorf("write templates of CatalogSources: %w", err)
	}
	files := []oci.ArtifactFile{{Title: fileTemplates, MediaType: "application/json", Body: append(body, '\n')}}
	docs, err := document(ctx, DocumentTemplates, ArtifactTemplates, files, from)
	return asked{documents: docs}, err
}

// ParseTemplates reads the files of the document that a bundle has, as strictly as
// if it came from an enemy.
func ParseTemplates(files []oci.ArtifactFile) ([]CatalogTemplate, error) {
	if len(files) != 1 || files[0].Title != fileTemplates {
		return nil, &oci.UnsupportedError{What: "document " + DocumentTemplates, Why: "it has other files than " + fileTemplates}
	}
	var list []CatalogTemplate
	err := json.Unmarshal(files[0].Body, &list)
	for _, t := range list {
		err = errors.Join(err, checkSpec(t.Spec))
	}
	if err != nil {
		return nil, &oci.UnsupportedError{What: "document " + DocumentTemplates, Why: err.Error()}
	}
	return list, nil
}

// templated is a CatalogSource made from a template: its spec with our image.
type templated struct {
	object
	Spec map[string]any `json:"spec"`
}

// template gives the CatalogSource of a catalog that has a template.
func (e *emission) template(c catalogObject, o object) (templated, bool) {
	for _, t := range e.site.Templates {
		if !t.of(t.Catalog, c.image) {
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
