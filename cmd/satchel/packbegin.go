package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/cache"
	"github.com/satchel-airgap/satchel/oci"
)

// open goes on with the bundle in the directory, or finds out all that can be
// found out before the first byte, and begins one.
func (p *packing) open(ctx context.Context) error {
	made, err := bundle.MakeDir(p.dir)
	if err != nil {
		return err
	}
	defer func() {
		if made && p.w == nil {
			_ = os.Remove(p.dir) // nothing was begun in it
		}
	}()
	w, err := p.resume(ctx)
	if err != nil {
		return err
	}
	if w == nil {
		if _, err := bundle.Prepare(p.dir, 0); err != nil {
			return err
		}
		return p.begin(ctx)
	}
	p.made = cache.New(p.madeDir(w.ID()))
	p.w, p.inv = w, &oci.Inventory{Images: slices.Clone(w.Inventory().Images), Documents: slices.Clone(w.Inventory().Documents)}
	p.info("going on with bundle %s in %s", w.ID(), w.Dir())
	err = p.recall(w.Gaps())
	if err == nil {
		err = p.reopenCatalogs()
	}
	if err == nil {
		err = p.survey(ctx)
	}
	if err == nil {
		err = p.checkForeign(ctx)
	}
	if err == nil {
		_, err = p.checkDocuments(ctx)
	}
	if err == nil {
		err = p.keepMade(ctx, w.ID()) // a kill may have come before
	}
	if err != nil {
		return errors.Join(err, w.Close())
	}
	return nil
}

// resume goes on with the bundle that is there, unless it is to be deleted: then
// it stays until all else is known to be in order.
func (p *packing) resume(ctx context.Context) (*bundle.Writer, error) {
	if p.opts.restart {
		return nil, bundle.CheckRestart(p.dir)
	}
	w, err := bundle.Resume(ctx, p.dir, p.state, p.job, p.rehashing)
	if p.bar != nil {
		p.bar.end()
	}
	return w, err
}

func (p *packing) begin(ctx context.Context) (err error) {
	if err := p.job.MakeKey(); err != nil { // asks now, while someone is there
		return cmp.Or(ctx.Err(), err)
	}
	if err := p.prepare(ctx); err != nil {
		return err
	}
	documents, err := p.checkDocuments(ctx)
	if err != nil {
		return err
	}
	if p.opts.restart {
		if err := bundle.Restart(p.dir, p.state); err != nil {
			return err
		}
		if _, err := bundle.MakeDir(p.dir); err != nil { // it may have been the bundle's own
			return err
		}
	}
	unknown, err := bundle.Prepare(p.dir, bundle.Estimate(p.graph, p.opts.segmentSize)+documents)
	if err != nil {
		return err
	}
	if unknown {
		p.warn("the file system of %s does not say how much space it has", p.dir)
	}
	if p.job.Gaps, err = p.gaps.marshal(""); err != nil {
		return err
	}
	if p.w, err = bundle.Create(p.dir, p.state, p.job, p.inv); err != nil {
		return err
	}
	p.info("writing bundle %s into %s", p.w.ID(), p.w.Dir())
	if err := p.keepMade(ctx, p.w.ID()); err != nil {
		return errors.Join(err, p.w.Close())
	}
	return nil
}

// recall takes up the gaps that an earlier run noted.
func (p *packing) recall(list []byte) error {
	if len(list) == 0 {
		return nil
	}
	if err := json.Unmarshal(list, &p.gaps); err != nil {
		return fmt.Errorf("read the gaps of the run before: %w", err)
	}
	return nil
}

// rehashing shows that a drive which was away is read again before going on.
func (p *packing) rehashing(total int64) func(int64) {
	p.info("the drive was away: reading %s again before going on", bundle.FormatSize(total))
	p.bar = p.progress("checking", 0, total)
	return p.bar.add
}
