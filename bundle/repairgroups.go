package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/parity"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// rebuild writes segments, then parity files, of all groups into a drive directory.
func (r *Repair) rebuild(ctx context.Context, to *driveDir, progress func(int64)) error {
	for i, s := range r.d.surveys {
		if err := r.rebuildSegments(ctx, s, to, progress); err != nil {
			return err
		}
		g := parity.GroupOf(*r.d.parity, r.d.groups[i])
		if err := r.rebuildParity(ctx, g, to, progress); err != nil {
			return err
		}
	}
	return nil
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

// rebuildSegments rebuilds the segments of a group from which nothing is lost.
func (r *Repair) rebuildSegments(ctx context.Context, s *parity.Survey, to *driveDir, progress func(int64)) (err error) {
	var list []*rebuilt
	defer func() {
		for _, b := range list {
			err = errors.Join(err, b.file.Abort())
		}
	}()
	outs := map[string]io.Writer{}
	for _, f := range s.Damaged() {
		if r.Remedy(f.Name).Lost != "" || to.holds(ctx, f) {
			continue
		}
		file, err := to.dir.Create(f.Name)
		if err != nil {
			return err
		}
		b := &rebuilt{f, file, sha256.New()}
		list, outs[f.Name] = append(list, b), b
	}
	if len(list) == 0 {
		return nil
	}
	if err := s.Rebuild(ctx, r.d.parityFiles(), outs, progress); err != nil {
		return r.d.asDamage(err)
	}
	for len(list) > 0 {
		b := list[0]
		got := seal.File{Name: b.want.Name, Size: b.file.Size(), SHA256: hex.EncodeToString(b.hash.Sum(nil))}
		if got != b.want {
			r.fail(b.want.Name, "what was rebuilt is not what the seals say")
			list = list[1:]
			if err := b.file.Abort(); err != nil {
				return err
			}
			continue
		}
		list = list[1:]
		if err := to.commit(ctx, b.file, b.want); err != nil {
			return err
		}
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

// fail notes that a file cannot be rebuilt after all.
func (r *Repair) fail(name, why string) {
	for i := range r.Remedies {
		if r.Remedies[i].File == name {
			r.Remedies[i] = Remedy{File: name, Lost: why}
		}
	}
}

// rebuildParity computes the parity files at fault again, once all segments of their group
// are whole.
func (r *Repair) rebuildParity(ctx context.Context, g parity.Group, to *driveDir, progress func(int64)) (err error) {
	outs, files := make([]parity.Output, len(g.Parity)), make([]*media.Pending, len(g.Parity))
	defer func() {
		for _, f := range files {
			if f != nil {
				err = errors.Join(err, f.Abort())
			}
		}
	}()
	for _, f := range g.Data {
		if r.Remedy(f.Name).Lost != "" {
			return nil
		}
	}
	wanted := false
	for i, f := range g.Parity {
		if m := r.Remedy(f.Name); m.From == "" || to.holds(ctx, f) {
			continue
		}
		if files[i], err = to.dir.Create(f.Name); err != nil {
			return err
		}
		outs[i], wanted = files[i], true
	}
	if !wanted {
		return nil
	}
	if _, err := parity.Write(ctx, g, to.parityFiles(), outs, progress); err != nil {
		return to.asDamage(err)
	}
	for i, f := range files {
		if f == nil {
			continue
		}
		files[i] = nil
		if err := to.commit(ctx, f, g.Parity[i]); err != nil {
			return err
		}
	}
	return nil
}
