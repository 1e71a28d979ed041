package prepare

import (
	"context"
	"errors"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// setImages begins a graph of images whose manifests are not read yet.
func (s *Set) setImages(list []oci.Image) {
	inv := oci.Inventory{Images: list}
	inv.Sort()
	s.setGraph(&oci.Graph{Images: inv.Images})
}

func (s *Set) setGraph(g *oci.Graph) { s.Graph, s.rendered = g, nil }

// readManifests reads the manifests of all images, from the cache where it has them.
func (s *Set) readManifests(ctx context.Context) error {
	graph, err := oci.ReadGraph(ctx, s.Graph.Images, s.manifestsOf, s.ParallelImages)
	if limit, ok := errors.AsType[*oci.LimitError](err); ok {
		return &oci.UnsupportedError{What: "the images of this configuration, in one bundle", Why: limit.Why + "; carry them in several"}
	}
	if graph != nil {
		s.setGraph(graph)
	}
	if err := s.tolerate(err); err != nil {
		return err
	}
	s.dropOrphans()
	if err := s.checkLeft(err); err != nil {
		return err
	}
	s.reportCounts()
	return nil
}

// manifestsOf gives an image's manifests.
func (s *Set) manifestsOf(img oci.Image) (oci.Source, error) {
	if img.Built {
		return s.BuiltImage(img)
	}
	repo, err := s.repository(img.Source)
	return s.Cache.ReadThrough(repo), err
}

func (s *Set) reportCounts() {
	attached := 0
	for _, img := range s.Graph.Images {
		if img.Subject != "" {
			attached++
		}
	}
	s.Info("%s, %s, %s, %s", text.Images(len(s.Graph.Images)-attached, attached), text.Count(len(s.Graph.Manifests), "manifest", "manifests"), text.Count(len(s.Graph.Blobs), "blob", "blobs"),
		bundle.FormatSize(report.Size(s.Graph.Blobs)+report.Size(s.Graph.Manifests)))
}

// dropOrphans drops what is attached to manifests that are no longer carried, and what
// is attached to that in turn. What a list of gaps names stays by itself.
func (s *Set) dropOrphans() {
	for before := -1; before != len(s.Graph.Images); {
		before = len(s.Graph.Images)
		subjects := map[string]bool{}
		for _, n := range s.Graph.Manifests {
			for _, repo := range s.repos(n) {
				subjects[repo.WithDigest(n.Descriptor.Digest).String()] = true
			}
		}
		s.dropImages(func(i oci.Image) bool {
			return i.Subject != "" && !subjects[i.Source.WithDigest(i.Subject).String()] && !s.Only.Names(i) &&
				!s.Only.NamesAttached(i.Source.WithDigest(i.Subject))
		})
	}
}

// dropImages drops the images for which drop is true, if there are any.
func (s *Set) dropImages(drop func(oci.Image) bool) {
	if left := s.Graph.Drop(drop); len(left.Images) != len(s.Graph.Images) {
		s.setGraph(left)
	}
}
