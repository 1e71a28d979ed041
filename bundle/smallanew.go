package bundle

import (
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/parity"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// FromNames is what extras.json is rebuilt from where all is known of it but the version that wrote it: that is left out.
const FromNames = "the files that it names, without the version that wrote it"

// extrasOfSums makes extras.json of the files that SHA256SUMS names, where it is lost with its second copy: byte for byte
// the one that SHA256SUMS has, or, where the version is lost that wrote it, one without a version, which is not exact.
func (s *seals) extrasOfSums() (body []byte, exact, ok bool) {
	found, err := s.dir.ReadFile(seal.SumsName, seal.MaxSize)
	if err != nil {
		return nil, false, false
	}
	found = unixLines(found)
	sums := map[string]string{}
	for line := range strings.Lines(string(found)) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		sums[name] = sum
	}
	extras, all, ok := s.extrasNamed(sums)
	if !ok {
		return nil, false, false
	}
	for _, version := range []string{s.bundle.PackedBy, ""} {
		extras.Needs = seal.Uses(version, all.added()...)
		if body, err = extras.Marshal(); err != nil || seal.Sum(body) == sums[seal.ExtrasName] {
			return body, true, err == nil
		}
	}
	if len(all.others) > 0 {
		return nil, false, false // other drives say what it was, byte for byte
	}
	now := *s.driveDir
	now.extras = extras
	all, _ = now.smallFiles() // what it lacks is not in SHA256SUMS
	return body, false, string(found) == string(sumsByNames(all, extras.Files, seal.File{Name: seal.ExtrasName, SHA256: sums[seal.ExtrasName]}, sums[seal.ReadmeName]))
}

// extrasNamed is an extras.json of the files that SHA256SUMS names and the seals do not, all of which must be as it says.
func (s *seals) extrasNamed(sums map[string]string) (extras seal.Extras, all smallFiles, ok bool) {
	extras = seal.Extras{Bundle: s.drive.Bundle, Seal: string(s.finger), Drive: s.ownSum()}
	all = smallFiles{plain: s.plain(), signatures: map[string][]byte{}}
	files := s.namedByParity()
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		of, _, signature := seal.ParseSignature(name)
		if seal.KeyNumber(name) == 0 && !seal.IsAdded(name) && (!signature || s.isLast() && of == seal.DriveName) {
			continue
		}
		f := files[name]
		for _, body := range s.originalAndSecond(name) {
			if seal.Sum(body) == sums[name] {
				f = seal.FileOf(name, body)
			}
		}
		if f.SHA256 != sums[name] {
			return extras, all, false
		}
		switch extras.Files = append(extras.Files, f); {
		case signature:
			all.signatures[name] = nil
		case seal.IsParity(name):
			all.parity = append(all.parity, f)
		case seal.IsOther(name):
			all.others = append(all.others, f)
		}
	}
	return extras, all, true
}

// takeExtrasOfSums takes the extras.json that SHA256SUMS has, if the files that are there give it.
func (s *seals) takeExtrasOfSums() (err error) {
	if body, exact, ok := s.extrasOfSums(); ok {
		s.bodies[seal.ExtrasName], s.byFiles, s.unversioned = body, true, !exact
		s.extras, err = seal.ParseExtras(body)
	}
	return err
}

// namedByParity gives the parity files by what parity.json, or its second copy, says of them.
func (s *driveDir) namedByParity() map[string]seal.File {
	files := map[string]seal.File{}
	for _, body := range s.originalAndSecond(seal.ParityName) {
		if p, err := seal.ParseParity(body); err == nil {
			_, own := p.On(s.drive.Drive)
			for _, f := range own {
				files[f.Name] = f
			}
		}
	}
	return files
}

// parityOfNames makes parity.json of the segments, and of what extras.json says of it and of its parity files, where
// it is lost with its second copy: the groups follow from M/N. Nothing of that is guessed: extras.json has its SHA-256.
func (s *driveDir) parityOfNames(want seal.File) []byte {
	files, groups, most := map[string]seal.File{}, 0, 0
	for _, f := range s.extras.Files {
		if p, ok := seal.ParseParityFile(f.Name); ok {
			files[f.Name], groups, most = f, max(groups, p.Group), max(most, p.Number)
		}
	}
	for data := 1; most > 0 && !s.hasOthers() && most+data <= seal.MaxShards; data++ {
		p, err := parity.Plan(s.extras, s.drive.Files, ParityRatio{Parity: most, Data: data})
		if err != nil || len(p.Groups) != groups {
			continue
		}
		for _, g := range p.Groups {
			for i, f := range g.Parity {
				g.Parity[i] = files[f.Name]
			}
		}
		if body, err := p.Marshal(); err == nil && seal.FileOf(seal.ParityName, body) == want {
			return body
		}
	}
	return nil
}
