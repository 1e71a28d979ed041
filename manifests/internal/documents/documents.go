package documents

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/satchel-airgap/satchel/oci"
)

// Store keeps content that was built for the bundle, until it is packed.
type Store interface {
	Put(mediaType string, body []byte) (oci.Descriptor, error)
}

// Write makes a document for the far side of files; none without any.
func Write(ctx context.Context, name, artifactType string, files []oci.ArtifactFile, store Store) ([]oci.Document, error) {
	if len(files) == 0 {
		return nil, nil
	}
	var content oci.Memory
	root, err := content.Artifact(artifactType, files)
	if err != nil {
		return nil, fmt.Errorf("make the document %s: %w", name, err)
	}
	for _, d := range content.Descriptors() {
		body, err := oci.ReadBlob(ctx, &content, d, d.Size)
		if err == nil {
			_, err = store.Put(d.MediaType, body)
		}
		if err != nil {
			return nil, fmt.Errorf("keep the document %s: %w", name, err)
		}
	}
	return []oci.Document{{Name: name, Root: root}}, nil
}

// DocumentGraph has the update graphs by which releases were chosen, as they were received.
const DocumentGraph = "update-graph"

const ArtifactGraph = "application/vnd.satchel.update-graph.v1"

// Canonical writes v as JSON, which for these types cannot fail.
func Canonical(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("manifests: write configuration as JSON: %v", err))
	}
	return b
}
