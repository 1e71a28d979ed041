package bundle

import (
	"cmp"
	"errors"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// opened are the drives that a verification looks at.
type opened struct {
	last   *seals // nil if the last drive is not here, or its seal cannot be read
	drives []*driveDir
	broken []DriveReport // of drives whose seals cannot be read: nothing else of them is known
	names  []DriveLabel  // of all drives of a bundle of several

	unnamed []location // of which nothing says which drive they are

	trusted []Signed // without the last drive: who is trusted and has signed the drive that was looked at last
}

// openToVerify opens the drives in dirs.
func openToVerify(dirs []string, want Wanted) (*opened, error) {
	all, err := locateAll(dirs)
	if err != nil {
		return nil, err
	}
	all, rest := apart(all)
	at, err := together(all)
	if err != nil {
		return nil, err
	}
	o := &opened{names: at.names()}
	o.addRest(rest, at)
	if err := o.open(at, want); err != nil {
		return nil, also(err, o.close())
	}
	slices.SortFunc(o.drives, func(a, b *driveDir) int { return cmp.Compare(a.drive.Drive, b.drive.Drive) })
	findOddParity(o.drives)
	return o, nil
}

// apart takes out directories that cannot be opened, and are drives of the same bundle all the same, or may be: those of
// which nothing says which drive they are, and copies that did not come to their end.
func apart(all []location) (whole, rest []location) {
	for _, p := range all {
		if p.id == "" || p.copying || p.lost && p.drive == 0 {
			rest = append(rest, p)
		} else {
			whole = append(whole, p)
		}
	}
	if !slices.ContainsFunc(whole, func(p location) bool { return p.of > 1 }) || slices.ContainsFunc(rest, func(p location) bool { return p.id != "" && p.id != whole[0].id }) {
		return all, nil
	}
	return whole, rest
}

// addRest notes such drives. Of one alone without a name, the drives that are not here may say which it is.
func (o *opened) addRest(list []location, at located) {
	here, unnamed := map[int]bool{}, 0
	for _, p := range slices.Concat(at.earlier, at.lost, list) {
		if here[p.drive] = true; p.drive == 0 {
			unnamed++
		}
	}
	if at.last != nil {
		here[at.last.drive] = true
	}
	for _, p := range list {
		if p.copying {
			err := &UnfinishedError{Dir: p.dir, Copy: true}
			o.broken = append(o.broken, DriveReport{DriveLabel: DriveLabel{p.id, p.drive, p.of}, Dir: p.dir, Err: err})
			continue
		}
		is := DriveLabel{o.names[0].Bundle, 0, o.names[0].Of}
		if away := notHere(is.Bundle, is.Of, here); len(away) == 1 && unnamed == 1 {
			is = away[0]
		}
		if p.short != "" {
			o.broken = append(o.broken, DriveReport{DriveLabel: is, Dir: p.dir, Err: shortNames(p)})
			continue
		}
		faults := []Fault{{seal.DriveName, "cannot be read, nor its second copy, so that nothing says which drive it is"}}
		o.broken, o.unnamed = append(o.broken, DriveReport{DriveLabel: is, Dir: p.dir, Faults: faults, Err: &DamageError{Dir: p.dir, Faults: faults}}), append(o.unnamed, p)
	}
}

// open opens each drive. One that is too damaged keeps nobody from looking at the others.
func (o *opened) open(at located, want Wanted) error {
	if at.last == nil && len(at.lost) == 0 && want.Expect != "" {
		return at.noLast("the fingerprint is compared on the last drive")
	}
	var of *seal.Bundle
	if at.last != nil {
		s, err := sealsToVerify(*at.last, want)
		if err := o.add(*at.last, err); err != nil {
			return err
		}
		if s != nil {
			o.last, o.drives, of = s, append(o.drives, s.driveDir), &s.bundle
		}
	}
	for _, p := range at.earlier {
		s, err := openDrive(p, of)
		if err := o.add(p, err); err != nil {
			return err
		}
		if s == nil {
			continue
		}
		o.drives = append(o.drives, s)
		if o.last == nil && want.Trust != nil {
			if o.trusted, err = s.trusts(want.Trust); err != nil {
				return err
			}
		}
	}
	for _, p := range at.lost {
		if err := o.add(p, p.sealLost()); err != nil {
			return err
		}
	}
	if err := o.openLost(slices.Concat(at.places(), o.unnamed), want); err != nil {
		return err
	}
	if len(o.drives) == 0 && len(o.broken) > 0 {
		return o.broken[0].Err
	}
	if o.last == nil && want.Expect != "" {
		return at.noLast("the fingerprint is compared on the last drive")
	}
	return nil
}

// add notes damage that kept a drive from being opened.
func (o *opened) add(p location, err error) error {
	damage, ok := errors.AsType[*DamageError](err)
	if !ok {
		return err
	}
	o.broken = append(o.broken, DriveReport{DriveLabel: DriveLabel{p.id, p.drive, p.of}, Dir: damage.Dir, Faults: damage.Faults, Err: err})
	return nil
}

func (o *opened) close() (err error) {
	for _, d := range o.drives {
		err = errors.Join(err, d.dir.Close())
	}
	return err
}

// names are all drives of the bundle, nil for a bundle of one.
func (at located) names() (list []DriveLabel) {
	all := at.places()
	of := slices.MaxFunc(all, func(a, b location) int { return cmp.Compare(a.of, b.of) })
	for n := 1; n <= of.of; n++ {
		list = append(list, DriveLabel{of.id, n, of.of})
	}
	return list
}

// rekeyed finds a rekey that was interrupted between two drives: each is whole, and the newest key file is not on all
// of them. Older ones may differ: a rekey that completes an interrupted one leaves what that had added.
func (o *opened) rekeyed() *RekeyError {
	newest, on := 0, map[int]int{}
	for _, d := range o.drives {
		if d.extras.Bundle == "" { // it is damaged, which is said
			return nil
		}
		for _, f := range d.extras.Files {
			n := seal.KeyNumber(f.Name)
			newest, on[n] = max(newest, n), on[n]+1
		}
	}
	if newest == 0 || on[newest] == len(o.drives) {
		return nil
	}
	e := &RekeyError{Files: []string{seal.KeyName(newest)}}
	for _, d := range o.drives {
		if !slices.ContainsFunc(d.extras.Files, func(f seal.File) bool { return f.Name == seal.KeyName(newest) }) {
			e.Dir, e.Lacking = d.dir.Path(), append(e.Lacking, DriveLabel{d.drive.Bundle, d.drive.Drive, d.drive.Of})
		}
	}
	return e
}

// also adds an error to those there are; one alone stays what it is.
func also(err, more error) error {
	if err == nil || more == nil {
		return cmp.Or(err, more)
	}
	return errors.Join(err, more)
}
