package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/parity"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Protection says what can be lost of a bundle, and rebuilt from what is left. The zero value
// is that of a bundle without parity files.
type Protection struct {
	Parity int   // parity files of each group: so many of its files may be lost
	Groups []int // how many segments each group has
	Whole  int   // how many whole drives may be lost, whichever they are; 0 where groups do not go across drives
	Drives int   // of how many
}

func protectionOf(p seal.Parity) Protection {
	has := Protection{Parity: p.Parity, Whole: parity.Whole(p)}
	for _, g := range p.Groups {
		has.Groups = append(has.Groups, len(g.Data))
		if len(g.Drives) > 0 {
			has.Drives = max(has.Drives, slices.Max(g.Drives))
		}
	}
	return has
}

// String says it in words: "any 2 of 20 segments", "one whole drive of 3, or any 10 of 20
// segments"; "" without parity files.
func (p Protection) String() string {
	if len(p.Groups) == 0 {
		return ""
	}
	switch p.Whole {
	case 0:
		return p.segments()
	case 1:
		return fmt.Sprintf("one whole drive of %d, or %s", p.Drives, p.segments())
	}
	return fmt.Sprintf("any %d whole drives of %d, or %s", p.Whole, p.Drives, p.segments())
}

// segments says how many segments may be lost.
func (p Protection) segments() string {
	least, most := slices.Min(p.Groups), slices.Max(p.Groups)
	of := fmt.Sprint(most)
	if least < most {
		of = fmt.Sprintf("%d or %d", least, most)
	}
	s := fmt.Sprintf("any %d of %s segments", p.Parity, of)
	if most == 1 {
		s = "the only segment"
	} else if p.Parity >= most {
		s = fmt.Sprintf("all %s segments", of)
	}
	if len(p.Groups) > 1 {
		s += fmt.Sprintf(" in each of %d groups", len(p.Groups))
	}
	return s
}

// Bytes is what the parity files of a bundle have together.
func parityBytes(p seal.Parity) (n int64) {
	for _, f := range p.Files() {
		n += f.Size
	}
	return n
}

// hasParity reports whether extras.json names parity files.
func (s *driveDir) hasParity() bool {
	return slices.ContainsFunc(s.extras.Files, func(f seal.File) bool { return seal.IsParity(f.Name) })
}

// hasOthers reports whether it has copies of other drives' small files, as it has where parity goes across drives.
func (s *driveDir) hasOthers() bool {
	return slices.ContainsFunc(s.extras.Files, func(f seal.File) bool { return seal.IsOther(f.Name) })
}

// HasParity says which parity the drive in dir has: of its own, or across the drives of its bundle.
func HasParity(dir string) (own, across bool, err error) {
	s, err := openOne(dir, Wanted{})
	if err != nil {
		return false, false, err
	}
	across = s.hasOthers()
	return s.hasParity() && !across, across, s.dir.Close()
}

// isAdding reports whether a file that nothing names may be one of an interrupted [AddParity],
// which writes extras.json last.
func (s *driveDir) isAdding(name string) bool {
	return s.extras.Bundle != "" && (seal.IsAdded(name) || seal.IsParityFile(strings.TrimSuffix(name, media.TempSuffix))) && !s.hasParity()
}

// readParity reads the parity.json that extras.json names, or its copy, for which files
// stand together.
func (s *driveDir) readParity() {
	if !s.hasParity() {
		return
	}
	i := slices.IndexFunc(s.extras.Files, func(f seal.File) bool { return f.Name == seal.ParityName })
	if i < 0 {
		s.fault(seal.ExtrasName, "names parity files and no parity.json")
		return
	}
	want := s.extras.Files[i]
	body, err := s.readFile(seal.ParityName, seal.MaxSize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.fault(seal.ParityName, "is missing")
	case err != nil:
		s.fault(seal.ParityName, "cannot be read: "+err.Error())
	case seal.FileOf(seal.ParityName, body) != want:
		s.fault(seal.ParityName, "has changed: its SHA-256 differs from the recorded one")
	}
	if seal.FileOf(seal.ParityName, body) != want {
		body, _ = s.dir.ReadFile(seal.CopyDir+"/"+seal.ParityName, seal.MaxSize)
		if body = unixLines(body); seal.FileOf(seal.ParityName, body) != want {
			if s.parityAnew = s.parityOfNames(want); s.parityAnew == nil {
				return
			}
			body = s.parityAnew
		}
	}
	p, err := s.parseParity(body)
	_, own := p.On(s.drive.Drive)
	if err == nil && !slices.Equal(own, slices.DeleteFunc(slices.Clone(s.extras.Files), func(f seal.File) bool { return !seal.IsParityFile(f.Name) })) {
		err = errors.New("it names other parity files than extras.json")
	}
	if err != nil {
		s.fault(seal.ParityName, "cannot be used: "+err.Error())
		return
	}
	s.parity = &p
}

// parseParity takes a parity.json if it is of the segments of this drive directory.
func (s *driveDir) parseParity(body []byte) (seal.Parity, error) {
	p, err := seal.ParseParity(body)
	if err == nil {
		err = parity.Check(p)
	}
	if err != nil {
		return p, err
	}
	if !s.isOf(p) {
		return p, errors.New("it belongs to another seal")
	}
	segments := map[string]seal.File{}
	for _, f := range s.drive.Files {
		segments[f.Name] = f
	}
	data, _ := p.On(s.drive.Drive)
	for _, f := range data {
		if segments[f.Name] != f {
			return p, fmt.Errorf("%s is not in drive.json as it is there", f.Name)
		}
	}
	return p, nil
}

// isOf reports whether a parity.json is of the seal of this drive directory. One that goes across drives
// has the fingerprint, which an earlier drive knows by its copy of bundle.json.
func (s *driveDir) isOf(p seal.Parity) bool {
	if p.Bundle != s.drive.Bundle {
		return false
	}
	if !p.Across() {
		return p.Seal == s.extras.Seal && p.Drive == s.extras.Drive
	}
	if s.isLast() {
		return p.Seal == s.extras.Seal
	}
	i := slices.IndexFunc(s.extras.Files, func(f seal.File) bool { return f.Name == seal.OtherName(s.drive.Of, seal.BundleName) })
	return i < 0 && !s.hasParity() || i >= 0 && s.extras.Files[i].SHA256 == p.Seal
}

// protection is what the parity files can rebuild.
func (s *driveDir) protection() Protection {
	if s.parity == nil {
		return Protection{}
	}
	return protectionOf(*s.parity)
}

// checkAdding tells what an interrupted [AddParity] has left from files that are extra.
func (v *verification) checkAdding() {
	v.adding = slices.DeleteFunc(v.adding, func(name string) bool {
		if v.isAdded(name) {
			return false
		}
		v.fault(name, "is extra: extras.json does not name it")
		return true
	})
}

func (v *verification) isAdded(name string) bool {
	if strings.HasSuffix(name, media.TempSuffix) {
		return true // it is no fault, whatever is in it
	}
	if seal.IsOther(name) {
		return v.isOther(name)
	}
	if name == seal.ParityName {
		body, err := v.dir.ReadFile(name, seal.MaxSize)
		if err == nil {
			_, err = v.parseParity(body)
		}
		return err == nil
	}
	f, err := v.dir.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // it was read only
	return parity.IsOf(f, f.Size, name, v.drive.Bundle, func(of string) bool {
		return of == v.extras.Seal+v.extras.Drive || !v.isLast() // that may be the fingerprint, which nothing here says
	})
}

// isOther reports whether a file that nothing names may be a copy of another drive's small file.
func (v *verification) isOther(name string) bool {
	_, of, ok := seal.ParseOther(strings.TrimPrefix(name, seal.CopyDir+"/"))
	body, err := v.dir.ReadFile(name, maxIndex)
	if !ok || err != nil {
		return false
	}
	switch of {
	case seal.DriveName:
		d, err := seal.ParseDrive(body)
		return err == nil && d.Bundle == v.drive.Bundle
	case seal.BundleName:
		b, err := seal.ParseBundle(body)
		return err == nil && b.Bundle == v.drive.Bundle
	}
	return true
}

// checkAddedCopy looks at a copy of parity.json that extras.json does not name.
func (v *verification) checkAddedCopy(name string) {
	if _, ok := v.added(); ok && name == seal.CopyDir+"/"+seal.ParityName || v.isOther(name) {
		v.adding = append(v.adding, name)
		return
	}
	v.fault(name, "is extra: it is a copy of nothing")
}

// added is the copy of a parity.json that an interrupted [AddParity] was to add; the copy
// comes first.
func (s *driveDir) added() (body []byte, ok bool) {
	body, err := s.dir.ReadFile(seal.CopyDir+"/"+seal.ParityName, seal.MaxSize)
	if err == nil {
		_, err = s.parseParity(body)
	}
	return body, err == nil
}

// usableParity is the parity of a drive that has it for itself, or else what an interrupted [AddParity] has
// left of it, whose files are all written before parity.json: what is rebuilt from that is compared with the
// seals like all else. It is nil if there is none.
func (s *driveDir) usableParity() *seal.Parity {
	if s.parity != nil || s.hasParity() {
		return s.parity
	}
	if body, ok := s.added(); ok {
		if p, err := s.parseParity(body); err == nil {
			return &p
		}
	}
	return nil
}

// addedLater is what an interrupted [AddParity] was to make of the small files, nil if there
// was none that got so far.
func (v *verification) addedLater(now smallFiles) *derivedFiles {
	if v.hasParity() {
		return nil
	}
	body, ok := v.added()
	if !ok {
		return nil
	}
	p, err := seal.ParseParity(body)
	if err != nil {
		return nil
	}
	if copied, err := v.dir.ReadFile(seal.CopyDir+"/"+seal.ExtrasName, seal.MaxSize); err == nil {
		if extras, err := seal.ParseExtras(unixLines(copied)); err == nil {
			now.packedBy = extras.PackedBy
		}
	}
	var others []seal.File
	for _, name := range v.adding {
		if body, err := v.dir.ReadFile(name, maxIndex); err == nil && seal.IsOther(name) {
			others = append(others, seal.FileOf(name, body))
		}
	}
	later, err := now.withParity(p, body, others).derive()
	if err != nil {
		return nil
	}
	return &later
}

// withParity adds a parity.json, what it names of this drive, and copies of other drives' small files.
func (s smallFiles) withParity(p seal.Parity, body []byte, others []seal.File) smallFiles {
	s.extras = nil // what this version does not know of it may go: it would be among the needs else
	_, own := p.On(s.drive)
	s.parity, s.others = append([]seal.File{seal.FileOf(seal.ParityName, body)}, own...), others
	return s
}
