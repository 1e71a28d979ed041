package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

const (
	// clusterArtifact is the artifact type of the cluster's YAML in a bundle.
	clusterArtifact = "application/vnd.satchel.cluster-yaml.v1"
	// documentCluster is the document with it.
	documentCluster = "cluster-yaml"
	// nowhere stands for a mirror that is not known when packing (RFC 2606).
	nowhere = "mirror.invalid"
)

// documents are what a bundle carries beside its images, made from them.
type documents struct {
	list []oci.Document
	made oci.Memory
}

// newDocuments renders the cluster's YAML for the mirror, without secrets.
func (p *preparing) newDocuments(ctx context.Context) (*documents, error) {
	signatures, err := manifests.ReadSignatures(ctx, p.inv, p.keptDocuments())
	if err != nil {
		return nil, err
	}
	files, _, err := manifests.Emit(p.inv, manifests.Site{Mirror: p.place, Unchecked: true, Signatures: signatures, Templates: p.cfg.Extra.Templates})
	if err != nil {
		return nil, fmt.Errorf("render the cluster's YAML: %w", err)
	}
	var d documents
	titled := make([]oci.ArtifactFile, len(files))
	for i, f := range files {
		titled[i] = oci.ArtifactFile{Title: f.Name, MediaType: fileType(f.Name), Body: f.Body}
	}
	root, err := d.made.Artifact(clusterArtifact, titled)
	if err != nil {
		return nil, err
	}
	d.list = []oci.Document{{Name: documentCluster, Root: root}}
	return &d, nil
}

// fileType is the media type of a file by its name.
func fileType(name string) string {
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

// checkDocuments finds out before the first byte, and not after the last, whether
// the documents can be made; it gives about what they take on the drive.
func (p *preparing) checkDocuments(ctx context.Context) (size int64, err error) {
	p.gaps.sort()
	p.inv.Gaps = p.gaps.Images
	docs, err := p.newDocuments(ctx)
	if err != nil {
		return 0, err
	}
	for _, d := range docs.made.Descriptors() {
		size += d.Size
	}
	for _, doc := range p.inv.Documents {
		err := oci.Walk(ctx, p.keptDocuments(), doc.Root, func(d oci.Descriptor, _ []byte) error {
			size += d.Size
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("read document %s: %w", doc.Name, err)
		}
	}
	return size, nil
}

// writeDocuments puts what was pinned from the start, and what is made from the
// images that the bundle really has.
func (p *packing) writeDocuments(ctx context.Context) error {
	docs, err := p.newDocuments(ctx)
	if err != nil {
		return err
	}
	for _, doc := range p.inv.Documents {
		kept := p.keptDocuments()
		err := oci.Walk(ctx, kept, doc.Root, func(d oci.Descriptor, _ []byte) error { return p.w.PutDocument(ctx, d, kept) })
		if err != nil {
			return fmt.Errorf("write document %s: %w", doc.Name, err)
		}
	}
	for _, d := range docs.made.Descriptors() {
		if err := p.w.PutDocument(ctx, d, &docs.made); err != nil {
			return fmt.Errorf("write the cluster's YAML: %w", err)
		}
	}
	p.inv.Documents = append(slices.Clone(p.inv.Documents), docs.list...)
	return nil
}

// templates reads the templates of CatalogSources that a bundle has, if any.
func templates(ctx context.Context, r *bundle.Reader) ([]manifests.CatalogTemplate, error) {
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

// manifestsReport is what inspect --manifests prints.
type manifestsReport struct {
	Bundle string         `json:"bundle"`
	Files  []manifestFile `json:"files"`
}

type manifestFile struct {
	Name string `json:"name"`
	Body string `json:"body"`
}

// clusterYAML reads the cluster's YAML that pack put into the bundle.
func clusterYAML(ctx context.Context, r *bundle.Reader) (*manifestsReport, error) {
	root, ok := r.Inventory().Document(documentCluster)
	if !ok {
		return nil, errors.New("this bundle carries no cluster YAML; satchel render makes it")
	}
	files, err := oci.ReadArtifact(ctx, r, root, clusterArtifact)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's YAML: %w", err)
	}
	rep := &manifestsReport{Bundle: r.ID()}
	for _, f := range files {
		rep.Files = append(rep.Files, manifestFile{f.Title, string(f.Body)})
	}
	return rep, nil
}
