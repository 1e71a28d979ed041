package bundle

import (
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// acrossDrives are the drives of a bundle that are here, with parity across all of them.
type acrossDrives struct {
	drives map[int]*driveDir // by number
	parity seal.Parity
	body   []byte // of parity.json
	of     int    // how many drives the bundle has
}

// acrossOf finds the parity that goes across the drives; nil if there is none, or they disagree and nothing says which
// is right.
func acrossOf(drives map[int]*driveDir) *acrossDrives {
	list := sortedDrives(drives)
	sum, _ := agreedParity(list)
	for _, d := range list {
		if body, own := d.parityAcross(); own == sum && sum != "" {
			return &acrossDrives{drives: drives, parity: *d.parity, body: body, of: d.drive.Of}
		}
	}
	return nil
}

// parityAcross gives the parity.json of a drive, and its SHA-256, if it goes across the drives; nil and "" if not.
func (s *driveDir) parityAcross() (body []byte, sum string) {
	if s.parity == nil || !s.parity.Across() {
		return nil, ""
	}
	body, err := s.parity.Marshal()
	if err != nil {
		return nil, ""
	}
	return body, seal.Sum(body)
}

// agreedParity is the SHA-256 of the parity.json that most of the drives have, of those that are of the seal of the bundle
// where that is here. It is "" if there is none, or as many have another one: tie.
func agreedParity(drives []*driveDir) (sum string, tie bool) {
	of := Fingerprint("")
	for _, d := range drives {
		if d.isLast() {
			of = d.finger
		}
	}
	count := map[string]int{}
	for _, d := range drives {
		if _, own := d.parityAcross(); own != "" && (of == "" || d.parity.Seal == string(of)) {
			count[own]++
		}
	}
	for own, n := range count {
		switch {
		case n > count[sum]:
			sum, tie = own, false
		case n == count[sum]:
			tie = true
		}
	}
	if tie {
		return "", true
	}
	return sum, false
}

// findOddParity finds fault with a parity.json across the drives that is not the one that counts: groups are of
// all drives, which must have the same.
func findOddParity(drives []*driveDir) {
	sum, tie := agreedParity(drives)
	what := "is not that of the other drives"
	if tie {
		what += ", and nothing says which is right"
	}
	for _, d := range drives {
		if _, own := d.parityAcross(); own != "" && own != sum {
			d.fault(seal.ParityName, what)
			d.parity, d.odd = nil, true
		}
	}
}

func sortedDrives(drives map[int]*driveDir) (list []*driveDir) {
	for number := 1; number <= seal.MaxDrives; number++ {
		if d := drives[number]; d != nil {
			list = append(list, d)
		}
	}
	return list
}

// copies gives what the drives that are here have of a small file of one drive: their copies, or
// the file itself.
func (a *acrossDrives) copies(number int, name string) (list [][]byte) {
	for _, d := range sortedDrives(a.drives) {
		want := seal.OtherName(number, name)
		if d.drive.Drive == number {
			want = name
		}
		for _, f := range d.files() {
			if f.Name != want {
				continue
			}
			if body, _, err := d.originalOrSecond(f); err == nil {
				list = append(list, body)
			}
		}
		if body, ok := d.bodies[name]; ok && d.drive.Drive == number {
			list = append(list, body)
		}
	}
	return list
}

// find gives the bytes that a small file of a drive must have, from another drive.
func (a *acrossDrives) find(number int, f seal.File) ([]byte, bool) {
	list := append(a.copies(number, f.Name), a.same(f.Name)...)
	if f.Name == seal.ParityName {
		list = append(list, a.body)
	}
	if other, of, ok := seal.ParseOther(f.Name); ok {
		list = append(list, a.copies(other, of)...)
	}
	for _, body := range list {
		if seal.FileOf(f.Name, body) == f {
			return body, true
		}
	}
	return nil, false
}

// same gives the bytes of a file that all drives have alike, such as key files.
func (a *acrossDrives) same(name string) (list [][]byte) {
	for _, d := range sortedDrives(a.drives) {
		for _, f := range d.extras.Files {
			if f.Name != name || seal.IsParityFile(name) {
				continue
			}
			if body, _, err := d.originalOrSecond(f); err == nil {
				list = append(list, body)
			}
		}
	}
	return list
}

// sealed gives bundle.json, of the last drive or of a copy.
func (a *acrossDrives) sealed() (body []byte, b seal.Bundle, err error) {
	for _, body := range a.copies(a.of, seal.BundleName) {
		if seal.Sum(body) == a.parity.Seal {
			b, err := seal.ParseBundle(body)
			if err == nil && (b.Bundle != a.parity.Bundle || len(b.Drives) != a.of) {
				err = fmt.Errorf("%s is of another bundle, or of another number of drives", seal.BundleName)
			}
			return body, b, err
		}
	}
	return nil, b, fmt.Errorf("all copies of %s are lost", seal.BundleName)
}

// anew makes the small files of a drive that is not here, as they were when parity was added, and
// its drive directory, which has no place yet.
func (a *acrossDrives) anew(number int) (*diagnosis, error) {
	body, b, err := a.sealed()
	if err != nil {
		return nil, err
	}
	s := &driveDir{bodies: map[string][]byte{}, sum: b.Drives[number-1], parity: &a.parity}
	for _, copied := range a.copies(number, seal.DriveName) {
		if seal.Sum(copied) == s.sum.SHA256 {
			s.bodies[seal.DriveName] = copied
		}
	}
	if s.drive, err = seal.ParseDrive(s.bodies[seal.DriveName]); err != nil {
		return nil, fmt.Errorf("all copies of its %s are lost", seal.DriveName)
	}
	if s.drive.Drive != number || s.drive.Of != a.of || s.drive.Bundle != b.Bundle {
		return nil, fmt.Errorf("%s is of another drive", seal.DriveName)
	}
	if number == a.of {
		s.bundle, s.finger, s.bodies[seal.BundleName] = b, Fingerprint(seal.Sum(body)), body
	}
	all, withSecond, err := a.smallOf(s, b)
	if err != nil {
		return nil, err
	}
	f, err := all.derive()
	if err == nil {
		s.extras, err = seal.ParseExtras(f.extras)
	}
	if err != nil {
		return nil, err
	}
	withSecond[seal.ExtrasName], s.bodies[seal.ExtrasName] = f.extras, f.extras
	var faults []Fault
	for _, f := range f.all {
		faults = append(faults, Fault{f.Name, "is on the drive that is lost"})
	}
	s.faults = faults
	d := newDiagnosis(s, faults)
	const from = "copies on the other drives"
	for name, body := range withSecond {
		d.small[name], d.small[seal.CopyDir+"/"+name] = body, body
		d.origin[name], d.origin[seal.CopyDir+"/"+name] = from, from
	}
	d.small[seal.ReadmeName], d.small[seal.SumsName] = f.readme, f.sums
	d.origin[seal.ReadmeName], d.origin[seal.SumsName] = "the seals", "the seals"
	return d, nil
}

// smallOf collects the small files of a drive that is not here: of what all depends on, and the
// bytes of those that have a second copy.
func (a *acrossDrives) smallOf(s *driveDir, b seal.Bundle) (all smallFiles, withSecond map[string][]byte, err error) {
	number, one := s.drive.Drive, sortedDrives(a.drives)[0]
	withSecond = map[string][]byte{seal.DriveName: s.bodies[seal.DriveName], seal.ParityName: a.body}
	all = smallFiles{
		bundle: b.Bundle, text: s.drive.Readme, driveSum: s.ownSum(), drive: number, of: a.of, segments: s.drive.Files, keys: map[string][]byte{}, signatures: map[string][]byte{},
		sealed: []seal.File{seal.FileOf(seal.DriveName, s.bodies[seal.DriveName])}, packedBy: one.extras.PackedBy, plain: b.Has(seal.Plain),
	}
	if !all.plain {
		if all.postQuantum, err = one.kind(); err != nil {
			return all, nil, err
		}
	}
	bound := slices.Clone(s.sum.Signatures)
	if s.isLast() {
		all.finger, all.text, all.sparse = s.finger, b.Readme, b.Has(seal.Baseline)
		all.sealed = append(all.sealed, b.Index, seal.FileOf(seal.BundleName, s.bodies[seal.BundleName]))
		withSecond[seal.BundleName] = s.bodies[seal.BundleName]
		bound = append(bound, b.Index)
	}
	for _, f := range bound {
		body, ok := a.find(number, f)
		if !ok {
			return all, nil, fmt.Errorf("all copies of its %s are lost", f.Name)
		}
		if withSecond[f.Name] = body; seal.IsSignature(f.Name) && !s.isLast() {
			all.signatures[f.Name] = body
		} else if seal.IsSignature(f.Name) {
			all.sealed = append(all.sealed, f)
		}
	}
	a.addOthers(s, &all, withSecond)
	for name, body := range withSecond {
		if seal.KeyNumber(name) > 0 {
			all.keys[name] = body
		}
	}
	return all.withParity(a.parity, a.body, all.others), withSecond, nil
}

// addOthers adds what a drive that is not here has besides: the key files, copies of the small files of
// other drives, and, if it is the last one, signatures of bundle.json.
func (a *acrossDrives) addOthers(s *driveDir, all *smallFiles, withSecond map[string][]byte) {
	number := s.drive.Drive
	add := func(of int, name string, body []byte) {
		other := seal.OtherName(of, name)
		if _, ok := withSecond[other]; !ok && of != number {
			withSecond[other], all.others = body, append(all.others, seal.FileOf(other, body))
		}
	}
	for _, d := range sortedDrives(a.drives) {
		for _, name := range []string{seal.DriveName, seal.BundleName} {
			if body, ok := d.bodies[name]; ok {
				add(d.drive.Drive, name, body)
			}
		}
		for _, f := range d.files() {
			other, name, ok := seal.ParseOther(f.Name)
			key, signature := seal.KeyNumber(f.Name) > 0, seal.IsSignature(f.Name)
			if !ok && !key && !signature && f.Name != seal.IndexOf(all.plain) {
				continue
			}
			body, _, err := d.originalOrSecond(f)
			if err != nil {
				continue // another drive may have it
			}
			switch of, _, _ := seal.ParseSignature(name); {
			case key:
				withSecond[f.Name] = body
			case ok && other == number && of == seal.BundleName:
				withSecond[name], all.signatures[name] = body, body
			case ok:
				add(other, name, body)
			default:
				add(d.drive.Drive, f.Name, body)
			}
		}
	}
	slices.SortFunc(all.others, func(x, y seal.File) int { return slices.Compare([]byte(x.Name), []byte(y.Name)) })
}
