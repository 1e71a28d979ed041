package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/parity"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Remedy says how a file of a damaged bundle becomes what it was, or why it cannot.
type Remedy struct {
	File  string
	From  string // what it is rebuilt from; "" if it cannot be
	Lost  string // why it cannot be rebuilt; "" if it can, or may be
	Extra bool   // it is not of the bundle, and nothing is lost by that
	Waits bool   // it was not rebuilt, because the drive has too little room

	Away []DriveLabel // drives that are not here: without them it cannot be rebuilt, and whether it can with them is not known yet
}

// Open reports whether the drives that are not here decide whether a file can be rebuilt.
func (r Remedy) Open() bool { return len(r.Away) > 0 }

// diagnosis is what can be done about the faults of a drive directory.
type diagnosis struct {
	*driveDir
	faulty   map[string]bool
	small    map[string][]byte    // what the small files must be, those in copy too; without those that are lost
	origin   map[string]string    // what each of them is rebuilt from
	named    map[string]seal.File // the files that the seals and extras.json name
	groups   surveyed             // those with files at fault
	remedies []Remedy             // of each file at fault, in order
	away     []DriveLabel         // drives that are not here and may help: parity goes across them and this one
}

// surveyed are the groups of a parity.json with files at fault.
type surveyed struct {
	parity  *seal.Parity
	numbers []int            // where they stand in it
	surveys []*parity.Survey // of each
	group   map[string]int   // which of them each file is in
	from    holders          // which has their files
}

// diagnose finds out what can be rebuilt of files at fault. Only those are read, and the small
// files. progress, if not nil, gets the bytes just read. Of groups across drives nothing is found
// out: see [diagnoseDrives]. away are drives that may help, beside are those that are here, which have the same key files.
func (s *driveDir) diagnose(ctx context.Context, faults []Fault, away []DriveLabel, beside map[int]*driveDir, progress func(int64)) (*diagnosis, error) {
	d := newDiagnosis(s, faults)
	d.away = away
	if len(faults) == 0 {
		return d, nil
	}
	d.readSmall()
	d.fill(&acrossDrives{drives: beside}, s.drive.Drive)
	if p := s.usableParity(); p != nil && !p.Across() {
		var err error
		if d.groups, err = survey(ctx, p, alone(s), d.isWhole, progress); err != nil {
			return nil, err
		}
	}
	d.judge(faults)
	return d, nil
}

// isWhole reports whether a file is known to be as it was: it is named, and nothing is wrong with it. Parity files of an
// adding that was interrupted are not named, and nobody has looked at them.
func (d *diagnosis) isWhole(name string) bool {
	_, named := d.named[name]
	return named && !d.faulty[name]
}

func newDiagnosis(s *driveDir, faults []Fault) *diagnosis {
	d := &diagnosis{driveDir: s, faulty: map[string]bool{}, small: map[string][]byte{}, origin: map[string]string{}, named: map[string]seal.File{}}
	for _, f := range s.files() {
		d.named[f.Name] = f
	}
	for _, f := range faults {
		d.faulty[f.File] = true
	}
	return d
}

// judge says what can be done about each file at fault.
func (d *diagnosis) judge(faults []Fault) {
	seen := map[string]bool{}
	for _, f := range faults {
		if !seen[f.File] {
			seen[f.File] = true
			d.remedies = append(d.remedies, d.remedy(f.File))
		}
	}
	slices.SortFunc(d.remedies, func(a, b Remedy) int { return strings.Compare(a.File, b.File) })
}

// readSmall finds out what each small file must be: by the seals from it or its second copy,
// or from what it follows from.
func (d *diagnosis) readSmall() {
	for name, body := range d.bodies {
		d.mustBe(name, body, false)
		if string(body) == string(d.lent[name]) && !d.hasItself(name) {
			d.origin[name], d.origin[seal.CopyDir+"/"+name] = fromOthers, fromOthers
		}
	}
	if d.byFiles {
		from := "the files that it names, as SHA256SUMS has it"
		if d.unversioned {
			from = FromNames
		}
		d.origin[seal.ExtrasName], d.origin[seal.CopyDir+"/"+seal.ExtrasName] = from, from
	}
	bound := append(d.driveSignatures(), d.extras.Files...)
	if d.isLast() {
		bound = append(bound, d.bundle.Index)
	}
	for _, f := range bound {
		if seal.IsParityFile(f.Name) {
			continue
		}
		if body, second, err := d.originalOrSecond(f); err == nil {
			d.mustBe(f.Name, body, second)
		}
	}
	if d.parityAnew != nil {
		const from = "the segments and parity files, as extras.json has it"
		d.mustBe(seal.ParityName, d.parityAnew, false)
		d.origin[seal.ParityName], d.origin[seal.CopyDir+"/"+seal.ParityName] = from, from
	}
	now, err := d.smallFiles()
	if err != nil || now.text > seal.ReadmeDrives && d.faulty[seal.ReadmeName] {
		d.keepDerived() // a key file is lost, or README.txt has a wording that this version does not know
		return
	}
	if f, err := now.derive(); err == nil {
		d.small[seal.ReadmeName], d.small[seal.SumsName] = f.readme, f.sums
		d.origin[seal.ReadmeName], d.origin[seal.SumsName] = "the seals", "the seals"
	}
}

// hasItself reports whether the drive has a small file that was lent, or its second copy.
func (d *diagnosis) hasItself(name string) bool {
	return slices.ContainsFunc(d.originalAndSecond(name), func(body []byte) bool { return string(body) == string(d.lent[name]) })
}

// keepDerived takes README.txt and SHA256SUMS as they are, where what they follow from is lost and they are not.
func (d *diagnosis) keepDerived() {
	for _, name := range []string{seal.ReadmeName, seal.SumsName} {
		if d.faulty[name] || d.dir == nil {
			continue
		}
		if body, err := d.dir.ReadFile(name, seal.MaxSize); err == nil {
			d.small[name] = unixLines(body)
		}
	}
}

// mustBe notes what a file and its second copy must be. fromSecond says that the bytes are those of the second copy.
func (d *diagnosis) mustBe(name string, body []byte, fromSecond bool) {
	second := seal.CopyDir + "/" + name
	d.small[name], d.small[second] = body, body
	d.origin[name], d.origin[second] = "its second copy", "its original"
	if slices.Contains(d.crlf, name) && !fromSecond {
		d.origin[name] = "itself: its line ends"
	}
}

// survey looks for the bad shards of all groups with files at fault.
func survey(ctx context.Context, p *seal.Parity, from holders, whole func(name string) bool, progress func(int64)) (found surveyed, err error) {
	found = surveyed{parity: p, from: from, group: map[string]int{}}
	for i, g := range p.Groups {
		if !slices.ContainsFunc(slices.Concat(g.Data, g.Parity), func(f seal.File) bool { return !whole(f.Name) }) {
			continue
		}
		s, err := parity.Look(ctx, parity.GroupOf(*p, i), from, whole, progress)
		if err != nil {
			return found, err
		}
		for _, f := range slices.Concat(g.Data, g.Parity) {
			found.group[f.Name] = len(found.surveys)
		}
		found.numbers, found.surveys = append(found.numbers, i), append(found.surveys, s)
	}
	return found, nil
}

// remedy says what can be done about a file.
func (d *diagnosis) remedy(name string) Remedy {
	if why := d.inTheWay(name); why != "" {
		return Remedy{File: name, Lost: why}
	}
	if d.odd && name == seal.ParityName {
		return Remedy{File: name, Lost: "nothing says which is right: take another copy of this drive"}
	}
	if _, ok := d.small[name]; ok {
		return Remedy{File: name, From: d.origin[name]}
	}
	_, segment := seal.ParseSegment(name)
	switch {
	case !d.binds(name):
		return Remedy{File: name, Lost: "it is not of this bundle: if nobody needs it, delete it", Extra: true}
	case segment || seal.IsParityFile(name):
		return d.remedyByParity(name)
	case len(d.away) > 0: // each drive has copies of the small files of the others
		return Remedy{File: name, Away: d.away}
	case seal.IsOther(name):
		return Remedy{File: name, Lost: "its second copy is lost too, and the drive that it is of is not here"}
	case name == seal.ReadmeName, name == seal.SumsName:
		return Remedy{File: name, Lost: "what it follows from is lost too"}
	}
	return Remedy{File: name, Lost: "its second copy is damaged or missing too"}
}

// inTheWay reports what stands under a name and is no file.
func (d *diagnosis) inTheWay(name string) string {
	if d.dir == nil { // it is not here
		return ""
	}
	if info, err := d.dir.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return "something stands there that is not a file: move it away, and repair again"
	}
	return ""
}

// binds reports whether a seal or extras.json names a file, or it follows from those.
func (d *diagnosis) binds(name string) bool {
	original := strings.TrimPrefix(name, seal.CopyDir+"/")
	switch original {
	case seal.DriveName, seal.ExtrasName, seal.ReadmeName, seal.SumsName:
		return true
	case seal.BundleName:
		return d.isLast()
	}
	_, ok := d.named[original]
	return ok
}

// remedyByParity says what can be done about a segment or a parity file.
func (d *diagnosis) remedyByParity(name string) Remedy {
	switch {
	case d.groups.parity == nil && len(d.away) > 0:
		return Remedy{File: name, Away: d.away}
	case d.parity == nil && d.groups.parity == nil && d.hasParity():
		return Remedy{File: name, Lost: "parity.json cannot be used"}
	case d.groups.parity == nil:
		return Remedy{File: name, Lost: "the bundle has no parity files"}
	}
	if i, ok := d.groups.group[name]; ok {
		return d.rebuiltFrom(name, d.groups.parity.Groups[d.groups.numbers[i]], d.groups.surveys[i])
	}
	return Remedy{File: name, Lost: "no parity file is of it"}
}

// rebuiltFrom says what a file of a group is rebuilt from.
func (d *diagnosis) rebuiltFrom(name string, g seal.ParityGroup, s *parity.Survey) Remedy {
	needsTable := seal.IsParityFile(name) && !s.HasTable()
	switch lost := s.Lost(name); {
	case seal.IsParityFile(name) && len(s.Damaged()) == 0:
		return Remedy{File: name, From: "the segments"}
	case !needsTable && lost == nil:
		return Remedy{File: name, From: "parity"}
	case len(d.away) > 0 && s.LostForGood(name) == nil && (!needsTable || s.MayHaveTable() || !s.HasDamage()):
		return Remedy{File: name, Away: d.away}
	case needsTable:
		return Remedy{File: name, Lost: "a segment of its group cannot be rebuilt"}
	default:
		var ranges []string
		for _, r := range lost {
			ranges = append(ranges, fmt.Sprintf("%d to %d", r.From, r.To-1))
		}
		return Remedy{File: name, Lost: fmt.Sprintf("more than %s of group %d damaged at the same place: bytes %s", text.Count(len(g.Parity), "file", "files"), g.Group, text.Some(ranges, 20))}
	}
}

// missing reports whether an error says that there is no such file.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
