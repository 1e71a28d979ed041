package imageset

import (
	"bytes"
	"errors"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
)

const MaxTemplate = 64 << 10 // bytes

// ReadTemplates reads the files of mirror.operators[].targetCatalogSourceTemplate
// into [Extra.Templates]. One that is no CatalogSource for an image is a
// *[ConfigError].
func (c *Config) ReadTemplates(read func(name string) ([]byte, error)) error {
	p := c.Problems()
	for i, o := range c.Mirror.Operators {
		ref, err := o.Ref()
		if o.TargetCatalogSourceTemplate == "" || err != nil { // CheckSupported refuses those
			continue
		}
		path := fmt.Sprintf("mirror.operators[%d].targetCatalogSourceTemplate", i)
		body, err := read(o.TargetCatalogSourceTemplate)
		var spec map[string]any
		if err == nil {
			spec, err = parseTemplate(body)
		}
		if err != nil {
			p.Add(path, "%s: %v", path, err)
			continue
		}
		c.Extra.Templates = append(c.Extra.Templates, documents.CatalogTemplate{Catalog: ref.String(), Target: o.Target(), Spec: spec})
	}
	return p.Join()
}

// parseTemplate gives the spec of a CatalogSource. Of the metadata nothing is kept:
// an annotation of OLM's could put another image in the place of the mirror's.
func parseTemplate(body []byte) (map[string]any, error) {
	if len(body) > MaxTemplate {
		return nil, fmt.Errorf("a CatalogSource of more than %d bytes is no template", MaxTemplate)
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
	return t.Spec, documents.CheckSpec(t.Spec)
}
