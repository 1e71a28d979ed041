// Package plan shows what pack would carry and what that takes on drives, from manifests
// alone.
package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/clusteryaml"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/oci"
	"golang.org/x/sync/errgroup"
)

// Options say what is planned.
type Options struct {
	prepare.Options
	Job       bundle.Job // without an identity
	DriveSize int64      // free bytes of the drives at hand; 0 for drives of the usual sizes
	Cluster   int64      // bytes of a cluster of those drives; 0 for the usual size
	Rate      int64      // bytes a second for the time that fetching takes; 0 for no time
}

// Run plans. Images that are not available are gaps of the report, if they are allowed.
func Run(ctx context.Context, o Options) (*Report, error) {
	p := &planning{Set: prepare.New(o.Options), opts: o}
	defer p.Close()
	if err := p.Prepare(ctx); err != nil {
		return nil, err
	}
	if err := p.readSmall(ctx); err != nil {
		return nil, err
	}
	return p.report(ctx)
}

// planning is one run.
type planning struct {
	*prepare.Set
	opts Options
	yaml *clusteryaml.Rendered
}

// content gives the bytes that are at hand.
func (p *planning) content(ctx context.Context) func(oci.Descriptor) ([]byte, bool) {
	none := oci.SourceFunc(func(context.Context, oci.Descriptor, int64) (io.ReadCloser, error) {
		return nil, errors.New("not in the cache")
	})
	cached := p.Cache.Overlay(none)
	return func(d oci.Descriptor) ([]byte, bool) {
		if p.yaml != nil {
			if body, err := oci.ReadBlob(ctx, &p.yaml.Content, d, oci.MaxManifestSize); err == nil {
				return body, true
			}
		}
		body, err := oci.ReadBlob(ctx, cached, d, oci.MaxManifestSize)
		return body, err == nil
	}
}

// written is what goes into the bundle: the images, and the documents that pack
// renders from them.
func (p *planning) written(ctx context.Context) (*oci.Graph, *oci.Inventory, error) {
	yaml, err := p.ClusterYAML(ctx)
	if err != nil {
		return nil, nil, err
	}
	graph := &oci.Graph{Images: p.Graph.Images, Manifests: slices.Clone(p.Graph.Manifests), Blobs: p.Graph.Blobs}
	add := func(d oci.Descriptor) error {
		same := func(n oci.Node) bool { return n.Descriptor.Digest == d.Digest }
		if !slices.ContainsFunc(p.Graph.Blobs, same) && !slices.ContainsFunc(graph.Manifests, same) {
			graph.Manifests = append(graph.Manifests, oci.Node{Descriptor: d})
		}
		return nil
	}
	if err := p.WalkDocuments(ctx, add); err != nil {
		return nil, nil, err
	}
	err = oci.Walk(ctx, &yaml.Content, yaml.Document.Root, func(d oci.Descriptor, _ []byte) error { return add(d) })
	if err != nil {
		return nil, nil, err
	}
	p.yaml = yaml
	inv := p.Inventory()
	inv.Documents = append(inv.Documents, yaml.Document)
	return graph, inv, nil
}

// smallShare is how little of the set small content must be to stay unread: one
// in so many bytes.
const smallShare = 400

// readSmall reads small JSON that is not yet in the cache, such as image configs,
// unless it is next to nothing. What is read stays in the cache, for pack too.
func (p *planning) readSmall(ctx context.Context) error {
	content := p.content(ctx)
	var todo []oci.Node
	for _, n := range p.Graph.Blobs {
		if d := n.Descriptor; d.Size <= bundle.KnownBlob && isJSON(d.MediaType) {
			if _, ok := content(d); !ok {
				todo = append(todo, n)
			}
		}
	}
	if report.Size(todo) <= (report.Size(p.Graph.Blobs)+report.Size(p.Graph.Manifests))/smallShare {
		return nil
	}
	p.Debug("reading %d small blobs to see how far they compress", len(todo))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.ParallelBlobs)
	for _, n := range todo {
		g.Go(func() error {
			_, err := oci.ReadBlob(gctx, p.Cache.ReadThrough(p.Source(n)), n.Descriptor, bundle.KnownBlob)
			if err != nil && p.KeepGoing && prepare.Permanent(err) {
				p.Debug("%v", p.Blame(n, err)) // counted as it is; pack will see about it
				return nil
			}
			return p.Blame(n, err)
		})
	}
	return g.Wait()
}

// isJSON reports whether the media type is one of JSON.
func isJSON(mediaType string) bool {
	return strings.HasSuffix(mediaType, "+json") || strings.HasSuffix(mediaType, "/json")
}

// drives counts how many drives are needed, of the size given or of the usual ones.
func (p *planning) drives(graph *oci.Graph) ([]Drive, error) {
	if n := p.opts.DriveSize; n > 0 {
		count, err := p.opts.Job.Drives(graph, n, p.cluster())
		return []Drive{{n, n, count}}, p.needing(err)
	}
	var list []Drive
	for _, size := range []int64{32e9, 64e9, 128e9, 256e9} {
		free := size / 100 * (100 - driveLoss)
		count, err := p.opts.Job.Drives(graph, free, p.cluster())
		var large *bundle.TooLargeError
		if err != nil && !errors.As(err, &large) {
			return nil, err
		}
		list = append(list, Drive{size, free, count})
	}
	return list, nil
}

// cluster is the size of a cluster that is counted with.
func (p *planning) cluster() int64 { return cmp.Or(p.opts.Cluster, bundle.DefaultCluster) }

// driveLoss is what a drive sold by its size may lack of it, in percent: makers
// round up, and the file system takes its part.
const driveLoss = 5

// needing names an image that needs the blob which fits on no drive.
func (p *planning) needing(err error) error {
	var large *bundle.TooLargeError
	if errors.As(err, &large) {
		for _, n := range p.Graph.Blobs {
			if n.Descriptor.Digest == large.Blob.Digest {
				return p.Blame(n, err)
			}
		}
	}
	if err != nil {
		err = fmt.Errorf("count drives: %w", err)
	}
	return err
}
