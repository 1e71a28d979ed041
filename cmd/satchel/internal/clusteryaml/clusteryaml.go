// Package clusteryaml is the cluster's YAML as a bundle carries it: an artifact, one file
// a layer, that pack renders for the images of the bundle and inspect reads.
package clusteryaml

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

const (
	artifactType = "application/vnd.satchel.cluster-yaml.v1"
	documentName = "cluster-yaml" // of the document in an inventory
)

// Placeholder stands for a mirror that is not known when packing (RFC 2606).
const Placeholder = "mirror.invalid"

// Rendered is the YAML as a document of an inventory.
type Rendered struct {
	Document oci.Document
	Content  oci.Memory
}

// Render renders the YAML of an inventory for a site, without secrets: of the site, the mirror and
// what is in no document of the bundle. stored has the documents that the inventory names.
func Render(ctx context.Context, inv *oci.Inventory, stored oci.Source, site manifests.Site) (*Rendered, error) {
	signatures, err := manifests.ReadSignatures(ctx, inv, stored)
	if err != nil {
		return nil, err
	}
	site.Unchecked, site.Signatures = true, signatures
	if site.Payloads, err = manifests.ReadPayloadFacts(ctx, inv, stored); err != nil {
		return nil, err
	}
	files, _, err := manifests.Emit(inv, site)
	if err != nil {
		return nil, fmt.Errorf("render the cluster's YAML: %w", err)
	}
	titled := make([]oci.ArtifactFile, len(files))
	for i, f := range files {
		titled[i] = oci.ArtifactFile{Title: f.Name, MediaType: mediaType(f.Name), Body: f.Body}
	}
	var r Rendered
	root, err := r.Content.Artifact(artifactType, titled)
	if err != nil {
		return nil, err
	}
	r.Document = oci.Document{Name: documentName, Root: root}
	return &r, nil
}

// mediaType is that of a file by its name.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".yaml":
		return "application/yaml"
	case ".json":
		return "application/json"
	case ".md":
		return "text/markdown"
	}
	return "text/plain"
}

// Read reads the YAML that a bundle carries.
func Read(ctx context.Context, r *bundle.Reader) ([]oci.ArtifactFile, error) {
	root, ok := r.Inventory().Document(documentName)
	if !ok {
		return nil, errors.New("this bundle carries no cluster YAML; satchel render writes it")
	}
	files, err := oci.ReadArtifact(ctx, r, root, artifactType)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's YAML: %w", err)
	}
	return files, nil
}

// Templates reads the templates of CatalogSources that a bundle carries, if any.
func Templates(ctx context.Context, r *bundle.Reader) ([]manifests.CatalogTemplate, error) {
	root, ok := r.Inventory().Document(manifests.DocumentTemplates)
	if !ok {
		return nil, nil
	}
	files, err := oci.ReadArtifact(ctx, r, root, manifests.ArtifactTemplates)
	if err != nil {
		return nil, fmt.Errorf("read templates of CatalogSources: %w", err)
	}
	return manifests.ParseTemplates(files)
}
