package manifests

import (
	"context"
	"fmt"

	"github.com/satchel-airgap/satchel/oci"
)

// document makes a document for the far side of files; none without any.
func document(ctx context.Context, name, artifactType string, files []oci.ArtifactFile, from Images) ([]oci.Document, error) {
	if len(files) == 0 {
		return nil, nil
	}
	var made oci.Memory
	root, err := made.Artifact(artifactType, files)
	if err != nil {
		return nil, fmt.Errorf("make the document %s: %w", name, err)
	}
	for _, d := range made.Descriptors() {
		body, err := oci.ReadBlob(ctx, &made, d, d.Size)
		if err == nil {
			_, err = from.Keep(d.MediaType, body)
		}
		if err != nil {
			return nil, fmt.Errorf("keep the document %s: %w", name, err)
		}
	}
	return []oci.Document{{Name: name, Root: root}}, nil
}
