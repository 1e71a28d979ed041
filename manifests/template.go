package manifests

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/oci"
)

// catalogTemplates puts the templates into a document, for the far side.
func catalogTemplates(ctx context.Context, c *imageset.Config, from Images) (asked, error) {
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
	files := []oci.ArtifactFile{{Title: documents.FileTemplates, MediaType: "application/json", Body: append(body, '\n')}}
	docs, err := documents.Write(ctx, documents.DocumentTemplates, documents.ArtifactTemplates, files, from)
	return asked{documents: docs}, err
}
