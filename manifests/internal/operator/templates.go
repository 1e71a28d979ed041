package operator

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/oci"
)

// Templates puts the templates into a document, for the far side.
func Templates(ctx context.Context, c *imageset.Config, from ask.Images) (ask.Set, error) {
	want := 0
	for _, o := range c.Mirror.Operators {
		if o.TargetCatalogSourceTemplate != "" {
			want++
		}
	}
	if want != len(c.Extra.Templates) {
		return ask.Set{}, fmt.Errorf("%d of %d templates of CatalogSources were read", len(c.Extra.Templates), want)
	}
	if want == 0 {
		return ask.Set{}, nil
	}
	body, err := json.MarshalIndent(c.Extra.Templates, "", "  ")
	if err != nil {
		return ask.Set{}, fmt.Errorf("write templates of CatalogSources: %w", err)
	}
	files := []oci.ArtifactFile{{Title: documents.FileTemplates, MediaType: "application/json", Body: append(body, '\n')}}
	docs, err := documents.Write(ctx, documents.DocumentTemplates, documents.ArtifactTemplates, files, from)
	return ask.Set{Documents: docs}, err
}
