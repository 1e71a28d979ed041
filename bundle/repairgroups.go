package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/parity"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// rebuilding writes the files of groups that are at fault to where they belong.
type rebuilding struct {
	surveyed
	to     holders                       // has no drive for those that are not wanted
	remedy func(name string) Remedy      // of a file
	fail   func(name string, why string) // notes that a file cannot be rebuilt after all
}

func (r rebuilding) run(ctx context.Context, progress func(int64)) error {
	for i, s := range r.surveys {
		if err := r.rebuildShards(ctx, s, progress); err != nil {
			return err
		}
		if err := r.writeParity(ctx, s, parity.GroupOf(*r.parity, r.numbers[i]), progress); err != nil {
			return err
		}
	}
	return nil
}

// wanted reports whether a file at fault is to be written: it can be rebuilt, and no earlier run
// has done so.
func (r rebuilding) wanted(ctx context.Context, f seal.File) bool {
	to := r.to.has(f.Name)
	return to != nil && r.remedy(f.Name).From != "" && !to.holds(ctx, f)
}

// rebuilt is a file that is written beside the damaged one.
type rebuilt struct {
	want seal.File
	file *media.Pending
	hash interface {
		io.Writer
		Sum([]byte) []byte
	}
}

func (b *rebuilt) Write(p []byte) (int, error) {
	b.hash.Write(p)
	return b.file.Write(p)
}

// rebuildShards rebuilds the files of a group from which nothing is lost.
func (r rebuilding) rebuildShards(ctx context.Context, s *parity.Survey, progress func(int64)) (err error) {
	var list []*rebuilt
	defer func() {
		for _, b := range list {
			err = errors.Join(err, b.file.Abort())
		}
	}()
	damaged, outs := s.Damaged(), map[string]io.Writer{}
	if s.HasTable() {
		damaged = append(damaged, s.DamagedParity()...)
	}
	for _, f := range damaged {
		if !r.wanted(ctx, f) {
			continue
		}
		file, err := r.to.has(f.Name).dir.Create(f.Name)
		if err != nil {
			return err
		}
		b := &rebuilt{f, file, sha256.New()}
		list, outs[f.Name] = append(list, b), b
	}
	if len(list) == 0 {
		return nil
	}
	if err := s.Rebuild(ctx, r.from, outs, progress); err != nil {
		return r.failGroup(err, slices.Collect(maps.Keys(outs)))
	}
	for len(list) > 0 {
		b := list[0]
		list = list[1:] // it is committed, or gone
		got := seal.File{Name: b.want.Name, Size: b.file.Size(), SHA256: hex.EncodeToString(b.hash.Sum(nil))}
		if got == b.want {
			err = r.to.has(b.want.Name).commit(ctx, b.file, b.want)
		} else {
			r.fail(b.want.Name, "what was rebuilt is not what the seals say")
			err = b.file.Abort()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// failGroup notes that files of a group cannot be rebuilt after all, because one that was whole is not any
// more. Any other error ends the repair.
func (r rebuilding) failGroup(err error, names []string) error {
	changed, ok := errors.AsType[*parity.ChangedError](err)
	if !ok {
		return err
	}
	for _, name := range names {
		r.fail(name, "it takes "+changed.Name+", which has changed since it was read, or cannot be read any more")
	}
	return nil
}

// commit gives a file its name once it has been read back from the drive.
func (s *driveDir) commit(ctx context.Context, file *media.Pending, want seal.File) error {
	err := file.Sync()
	if err == nil {
		var got seal.File
		got, err = hashFile(ctx, s.dir, want.Name+media.TempSuffix, true, nil)
		if err == nil && (got.Size != want.Size || got.SHA256 != want.SHA256) {
			err = s.damage(want.Name, "was rebuilt, and the drive holds other bytes than were written: it is failing", nil)
		}
	}
	if err != nil {
		return errors.Join(err, file.Abort())
	}
	return file.Commit()
}

// holds reports whether a directory has a file as it must be, from an earlier run.
func (s *driveDir) holds(ctx context.Context, want seal.File) bool {
	if size, err := s.dir.Stat(want.Name); err != nil || size != want.Size {
		return false
	}
	got, err := hashFile(ctx, s.dir, want.Name, true, nil)
	return err == nil && got == want
}

// writeParity computes the parity files of a group anew of which all is lost: all segments are
// whole.
func (r rebuilding) writeParity(ctx context.Context, s *parity.Survey, g parity.Group, progress func(int64)) (err error) {
	outs, files := make([]parity.Output, len(g.Parity)), make([]*media.Pending, len(g.Parity))
	defer func() {
		for _, f := range files {
			if f != nil {
				err = errors.Join(err, f.Abort())
			}
		}
	}()
	if s.HasTable() || len(s.Damaged()) > 0 {
		return nil
	}
	wanted := false
	for i, f := range g.Parity {
		if !r.wanted(ctx, f) {
			continue
		}
		if files[i], err = r.to.has(f.Name).dir.Create(f.Name); err != nil {
			return err
		}
		outs[i], wanted = files[i], true
	}
	if !wanted {
		return nil
	}
	if _, err := parity.Write(ctx, g, r.from, outs, progress); err != nil {
		var names []string
		for i, f := range files {
			if f != nil {
				names = append(names, g.Parity[i].Name)
			}
		}
		return r.failGroup(err, names)
	}
	for i, f := range files {
		if f == nil {
			continue
		}
		files[i] = nil
		if err := r.to.has(g.Parity[i].Name).commit(ctx, f, g.Parity[i]); err != nil {
			return err
		}
	}
	return nil
}
