package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// driveDir is one drive directory of a bundle: its small cleartext files, read and bound to each
// other, and what else the directory holds.
type driveDir struct {
	dir     *media.Dir
	bundle  seal.Bundle   // of the last drive; an earlier one has none
	finger  Fingerprint   // of bundle.json, "" on an earlier drive
	sum     seal.DriveSum // what bundle.json says of this drive; the zero value if that is not here
	drive   seal.Drive
	extras  seal.Extras
	bodies  map[string][]byte // of drive.json, bundle.json and extras.json
	faults  []Fault           // of the small files and the listing
	temps   []string
	crlf    []string     // files whose line ends a copy has changed
	renamed bool         // the files have other names, which a copy has given them
	pending []string     // key files of a rekey that was interrupted
	signing []string     // signature files of a signing that was interrupted
	adding  []string     // files of an interrupted [AddParity]
	parity  *seal.Parity // nil where there is none, or none that can be read

	unversioned bool // extras.json is without the version that wrote it, which is lost

	parityAnew []byte // parity.json as it must be, where it is lost with its second copy

	signatures []signature       // that are right
	base       int               // how many drives a supplement has, on a drive of the damaged bundle beside it
	byFiles    bool              // extras.json was corrected by the files that it names
	lent       map[string][]byte // what other drives have of its seals and extras.json, where its own are lost
	odd        bool              // its parity.json is not that of the other drives
	seen       map[string]string // SHA-256 of what any change of the bundle changes, before a repair read it
	second     bool              // the seal is the second copy: good enough to look for faults, and no more
}

// number is the drive's among all that a reader knows.
func (s *driveDir) number() int { return s.base + s.drive.Drive }

// plain reports whether the bundle is not encrypted, which the names of the segments show on a
// drive that is alone.
func (s *driveDir) plain() bool {
	if s.bundle.Bundle == "" {
		return s.drive.Plain()
	}
	return s.bundle.Has(seal.Plain)
}

// readFile reads a small file. One that is larger than any of its kind is damage,
// not the drive's refusal.
func (s *driveDir) readFile(name string, limit int64) ([]byte, error) {
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

// readSeal is readFile of a file by which a bundle is told from others. One that cannot be read, on a drive that is
// there, is damage: its second copy may be whole.
func (s *driveDir) readSeal(name string) ([]byte, error) {
	body, err := s.readFile(name, seal.MaxSize)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || isDamage(err) {
		return body, err
	}
	return nil, s.unreadable(name, err)
}

func (s *driveDir) damage(file, what string, err error) *DamageError {
	return &DamageError{Dir: s.dir.Path(), Faults: []Fault{{file, what}}, Err: err}
}

// unreadable makes an error of a read that failed: damage, unless the drive
// itself has gone away, or this host opens no more files.
func (s *driveDir) unreadable(file string, err error) error {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return fmt.Errorf("open %s: %w", file, err)
	}
	if gone := s.gone(err); gone != nil {
		return gone
	}
	if errors.Is(err, fs.ErrClosed) { // the drive was attached anew meanwhile
		return &media.Error{Op: "read from", Path: s.dir.Path(), Err: err}
	}
	return s.damage(file, "cannot be read", err)
}

// gone reports a *[DriveError] if a read failed because the drive is not there.
func (s *driveDir) gone(err error) error {
	if !s.isLast() {
		return s.dir.Gone(seal.DriveName, err)
	}
	return s.dir.Gone(seal.BundleName, err)
}

func (s *driveDir) fault(file, what string) { s.faults = append(s.faults, Fault{file, what}) }

// readExtras reads extras.json, or its copy where the original is at fault.
func (s *driveDir) readExtras() error {
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

// whatIsWrong says what is wrong with a file that is missing or damaged; not ok for another error, or none.
func whatIsWrong(err error) (what string, ok bool) {
	if errors.Is(err, fs.ErrNotExist) {
		return "is missing", true
	}
	damage, ok := errors.AsType[*DamageError](err)
	if !ok {
		return "", false
	}
	what = damage.Faults[0].What
	if damage.Err != nil {
		what += ": " + damage.Err.Error()
	}
	return what, true
}

// parseExtras takes the file over if it is right, and else says what is wrong.
func (s *driveDir) parseExtras(name string) (body []byte, what string, err error) {
	body, err = s.readSeal(name)
	if what, ok := whatIsWrong(err); ok {
		return nil, what, nil
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
	case extras.Bundle != s.drive.Bundle || extras.Seal != string(s.finger) || extras.Drive != s.ownSum():
		return nil, "belongs to another seal", nil
	case extras.Has(seal.Plain) != s.plain():
		return nil, "and bundle.json disagree whether the bundle is encrypted", nil
	}
	s.extras = extras
	return body, "", nil
}

// ownSum is what binds the extras.json of an earlier drive: SHA-256 of its drive.json. It is ""
// for the last drive, where the fingerprint does.
func (s *driveDir) ownSum() string {
	if s.isLast() {
		return ""
	}
	return seal.Sum(s.bodies[seal.DriveName])
}

// isLast reports whether it is the last drive, which binds the others.
func (s *driveDir) isLast() bool { return s.bundle.Bundle != "" }

// files lists every file that a seal or extras.json binds: segments, index, key files,
// signatures.
func (s *driveDir) files() []seal.File {
	list := slices.Clone(s.drive.Files)
	if s.isLast() {
		list = append(list, s.bundle.Index)
	}
	return slices.Concat(list, s.driveSignatures(), s.extras.Files)
}

// driveSignatures are the signature files of drive.json that bundle.json binds, less those that
// extras.json names as well.
func (s *driveDir) driveSignatures() (list []seal.File) {
	for _, f := range s.sum.Signatures {
		if !slices.Contains(s.extras.Files, f) {
			list = append(list, f)
		}
	}
	return list
}

// always are the files that the directory must have and that neither a seal nor extras.json names.
func (s *driveDir) always() map[string]bool {
	names := map[string]bool{seal.DriveName: true, seal.ExtrasName: true, seal.ReadmeName: true, seal.SumsName: true}
	if s.isLast() {
		names[seal.BundleName] = true
	}
	return names
}

// compareListing compares names and lengths in the directory with what is
// bound; it reads no content.
func (s *driveDir) compareListing() error {
	files, others, err := s.dir.List(".")
	if err != nil {
		return err
	}
	sizes := map[string]int64{}
	for _, f := range files {
		sizes[f.Name] = f.Size
	}
	bound := s.always()
	for _, f := range s.files() {
		bound[f.Name] = true
		size, ok := sizes[f.Name]
		switch {
		case isText(f.Name) && !seal.IsOther(f.Name): // signatures and parity.json are read, below
		case !ok:
			s.fault(f.Name, "is missing")
		case isText(f.Name): // a copy may have changed its line ends
		case size < f.Size:
			s.fault(f.Name, "is truncated")
		case size > f.Size:
			s.fault(f.Name, "is longer than it was")
		}
	}
	for _, f := range files {
		switch {
		case seal.IsSignature(f.Name):
		case s.extras.Bundle == "" && (!s.plain() && seal.KeyNumber(f.Name) > 0 || seal.IsAdded(f.Name)):
			// What binds these files cannot be read: that is the fault, and is reported already.
		case !bound[f.Name] && s.isPending(f.Name):
			s.pending = append(s.pending, f.Name)
		case !bound[f.Name] && s.isAdding(f.Name):
			s.adding = append(s.adding, f.Name)
		case !bound[f.Name] && seal.Known(f.Name, false):
			s.fault(f.Name, whatExtra)
		case seal.Known(f.Name, true) && !seal.Known(f.Name, false):
			s.temps = append(s.temps, f.Name)
		}
	}
	for _, name := range others {
		if seal.Known(name, false) {
			s.fault(name, "is not a regular file")
		}
	}
	s.readParity()
	return s.readSignatures(files)
}

// whatExtra is the fault of a file that is not of the bundle.
const whatExtra = "is extra: it is not listed in any seal of this bundle"

// isPending reports whether name is that of a key file after the last one that
// extras.json names: rekey writes extras.json last.
func (s *driveDir) isPending(name string) bool {
	return s.extras.Bundle != "" && !s.plain() && seal.KeyNumber(name) > s.lastKey()
}

// lastKey is the highest number of a key file that extras.json names.
func (s *driveDir) lastKey() int {
	last := 0
	for _, f := range s.extras.Files {
		last = max(last, seal.KeyNumber(f.Name))
	}
	return last
}
