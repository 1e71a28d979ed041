package bundle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/parity"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci/text"
)

// AcrossDrives reports whether parity of this ratio goes across the drives of a bundle, all of
// which are there: if it has enough parity files that one whole drive may be lost. Otherwise each
// drive has parity of its own, which repairs it without the others.
func AcrossDrives(ratio ParityRatio, drives int) bool { return ratio.SurvivesDrive(drives) }

// across reports whether parity goes across so many drives.
func (j Job) across(drives int) bool {
	return j.Parity.Parity > 0 && drives <= j.Mounted && AcrossDrives(j.Parity, drives)
}

// canGoAcross refuses to go on with a bundle that was begun for parity across its drives, if
// this run cannot add that: the drives that it finishes would have none.
func (j Job) canGoAcross(dir string, b journal.Begin) error {
	if n := b.Count(); b.Across && j.Parity.Parity > 0 && !j.across(n) {
		ratio := j.Parity
		if !AcrossDrives(ratio, n) {
			ratio = ratio.ForDrive(n)
		}
		return &RefusedError{Dir: dir, Reason: fmt.Sprintf("bundle %s was begun for parity that goes across its %d drives", b.Bundle, n), Unfinished: true,
			hint: fmt.Sprintf("name the directories of all %d drives, mounted at the same time, and --parity %s; or leave out --parity, and add it with satchel parity once the bundle is finished", n, ratio)}
	}
	return nil
}

// NoWholeDrive says, before anything is known of a bundle, that parity of this ratio is not enough for the loss of one of so many
// drives, what would be, and what that costs; "" where it is enough.
func NoWholeDrive(ratio ParityRatio, drives int) string {
	if ratio.Parity == 0 || drives < 2 || AcrossDrives(ratio, drives) {
		return ""
	}
	enough := ratio.ForDrive(drives)
	percent := func(r ParityRatio) int { return (100*r.Parity + r.Data - 1) / r.Data }
	return fmt.Sprintf("--parity %s on %d drives: each gets parity of its own, and a whole drive that is lost cannot be rebuilt. --parity %s does that, with all drives mounted at the same time; it adds at least %d%% to the bundle, in place of %d%%",
		ratio, drives, enough, percent(enough), percent(ratio))
}

// PlanParityAcross says what [AddParityAcross] will add to the drives in dirs; nothing is written.
func PlanParityAcross(dirs []string, want Wanted, ratio ParityRatio, most int64) (rep *ParityReport, err error) {
	s, err := openAll(dirs, want)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	_, rep, err = s.planAcross(ratio, most)
	return rep, err
}

// AddParityAcross is [AddParity] for all drives of a bundle together: groups go across them, so
// that one whole drive may be lost, and each gets copies of the small files of the others. The
// ratio must be one with which [AcrossDrives] says so. No drive is to have more than most bytes, 0 for all that is free:
// parity files go where there is room then. Errors: those of [AddParity], and *[AwayError] if not all drives are here.
func AddParityAcross(ctx context.Context, dirs []string, want Wanted, ratio ParityRatio, most int64, version string, progress func(int64)) (done *ParityReport, err error) {
	s, err := openAll(dirs, want)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	p, done, err := s.planAcross(ratio, most)
	if err != nil || done.Already {
		return done, err
	}
	for _, d := range s.drives() {
		unlock, err := d.lock("another satchel parity, rekey or sign of this bundle")
		if err != nil {
			return nil, err
		}
		defer func() { _ = unlock() }() // nothing is written any more
	}
	if err := s.addAcross(ctx, p, version, done, progress); err != nil {
		return nil, err
	}
	for _, d := range s.drives() {
		if err := confirmAdded(ctx, d.dir.Path(), Wanted{Expect: d.finger}); err != nil {
			return nil, fmt.Errorf("read what was added: %w", err)
		}
	}
	return done, nil
}

// openAll opens all drives of a bundle of several.
func openAll(dirs []string, want Wanted) (*seals, error) {
	s, err := openSeals(dirs, want)
	if err != nil {
		return nil, err
	}
	here := map[int]bool{}
	for _, d := range s.drives() {
		here[d.drive.Drive] = true
	}
	err = s.usable()
	if away := notHere(s.bundle.Bundle, len(s.bundle.Drives), here); err == nil && len(away) > 0 {
		err = &AwayError{Drives: away, Why: "parity goes across all drives"}
	}
	for _, d := range s.drives() {
		if err == nil && d.renamed {
			err = refuseRenamed(d.dir.Path())
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// byNumber gives the drive directories that are here by their numbers.
func (s *seals) byNumber() map[int]*driveDir {
	list := map[int]*driveDir{}
	for _, d := range s.drives() {
		list[d.drive.Drive] = d
	}
	return list
}

// planAcross says which parity files the bundle gets, and where.
func (s *seals) planAcross(ratio ParityRatio, most int64) (p seal.Parity, rep *ParityReport, err error) {
	if !AcrossDrives(ratio, len(s.bundle.Drives)) {
		return p, nil, s.refuseParity(fmt.Sprintf("%s is not enough for the loss of one of %d drives", ratio, len(s.bundle.Drives)), "that takes --parity "+ratio.ForDrive(len(s.bundle.Drives)).String())
	}
	rep = &ParityReport{Dir: s.dir.Path(), Bundle: s.bundle.Bundle, Fingerprint: s.finger, Plain: s.plain()}
	var files [][]seal.File
	var at []*media.Dir
	count, kept := 0, map[string]parity.Kept{}
	for _, d := range s.drives() {
		for _, name := range d.adding {
			if size, err := d.dir.Stat(name); err == nil && seal.IsParityFile(name) {
				kept[name] = parity.Kept{Drive: d.drive.Drive, Size: size}
			}
		}
		files, count, at = append(files, d.drive.Files), count+len(d.drive.Files), append(at, d.dir)
	}
	room, err := acrossRoom(at, most)
	if err != nil {
		return p, nil, err
	}
	p, err = parity.PlanAcross(s.bundle.Bundle, string(s.finger), files, room, kept, ratio)
	switch {
	case errors.Is(err, parity.ErrGroups):
		return p, nil, s.refuseParity(fmt.Sprintf("%s would make %v of its %s", ratio, err, text.Count(count, "segment", "segments")), "give more segments to a group: larger numbers in M/N")
	case errors.Is(err, parity.ErrSize):
		return p, nil, s.refuseParity(err.Error(), "pack it again with smaller segments (--segment-size)")
	case err != nil:
		return p, nil, err
	}
	had, err := s.hadAcross(p, ratio)
	if err != nil {
		return p, nil, err
	}
	if had.parity != nil {
		p, rep.Already = *had.parity, had.all
	}
	rep.Protection, rep.Files, rep.Bytes = protectionOf(p), len(p.Files()), parityBytes(p)
	rep.Work = rep.Bytes
	for _, f := range slices.Concat(files...) {
		rep.Work += f.Size
	}
	return p, rep, nil
}

// hadParity is what drives have already.
type hadParity struct {
	parity *seal.Parity // nil for none
	all    bool         // of all drives
}

// hadAcross finds out which drives have the parity that is planned, from an earlier run. Any
// other is refused.
func (s *seals) hadAcross(p seal.Parity, ratio ParityRatio) (had hadParity, err error) {
	had.all = true
	for _, d := range s.drives() {
		switch has := d.parity; {
		case !d.hasParity():
			had.all = false
			continue
		case has == nil || slices.ContainsFunc(d.faults, func(f Fault) bool { return seal.IsAdded(f.File) }):
			return had, damageOf(d.dir.Path(), d.faults)
		case !has.Across():
			return had, d.refuseParity("it has parity files of its own already: "+protectionOf(*has).String(), "keep those, or pack it again with all drives mounted and --parity "+ratio.String())
		case has.Parity != p.Parity || has.Data != p.Data || len(has.Groups) != len(p.Groups):
			return had, d.refuseParity("it has parity files already: "+protectionOf(*has).String(), "keep those, or pack it again with --parity "+ratio.String())
		}
		if had.parity != nil && !reflect.DeepEqual(had.parity, d.parity) {
			return had, d.refuseParity("its parity is not that of the other drives", "take another copy of this drive")
		}
		had.parity = d.parity
	}
	return had, nil
}

// addAcross writes the parity files of all groups, then what names them, drive by drive.
func (s *seals) addAcross(ctx context.Context, p seal.Parity, version string, done *ParityReport, progress func(int64)) error {
	others, err := s.smallOfEach()
	if err != nil {
		return err
	}
	if err := s.makeAllReady(p, others); err != nil {
		return err
	}
	if err := across(s.byNumber(), p).writeGroups(ctx, p, done, progress); err != nil {
		return err
	}
	for _, d := range s.drives() {
		if d.hasParity() {
			continue
		}
		if err := d.nameParity(ctx, p, d.ofOthers(others), version); err != nil {
			return err
		}
	}
	return nil
}

// ofOthers are the small files of the other drives, by name.
func (s *driveDir) ofOthers(each map[int][]namedBody) (list []namedBody) {
	for number, files := range each {
		if number != s.drive.Drive {
			list = append(list, files...)
		}
	}
	slices.SortFunc(list, func(a, b namedBody) int { return cmp.Compare(a.name, b.name) })
	return list
}

// smallOfEach gives, for each drive, the small files of which the other drives have copies:
// drive.json, bundle.json, their signatures and the index.
func (s *seals) smallOfEach() (map[int][]namedBody, error) {
	each := map[int][]namedBody{}
	for number, d := range s.byNumber() {
		list := slices.Clone(s.bundle.Drives[number-1].Signatures)
		if d == s.driveDir {
			list = append(list, s.bundle.Index)
			for _, f := range s.extras.Files {
				if seal.IsSignature(f.Name) {
					list = append(list, f)
				}
			}
		}
		for _, f := range list {
			body, _, err := d.originalOrSecond(f)
			if err != nil {
				return nil, d.blame(err)
			}
			each[number] = append(each[number], namedBody{seal.OtherName(number, f.Name), body})
		}
		for _, name := range []string{seal.DriveName, seal.BundleName} {
			if body, ok := d.bodies[name]; ok {
				each[number] = append(each[number], namedBody{seal.OtherName(number, name), body})
			}
		}
	}
	return each, nil
}
