package documents

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/satchel-airgap/satchel/oci"
)

// DocumentTemplates is the document with the templates of CatalogSources, and
// ArtifactTemplates its artifact type.
const DocumentTemplates = "catalogsource-templates"

const ArtifactTemplates = "application/vnd.satchel.catalogsource-templates.v1"

const FileTemplates = "templates.json"

// CatalogTemplate is what the CatalogSource of a catalog has besides its name and
// image: the spec of targetCatalogSourceTemplate.
type CatalogTemplate struct {
	Catalog string `json:"catalog"` // its reference, as configured
	Target
	Spec map[string]any `json:"spec"`
}

// CheckSpec refuses what serves no image.
func CheckSpec(spec map[string]any) error {
	if kind, ok := spec["sourceType"]; ok && kind != "grpc" {
		return fmt.Errorf("its spec.sourceType is %.64q; a catalog image is served as grpc", fmt.Sprint(kind))
	}
	if _, ok := spec["configMap"]; ok {
		return errors.New("its spec has a configMap, which would take the place of the catalog image")
	}
	return nil
}

// ParseTemplates reads the files of the document that a bundle has, as strictly as
// if it came from an enemy.
func ParseTemplates(files []oci.ArtifactFile) ([]CatalogTemplate, error) {
	if len(files) != 1 || files[0].Title != FileTemplates {
		return nil, &oci.UnsupportedError{What: "document " + DocumentTemplates, Why: "it has other files than " + FileTemplates}
	}
	var list []CatalogTemplate
	err := json.Unmarshal(files[0].Body, &list)
	for _, t := range list {
		err = errors.Join(err, CheckSpec(t.Spec))
	}
	if err != nil {
		return nil, &oci.UnsupportedError{What: "document " + DocumentTemplates, Why: err.Error()}
	}
	return list, nil
}
