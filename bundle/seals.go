package bundle

import (
	"cmp"
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

var fingerprintPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// ParseFingerprint reads 64 hexadecimal digits, grouped by spaces or colons or not.
func ParseFingerprint(s string) (Fingerprint, error) {
	f := strings.ToLower(strings.NewReplacer(" ", "", ":", "", "-", "").Replace(s))
	if !fingerprintPattern.MatchString(f) {
		return "", errors.New("a fingerprint has 64 hexadecimal digits")
	}
	return Fingerprint(f), nil
}

// seals are the drive directories of a sealed bundle, and what binds them: bundle.json.
type seals struct {
	*driveDir             // of the last drive, which has bundle.json and index.age
	earlier   []*driveDir // the other drives that are here, by number
	trusted   []Signed    // who is trusted and has signed
	asked     *Trust      // whose signatures were asked for; nil: nobody's
}

// drives are all drive directories that are here, by number.
func (s *seals) drives() []*driveDir { return append(slices.Clone(s.earlier), s.driveDir) }

// close closes the directories of all drives.
func (s *seals) close() (err error) {
	for _, d := range s.drives() {
		err = errors.Join(err, d.dir.Close())
	}
	return err
}

// usable gives the error of a bundle that nothing is read from: the seals and the listing of a
// drive have shown what is wrong with it.
func (s *seals) usable() (err error) {
	for _, d := range s.drives() {
		err = also(err, d.usable())
	}
	return err
}

// openSeals reads the seals of the bundle that dirs mean. The last drive must be among them.
func openSeals(dirs []string, want Wanted) (*seals, error) {
	at, err := locate(dirs)
	if err != nil {
		return nil, err
	}
	return openLocated(at, want)
}

// openLocated is openSeals of what was found.
func openLocated(at located, want Wanted) (*seals, error) {
	if len(at.lost) > 0 {
		return nil, at.lost[0].sealLost()
	}
	if at.last == nil {
		return nil, at.noLast("it has the seal and the index, without which nothing can be read")
	}
	s, err := readSeals(*at.last, want)
	if err != nil {
		return nil, err
	}
	if err := s.openEarlier(at.earlier); err != nil {
		return nil, err
	}
	return s, nil
}

// openEarlier opens the other drives. After an error all are closed.
func (s *seals) openEarlier(list []location) error {
	for _, p := range list {
		d, err := openDrive(p, &s.bundle)
		if err != nil {
			return errors.Join(err, s.close())
		}
		s.earlier = append(s.earlier, d)
	}
	return nil
}

// noLast says that the last drive is not here.
func (at located) noLast(why string) error {
	p := at.places()[0]
	_, across, err := HasParity(p.dir)
	return &AwayError{Drives: []DriveLabel{{p.id, p.of, p.of}}, Why: why, Across: err == nil && across}
}

// readSeals reads the seals of a bundle on its last drive. What is wrong with the files is collected in
// faults; the error is for what leaves nothing to check: an unfinished bundle, another
// fingerprint, signatures that do not count, a seal that cannot be read, one that needs a newer
// version (*[NeedsError]).
func readSeals(p location, want Wanted) (s *seals, err error) {
	if p.short != "" {
		return nil, shortNames(p)
	}
	if p.copying {
		return nil, &UnfinishedError{Dir: p.dir, Copy: true}
	}
	if p.lost {
		return nil, p.sealLost()
	}
	if !p.sealed && p.complete && p.copied {
		return nil, &DamageError{Dir: p.dir, Faults: []Fault{{seal.BundleName, "is missing: the seal was lost, or sealing was interrupted"}}}
	}
	if !p.sealed {
		return nil, &UnfinishedError{Dir: p.dir}
	}
	return readSealsBy(p, func(s *seals) error {
		body, err := s.readSeal(seal.BundleName)
		if err == nil && want.Expect != "" && seal.Sum(body) != string(want.Expect) {
			return &FingerprintError{Want: want.Expect, Got: Fingerprint(seal.Sum(body))}
		}
		if err != nil {
			return err
		}
		s.bodies[seal.BundleName] = body
		return s.checkTrust(want.Trust, body)
	})
}

// readSealsBy reads the seals of a bundle whose bundle.json readSeal gives.
func readSealsBy(p location, readSeal func(*seals) error) (*seals, error) {
	s := &seals{}
	d, err := openDir(p, func(d *driveDir) (err error) {
		s.driveDir = d
		if err := readSeal(s); err != nil {
			return err
		}
		body := d.bodies[seal.BundleName]
		d.finger = Fingerprint(seal.Sum(body))
		if d.bundle, err = seal.ParseBundle(body); err != nil {
			return cmp.Or(asNeeds(p.dir, err), error(d.damage(seal.BundleName, "cannot be read", err)))
		}
		d.sum = lastDrive(d.bundle)
		return d.readDrive()
	})
	if err != nil {
		return nil, err
	}
	s.driveDir = d
	return s, nil
}

// readDrive reads the drive seal of the last drive.
func (s *driveDir) readDrive() error {
	body, err := s.readSeal(seal.DriveName)
	if errors.Is(err, fs.ErrNotExist) {
		return s.damage(seal.DriveName, "is missing", nil)
	}
	if err != nil {
		return err
	}
	if seal.Sum(body) != s.sum.SHA256 {
		if s.copyBinds(body) {
			return s.damage(seal.BundleName, "has changed: its copy binds another drive.json, the one that is here", nil)
		}
		return s.damage(seal.DriveName, "is not the one that bundle.json binds", nil)
	}
	s.bodies[seal.DriveName] = body
	if s.drive, err = seal.ParseDrive(body); err != nil {
		return s.damage(seal.DriveName, "cannot be read", err)
	}
	return s.checkDrive()
}

// checkDrive compares what the two seals of the last drive say of the bundle.
func (s *driveDir) checkDrive() error {
	switch {
	case len(s.drive.Files) > 0 && s.drive.Plain() != s.plain():
		return s.damage(seal.DriveName, "and bundle.json disagree whether the bundle is encrypted", nil)
	case s.drive.Bundle != s.bundle.Bundle || !s.isDrive(s.sum.Drive, len(s.bundle.Drives)):
		return s.damage(seal.DriveName, "belongs to another bundle or is not complete", nil)
	}
	return nil
}

// isDrive reports whether the drive seal is of a whole drive, the one with that number of so many.
func (s *driveDir) isDrive(number, of int) bool {
	if of == 1 {
		of = 0
	}
	return s.drive.Complete && s.drive.Drive == number && s.drive.Of == of
}

// copyBinds reports whether the copy of the seal binds these bytes of drive.json:
// then it is the seal that has changed.
func (s *driveDir) copyBinds(drive []byte) bool {
	body, err := s.dir.ReadFile(seal.CopyDir+"/"+seal.BundleName, seal.MaxSize)
	if err != nil {
		return false
	}
	b, err := seal.ParseBundle(body)
	return err == nil && lastDrive(b).SHA256 == seal.Sum(drive)
}
