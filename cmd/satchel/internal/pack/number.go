package pack

import (
	"context"
	"io"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// ledger is that of the bundle's stream.
func (p *packing) ledger() ledger.Store { return ledger.At(p.opts.State, p.opts.Job.Stream) }

// prepareLedger finds out early whether the ledger can be written to. A supplement is in none: the
// damaged bundle is.
func (p *packing) prepareLedger() error {
	if p.opts.Supplement != nil {
		return nil
	}
	_, err := p.ledger().Prepare()
	return err
}

// number gives the bundle its number in the stream, and has the ledger keep what it needs.
func (p *packing) number(ctx context.Context) error {
	if p.opts.Supplement != nil {
		return nil
	}
	r := ledger.Reservation{
		Bundle: p.w.ID(), Dir: p.w.Dir(), Partial: p.opts.Only != nil, Config: p.opts.From, Content: ledger.ContentOf(p.Graph), Catalogs: p.filtered(ctx),
		Lost: func(c ledger.Catalog, err error) {
			if ctx.Err() == nil {
				p.Warn("the ledger does not keep the filtered catalog %s: %v", c.Name, err)
			}
		},
	}
	r.Stream, r.Sequence = p.w.Number()
	r.Seen, r.Raised = p.seen(), func(next int, by ledger.Seen) {
		p.Warn("the ledger of the stream %s was about to give the number %d, but bundle %s has number %d, by %s: the ledger seems to come from an old backup; this bundle is number %d", by.Stream.Name, next, by.Bundle, by.Sequence, by.Where, by.Sequence+1)
	}
	r.Content.Baseline = p.w.Baseline()
	stream, n, err := p.ledger().Reserve(r)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return p.w.SetNumber(stream, n)
}

// seen lists the bundles whose numbers can be seen without the ledger: by the journals of this host,
// on the drive, and in receipts.
func (p *packing) seen() (list []ledger.Seen) {
	for _, s := range bundle.Numbered(p.opts.State) {
		list = append(list, ledger.Seen{Stream: s.Stream, Bundle: s.Bundle, Sequence: s.Sequence, Where: "its journal on this host"})
	}
	found, _, _ := bundle.List(p.opts.Dir, "") // that the drive can be written shows elsewhere
	for _, f := range found {
		list = append(list, ledger.Seen{Stream: f.Stream, Bundle: f.Bundle, Sequence: f.Sequence, Where: "its seal in " + f.Dir})
	}
	var sources []bundle.BaselineSource
	if b := p.w.Baseline(); b != nil {
		sources = b.Sources()
	}
	if b, ok := p.opts.Baseline.(interface {
		Sources() []bundle.BaselineSource
	}); ok {
		sources = append(sources, b.Sources()...)
	}
	for _, s := range sources {
		if s.Stream != nil && s.Receipt != "" {
			list = append(list, ledger.Seen{Stream: *s.Stream, Bundle: s.Bundle, Sequence: s.Sequence, Where: "a receipt of " + s.Mirror})
		}
	}
	return list
}

// filtered are the catalogs that were built for the bundle.
func (p *packing) filtered(ctx context.Context) (list []ledger.Keep) {
	for _, img := range p.Graph.Images {
		if !img.Built || img.Origin != manifests.OriginCatalog {
			continue
		}
		list = append(list, ledger.Keep{
			Catalog: ledger.Catalog{Name: img.Configured().String(), Digest: img.Root.Digest, Path: img.MirrorPath(), Tags: img.NamedTags()},
			Write:   func(w io.Writer) error { return p.writeCatalog(ctx, img, w) },
		})
	}
	return list
}

func (p *packing) writeCatalog(ctx context.Context, img oci.Image, w io.Writer) error {
	src, err := p.BuiltImage(img)
	if err != nil {
		return err
	}
	return manifests.WriteCatalog(ctx, img.Describe(), src, img.Root, w)
}

// sealed notes in the ledger that a bundle is finished.
func (p *packing) sealed(s bundle.Seal, dir string) error {
	p.stream, p.sequence = s.Stream, s.Sequence
	if p.opts.Supplement != nil {
		return nil
	}
	return p.ledger().Sealed(s, dir)
}

// verified notes in the bundle's journal and in the ledger that it was read back.
func (p *packing) verified(fp bundle.Fingerprint, id, dir string) error {
	if err := p.hold.MarkVerified(fp); err != nil {
		return err
	}
	if p.opts.Supplement != nil {
		return nil
	}
	return p.ledger().Sealed(bundle.Seal{Bundle: id, Fingerprint: fp, Stream: p.stream, Sequence: p.sequence, Verified: true}, dir)
}
