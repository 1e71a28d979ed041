package bundle

import (
	"cmp"
	"errors"
	"io/fs"
	"regexp"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
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
	*driveDir          // of the last drive, which has bundle.json and index.age
	trusted   []Signed // who is trusted and has signed
}

// openSeals reads the seals of the bundle that dirs mean.
func openSeals(dirs []string, want Wanted) (*seals, error) {
	p, err := locateAll(dirs)
	if err != nil {
		return nil, err
	}
	return readSeals(p, want)
}

// readSeals reads the seals of a bundle. What is wrong with the files is collected in
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
	if !p.sealed && p.complete && p.copied {
		return nil, &DamageError{Dir: p.dir, Faults: []Fault{{seal.BundleName, "is missing: the seal was lost, or sealing was interrupted"}}}
	}
	if !p.sealed {
		return nil, &UnfinishedError{Dir: p.dir}
	}
	return readSealsBy(p, func(s *seals) error {
		body, err := s.readFile(seal.BundleName, seal.MaxSize)
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
func readSealsBy(p location, readSeal func(*seals) error) (s *seals, err error) {
	d, err := media.OpenDir(p.dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	if p.renamed {
		if err := d.Translate(seal.CopyDir, seal.Canonical); err != nil {
			return nil, err
		}
	}
	s = &seals{driveDir: &driveDir{dir: d, bodies: map[string][]byte{}}}
	if err := readSeal(s); err != nil {
		return nil, err
	}
	body := s.bodies[seal.BundleName]
	s.finger = Fingerprint(seal.Sum(body))
	if s.bundle, err = seal.ParseBundle(body); err != nil {
		return nil, cmp.Or(asNeeds(p.dir, err), error(s.damage(seal.BundleName, "cannot be read", err)))
	}
	if err := s.readDrive(); err != nil {
		return nil, err
	}
	if err := s.readExtras(); err != nil {
		return nil, err
	}
	if !p.renamed {
		if err := s.translate(); err != nil {
			return nil, err
		}
	}
	s.renamed = d.Translated()
	return s, s.compareListing()
}

func (s *seals) readDrive() error {
	body, err := s.readFile(seal.DriveName, seal.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return s.damage(seal.DriveName, "is missing", nil)
	}
	if err != nil {
		return err
	}
	if len(s.bundle.Drives) != 1 {
		return s.damage(seal.BundleName, "names more drives than this satchel reads", nil)
	}
	if seal.Sum(body) != s.bundle.Drives[0].SHA256 {
		if s.copyBinds(body) {
			return s.damage(seal.BundleName, "has changed: its copy binds another drive.json, the one that is here", nil)
		}
		return s.damage(seal.DriveName, "is not the one that bundle.json binds", nil)
	}
	s.bodies[seal.DriveName] = body
	s.drive, err = seal.ParseDrive(body)
	switch {
	case err != nil:
		return s.damage(seal.DriveName, "cannot be read", err)
	case len(s.drive.Files) > 0 && s.drive.Plain() != s.plain():
		return s.damage(seal.DriveName, "and bundle.json disagree whether the bundle is encrypted", nil)
	case s.drive.Bundle != s.bundle.Bundle || s.drive.Drive != 1 || !s.drive.Complete:
		return s.damage(seal.DriveName, "belongs to another bundle or is not complete", nil)
	}
	return nil
}

// copyBinds reports whether the copy of the seal binds these bytes of drive.json:
// then it is the seal that has changed.
func (s *seals) copyBinds(drive []byte) bool {
	body, err := s.dir.ReadFile(seal.CopyDir+"/"+seal.BundleName, seal.MaxSize)
	if err != nil {
		return false
	}
	b, err := seal.ParseBundle(body)
	return err == nil && len(b.Drives) == 1 && b.Drives[0].SHA256 == seal.Sum(drive)
}
