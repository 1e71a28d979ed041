package bundle

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// openToRepair reads the seals of a drive directory of which any may be damaged: each small file,
// or else its second copy, as they agree with each other; or what other drives have lent of them.
// of is the seal of the bundle on the last drive, which binds the others; nil if that is not known.
// The error is that of a bundle that cannot be told from others any more.
func openToRepair(p location, want Wanted, lent map[string][]byte, of *seal.Bundle) (d *driveDir, err error) {
	switch {
	case p.short != "":
		return nil, shortNames(p)
	case p.renamed:
		return nil, refuseRenamed(p.dir)
	case p.copying:
		return nil, &UnfinishedError{Dir: p.dir, Copy: true}
	}
	root, err := media.OpenDir(p.dir)
	if err != nil {
		return nil, err
	}
	s := &seals{driveDir: &driveDir{dir: root, bodies: map[string][]byte{}, lent: lent}}
	s.seen = s.changing()
	if err := s.chooseSeals(p, want, of); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return s.driveDir, nil
}

// changing gives the SHA-256 of the small files that any change of a sealed bundle changes, such as a rekey.
func (s *driveDir) changing() map[string]string {
	sums := map[string]string{}
	for _, name := range []string{seal.ExtrasName, seal.CopyDir + "/" + seal.ExtrasName, seal.SumsName} {
		if body, err := s.dir.ReadFile(name, seal.MaxSize); err == nil {
			sums[name] = seal.Sum(body)
		}
	}
	return sums
}

// chooseSeals takes bundle.json, then the drive.json that it binds, then extras.json, each
// from its original or its second copy.
func (s *seals) chooseSeals(p location, want Wanted, of *seal.Bundle) error {
	var err error
	if p.sealed || p.copied || s.lent[seal.BundleName] != nil {
		err = s.chooseLast(want)
	} else if s.hadSeal() && s.lent == nil {
		err = s.damage(seal.BundleName, "and its second copy are missing: they were lost, or the bundle was never finished; then pack goes on where it stopped", nil)
	} else {
		err = s.chooseEarlier(p, want, of)
	}
	if err == nil {
		err = s.chooseExtras()
	}
	if err != nil {
		return err
	}
	if s.extras.Bundle == "" && want.Expect == "" && s.ofOtherSeal() {
		return s.damage(seal.BundleName, "has changed, and its second copy is damaged: extras.json, which is whole, is of another seal", nil)
	}
	if s.extras.Bundle == "" {
		return s.damage(seal.ExtrasName, "and its second copy are damaged: nothing says what the key files must be", nil)
	}
	if err := s.compareListing(); err != nil {
		return err
	}
	for name, body := range s.bodies {
		s.compareBody(name, body)
	}
	return nil
}

// ofOtherSeal reports whether extras.json agrees with its files, and is of another seal than the one
// that is there.
func (s *driveDir) ofOtherSeal() bool {
	return slices.ContainsFunc(s.originalAndSecond(seal.ExtrasName), func(body []byte) bool {
		e, err := seal.ParseExtras(body)
		return err == nil && e.Bundle == s.drive.Bundle && e.Seal != "" && e.Seal != string(s.finger) && s.disagreement(e) == 0
	})
}

// hadSeal reports whether extras.json is of a seal, which is not there.
func (s *driveDir) hadSeal() bool {
	return slices.ContainsFunc(s.originalAndSecond(seal.ExtrasName), func(body []byte) bool {
		e, err := seal.ParseExtras(body)
		return err == nil && e.Seal != ""
	})
}

// chooseLast takes bundle.json and drive.json of a drive that has the seal.
func (s *seals) chooseLast(want Wanted) error {
	body, err := s.chooseBundle(want)
	if err != nil {
		return err
	}
	if err := s.checkTrust(want.Trust, body); err != nil {
		return err
	}
	s.bodies[seal.BundleName], s.finger = body, Fingerprint(seal.Sum(body))
	if s.bundle, err = seal.ParseBundle(body); err != nil {
		return cmp.Or(asNeeds(s.dir.Path(), err), error(s.damage(seal.BundleName, "cannot be read", err)))
	}
	s.sum = s.bundle.Drives[len(s.bundle.Drives)-1]
	for _, body := range s.candidates(seal.DriveName) {
		if seal.Sum(body) == s.sum.SHA256 {
			s.bodies[seal.DriveName] = body
		}
	}
	if s.drive, err = seal.ParseDrive(s.bodies[seal.DriveName]); err != nil {
		return s.damage(seal.DriveName, "and its second copy are damaged: nothing says what the segments must be", nil)
	}
	return s.checkDrive()
}

// chooseEarlier takes drive.json of a drive that has no seal: the one that bundle.json binds, where that is known,
// else its second copy where extras.json is of that, or the original cannot be read.
func (s *seals) chooseEarlier(p location, want Wanted, of *seal.Bundle) error {
	if want.Expect != "" || want.Trust != nil {
		return &AwayError{Drives: []DriveLabel{{p.id, p.of, p.of}}, Why: "its fingerprint is compared, and who has signed it is found out, on the last drive"}
	}
	if of != nil && p.drive >= 1 && p.drive < len(of.Drives) {
		s.sum = of.Drives[p.drive-1]
	}
	best, foreign := -1, false
	for _, body := range s.candidates(seal.DriveName) {
		drive, err := seal.ParseDrive(body)
		if of != nil && seal.Sum(body) != s.sum.SHA256 {
			continue
		}
		if err != nil || drive.Of == 0 || drive.Drive == drive.Of || !drive.Complete {
			continue
		}
		if drive.Bundle != p.id || p.drive > 0 && (drive.Drive != p.drive || drive.Of != p.of) {
			foreign = true
			continue
		}
		n := 0
		for _, extras := range s.originalAndSecond(seal.ExtrasName) {
			if e, err := seal.ParseExtras(extras); err == nil && e.Drive == seal.Sum(body) {
				n++
			}
		}
		if s.listed(seal.DriveName, body) {
			n++
		}
		if n > best {
			s.bodies[seal.DriveName], s.drive, best = body, drive, n
		}
	}
	if best < 0 && of != nil && !p.lost {
		return s.damage(seal.DriveName, "is not the one that bundle.json binds", nil)
	}
	if best < 0 && foreign {
		return s.damage(seal.DriveName, "and its second copy are of different drives, and nothing says which is right", nil)
	}
	if best < 0 && p.lost {
		return p.sealLost()
	}
	if best < 0 {
		return &UnfinishedError{Dir: p.dir}
	}
	return nil
}

// originalAndSecond gives a small file and its second copy, as far as they can be read.
func (s *driveDir) originalAndSecond(name string) (list [][]byte) {
	for _, name := range []string{name, seal.CopyDir + "/" + name} {
		if body, err := s.dir.ReadFile(name, seal.MaxSize); err == nil {
			if isText(name) {
				body = unixLines(body)
			}
			list = append(list, body)
		}
	}
	return list
}

// candidates gives what may be the right bytes of a small file: what other drives have of it, if they have lent
// it, else the original and the second copy.
func (s *driveDir) candidates(name string) [][]byte {
	if body, ok := s.lent[name]; ok {
		return [][]byte{body}
	}
	return s.originalAndSecond(name)
}

// chooseBundle takes bundle.json or its second copy: the one with the fingerprint that is asked
// for, or else the one that is what drive.json and extras.json say.
func (s *seals) chooseBundle(want Wanted) ([]byte, error) {
	type candidate struct {
		body  []byte
		agree int // how many of the other files agree with it
	}
	var list []candidate
	var other *FingerprintError
	var first error
	for _, body := range s.candidates(seal.BundleName) {
		b, err := seal.ParseBundle(body)
		if needs := asNeeds(s.dir.Path(), err); needs != nil {
			return nil, needs
		}
		if err != nil {
			first = cmp.Or(first, err)
			continue
		}
		if sum := Fingerprint(seal.Sum(body)); want.Expect != "" && sum != want.Expect {
			other = &FingerprintError{Want: want.Expect, Got: sum}
			continue
		}
		list = append(list, candidate{body, s.agreement(b, body)})
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(b.agree, a.agree) })
	switch {
	case len(list) == 0 && other != nil:
		return nil, other
	case len(list) == 0:
		return nil, s.damage(seal.BundleName, "and its second copy are damaged", first)
	case len(list) == 2 && list[0].agree == list[1].agree && string(list[0].body) != string(list[1].body):
		return nil, s.damage(seal.BundleName, "and its second copy differ, and nothing says which is right: name the one that you sent by --expect", nil)
	}
	return list[0].body, nil
}

// chooseExtras takes extras.json or its second copy: the one of whose files more are as it says;
// the original where that is the same of both, as it is when a rekey was interrupted. One that does
// not agree with its files counts only if its copy or SHA256SUMS has it too: it may be what is wrong.
func (s *seals) chooseExtras() error {
	wrong, list := 0, s.originalAndSecond(seal.ExtrasName)
	var wrongs []seal.Extras
	for _, body := range list {
		extras, err := seal.ParseExtras(body)
		if needs := asNeeds(s.dir.Path(), err); needs != nil {
			return needs
		}
		if err != nil || extras.Bundle != s.drive.Bundle || extras.Seal != string(s.finger) || extras.Drive != s.ownSum() {
			continue
		}
		n, listed := s.disagreement(extras), s.listed(seal.ExtrasName, body)
		if same := len(list) == 2 && string(list[0]) == string(list[1]); n > 0 && !listed {
			if wrongs = append(wrongs, extras); !same {
				continue
			}
		}
		better := n < wrong || n == wrong && slices.Equal(extras.Files, s.extras.Files) && listed
		if s.extras.Bundle == "" || better {
			s.bodies[seal.ExtrasName], s.extras, wrong = body, extras, n
		}
	}
	for _, extras := range wrongs {
		if body, ok := s.extrasAnew(extras); ok && (s.extras.Bundle == "" || wrong > 0) {
			var err error
			s.bodies[seal.ExtrasName], s.byFiles = body, true
			s.extras, err = seal.ParseExtras(body)
			return err
		}
	}
	if body, ok := s.lent[seal.ExtrasName]; ok && s.extras.Bundle == "" {
		extras, err := seal.ParseExtras(body)
		if err == nil && extras.Seal == string(s.finger) && extras.Drive == s.ownSum() {
			s.bodies[seal.ExtrasName], s.extras = body, extras
		}
	}
	if s.extras.Bundle == "" {
		return s.takeExtrasOfSums()
	}
	return nil
}

// extrasAnew corrects an extras.json by the files that it names, if that gives the one that SHA256SUMS
// has.
func (s *driveDir) extrasAnew(extras seal.Extras) ([]byte, bool) {
	files := map[string]seal.File{}
	for _, body := range s.originalAndSecond(seal.ParityName) {
		if p, err := seal.ParseParity(body); err == nil {
			for _, f := range p.Files() {
				files[f.Name] = f
			}
		}
	}
	extras.Files = slices.Clone(extras.Files)
	for i, f := range extras.Files {
		if right, ok := files[f.Name]; ok { // a parity file
			extras.Files[i] = right
			continue
		}
		list := s.originalAndSecond(f.Name)
		if len(list) > 0 && !slices.ContainsFunc(list, func(body []byte) bool { return seal.FileOf(f.Name, body) == f }) {
			extras.Files[i] = seal.FileOf(f.Name, list[0])
		}
	}
	body, err := extras.Marshal()
	return body, err == nil && s.listed(seal.ExtrasName, body)
}

// disagreement counts the files that are not what an extras.json says of them.
func (s *driveDir) disagreement(extras seal.Extras) (n int) {
	var parity map[seal.File]bool // as parity.json has them, if that is what it must be
	for _, body := range s.originalAndSecond(seal.ParityName) {
		if p, err := seal.ParseParity(body); err == nil && slices.Contains(extras.Files, seal.FileOf(seal.ParityName, body)) {
			parity = map[seal.File]bool{}
			for _, f := range p.Files() {
				parity[f] = true
			}
		}
	}
	for _, f := range extras.Files {
		ok := true
		if !seal.IsParityFile(f.Name) {
			ok = slices.ContainsFunc(s.originalAndSecond(f.Name), func(body []byte) bool { return seal.FileOf(f.Name, body) == f })
		} else if parity != nil {
			ok = parity[f]
		}
		if !ok {
			n++
		}
	}
	return n
}

// listed reports whether SHA256SUMS has these bytes under a name.
func (s *driveDir) listed(name string, body []byte) bool {
	sums, err := s.dir.ReadFile(seal.SumsName, seal.MaxSize)
	return err == nil && slices.Contains(strings.Split(string(unixLines(sums)), "\n"), seal.Sum(body)+"  "+name)
}

// agreement counts the small files that are what a bundle.json says of them, or say so of it.
func (s *seals) agreement(b seal.Bundle, body []byte) (n int) {
	for _, drive := range s.originalAndSecond(seal.DriveName) {
		if len(b.Drives) > 0 && seal.Sum(drive) == b.Drives[len(b.Drives)-1].SHA256 {
			n++
		}
	}
	for _, extras := range s.originalAndSecond(seal.ExtrasName) {
		if e, err := seal.ParseExtras(extras); err == nil && e.Bundle == b.Bundle && e.Seal == seal.Sum(body) {
			n++
		}
	}
	if s.listed(seal.BundleName, body) {
		n++
	}
	return n
}

// compareBody finds fault with an original that is not what was taken. Its copy is compared
// where the small files are.
func (s *driveDir) compareBody(name string, body []byte) {
	found, err := s.dir.ReadFile(name, seal.MaxSize)
	switch {
	case missing(err):
		s.fault(name, "is missing")
	case err != nil:
		s.fault(name, "cannot be read: "+err.Error())
	case string(found) != string(body) && string(unixLines(found)) == string(body):
		s.crlf = append(s.crlf, name)
	case string(found) != string(body):
		s.fault(name, "has changed")
	}
}
