package prepare

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Baseline says what a mirror has already of what these images need: in which repository, a
// path below its namespace, and which bundle brought it.
type Baseline interface {
	Find(d oci.Descriptor, images []oci.Image) (path string, from bundle.BaselineSource, ok bool)
}

// pinned is the baseline that a bundle was begun with.
type pinned struct{ *bundle.Baseline }

// Find looks for the digest alone: what it was pinned for does not change.
func (p pinned) Find(d oci.Descriptor, _ []oci.Image) (string, bundle.BaselineSource, bool) {
	return p.Baseline.Find(d.Digest)
}

// UseBaseline takes the baseline that a bundle was begun with; nil is none.
func (s *Set) UseBaseline(b *bundle.Baseline) {
	s.travels = nil
	if s.Baseline = nil; b != nil {
		s.Baseline = pinned{b}
	}
}

// UseKept leaves out blobs that another bundle still has, which this one supplements.
func (s *Set) UseKept(kept func(digest.Digest) bool) { s.travels, s.kept = nil, kept }

// Carried is the part of the graph that is not in the baseline, nor kept: what goes into the bundle. It
// has all images.
func (s *Set) Carried() *oci.Graph {
	if s.Baseline == nil && s.kept == nil {
		return s.Graph
	}
	if s.travels == nil || s.travelsOf != s.Graph {
		left := func(n oci.Node) bool {
			if s.Baseline == nil {
				return false
			}
			_, _, ok := s.Baseline.Find(n.Descriptor, s.Graph.Of(n))
			return ok
		}
		kept := func(n oci.Node) bool { return left(n) || s.kept != nil && s.kept(n.Descriptor.Digest) }
		s.travelsOf = s.Graph
		s.travels = &oci.Graph{Images: s.Graph.Images,
			Manifests: slices.DeleteFunc(slices.Clone(s.Graph.Manifests), left), Blobs: slices.DeleteFunc(slices.Clone(s.Graph.Blobs), kept)}
	}
	return s.travels
}

// PinBaseline gives what the bundle is begun without; nil if it carries all. What documents need
// too, such as an empty config, travels with them.
func (s *Set) PinBaseline(ctx context.Context) (*bundle.Baseline, error) {
	if s.Baseline == nil {
		return nil, nil
	}
	travels := map[digest.Digest]bool{}
	if err := s.walkAllDocuments(ctx, func(d oci.Descriptor) error { travels[d.Digest] = true; return nil }); err != nil {
		return nil, err
	}
	b := &bundle.Baseline{}
	for _, n := range slices.Concat(s.Graph.Manifests, s.Graph.Blobs) {
		path, from, ok := s.Baseline.Find(n.Descriptor, s.Graph.Of(n))
		if !ok || travels[n.Descriptor.Digest] {
			continue
		}
		if err := b.Add(n.Descriptor.Digest, path, b.From(from)); err != nil {
			return nil, err
		}
	}
	if b.Len() == 0 {
		return nil, nil
	}
	return b, nil
}

// reportLeft says how much stays where it is.
func (s *Set) reportLeft() {
	if s.Baseline == nil {
		return
	}
	all, carried := s.Graph, s.Carried()
	manifests, blobs := len(all.Manifests)-len(carried.Manifests), len(all.Blobs)-len(carried.Blobs)
	bytes := report.Size(all.Manifests) + report.Size(all.Blobs) - report.Size(carried.Manifests) - report.Size(carried.Blobs)
	s.Info("there already, and not carried: %s, %s, %s", text.Count(manifests, "manifest", "manifests"), text.Count(blobs, "blob", "blobs"), bundle.FormatSize(bytes))
}
