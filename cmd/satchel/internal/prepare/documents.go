package prepare

import (
	"context"
	"fmt"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/clusteryaml"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// ClusterYAML is the cluster's YAML for what is carried. It is rendered once, and again
// only if the images or the gaps have changed since.
func (s *Set) ClusterYAML(ctx context.Context) (*clusteryaml.Rendered, error) {
	if s.rendered != nil {
		return s.rendered, nil
	}
	r, err := clusteryaml.Render(ctx, s.Inventory(), s.Built(), manifests.Site{Mirror: s.Mirror, MirrorAPI: s.MirrorAPI, Templates: s.Config.Extra.Templates, Unsigned: s.unsigned})
	if err != nil {
		return nil, err
	}
	s.rendered = r
	return r, nil
}

// WalkDocuments calls fn for all content of the documents that the configuration brings.
func (s *Set) WalkDocuments(ctx context.Context, fn func(oci.Descriptor) error) error {
	for _, doc := range s.documents {
		if err := oci.Walk(ctx, s.Built(), doc.Root, func(d oci.Descriptor, _ []byte) error { return fn(d) }); err != nil {
			return fmt.Errorf("document %s: %w", doc.Name, err)
		}
	}
	return nil
}

// walkAllDocuments calls fn for all content of these, and of the cluster's YAML.
func (s *Set) walkAllDocuments(ctx context.Context, fn func(oci.Descriptor) error) error {
	if err := s.WalkDocuments(ctx, fn); err != nil {
		return err
	}
	yaml, err := s.ClusterYAML(ctx)
	if err != nil {
		return err
	}
	return oci.Walk(ctx, &yaml.Content, yaml.Document.Root, func(d oci.Descriptor, _ []byte) error { return fn(d) })
}
