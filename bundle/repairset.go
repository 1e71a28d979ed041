package bundle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// RepairSet is what can be done about the drives of a bundle, or about a bundle of one drive.
// Nothing is written before [RepairSet.InPlace] or [Repair.Into].
type RepairSet struct {
	Bundle string
	Drives []*Repair // that are here, by number
	Away   []*Repair // that are not here, and can be made anew by [Repair.Into], as far as their remedies say
	Lost   []LostDrive
}

// LostDrive is a drive that is not here, or of which the seals cannot be read, and that cannot be
// made anew.
type LostDrive struct {
	DriveLabel
	Why string
	Err error // that its seals are lost; nil if it is not here
}

// FindRepairs reads all of the drives in dirs, as [Verify] does, and finds out what can be rebuilt
// of what is damaged, without a key: segments from parity, small files from their second
// copies, and copies from their originals; and, where parity goes across all drives, of a whole
// drive that is not here. Close it. Errors: those of [Verify] where there is nothing to check, *[DamageError] where the
// seals and their copies are lost.
func FindRepairs(ctx context.Context, dirs []string, want Wanted, progress func(int64)) (set *RepairSet, err error) {
	at, err := locateToRepair(dirs)
	if err != nil {
		return nil, err
	}
	drives, broken, err := openEach(at, want)
	defer func() {
		if err != nil {
			for _, d := range drives {
				err = errors.Join(err, d.dir.Close())
			}
		}
	}()
	if err != nil {
		return nil, err
	}
	findOddParity(drives)
	unfinished := map[int]error{}
	for _, d := range drives {
		if unfinished[d.drive.Drive], err = findFaults(ctx, d, progress); err != nil {
			return nil, err
		}
	}
	all, err := diagnoseDrives(ctx, drives, len(at.names()), nil)
	if err != nil {
		return nil, err
	}
	if at.last == nil && want.Expect != "" {
		if err = all.expect(want.Expect, at); err != nil {
			return nil, err
		}
	}
	return all.set(at.names(), unfinished, broken), nil
}

// set is what can be done about each drive. unfinished is what was interrupted on it, broken the damage for which it was not opened.
func (all *drivesDiagnosis) set(names []DriveLabel, unfinished, broken map[int]error) *RepairSet {
	s := &RepairSet{}
	for number := 1; number <= max(1, len(names)); number++ {
		switch {
		case all.here[number] != nil:
			s.Drives = append(s.Drives, newRepair(all.here[number], unfinished[number]))
		case all.away[number] != nil:
			s.Away = append(s.Away, newRepair(all.away[number], nil))
		default:
			s.Lost = append(s.Lost, LostDrive{names[number-1], all.why[number], cmp.Or(broken[number], broken[0])})
		}
	}
	s.Bundle = s.Drives[0].Bundle
	return s
}

// locateToRepair finds the drive directories of a bundle, those too of which nothing says which drive they are.
func locateToRepair(dirs []string) (at located, err error) {
	all, err := locateAll(dirs)
	if err != nil {
		return at, err
	}
	whole, rest := apart(all)
	if at, err = together(whole); err != nil {
		return at, err
	}
	for _, p := range rest {
		if p.copying {
			return at, &UnfinishedError{Dir: p.dir, Copy: true}
		}
		p.lost = true
		at.lost = append(at.lost, p)
	}
	return at, nil
}

// expect compares the fingerprint with that of the last drive, whose seal is not here or is lost: the others have
// copies of it, where it can be made anew.
func (all *drivesDiagnosis) expect(fp Fingerprint, at located) error {
	last := all.here[len(at.names())]
	if last == nil {
		last = all.away[len(at.names())]
	}
	switch {
	case last == nil:
		return at.noLast("its fingerprint is compared on the last drive")
	case last.finger != fp:
		return &FingerprintError{Want: fp, Got: last.finger}
	}
	return nil
}

// openEach opens each drive. One whose seals are lost is opened by what the others have of them; broken are the
// errors of those of which these have nothing.
func openEach(at located, want Wanted) (drives []*driveDir, broken map[int]error, err error) {
	places := at.places()
	var lost []location
	asked := func(p location) Wanted {
		if at.last != nil && p.dir != at.last.dir || at.last == nil && want.Trust == nil {
			return Wanted{} // the last one answers, or what is known of it
		}
		return want
	}
	for _, p := range places {
		d, err := openToRepair(p, asked(p), nil)
		if isDamage(err) && len(places) > 1 {
			lost = append(lost, p)
			continue
		}
		if err != nil {
			return drives, nil, err
		}
		drives = append(drives, d)
	}
	broken = map[int]error{}
	var all error
	for _, p := range lost {
		d, err := openLost(p, drives, asked(p))
		switch {
		case err == nil:
			drives = append(drives, d)
		case isDamage(err):
			broken[p.drive], all = err, also(all, err)
		default:
			return drives, nil, err
		}
	}
	if len(drives) == 0 {
		return nil, nil, all
	}
	return drives, broken, nil
}

// Close releases the directories.
func (s *RepairSet) Close() (err error) {
	for _, r := range s.Drives {
		err = errors.Join(err, r.Close())
	}
	return err
}

// Work is how many bytes [RepairSet.InPlace] reports as it goes on.
func (s *RepairSet) Work() (n int64) {
	for _, r := range s.Drives {
		n += r.work()
	}
	return n
}

// InPlace repairs all drives where they are: small files first, then the files of groups. See [Repair.InPlace].
func (s *RepairSet) InPlace(ctx context.Context, progress func(int64)) error {
	var left error // what stays damaged
	for _, r := range s.Drives {
		if len(r.Remedies) == 0 {
			continue
		}
		found := r.named(r.InPlace(ctx, progress))
		if found != nil && !isPartial(found) {
			return errors.Join(found, left)
		}
		left = also(left, found)
	}
	return left
}

// isPartial reports whether a repair did what can be done.
func isPartial(err error) bool {
	_, ok := errors.AsType[*RepairError](err)
	return ok
}

// named says which drive of several an error is of.
func (r *Repair) named(err error) error {
	if r.Drive.Of == 0 || err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", r.Drive, err)
}

// Target is the drive that is written into another directory: the one that is not here, or else the only
// one that is damaged, or the only one there is. Errors: *[RefusedError].
func (s *RepairSet) Target() (*Repair, error) {
	if len(s.Away) > 0 {
		return s.Away[0], nil
	}
	var damaged []*Repair
	var names []string
	for _, r := range s.Drives {
		if len(r.Remedies) > 0 {
			damaged, names = append(damaged, r), append(names, r.Label())
		}
	}
	switch {
	case len(s.Drives) == 1 && len(s.Lost) == 0, len(s.Drives) == 1 && s.Drives[0].Drive.Of > 0:
		return s.Drives[0], nil
	case len(s.Lost) > 0 && len(damaged) != 1:
		return nil, &RefusedError{Dir: s.Drives[0].Dir, Reason: s.Lost[0].String() + " cannot be made anew: " + s.Lost[0].Why, hint: "take another copy of that drive, or pack again"}
	case len(damaged) == 0:
		return nil, &RefusedError{Dir: s.Drives[0].Dir, Reason: "no drive is lost, and none is damaged", hint: "nothing is to be done; to make another copy of a drive, take satchel copy"}
	case len(damaged) > 1:
		return nil, &RefusedError{Dir: s.Drives[0].Dir, Reason: "several drives are damaged: " + strings.Join(names, ", "), hint: "--to takes one drive: repair the others in place first"}
	}
	return damaged[0], nil
}

// Damaged reports whether something is at fault on the drives that are here.
func (s *RepairSet) Damaged() bool {
	return slices.ContainsFunc(s.Drives, func(r *Repair) bool { return len(r.Remedies) > 0 })
}

// Unfinished is what was interrupted, where nothing is damaged.
func (s *RepairSet) Unfinished() (err error) {
	for _, r := range s.Drives {
		err = also(err, r.Unfinished)
	}
	return err
}

// Label is that of a drive, "" in a bundle of one.
func (r *Repair) Label() string {
	if r.Drive.Of == 0 {
		return ""
	}
	return seal.Label(r.Bundle, r.Drive.Number)
}
