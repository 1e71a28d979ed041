package bundle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

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
	if slices.ContainsFunc(s.faults, func(f Fault) bool { return seal.IsAdded(f.File) }) {
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
	if err := s.makeReady(p); err != nil {
		return err
	}
	need, err := s.parityNeed(p, nil)
	if err == nil {
		err = s.checkParityRoom(need)
	}
	if err != nil {
		return err
	}
	if err := alone(s).writeGroups(ctx, p, done, progress); err != nil {
		return err
	}
	return s.nameParity(ctx, p, nil, version)
}

// makeReady takes back what others have begun.
func (s *driveDir) makeReady(p seal.Parity) error {
	now, err := s.smallFiles()
	if err != nil {
		return s.blame(err)
	}
	_, files := p.On(s.drive.Drive)
	return s.takeBack(now, files)
}

// makeAllReady is makeReady for all drives, and makes sure that each has room for its parity files and for the copies of small
// files. Several on one file system, as on a staging disk, share its room.
func (s *seals) makeAllReady(p seal.Parity, others map[int][]namedBody) error {
	taken := map[string]int64{}
	for _, d := range s.drives() {
		if err := d.makeReady(p); err != nil {
			return err
		}
	}
	for _, d := range s.drives() {
		need, err := d.parityNeed(p, d.ofOthers(others))
		if err != nil {
			return err
		}
		point := MountOf(d.dir.Path()).Point()
		taken[point] += need
		if err := d.checkParityRoom(taken[point]); err != nil {
			return err
		}
	}
	return nil
}

// writeGroups writes the parity files of all groups, and notes what they are in p.
func (h holders) writeGroups(ctx context.Context, p seal.Parity, done *ParityReport, progress func(int64)) error {
	for i := range p.Groups {
		kept, err := h.writeGroup(ctx, parity.GroupOf(p, i), p.Groups[i].Parity, progress)
		if err != nil {
			return err
		}
		if kept {
			done.Kept += p.Parity
		}
	}
	return nil
}

// nameParity writes parity.json, copies of the small files of other drives, and what follows
// from them, extras.json last.
func (s *driveDir) nameParity(ctx context.Context, p seal.Parity, others []namedBody, version string) error {
	body, err := p.Marshal()
	if err != nil {
		return err
	}
	now, err := s.smallFiles()
	if err != nil {
		return s.blame(err)
	}
	now.packedBy = version
	var steps []step
	var names []seal.File
	for _, dir := range []string{seal.CopyDir + "/", ""} {
		for _, f := range others {
			steps = append(steps, step{dir + f.name, f.body})
		}
	}
	for _, f := range others {
		names = append(names, seal.FileOf(f.name, f.body))
	}
	after, err := now.withParity(p, body, names).derive()
	if err != nil {
		return s.blame(err)
	}
	for _, st := range append(steps, []step{{seal.CopyDir + "/" + seal.ParityName, body}, {seal.ParityName, body}, {seal.CopyDir + "/" + seal.ExtrasName, after.extras},
		{seal.ReadmeName, after.readme}, {seal.SumsName, after.sums}, {seal.ExtrasName, after.extras}}...) {
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
func (s *driveDir) takeBack(now smallFiles, plan []seal.File) error {
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
	if s.hasParity() {
		return nil
	}
	stale := []string{seal.ParityName, seal.CopyDir + "/" + seal.ParityName}
	for _, name := range s.adding {
		if !slices.ContainsFunc(plan, func(f seal.File) bool { return f.Name == name }) {
			stale = append(stale, name)
		}
	}
	copies, _, err := s.dir.List(seal.CopyDir)
	if err != nil {
		return err
	}
	for _, f := range copies {
		if seal.IsOther(f.Name) {
			stale = append(stale, seal.CopyDir+"/"+f.Name)
		}
	}
	return s.dir.Remove(stale...)
}

// checkParityRoom refuses a drive that has less room than is needed. One whose file system does not say is taken.
func (s *driveDir) checkParityRoom(need int64) error {
	room, err := SpaceOf(s.dir.Path())
	if err != nil || room.Unknown || need <= room.Free {
		return err
	}
	return &SpaceError{Dir: s.dir.Path(), Need: need, Free: room.Free, Cluster: room.Cluster, MustHold: true}
}

// parityNeed is what a drive takes for the parity files, and for the copies of small files of other drives, that are not there
// yet; nothing where its file system does not say what is free.
func (s *driveDir) parityNeed(p seal.Parity, others []namedBody) (need int64, err error) {
	room, err := SpaceOf(s.dir.Path())
	if err != nil || room.Unknown || s.hasParity() {
		return 0, err
	}
	_, files := p.On(s.drive.Drive)
	missing := func(name string, n int64) {
		if size, err := s.dir.Stat(name); err != nil || size != n {
			need += roundUp(n, room.Cluster)
		}
	}
	for _, f := range files {
		missing(f.Name, f.Size)
	}
	for _, f := range others {
		missing(f.name, int64(len(f.body)))
		missing(seal.CopyDir+"/"+f.name, int64(len(f.body)))
	}
	body, err := standInSums(p).Marshal()
	lines := int64(len(files)+len(others)) * perSegment / 8 // in the small files, and those while they are replaced
	return need + 2*roundUp(int64(len(body)), room.Cluster) + lines + 16*room.Cluster, err
}

func readAgain(err error) error { return fmt.Errorf("read what was written: %w", err) }

// DrivesAmong says how many drives a bundle has, 1 for one that is not on several, and which of them are not
// among dirs.
func DrivesAmong(dirs []string) (of int, away []DriveLabel, err error) {
	at, err := locate(dirs)
	if err != nil {
		return 0, nil, err
	}
	names := at.names()
	for _, l := range names {
		if !slices.ContainsFunc(at.earlier, func(p location) bool { return p.drive == l.Number }) && (l.Number < l.Of || at.last == nil) {
			away = append(away, l)
		}
	}
	return max(1, len(names)), away, nil
}
