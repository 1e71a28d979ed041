package bundle

import (
	"maps"
	"path/filepath"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// trace is what the small files of a drive directory say of the drive, where its seals do not.
type trace struct {
	id        string // of the bundle; "" if nothing says so, or not all say the same
	drive, of int    // 0 where nothing says so
	several   bool   // the bundle is on several drives
	sealed    bool   // parity was added, which only a sealed bundle gets
}

// traceOf reads extras.json, parity.json and the copies of other drives' small files, and their copies.
func traceOf(d *media.Dir) trace {
	var t trace
	var ids []string
	others := map[int]bool{}
	for _, sub := range []string{"", seal.CopyDir + "/"} {
		read := func(name string) []byte {
			body, err := d.ReadFile(sub+name, seal.MaxSize)
			if err != nil {
				return nil
			}
			return unixLines(body)
		}
		if e, err := seal.ParseExtras(read(seal.ExtrasName)); err == nil {
			ids, t.several = append(ids, e.Bundle), t.several || e.Drive != ""
		}
		if p, err := seal.ParseParity(read(seal.ParityName)); err == nil {
			ids, t.sealed = append(ids, p.Bundle), t.sealed || p.Seal != ""
		}
		for n := 1; n <= seal.MaxDrives; n++ {
			if other, err := seal.ParseDrive(read(seal.OtherName(n, seal.DriveName))); err == nil {
				ids, t.sealed, t.several, t.of, others[n] = append(ids, other.Bundle), true, true, other.Of, true
			}
		}
	}
	if ids = slices.Compact(ids); len(ids) != 1 {
		return trace{}
	}
	t.id = ids[0]
	if len(others) == t.of-1 { // it has those of all but itself
		for t.drive = 1; others[t.drive]; {
			t.drive++
		}
	}
	return t
}

// readTrace says of which bundle a drive directory is that has no seals; nil if nothing says so.
func readTrace(d *media.Dir) *location {
	files, _, err := d.List(".")
	if err != nil || !slices.ContainsFunc(files, func(f media.Entry) bool { return seal.MarksBundle(f.Name) }) {
		return nil // what is in copy may be a bundle itself
	}
	t := traceOf(d)
	if t.id == "" || seal.Canonical(filepath.Base(d.Path())) == seal.CopyDir { // second copies are no drive
		return nil
	}
	return &location{dir: d.Path(), id: t.id, drive: t.drive, of: t.of, lost: true}
}

// findTrace looks at the other small files where the seals do not say which drive it is, or that of a
// sealed bundle is not there.
func (p *location) findTrace(d *media.Dir) {
	switch {
	case p.id == "":
		if t := traceOf(d); t.id != "" && t.several {
			p.id, p.drive, p.of, p.lost = t.id, t.drive, t.of, true
		}
	case !p.sealed && !p.copied && p.complete && !p.isEarlier():
		p.lost = traceOf(d).sealed
	}
}

// sealLost is the error of a drive directory whose seals are lost.
func (p location) sealLost() error {
	name := seal.DriveName
	if p.sealed || p.complete {
		name = seal.BundleName
	}
	return &DamageError{Dir: p.dir, Faults: []Fault{{name, "and its second copy are lost; if parity goes across the drives of the bundle, repair takes it from the others"}}}
}

// lend gives the small files of a drive that bind all others of it, by what other drives have of them; nil if they
// do not.
func (a *acrossDrives) lend(number int) map[string][]byte {
	d, err := a.anew(number)
	if err != nil {
		return nil
	}
	return maps.Clone(d.bodies)
}

// openLost opens a drive directory whose seals are damaged or lost: by their second copies, or by what the
// drives that are open have of them. of is as for [openToRepair].
func openLost(p location, drives []*driveDir, want Wanted, of *seal.Bundle) (*driveDir, error) {
	d, err := openToRepair(p, want, nil, of)
	if !isDamage(err) {
		return d, err
	}
	byNumber := map[int]*driveDir{}
	for _, d := range drives {
		byNumber[max(1, d.drive.Drive)] = d
	}
	a := acrossOf(byNumber)
	if a == nil {
		return nil, err
	}
	for number := 1; number <= a.of; number++ {
		if byNumber[number] != nil || p.drive > 0 && p.drive != number {
			continue
		}
		lent := a.lend(number)
		if lent == nil || p.drive == 0 && !hasSegmentOf(p.dir, lent[seal.DriveName]) {
			continue
		}
		if number < a.of {
			want = Wanted{} // the last drive answers
		}
		p.drive = number
		return openToRepair(p, want, lent, of)
	}
	return nil, err
}

// hasSegmentOf reports whether a directory has a file that a drive.json names: names of segments are those of one
// drive of a bundle.
func hasSegmentOf(dir string, drive []byte) bool {
	parsed, err := seal.ParseDrive(drive)
	if err != nil {
		return false
	}
	d, err := media.OpenDir(dir)
	if err != nil {
		return false
	}
	defer func() { _ = d.Close() }() // it was read only
	return slices.ContainsFunc(parsed.Files, func(f seal.File) bool {
		_, err := d.Stat(f.Name)
		return err == nil
	})
}

// openLost opens the drives that could not be opened, or whose extras.json is lost or in doubt, in other ways.
func (o *opened) openLost(places []location, want Wanted) error {
	var whole []*driveDir
	for _, d := range o.drives {
		if !d.doubtsExtras() {
			whole = append(whole, d)
		}
	}
	opened := false
	for _, p := range places {
		isIt := func(d *driveDir) bool { return d.dir.Path() == p.dir }
		if p.short != "" || p.renamed || slices.ContainsFunc(whole, isIt) {
			continue
		}
		asked := want
		if o.last != nil && !isIt(o.last.driveDir) || p.isEarlier() {
			asked = Wanted{}
		}
		d, err := openLost(p, whole, asked, o.seal())
		if isDamage(err) {
			continue // that is known
		}
		if err != nil {
			return err
		}
		opened = true
		if err := o.replace(d); err != nil {
			return err
		}
	}
	if o.last != nil && opened {
		o.compareDrives()
	}
	return nil
}

// seal is that of the bundle, nil if the last drive was not opened.
func (o *opened) seal() *seal.Bundle {
	if o.last == nil {
		return nil
	}
	return &o.last.bundle
}

// replace takes a drive that was opened in another way for what was known of it.
func (o *opened) replace(d *driveDir) (err error) {
	o.broken = slices.DeleteFunc(o.broken, func(b DriveReport) bool { return b.Dir == d.dir.Path() })
	for i, old := range o.drives {
		if old.dir.Path() == d.dir.Path() {
			o.drives, err = slices.Delete(o.drives, i, i+1), old.dir.Close()
			break
		}
	}
	if o.drives = append(o.drives, d); d.isLast() {
		trusted := []Signed(nil)
		if o.last != nil {
			trusted = o.last.trusted
		}
		o.last = &seals{driveDir: d, trusted: trusted}
		d.second = slices.ContainsFunc(d.faults, func(f Fault) bool { return f.File == seal.BundleName })
	}
	return err
}

// doubtsExtras reports whether extras.json is lost, or may be what is wrong: it does not agree with the files that
// it names, and SHA256SUMS has another one.
func (s *driveDir) doubtsExtras() bool {
	return s.extras.Bundle == "" || !s.listed(seal.ExtrasName, s.bodies[seal.ExtrasName]) && s.disagreement(s.extras) > 0
}

// compareDrives compares the seals of drives that were opened without it with that of the bundle.
func (o *opened) compareDrives() {
	for _, d := range o.drives {
		if d.isLast() || d.sum.SHA256 != "" || d.drive.Drive >= len(o.last.bundle.Drives) {
			continue
		}
		if d.sum = o.last.bundle.Drives[d.drive.Drive-1]; seal.Sum(d.bodies[seal.DriveName]) != d.sum.SHA256 {
			d.fault(seal.DriveName, "is not the one that bundle.json binds")
		}
	}
}
