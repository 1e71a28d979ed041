package manifests

import (
	"context"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/oci"
)

// HubOf is what a bundle brings into a mirror, by its inventory and its documents, which src
// has: signatures of releases, update graphs, contents of catalogs. What the bundle lacks, the
// mirror may lack too.
func HubOf(ctx context.Context, at oci.Mirror, inv *oci.Inventory, src oci.Source) (*Hub, error) {
	h := &Hub{Mirror: at, Images: []oci.Image{}, Gaps: inv.Gaps, Files: map[string][]oci.ArtifactFile{}}
	h.Images = append(h.Images, slices.DeleteFunc(slices.Clone(inv.Images), func(img oci.Image) bool { return img.Subject != "" })...)
	for name, kind := range map[string]string{
		documents.DocumentSignatures: documents.ArtifactSignatures, documents.DocumentGraph: documents.ArtifactGraph, documents.DocumentContents: documents.ArtifactContents,
	} {
		root, ok := inv.Document(name)
		if !ok {
			continue
		}
		files, err := oci.ReadArtifact(ctx, src, root, kind)
		if err != nil {
			return nil, fmt.Errorf("read document %s: %w", name, err)
		}
		h.Files[name] = files
	}
	return h, nil
}

// MergeHubFiles gives the files of a newer bundle's documents, and those of an older one's that
// the newer has not: of catalogs by what they were made of and where they go, of others by title.
func MergeHubFiles(old, newer map[string][]oci.ArtifactFile) map[string][]oci.ArtifactFile {
	all := map[string][]oci.ArtifactFile{}
	for _, files := range []map[string][]oci.ArtifactFile{newer, old} {
		for name, list := range files {
			for _, f := range list {
				if !slices.ContainsFunc(all[name], func(has oci.ArtifactFile) bool { return sameFile(name, has, f) }) {
					all[name] = append(all[name], f)
				}
			}
		}
	}
	return all
}

func sameFile(document string, a, b oci.ArtifactFile) bool {
	if document != documents.DocumentContents {
		return a.Title == b.Title
	}
	x, err := documents.ParseContents(a.Body)
	y, err2 := documents.ParseContents(b.Body)
	return err == nil && err2 == nil && x.Catalog == y.Catalog && x.Target == y.Target
}
