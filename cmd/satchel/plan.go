package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// defaultParallel is how many blobs, and how many images' manifests, are asked
// for at once unless said otherwise.
const defaultParallel = 8

type planOptions struct {
	config         string
	to             recipientFlags
	segmentSize    int64
	lanes          int
	parallelImages int
	keepGoing      bool
	driveSize      int64
	rate           int64
	images         bool
	output         string
	extra          manifests.Extra
	registry       registryFlags
}

func newPlan(a *app) *cobra.Command {
	o := planOptions{segmentSize: bundle.DefaultSegmentSize}
	cmd := &cobra.Command{
		Use:   "plan -c FILE",
		Short: "Say what pack would carry",
		Long: `plan does what pack does before its first byte, and then says what pack would
carry: of each catalog the packages, channels and versions; images by origin,
bytes, what they share, what the bundle takes on drives.
It needs no drive and no recipient, reads manifests, and leaves nothing but what
it keeps in the cache for the next plan or pack.

Bytes carried are exact. Bytes written are within 1%; where content must be
compressed that plan does not read, they are an upper bound, and it is said so.
For that, small JSON such as image configs is read too where it makes up enough
of the set. Without recipients, one X25519 key is counted.

--rate says how long it takes to fetch what has to come over the network: not what
satchel makes, what is in the cache, or what catalogs in directories have.`,
		Example: "  satchel plan -c imageset.yaml --drive-size 64GB",
		Args:    exactly(0, ""),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runPlan(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.config, "config", "c", "", "ImageSetConfiguration `FILE`, - for standard input")
	addPublicKeyFlags(f, &o.to)
	f.Var(sizeValue{&o.segmentSize}, "segment-size", "as pack will be given it")
	f.IntVar(&o.lanes, "lanes", bundle.DefaultLanes, "as pack will be given it")
	f.IntVar(&o.parallelImages, "parallel-images", defaultParallel, "how many images' manifests are read at once")
	f.BoolVar(&o.keepGoing, "keep-going", false, "plan without images that cannot be had; list them and exit with 3")
	f.Var(sizeValue{&o.driveSize}, "drive-size", "free space of the drives at hand, such as 64GB (default: what drives of the usual sizes leave)")
	f.Var(rateValue{&o.rate}, "rate", "also say how long fetching takes at so many bytes a second, such as 20MB or 160Mbit")
	f.BoolVar(&o.images, "images", false, "list every image too: its size, what of that others share, and why it is carried (-o json and yaml always do)")
	addExtraFlags(f, &o.extra)
	addRegistryFlags(f, &o.registry, "src")
	addOutput(cmd, &o.output)
	return cmd
}

// planning is one run of plan.
type planning struct {
	preparing
	opts planOptions
	job  bundle.Job
	docs documents
}

func (o planOptions) planning(a *app, ui *bundle.UI) (*planning, error) {
	if err := checkOutput(o.output); err != nil {
		return nil, err
	}
	cfg, err := loadSet("plan", o.config, o.extra)
	if err != nil {
		return nil, err
	}
	if err := noSecrets(o.to.files); err != nil {
		return nil, err
	}
	to, err := o.to.parse(ui)
	if err != nil {
		return nil, err
	}
	if o.parallelImages < 1 {
		return nil, usage(errors.New("--parallel-images must be at least 1"), "")
	}
	if err := checkArchiveSize(cfg, o.config, o.segmentSize); err != nil {
		return nil, err
	}
	job := bundle.Job{Recipients: to, SegmentSize: o.segmentSize, Lanes: o.lanes}
	if err := job.CheckNumbers(); err != nil {
		return nil, usage(err, "see satchel plan --help")
	}
	return &planning{opts: o, job: job, preparing: preparing{
		app: a, config: o.config, cfg: cfg, client: o.registry.client(a), cache: a.openCache(),
		keepGoing: o.keepGoing, parallelImages: o.parallelImages, parallelLayers: defaultParallel,
		place: oci.Mirror{Host: nowhere}, foreign: map[digest.Digest]bool{},
	}}, nil
}

func runPlan(ctx context.Context, a *app, o planOptions) error {
	p, err := o.planning(a, a.ui(ctx))
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.prepare(ctx); err != nil {
		return err
	}
	if err := p.readSmall(ctx); err != nil {
		return err
	}
	rep, err := p.report(ctx)
	if err != nil {
		return err
	}
	err = printAs(a.stdout, o.output, rep, func(w io.Writer) error { return printPlan(w, rep, o.images) })
	if err == nil && len(rep.Gaps) > 0 {
		err = &plannedGapsError{len(rep.Gaps)}
	}
	return err
}

// content gives the bytes that are at hand.
func (p *planning) content() func(oci.Descriptor) ([]byte, bool) {
	none := oci.SourceFunc(func(context.Context, oci.Descriptor, int64) (io.ReadCloser, error) {
		return nil, errors.New("not in the cache")
	})
	cached := p.cache.Overlay(none)
	return func(d oci.Descriptor) ([]byte, bool) {
		body, err := oci.ReadBlob(context.Background(), &p.docs.made, d, oci.MaxManifestSize)
		if err != nil {
			body, err = oci.ReadBlob(context.Background(), cached, d, oci.MaxManifestSize)
		}
		return body, err == nil
	}
}

// written is what goes into the bundle: the images, and the documents that pack
// makes from them.
func (p *planning) written(ctx context.Context) (*oci.Graph, error) {
	docs, err := p.newDocuments(ctx)
	if err != nil {
		return nil, err
	}
	graph := &oci.Graph{Manifests: slices.Clone(p.graph.Manifests), Blobs: p.graph.Blobs}
	add := func(d oci.Descriptor, _ []byte) error {
		same := func(n oci.Node) bool { return n.Descriptor.Digest == d.Digest }
		if !slices.ContainsFunc(p.graph.Blobs, same) && !slices.ContainsFunc(graph.Manifests, same) {
			graph.Manifests = append(graph.Manifests, oci.Node{Descriptor: d})
		}
		return nil
	}
	for _, doc := range p.inv.Documents {
		if err := oci.Walk(ctx, p.keptDocuments(), doc.Root, add); err != nil {
			return nil, err
		}
	}
	for _, doc := range docs.list {
		if err := oci.Walk(ctx, &docs.made, doc.Root, add); err != nil {
			return nil, err
		}
	}
	p.docs, p.inv.Documents = *docs, append(slices.Clone(p.inv.Documents), docs.list...)
	return graph, nil
}

// smallShare is how little of the set small content must be to stay unread: one
// in so many bytes.
const smallShare = 400

// readSmall reads small JSON that is in the cache not yet, such as image configs,
// unless it is next to nothing. What is read stays in the cache, for pack too.
func (p *planning) readSmall(ctx context.Context) error {
	content := p.content()
	var todo []oci.Node
	for _, n := range p.graph.Blobs {
		if d := n.Descriptor; d.Size <= bundle.KnownBlob && isJSON(d.MediaType) {
			if _, ok := content(d); !ok {
				todo = append(todo, n)
			}
		}
	}
	if size(todo) <= (size(p.graph.Blobs)+size(p.graph.Manifests))/smallShare {
		return nil
	}
	p.debug("reading %d small blobs to see how far they compress", len(todo))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.parallelLayers)
	for _, n := range todo {
		g.Go(func() error {
			_, err := oci.ReadBlob(gctx, p.cache.ReadThrough(p.source(n)), n.Descriptor, bundle.KnownBlob)
			if err != nil && p.keepGoing && definite(err) {
				p.debug("%v", p.blame(n, err)) // counted as it is; pack will see about it
				return nil
			}
			return p.blame(n, err)
		})
	}
	return g.Wait()
}

// isJSON reports whether the media type is one of JSON.
func isJSON(mediaType string) bool {
	return strings.HasSuffix(mediaType, "+json") || strings.HasSuffix(mediaType, "/json")
}

// drives says how many drives are needed, of the size given or of the usual ones.
func (p *planning) drives(graph *oci.Graph) ([]driveReport, error) {
	if n := p.opts.driveSize; n > 0 {
		count, err := bundle.Drives(graph, p.opts.segmentSize, n)
		return []driveReport{{n, n, count}}, p.needing(err)
	}
	var list []driveReport
	for _, size := range []int64{32e9, 64e9, 128e9, 256e9} {
		free := size / 100 * (100 - driveLoss)
		count, err := bundle.Drives(graph, p.opts.segmentSize, free)
		if err != nil && !as[*bundle.TooLargeError](err) {
			return nil, err
		}
		list = append(list, driveReport{size, free, count})
	}
	return list, nil
}

// driveLoss is what a drive sold by its size may lack of it, in percent: makers
// round up, and the file system takes its part.
const driveLoss = 5

// needing names an image that needs the blob which fits on no drive.
func (p *planning) needing(err error) error {
	var large *bundle.TooLargeError
	if errors.As(err, &large) {
		for _, n := range p.graph.Blobs {
			if n.Descriptor.Digest == large.Blob.Digest {
				return p.blame(n, err)
			}
		}
	}
	if err != nil {
		err = fmt.Errorf("count drives: %w", err)
	}
	return err
}
