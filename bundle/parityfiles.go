package bundle

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/parity"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// holders are the drive directories that have the files of parity groups. It opens them past
// the page cache, as [parity.Files].
type holders struct {
	drives map[int]*driveDir // by number; one that is not here is nil
	of     map[string]int    // on which drive each file is; nil where one drive has all
	away   []DriveLabel      // that are not here, and may be whole
}

// alone says that one drive directory has the files of all groups.
func alone(s *driveDir) holders { return holders{drives: map[int]*driveDir{1: s}} }

// across says which of the drives has which files.
func across(drives map[int]*driveDir, p seal.Parity) holders {
	h := holders{drives: drives, of: map[string]int{}}
	for _, g := range p.Groups {
		for i, f := range slices.Concat(g.Data, g.Parity) {
			h.of[f.Name] = g.Drives[i]
		}
	}
	return h
}

// has gives the drive directory that has a file, nil for one that is not here.
func (h holders) has(name string) *driveDir {
	if h.of == nil {
		return h.drives[1]
	}
	return h.drives[h.of[name]]
}

// Open opens a file so that it is read from the drive.
func (h holders) Open(name string) (parity.Input, error) {
	d := h.has(name)
	switch {
	case d == nil && slices.ContainsFunc(h.away, func(l DriveLabel) bool { return l.Number == h.of[name] }):
		return nil, parity.ErrAway
	case d == nil:
		return nil, fs.ErrNotExist
	}
	f, err := d.dir.Open(name)
	if err != nil {
		return nil, err
	}
	f.DropCache()
	return f, nil
}

// Gone gives an error if a drive has gone away.
func (h holders) Gone(err error) error {
	for _, d := range h.drives {
		if gone := d.gone(err); gone != nil {
			return gone
		}
	}
	return nil
}

// asDamage makes a file that is not what the seals say the bundle's damage.
func (h holders) asDamage(err error) error {
	changed, ok := errors.AsType[*parity.ChangedError](err)
	if !ok {
		return err
	}
	if gone := h.Gone(err); gone != nil {
		return gone
	}
	if d := h.has(changed.Name); d != nil {
		return d.damage(changed.Name, "has changed, or cannot be read", changed)
	}
	return err
}

// writeGroup writes the parity files of a group, or keeps those of an earlier run, and puts
// what they are into list.
func (h holders) writeGroup(ctx context.Context, g parity.Group, list []seal.File, progress func(int64)) (kept bool, err error) {
	found, kept, err := parity.Finished(ctx, g, h, progress)
	if err != nil {
		return false, err
	}
	if kept {
		copy(list, found)
		if progress != nil {
			for _, f := range g.Data {
				progress(f.Size)
			}
		}
		return true, nil
	}
	table, err := h.encodeGroup(ctx, g, progress)
	if err != nil {
		return false, err
	}
	for i, f := range list {
		in, err := h.Open(f.Name)
		if err == nil {
			list[i], err = table.ReadBack(ctx, g, i+1, in, progress)
			err = errors.Join(err, in.Close())
		}
		if err != nil {
			return false, readAgain(h.asDamage(err))
		}
	}
	return false, nil
}

// encodeGroup writes the parity files of a group.
func (h holders) encodeGroup(ctx context.Context, g parity.Group, progress func(int64)) (t *parity.Table, err error) {
	outs, files := make([]parity.Output, len(g.Parity)), make([]*media.Pending, len(g.Parity))
	defer func() {
		for _, f := range files {
			if f != nil {
				err = errors.Join(err, f.Abort())
			}
		}
	}()
	for i, f := range g.Parity {
		if files[i], err = h.has(f.Name).dir.Create(f.Name); err != nil {
			return nil, err
		}
		outs[i] = files[i]
	}
	if t, err = parity.Write(ctx, g, h, outs, progress); err != nil {
		return nil, h.asDamage(err)
	}
	for i, f := range files {
		files[i] = nil // it is committed, or gone
		if err := f.Commit(); err != nil {
			return nil, err
		}
	}
	return t, nil
}
