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
	room, err := bundle.SpaceOf(p.opts.Dir)
	if err != nil {
		return err
	}
	need := p.opts.Job.Estimate(p.Graph, room.Cluster) + documents
	if err := p.opts.Job.CheckFileLimit(p.opts.Dir, need); err != nil {
		return err
	}
	if p.opts.Restart {
		more, err := bundle.Deletable(p.opts.Dir, p.opts.State, room.Cluster)
		if err != nil {
			return err
		}
		if err := p.enough(room, room.Free+more, need); err != nil {
			return err
		}
		if err := bundle.Restart(p.opts.Dir, p.opts.State); err != nil {
			return err
		}
		if _, err := bundle.MakeDir(p.opts.Dir); err != nil { // it may have been the bundle's own
			return err
		}
		room.Free += more
	}
	if _, err := bundle.Prepare(p.opts.Dir, 0); err != nil {
		return err
	}
	return p.enough(room, room.Free, need)
}

// enough compares the free space with what is needed, unless nobody knows it.
func (p *packing) enough(room bundle.Space, free, need int64) error {
	switch {
	case room.Unknown:
		p.Warn("the file system of %s does not report how much space it has: %s are needed", p.opts.Dir, bundle.FormatSize(need))
		return nil
	case free >= need:
		return nil
	}
	err := &bundle.SpaceError{Dir: p.opts.Dir, Need: need, Free: free, Cluster: room.Cluster}
	if p.opts.NoSpaceCheck {
		p.Warn("%v; packing all the same, as asked", err)
		return nil
	}
	return err
}
