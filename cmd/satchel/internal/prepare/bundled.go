package prepare

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/oci"
)

// Bundled is all that goes into the bundle of a set: the images, and the documents that
// are rendered from them. By it plan and pack calculate what a bundle takes.
type Bundled struct {
	Graph     *oci.Graph
	Inventory *oci.Inventory
	// Body gives the bytes that are at hand.
	Body func(oci.Descriptor) ([]byte, bool)
}

// Bundled gives what would be written for the set as it is now.
func (s *Set) Bundled(ctx context.Context) (Bundled, error) {
	yaml, err := s.ClusterYAML(ctx)
	if err != nil {
		return Bundled{}, err
	}
	carried := s.Carried()
	graph := &oci.Graph{Images: carried.Images, Manifests: slices.Clone(carried.Manifests), Blobs: carried.Blobs}
	have := map[string]bool{}
	for _, n := range slices.Concat(graph.Manifests, graph.Blobs) {
		have[n.Descriptor.Digest.String()] = true
	}
	add := func(d oci.Descriptor) error {
		if !have[d.Digest.String()] {
			have[d.Digest.String()] = true
			graph.Manifests = append(graph.Manifests, oci.Node{Descriptor: d})
		}
		return nil
	}
	if err := s.walkAllDocuments(ctx, add); err != nil {
		return Bundled{}, err
	}
	inv := s.Inventory()
	inv.Documents = append(inv.Documents, yaml.Document)
	stored := s.atHand(ctx)
	return Bundled{graph, inv, func(d oci.Descriptor) ([]byte, bool) {
		if body, err := oci.ReadBlob(ctx, &yaml.Content, d, oci.MaxManifestSize); err == nil {
			return body, true
		}
		return stored(d)
	}}, nil
}

// atHand gives content that is on this host.
func (s *Set) atHand(ctx context.Context) func(oci.Descriptor) ([]byte, bool) {
	none := oci.SourceFunc(func(context.Context, oci.Descriptor, int64) (io.ReadCloser, error) {
		return nil, errors.New("not on this host")
	})
	stored := s.stored(none)
	return func(d oci.Descriptor) ([]byte, bool) {
		if d.Size > oci.MaxManifestSize {
			return nil, false
		}
		body, err := oci.ReadBlob(ctx, stored, d, oci.MaxManifestSize)
		return body, err == nil
	}
}

// smallShare is how little of the set small content must be to stay unread: one
// in so many bytes.
const smallShare = 400

// ReadSmall reads small JSON that is not yet in the cache, such as image configs, unless it
// is next to nothing, to see how far it compresses. What is read stays in the cache. What is
// definitely not available is not read: fetching it shows what is to be done about that.
func (s *Set) ReadSmall(ctx context.Context) error {
	var todo []oci.Node
	carried := s.Carried()
	for _, n := range carried.Blobs {
		if d := n.Descriptor; d.Size <= bundle.KnownBlob && isJSON(d.MediaType) && !s.isStored(d) {
			todo = append(todo, n)
		}
	}
	if report.Size(todo) <= (report.Size(carried.Blobs)+report.Size(carried.Manifests))/smallShare {
		return nil
	}
	s.Debug("reading %d small blobs to see how far they compress", len(todo))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.ParallelBlobs)
	for _, n := range todo {
		g.Go(func() error {
			_, err := oci.ReadBlob(gctx, s.Cache.ReadThrough(s.Source(n)), n.Descriptor, bundle.KnownBlob)
			if err != nil && Permanent(err) {
				s.Debug("%v", s.Blame(n, err)) // counted as it is
				return nil
			}
			return s.Blame(n, err)
		})
	}
	return g.Wait()
}

// isJSON reports whether the media type is one of JSON.
func isJSON(mediaType string) bool {
	return strings.HasSuffix(mediaType, "+json") || strings.HasSuffix(mediaType, "/json")
}
