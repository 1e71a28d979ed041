package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"syscall"

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

// seals are the small cleartext files of a sealed bundle, read and bound to
// each other, and what its directory holds.
type seals struct {
	dir     *media.Dir
	bundle  seal.Bundle
	drive   seal.Drive
	extras  seal.Extras
	finger  Fingerprint
	bodies  map[string][]byte // of drive.json, bundle.json and extras.json
	faults  []Fault           // of the small files and the listing
	temps   []string
	crlf    []string // files whose line ends a copy has changed
	renamed bool     // the files have other names, which a copy has given them
	pending []string // key files of a rekey that was interrupted
	signing []string // signature files of a signing that was interrupted
	trusted []Signed // who is trusted and has signed

	signatures []signature // that are right
	second     bool        // the seal is the second copy: good enough to look for faults, and no more
}

// openSeals reads the seals of the bundle that dir means.
func openSeals(dir string, want Wanted) (*seals, error) {
	p, err := locate(dir)
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
	s = &seals{dir: d, bodies: map[string][]byte{}}
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

// readFile reads a small file. One that is larger than any of its kind is damage,
// not the drive's refusal.
func (s *seals) readFile(name string, limit int64) ([]byte, error) {
	body, err := s.dir.ReadFile(name, limit)
	var large *media.SizeError
	if errors.As(err, &large) {
		return nil, s.damage(name, "is larger than any file of its kind", large)
	}
	if unix := unixLines(body); err == nil && isText(name) && len(unix) < len(body) {
		s.crlf = append(s.crlf, name)
		body = unix
	}
	return body, err
}

func (s *seals) damage(file, what string, err error) *DamageError {
	return &DamageError{Dir: s.dir.Path(), Faults: []Fault{{file, what}}, Err: err}
}

// unreadable makes an error of a read that failed: damage, unless the drive
// itself has gone away, or this host opens no more files.
func (s *seals) unreadable(file string, err error) error {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return fmt.Errorf("open %s: %w", file, err)
	}
	if gone := s.gone(err); gone != nil {
		return gone
	}
	return s.damage(file, "cannot be read", err)
}

// gone reports a *[DriveError] if a read failed because the drive is not there.
func (s *seals) gone(err error) error { return s.dir.Gone(seal.BundleName, err) }

func (s *seals) fault(file, what string) { s.faults = append(s.faults, Fault{file, what}) }

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

// readExtras reads extras.json, or its copy where the original is at fault.
func (s *seals) readExtras() error {
	body, what, err := s.parseExtras(seal.ExtrasName)
	if err != nil {
		return err
	}
	if what != "" {
		s.fault(seal.ExtrasName, what)
		if body, what, err = s.parseExtras(seal.CopyDir + "/" + seal.ExtrasName); err != nil {
			return err
		}
	}
	if what == "" {
		s.bodies[seal.ExtrasName] = body
	}
	return nil
}

// parseExtras takes the file over if it is right, and else says what is wrong.
func (s *seals) parseExtras(name string) (body []byte, what string, err error) {
	body, err = s.readFile(name, seal.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "is missing", nil
	}
	if err != nil {
		return nil, "", err
	}
	extras, err := seal.ParseExtras(body)
	needs := asNeeds(s.dir.Path(), err)
	switch {
	case needs != nil:
		return nil, "", needs
	case err != nil:
		//lint:ignore nilerr the fault is reported as a text
		return nil, "cannot be read: " + err.Error(), nil
	case extras.Bundle != s.bundle.Bundle || extras.Seal != string(s.finger):
		return nil, "belongs to another seal", nil
	}
	s.extras = extras
	return body, "", nil
}

// files lists every file that a seal or extras.json binds: segments, index, key files,
// signatures.
func (s *seals) files() []seal.File {
	list := append(slices.Clone(s.drive.Files), s.bundle.Index)
	for _, d := range s.bundle.Drives {
		list = append(list, d.Signatures...)
	}
	return append(list, s.extras.Files...)
}

// compareListing compares names and lengths in the directory with what is
// bound; it reads no content.
func (s *seals) compareListing() error {
	files, others, err := s.dir.List(".")
	if err != nil {
		return err
	}
	sizes := map[string]int64{}
	for _, f := range files {
		sizes[f.Name] = f.Size
	}
	bound := map[string]bool{seal.BundleName: true, seal.DriveName: true, seal.ExtrasName: true, seal.ReadmeName: true, seal.SumsName: true}
	for _, f := range s.files() {
		bound[f.Name] = true
		size, ok := sizes[f.Name]
		switch {
		case seal.IsSignature(f.Name): // they are read, below
		case !ok:
			s.fault(f.Name, "is missing")
		case size < f.Size:
			s.fault(f.Name, "is truncated")
		case size > f.Size:
			s.fault(f.Name, "is longer than it was")
		}
	}
	for _, f := range files {
		switch {
		case seal.IsSignature(f.Name):
		case s.extras.Bundle == "" && seal.KeyNumber(f.Name) > 0:
			// What binds the key files cannot be read: that is the fault, and is reported already.
		case !bound[f.Name] && s.isPending(f.Name):
			s.pending = append(s.pending, f.Name)
		case !bound[f.Name] && seal.Known(f.Name, false):
			s.fault(f.Name, "is extra: it is not listed in any seal of this bundle")
		case seal.Known(f.Name, true) && !seal.Known(f.Name, false):
			s.temps = append(s.temps, f.Name)
		}
	}
	for _, name := range others {
		if seal.Known(name, false) {
			s.fault(name, "is not a regular file")
		}
	}
	return s.readSignatures(files)
}

// isPending reports whether name is that of a key file after the last one that
// extras.json names: rekey writes extras.json last.
func (s *seals) isPending(name string) bool {
	return s.extras.Bundle != "" && seal.KeyNumber(name) > s.lastKey()
}

// lastKey is the highest number of a key file that extras.json names.
func (s *seals) lastKey() int {
	last := 0
	for _, f := range s.extras.Files {
		last = max(last, seal.KeyNumber(f.Name))
	}
	return last
}
