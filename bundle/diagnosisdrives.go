package bundle

import (
	"context"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// drivesDiagnosis is what can be done about the drives of a bundle that are looked at together.
type drivesDiagnosis struct {
	here map[int]*diagnosis // by number
	away map[int]*diagnosis // of drives that are not here and can be made anew, without a place
	why  map[int]string     // of those that cannot: why not

	elsewhere []DriveLabel // drives that are not here, and may be whole
}

// diagnoseDrives is [driveDir.diagnose] for several drives of a bundle, which are those that names says; faults are
// those of each. unread reports whether a drive is here all the same of which the seals cannot be read.
func diagnoseDrives(ctx context.Context, drives []*driveDir, names []DriveLabel, unread func(number int) bool, progress func(int64)) (*drivesDiagnosis, error) {
	all := &drivesDiagnosis{here: map[int]*diagnosis{}, away: map[int]*diagnosis{}, why: map[int]string{}}
	byNumber := map[int]*driveDir{}
	for _, s := range drives {
		byNumber[max(1, s.drive.Drive)] = s
	}
	for _, l := range names {
		if byNumber[l.Number] == nil && !unread(l.Number) {
			all.elsewhere = append(all.elsewhere, l)
		}
	}
	across := acrossOf(byNumber)
	if across == nil {
		return all, all.each(ctx, byNumber, names, progress)
	}
	for number, s := range byNumber {
		all.here[number] = newDiagnosis(s, s.faults)
		all.here[number].away = all.elsewhere
	}
	all.lookForLost(across)
	if err := all.survey(ctx, across, progress); err != nil {
		return nil, err
	}
	for number, d := range all.here {
		if len(d.driveDir.faults) > 0 {
			d.readSmall()
			d.fill(across, number)
			d.judge(d.driveDir.faults)
		}
	}
	for number, d := range all.away {
		d.judge(d.driveDir.faults)
		if i := slices.IndexFunc(d.remedies, func(r Remedy) bool { return r.Lost != "" }); i >= 0 {
			all.why[number] = d.remedies[i].File + ": " + d.remedies[i].Lost
		}
	}
	return all, nil
}

// each diagnoses each drive for itself, where no parity goes across them, or nothing here says how.
func (all *drivesDiagnosis) each(ctx context.Context, byNumber map[int]*driveDir, names []DriveLabel, progress func(int64)) error {
	for number, s := range byNumber {
		var away []DriveLabel
		if s.hasOthers() {
			away = all.elsewhere
		}
		d, err := s.diagnose(ctx, s.faults, away, byNumber, progress)
		if err != nil {
			return err
		}
		all.here[number] = d
	}
	why := "no parity goes across the drives"
	if slices.ContainsFunc(sortedDrives(byNumber), func(s *driveDir) bool { return s.odd }) {
		why = "the drives do not agree how parity goes across them"
	}
	for _, l := range names {
		if byNumber[l.Number] == nil {
			all.why[l.Number] = why
		}
	}
	return nil
}

// tooManyAway is why a drive cannot be made anew where more are not here than may be lost. They may be elsewhere.
const tooManyAway = "too many drives are not here"

// lookForLost makes the small files of drives that are not here.
func (all *drivesDiagnosis) lookForLost(across *acrossDrives) {
	missing := across.of - len(across.drives)
	for number := 1; number <= across.of; number++ {
		switch {
		case across.drives[number] != nil:
		case missing > protectionOf(across.parity).Whole:
			all.why[number] = tooManyAway
		default:
			d, err := across.anew(number)
			if err != nil {
				all.why[number] = err.Error()
				continue
			}
			all.away[number] = d
		}
	}
}

// survey looks for the bad shards of groups across the drives, of which a file is at fault or is on a
// drive that is made anew.
func (all *drivesDiagnosis) survey(ctx context.Context, a *acrossDrives, progress func(int64)) error {
	from := across(a.drives, a.parity)
	from.away = all.elsewhere
	p := a.parity
	p.Groups = slices.DeleteFunc(slices.Clone(p.Groups), func(g seal.ParityGroup) bool {
		return !slices.ContainsFunc(slices.Concat(g.Data, g.Parity), func(f seal.File) bool {
			number := from.of[f.Name]
			return all.away[number] != nil || all.here[number] != nil && all.here[number].faulty[f.Name]
		})
	})
	want := map[string]seal.File{}
	for _, g := range p.Groups {
		for _, f := range slices.Concat(g.Data, g.Parity) {
			want[f.Name] = f
		}
	}
	found, err := survey(ctx, &p, from, func(name string) bool {
		d := all.here[from.of[name]]
		return d != nil && !d.faulty[name] && d.named[name] == want[name] // a drive with another parity.json has others
	}, progress)
	for _, list := range []map[int]*diagnosis{all.here, all.away} {
		for _, d := range list {
			d.groups = found
		}
	}
	return err
}

const fromOthers = "another drive"

// fill takes small files of which original and second copy are lost from other drives.
func (d *diagnosis) fill(a *acrossDrives, number int) {
	for _, f := range d.files() {
		if _, ok := d.small[f.Name]; ok || !d.faulty[f.Name] || seal.IsParityFile(f.Name) {
			continue
		}
		if _, segment := seal.ParseSegment(f.Name); segment {
			continue
		}
		if body, ok := a.find(number, f); ok {
			d.mustBe(f.Name, body, false)
			d.origin[f.Name], d.origin[seal.CopyDir+"/"+f.Name] = fromOthers, fromOthers
		}
	}
}
