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
	all, err := diagnoseDrives(ctx, drives, labels(at, drives), func(number int) bool { return broken[number] != nil || broken[0] != nil }, nil)
	if err != nil {
		return nil, err
	}
	if want.Expect != "" {
		if err = all.expect(want.Expect, at); err != nil {
			return nil, err
		}
	}
	if want.Trust != nil && lastSeal(drives) == nil {
		return nil, at.noLast("who has signed it is found out on the last drive")
	}
	if set = all.set(labels(at, drives), unfinished, broken); len(set.Drives) < len(drives) {
		return nil, &RefusedError{Dir: drives[0].dir.Path(), Reason: "two directories are of the same drive, by what is left of their seals", hint: "name one of them"}
	}
	return set, nil
}

// labels are all drives of the bundle, nil for a bundle of one.
func labels(at located, drives []*driveDir) []DriveLabel {
	list := at.names()
	for _, d := range drives {
		for n := len(list) + 1; n <= d.drive.Of; n++ {
			list = append(list, DriveLabel{d.drive.Bundle, n, d.drive.Of})
		}
	}
	return list
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
	for _, r := range s.Drives {
		for _, other := range s.Drives {
			if other != r {
				r.beside = append(r.beside, other.Dir)
			}
		}
	}
	if len(s.Drives) > 0 {
		s.Bundle = s.Drives[0].Bundle
	}
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
	number := max(1, len(at.names()))
	last := all.here[number]
	if last == nil {
		last = all.away[number]
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
	slices.Reverse(places) // the last one binds the others
	var lost []location
	asked := func(p location) Wanted {
		if at.last != nil && p.dir != at.last.dir || at.last == nil && want.Trust == nil {
			return Wanted{} // the last one answers, or what is known of it
		}
		return want
	}
	for _, p := range places {
		d, err := openToRepair(p, asked(p), nil, lastSeal(drives))
		if isDamage(err) && len(places) > 1 {
			lost = append(lost, p)
			continue
		}
		if err != nil {
			return drives, nil, err
		}
		drives = append(drives, d)
	}
	of := sealAmong(drives)
	drives, unbound, err := keepBound(drives, of)
	if err != nil {
		return drives, nil, err
	}
	for _, p := range places {
		if slices.Contains(unbound, p.dir) {
			lost = append(lost, p)
		}
	}
	broken = map[int]error{}
	var all error
	for _, p := range lost {
		d, err := openLost(p, drives, asked(p), of)
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
	slices.SortFunc(drives, func(a, b *driveDir) int { return cmp.Compare(a.drive.Drive, b.drive.Drive) })
	return drives, broken, nil
}

// lastSeal is the seal of the bundle, nil if the last drive is not among these.
func lastSeal(drives []*driveDir) *seal.Bundle {
	for _, d := range drives {
		if d.isLast() {
			return &d.bundle
		}
	}
	return nil
}

// sealAmong is the seal of the bundle, of the last drive or of copies on the others; nil if it is not there.
func sealAmong(drives []*driveDir) *seal.Bundle {
	if b := lastSeal(drives); b != nil {
		return b
	}
	byNumber := map[int]*driveDir{}
	for _, d := range drives {
		byNumber[d.drive.Drive] = d
	}
	if a := acrossOf(byNumber); a != nil {
		if _, b, err := a.sealed(); err == nil {
			return &b
		}
	}
	return nil
}

// keepBound closes the drives that the seal of the bundle does not bind, and gives their places.
func keepBound(drives []*driveDir, of *seal.Bundle) (kept []*driveDir, unbound []string, err error) {
	for _, d := range drives {
		if n := d.drive.Drive; of == nil || d.isLast() || n < len(of.Drives) && seal.Sum(d.bodies[seal.DriveName]) == of.Drives[n-1].SHA256 {
			kept = append(kept, d)
			continue
		}
		unbound, err = append(unbound, d.dir.Path()), errors.Join(err, d.dir.Close())
	}
	return kept, unbound, err
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

// InPlace repairs all drives where they are: small files first, then the files of groups. What is wrong with one drive,
// such as too little room, keeps no other from being repaired. See [Repair.InPlace].
func (s *RepairSet) InPlace(ctx context.Context, progress func(int64)) error {
	var left error // what stays damaged
	for _, r := range s.Drives {
		if len(r.Remedies) == 0 {
			continue
		}
		found := r.named(r.InPlace(ctx, progress))
		if ctx.Err() != nil {
			return errors.Join(found, left)
		}
		r.Done = found == nil || isPartial(found)
		left = also(left, found)
	}
	return left
}

// isPartial reports whether a repair did what can be done: files are lost still, or another command that was
// interrupted has to come to its end.
func isPartial(err error) bool {
	_, partial := errors.AsType[*RepairError](err)
	_, rekey := errors.AsType[*RekeyError](err)
	_, signing := errors.AsType[*SigningError](err)
	_, adding := errors.AsType[*ParityError](err)
	return partial || rekey || signing || adding
}

// named says which drive of several an error is of.
func (r *Repair) named(err error) error {
	if r.Drive.Of == 0 || err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", r.Drive, err)
}

// onlyAway reports whether drives are not here, and of none that is here the seals are lost.
func (s *RepairSet) onlyAway() bool {
	return len(s.Lost) > 0 && !slices.ContainsFunc(s.Lost, func(d LostDrive) bool { return d.Err != nil })
}

func (s *RepairSet) lostLabels() (list []DriveLabel) {
	for _, d := range s.Lost {
		list = append(list, d.DriveLabel)
	}
	return list
}

// Target is the drive that is written into another directory: the one that is not here, or else the only
// one that is damaged, or the only one there is. Errors: *[TargetError]; *[AwayError] where nothing is damaged that is here; *[RefusedError] where nothing is to be done.
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
	case len(damaged) == 0 && s.onlyAway():
		return nil, &AwayError{Drives: s.lostLabels(), Why: "it cannot be made anew: " + s.Lost[0].Why}
	case len(s.Lost) > 0 && len(damaged) != 1:
		return nil, &TargetError{Bundle: s.Bundle, Why: s.Lost[0].String() + " cannot be made anew: " + s.Lost[0].Why, hint: "take another copy of that drive, or pack again"}
	case len(damaged) == 0:
		return nil, &RefusedError{Dir: s.Drives[0].Dir, Reason: "no drive is lost, and none is damaged", hint: "nothing is to be done; to make another copy of a drive, take satchel copy"}
	case len(damaged) > 1:
		return nil, &TargetError{Bundle: s.Bundle, Why: "several drives are damaged: " + strings.Join(names, ", "), hint: "repair all of them in place; or write one into another directory by naming its directory alone, where it has parity of its own"}
	}
	return damaged[0], nil
}

// TargetError says that no drive of a damaged bundle can be written into another directory.
type TargetError struct {
	Bundle string
	Why    string

	hint string
}

func (e *TargetError) Error() string {
	return fmt.Sprintf("bundle %s is damaged still, and nothing was written: %s", e.Bundle, e.Why)
}

// Hint says what to do now.
func (e *TargetError) Hint() string { return e.hint }

// Permanent is true: the same drives give the same answer.
func (e *TargetError) Permanent() bool { return true }

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
