package pack

import (
	"context"

	"github.com/satchel-airgap/satchel/bundle"
)

// checkMount finds out whether the directory is where it is meant to be, before anything
// is made in it.
func (p *packing) checkMount(ctx context.Context) (err error) {
	if p.on, err = bundle.CheckMount(p.opts.Dir, p.opts.State); err != nil {
		return err
	}
	if p.on.Doubt == "" {
		return nil
	}
	p.Warn("%s", p.on.Doubt)
	if p.opts.Confirm == nil {
		return nil
	}
	yes, err := p.opts.Confirm(ctx, p.on.Doubt)
	if err == nil && !yes {
		err = p.on.Declined()
	}
	return err
}

// probe finds out early whether the directory can be written to. With a bundle in it that
// is to be deleted, that cannot be known before.
func (p *packing) probe() error {
	if p.opts.Restart {
		return nil
	}
	_, err := bundle.Prepare(p.opts.Dir, 0)
	return err
}

// makeRoom deletes what is to be deleted, and makes sure that the bundle has room. Nothing
// is deleted for a bundle that has none.
func (p *packing) makeRoom(documents int64) error {
	need := bundle.Estimate(p.Graph, p.opts.Job.SegmentSize) + documents
	if p.opts.Restart {
		if err := bundle.CheckRoom(p.opts.Dir, p.opts.State, need); err != nil {
			return err
		}
		if err := bundle.Restart(p.opts.Dir, p.opts.State); err != nil {
			return err
		}
		if _, err := bundle.MakeDir(p.opts.Dir); err != nil { // it may have been the bundle's own
			return err
		}
	}
	unknown, err := bundle.Prepare(p.opts.Dir, need)
	if err == nil && unknown {
		p.Warn("the file system of %s does not report how much space it has", p.opts.Dir)
	}
	return err
}
