package bundle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/parity"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci/text"
)

// ParityRatio says how many parity files a bundle has to how many segments.
type ParityRatio = parity.Ratio

// ParseParityRatio reads M/N: M parity files to N segments.
func ParseParityRatio(s string) (ParityRatio, error) { return parity.ParseRatio(s) }

// ParityReport is what [AddParity] did, or [PlanParity] says that it will do.
type ParityReport struct {
	Dir         string
	Bundle      string
	Fingerprint Fingerprint // as it was
	Plain       bool        // the bundle is not encrypted
	Protection  Protection
	Files       int   // parity files
	Bytes       int64 // in them
	Kept        int   // how many of them an earlier run had written
	Already     bool  // the bundle has this parity: nothing was added
	Work        int64 // bytes that are read
}

// PlanParity says what [AddParity] will add to the bundle in dir; nothing is written.
func PlanParity(dir string, want Wanted, ratio ParityRatio) (rep *ParityReport, err error) {
	s, err := openOne(dir, want)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.dir.Close()) }()
	_, rep, err = s.planParity(ratio)
	return rep, err
}

// AddParity writes parity files for the segments of the sealed bundle in dir, which takes no
// key. It reads every segment, compares it with the seals, and reads what it has written again.
// Nothing that the seal binds changes. Interrupted anywhere, it leaves a bundle that
// [Verify] passes or reports by a *[ParityError]; the next AddParity goes on, group by group.
// version is of satchel; progress, if not nil, gets the bytes just read. Errors: those of [Open] that
// need no key, *[RefusedError], *[SpaceError].
func AddParity(ctx context.Context, dir string, want Wanted, ratio ParityRatio, version string, progress func(int64)) (done *ParityReport, err error) {
	s, err := openOne(dir, want)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.dir.Close()) }()
	p, done, err := s.planParity(ratio)
	if err != nil || done.Already {
		return done, err
	}
	unlock, err := s.lock("another satchel parity, rekey or sign of this bundle")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := s.addParity(ctx, p, version, done, progress); err != nil {
		return nil, err
	}
	if err := confirmAdded(ctx, s.dir.Path(), Wanted{Expect: s.finger}); err != nil {
		return nil, fmt.Errorf("read what was added: %w", err)
	}
	return done, nil
}

// openOne opens the drive directory that dir means: of a bundle of one drive, or of any drive of
// several.
func openOne(dir string, want Wanted) (*driveDir, error) {
	at, err := locate([]string{dir})
	if err != nil {
		return nil, err
	}
	switch {
	case len(at.earlier) > 1 || len(at.earlier) == 1 && at.last != nil:
		return nil, &RefusedError{Dir: dir, Reason: "it has several drives of a bundle", hint: "name the directory of one of them, such as " + at.earlier[0].dir}
	case at.last != nil:
		s, err := readSeals(*at.last, want)
		if err != nil {
			return nil, err
		}
		return s.driveDir, nil
	case want.Expect != "" || want.Trust != nil:
		return nil, at.noLast("its fingerprint is compared, and who has signed it is found out, on the last drive")
	}
	return openDrive(at.earlier[0], nil)
}

// confirmAdded reads the small files again, and compares names and sizes.
func confirmAdded(ctx context.Context, dir string, want Wanted) error {
	d, err := openOne(dir, want)
	if err != nil {
		return err
	}
	v := verification{driveDir: d}
	v.checkSmall(ctx)
	return errors.Join(cmp.Or(ctx.Err(), v.away, v.outcome()), d.dir.Close())
}

// planParity says which parity files the bundle gets.
func (s *driveDir) planParity(ratio ParityRatio) (p seal.Parity, rep *ParityReport, err error) {
	if err := s.usable(); err != nil {
		return p, nil, err
	}
	if s.renamed {
		return p, nil, refuseRenamed(s.dir.Path())
	}
	rep = &ParityReport{Dir: s.dir.Path(), Bundle: s.drive.Bundle, Fingerprint: s.finger, Plain: s.plain()}
	p, err = parity.Plan(s.extras, s.drive.Files, ratio)
	switch {
	case errors.Is(err, parity.ErrGroups):
		return p, nil, s.refuseParity(fmt.Sprintf("%s would make %v of its %s", ratio, err, text.Count(len(s.drive.Files), "segment", "segments")), "give more segments to a group: a larger N in M/N")
	case errors.Is(err, parity.ErrSize):
		return p, nil, s.refuseParity(err.Error(), "pack it again with smaller segments (--segment-size)")
	case err != nil:
		return p, nil, err
	}
	rep.Protection, rep.Files, rep.Bytes = protectionOf(p), len(p.Files()), parityBytes(p)
	for _, f := range s.drive.Files {
		rep.Work += f.Size
	}
	rep.Work += rep.Bytes
	if !s.hasParity() {
		return p, rep, nil
	}
	if s.parity == nil {
		return p, nil, damageOf(s.dir.Path(), s.faults)
	}
	if s.parity.Parity != ratio.Parity || s.parity.Data != ratio.Data {
		has := ParityRatio{Parity: s.parity.Parity, Data: s.parity.Data}
		return p, nil, s.refuseParity(fmt.Sprintf("it has parity files already, %s: %s", has, protectionOf(*s.parity)), "keep those, or pack it again with --parity "+ratio.String())
	}
	if slices.ContainsFunc(s.faults, func(f Fault) bool { return seal.IsParity(f.File) }) {
		return p, nil, damageOf(s.dir.Path(), s.faults)
	}
	rep.Already = true
	return p, rep, nil
}

func (s *driveDir) refuseParity(reason, hint string) error {
	return &RefusedError{Dir: s.dir.Path(), Reason: reason, hint: hint}
}

// addParity makes the changes: what others have begun is taken back, then come the parity
// files, the copy of parity.json, parity.json, and what follows from them, extras.json last.
func (s *driveDir) addParity(ctx context.Context, p seal.Parity, version string, done *ParityReport, progress func(int64)) error {
	now, err := s.smallFiles()
	if err != nil {
		return s.blame(err)
	}
	if err := s.takeBack(now, p); err != nil {
		return err
	}
	if err := s.checkParityRoom(p); err != nil {
		return err
	}
	for i := range p.Groups {
		kept, err := s.writeGroup(ctx, parity.GroupOf(p, i), p.Groups[i].Parity, progress)
		if err != nil {
			return err
		}
		if kept {
			done.Kept += p.Parity
		}
	}
	body, err := p.Marshal()
	if err != nil {
		return err
	}
	now.packedBy = version
	after, err := now.withParity(p, body).derive()
	if err != nil {
		return s.blame(err)
	}
	for _, st := range []step{{seal.CopyDir + "/" + seal.ParityName, body}, {seal.ParityName, body}, {seal.CopyDir + "/" + seal.ExtrasName, after.extras},
		{seal.ReadmeName, after.readme}, {seal.SumsName, after.sums}, {seal.ExtrasName, after.extras}} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.apply(st); err != nil {
			return err
		}
	}
	return nil
}

// takeBack undoes what was interrupted, but for parity files that may be those of the plan.
func (s *driveDir) takeBack(now smallFiles, p seal.Parity) error {
	before, err := now.derive()
	if err != nil {
		return s.blame(err)
	}
	list, err := s.undo(before)
	if err != nil {
		return err
	}
	for _, st := range list {
		if err := s.apply(st); err != nil {
			return err
		}
	}
	stale := []string{seal.ParityName, seal.CopyDir + "/" + seal.ParityName}
	for _, name := range s.adding {
		if !slices.ContainsFunc(p.Files(), func(f seal.File) bool { return f.Name == name }) {
			stale = append(stale, name)
		}
	}
	for _, name := range s.temps { // they take room, and other parity files may have other names
		if seal.IsParity(strings.TrimSuffix(name, media.TempSuffix)) {
			stale = append(stale, name)
		}
	}
	return s.dir.Remove(stale...)
}

// checkParityRoom refuses a drive that has not enough room for the parity files that are not
// there yet. One whose file system does not say is taken.
func (s *driveDir) checkParityRoom(p seal.Parity) error {
	room, err := SpaceOf(s.dir.Path())
	if err != nil || room.Unknown {
		return err
	}
	need := int64(0)
	for _, f := range p.Files() {
		if !slices.Contains(s.adding, f.Name) {
			need += roundUp(f.Size, room.Cluster)
		}
	}
	need += int64(len(p.Files()))*perSegment/8 + 16*room.Cluster // lines in the small files, and those while they are replaced
	if need > room.Free {
		return &SpaceError{Dir: s.dir.Path(), Need: need, Free: room.Free, Cluster: room.Cluster, MustHold: true}
	}
	return nil
}

// writeGroup writes the parity files of a group, or keeps those of an earlier run, and puts
// what they are into list.
func (s *driveDir) writeGroup(ctx context.Context, g parity.Group, list []seal.File, progress func(int64)) (kept bool, err error) {
	if slices.Contains(s.adding, list[0].Name) {
		found, ok, err := parity.Finished(ctx, g, s.parityFiles(), progress)
		if err != nil {
			return false, err
		}
		if ok {
			copy(list, found)
			if progress != nil {
				for _, f := range g.Data {
					progress(f.Size)
				}
			}
			return true, nil
		}
	}
	table, err := s.encodeGroup(ctx, g, progress)
	if err != nil {
		return false, err
	}
	for i, f := range list {
		in, err := s.parityFiles().Open(f.Name)
		if err == nil {
			list[i], err = table.ReadBack(ctx, g, i+1, in, progress)
			err = errors.Join(err, in.Close())
		}
		if err != nil {
			return false, fmt.Errorf("read what was written: %w", s.asDamage(err))
		}
	}
	return false, nil
}

// encodeGroup writes the parity files of a group.
func (s *driveDir) encodeGroup(ctx context.Context, g parity.Group, progress func(int64)) (t *parity.Table, err error) {
	outs, files := make([]parity.Output, len(g.Parity)), make([]*media.Pending, len(g.Parity))
	defer func() {
		for _, f := range files {
			if f != nil {
				err = errors.Join(err, f.Abort())
			}
		}
	}()
	for i, f := range g.Parity {
		if files[i], err = s.dir.Create(f.Name); err != nil {
			return nil, err
		}
		outs[i] = files[i]
	}
	if t, err = parity.Write(ctx, g, s.parityFiles(), outs, progress); err != nil {
		return nil, s.asDamage(err)
	}
	for i, f := range files {
		files[i] = nil // it is committed, or gone
		if err := f.Commit(); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// asDamage makes a file that is not what the seals say the bundle's damage.
func (s *driveDir) asDamage(err error) error {
	if changed, ok := errors.AsType[*parity.ChangedError](err); ok {
		return s.damage(changed.Name, "has changed, or cannot be read", changed)
	}
	return err
}

// parityFiles opens the files of a drive directory, past the page cache.
func (s *driveDir) parityFiles() parity.Files { return coldFiles{s} }

type coldFiles struct{ *driveDir }

// Open opens a file so that it is read from the drive.
func (c coldFiles) Open(name string) (parity.Input, error) {
	f, err := c.dir.Open(name)
	if err != nil {
		return nil, err
	}
	f.DropCache()
	return f, nil
}

// Gone gives an error if the drive has gone away.
func (c coldFiles) Gone(err error) error { return c.gone(err) }
