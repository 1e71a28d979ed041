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

// number gives the bundle its number in the stream, and has the ledger keep what it needs.
func (p *packing) number(ctx context.Context) error {
	r := ledger.Reservation{
		Bundle: p.w.ID(), Dir: p.w.Dir(), Config: p.opts.From, Content: ledger.ContentOf(p.Graph), Catalogs: p.filtered(ctx),
		Lost: func(c ledger.Catalog, err error) {
			if ctx.Err() == nil {
				p.Warn("the ledger does not keep the filtered catalog %s: %v", c.Name, err)
			}
		},
	}
	r.Stream, r.Sequence = p.w.Number()
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
	return p.ledger().Sealed(s, dir)
}

// verified notes in the bundle's journal and in the ledger that it was read back.
func (p *packing) verified(fp bundle.Fingerprint, id, dir string) error {
	if err := p.hold.MarkVerified(fp); err != nil {
		return err
	}
	return p.ledger().Sealed(bundle.Seal{Bundle: id, Fingerprint: fp, Stream: p.stream, Sequence: p.sequence, Verified: true}, dir)
}
