package pack

import (
	"context"
	"errors"

	"github.com/satchel-airgap/satchel/bundle"
)

// checkMount finds out whether the directory is where it is meant to be, before anything
// is made in it.
func (p *packing) checkMount(ctx context.Context) (err error) {
	if p.opts.Unmounted {
		p.on, err = bundle.CheckMountAnew(p.opts.Dir, p.opts.State, p.Warn)
	} else {
		p.on, err = bundle.CheckMount(p.opts.Dir, p.opts.State)
	}
	if err != nil {
		return err
	}
	if p.on.Doubt == "" {
		if p.on.Memory != "" { // someone mounted it, or was asked when the bundle was begun
			p.Warn("%s is in memory (%s): what is packed there is lost when this host restarts", p.opts.Dir, p.on.Memory)
		}
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

// probe finds out early whether the ledger and the directory can be written to. With a
// bundle in the directory that is to be deleted, that cannot be known before.
func (p *packing) probe() error {
	if err := p.prepareLedger(); err != nil {
		return err
	}
	if p.opts.Restart {
		return nil
	}
	dirs := []string{p.opts.Dir}
	if p.slots != nil {
		dirs = p.slots.Dirs
	}
	for _, dir := range dirs {
		if _, err := bundle.Prepare(dir, 0); err != nil {
			return err
		}
	}
	return nil
}

// makeRoom deletes what is to be deleted, and makes sure that the bundle has room. Nothing
// is deleted for a bundle that has none.
func (p *packing) makeRoom(ctx context.Context, job bundle.Job) error {
	all, err := p.Bundled(ctx)
	if err != nil {
		return err
	}
	f, err := job.Forecast(all.Inventory, all.Graph, all.Body)
	if err != nil {
		return err
	}
	room, err := bundle.SpaceOf(p.opts.Dir)
	if err != nil {
		return err
	}
	if err := job.CheckFileLimit(p.opts.Dir, f.Bytes); err != nil {
		return err
	}
	if !p.opts.Restart {
		if _, err := bundle.Prepare(p.opts.Dir, 0); err != nil {
			return err
		}
		return p.enough(p.opts.Dir, f, room, 0, false)
	}
	more, err := bundle.Deletable(p.opts.Dir, p.opts.State, job, room.Cluster)
	if err != nil {
		return err
	}
	if err := p.enough(p.opts.Dir, f, room, more, false); err != nil {
		return err
	}
	dir, id, err := bundle.Unfinished(p.opts.Dir, p.opts.State, job)
	if err != nil {
		return err
	}
	if err := bundle.Restart(p.opts.Dir, p.opts.State, job); err != nil {
		return err
	}
	if dir != "" {
		p.Info("deleted the unfinished bundle %s in %s", id, dir)
	}
	if _, err := bundle.MakeDir(p.opts.Dir); err != nil { // it may have been the bundle's own
		return err
	}
	_, err = bundle.Prepare(p.opts.Dir, 0)
	return err
}

// stillFits makes sure that the rest of a bundle which was begun has room: something else
// may have filled the drive meanwhile.
func (p *packing) stillFits(ctx context.Context) error {
	all, err := p.Bundled(ctx)
	if err != nil {
		return err
	}
	here, err := p.here()
	if err != nil {
		return err
	}
	f, err := p.w.Forecast(all.Inventory, all.Graph, all.Body, here)
	if err != nil {
		return err
	}
	p.rest = f
	return p.roomLeft(f, here)
}

// here gives the directories of the drives that are in the places of this run.
func (p *packing) here() (map[int]string, error) {
	if p.slots == nil {
		return p.w.Here(nil)
	}
	return p.w.Here(p.drivePlaces())
}

// enough compares the free space with what is needed, unless nobody knows it.
func (p *packing) enough(dir string, f bundle.Forecast, room bundle.Space, more int64, begun bool) error {
	if room.Unknown {
		p.Warn("the file system of %s does not report how much space it has: %s are needed", dir, bundle.FormatSize(f.OnDrive(room.Cluster)))
		return nil
	}
	err := f.CheckRoom(dir, room, more)
	var space *bundle.SpaceError
	if !errors.As(err, &space) {
		return err
	}
	space.Begun, space.Alone = begun, p.slots == nil && p.opts.Supplement == nil
	if p.opts.NoSpaceCheck {
		p.Warn("%v; packing all the same, as asked", space)
		return nil
	}
	return space
}
