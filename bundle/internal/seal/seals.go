package seal

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"
	"unicode/utf8"
)

// Versions that this package writes, and the only ones it reads.
const (
	driveVersion  = "drive/1"
	bundleVersion = "bundle/1"
	extrasVersion = "extras/1"
)

// MaxSize is the largest text file of a bundle that is read, in bytes. drive.json of [MaxFiles]
// segments has 35.3 MiB at most, parity.json of as many groups as there may be 38.9 MiB.
const MaxSize = 40 << 20

// ErrFormat says that a file is not what its name promises.
var ErrFormat = errors.New("it is not valid")

// File is a file as a seal binds it.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // 64 hexadecimal digits
}

// Drive is the drive seal, drive.json.
type Drive struct {
	Version  string `json:"satchel"`
	Bundle   string `json:"bundle"`
	Drive    int    `json:"drive"`
	Label    string `json:"label"`            // [Label] in a bundle of several drives
	Of       int    `json:"of,omitempty"`     // how many drives the bundle has, 0 for one
	Readme   int    `json:"readme,omitempty"` // the wording of this drive's README.txt, where the bundle has several
	Complete bool   `json:"complete"`
	Files    []File `json:"files"`
}

// Bundle is the seal, bundle.json.
type Bundle struct {
	Version  string    `json:"satchel"`
	Bundle   string    `json:"bundle"`
	Created  time.Time `json:"created"`
	Stream   *Stream   `json:"stream,omitempty"`  // nil for a bundle of no stream
	Sequence int       `json:"sequence"`          // its number in the stream, 1 without one
	Partial  bool      `json:"partial,omitempty"` // it has only those of the configuration's images that were asked for
	// Supplements is the damaged bundle that this one supplements; nil for any other.
	Supplements *Supplements `json:"supplements,omitempty"`
	Drives      []DriveSum   `json:"drives"`
	Index       File         `json:"index"`
	Readme      int          `json:"readme,omitempty"` // the wording of README.txt, see [Readme]
	Needs
}

// Supplements names the damaged bundle that a supplement belongs to.
type Supplements struct {
	Bundle      string `json:"bundle"`
	Fingerprint string `json:"fingerprint"`
}

// check reports what is wrong with what a bundle says of it.
func (s *Supplements) check(of Bundle) error {
	if (s != nil) != of.Has(Supplement) || s != nil && (!IsID(s.Bundle) || s.Bundle == of.Bundle || !IsSum(s.Fingerprint)) {
		return fmt.Errorf("%w: the bundle that it supplements", ErrFormat)
	}
	return nil
}

// DriveSum binds one drive seal.
type DriveSum struct {
	Drive      int    `json:"drive"`
	SHA256     string `json:"sha256"`
	Signatures []File `json:"signatures,omitempty"` // signature files of the drive seal, in name order
}

// Extras is extras.json: files that may be added after the seal. It has Seal or Drive.
type Extras struct {
	Version string `json:"satchel"`
	Bundle  string `json:"bundle"`
	Seal    string `json:"seal,omitempty"`  // the fingerprint
	Drive   string `json:"drive,omitempty"` // SHA-256 of drive.json, on a drive that is not the last one
	Files   []File `json:"files"`
	Needs
	More bool `json:"-"` // it has keys that this version does not know
}

// Marshal gives the bytes of drive.json.
func (d Drive) Marshal() ([]byte, error) {
	return collect(d)
}

func (d Drive) text() (iter.Seq[[]byte], error) {
	files := d.Files
	d.Version, d.Files = driveVersion, []File{}
	return pieces(d, "files", files, addFile)
}

// Marshal gives the bytes of bundle.json.
func (b Bundle) Marshal() ([]byte, error) {
	return collect(b)
}

func (b Bundle) text() (iter.Seq[[]byte], error) {
	b.Version = bundleVersion
	b.Created = b.Created.UTC().Truncate(time.Second)
	return pieces[File](b, "files", nil, nil)
}

// Marshal gives the bytes of extras.json.
func (e Extras) Marshal() ([]byte, error) {
	return collect(e)
}

func (e Extras) text() (iter.Seq[[]byte], error) {
	files := e.Files
	e.Version, e.Files = extrasVersion, []File{}
	return pieces(e, "files", files, addFile)
}

func marshal(v any) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", " ")
	return append(b, '\n'), err
}

func unmarshal(b []byte, v any) error {
	if err := CheckElements(b); err != nil {
		return err
	}
	if !utf8.Valid(b) {
		return fmt.Errorf("%w: it is not UTF-8", ErrFormat)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return nil
}

// ParseDrive reads drive.json.
func ParseDrive(b []byte) (Drive, error) {
	var d Drive
	if err := unmarshal(b, &d); err != nil {
		return d, err
	}
	if err := checkHead(d.Version, driveVersion, d.Bundle); err != nil {
		return d, err
	}
	if d.Drive < 1 || d.Drive > MaxDrives {
		return d, fmt.Errorf("%w: drive number %d", ErrFormat, d.Drive)
	}
	if d.Of == 0 && d.Label != "" {
		return d, fmt.Errorf("%w: label %.64q on the only drive", ErrFormat, d.Label)
	}
	if d.Of != 0 && (d.Of < max(2, d.Drive) || d.Of > MaxDrives || d.Label != Label(d.Bundle, d.Drive)) {
		return d, fmt.Errorf("%w: drive %d of %d, label %.64q", ErrFormat, d.Drive, d.Of, d.Label)
	}
	if len(d.Files) > MaxFiles {
		return d, fmt.Errorf("%w: it names %d segments, at most %d are allowed", ErrFormat, len(d.Files), MaxFiles)
	}
	last := ""
	for _, f := range d.Files {
		if s, ok := ParseSegment(f.Name); !ok || f.Name <= last || s.Plain != d.Plain() {
			return d, fmt.Errorf("%w: segment name %.64q", ErrFormat, f.Name)
		}
		if err := f.check(); err != nil {
			return d, err
		}
		if f.Size == 0 || f.Size > MaxFileSize {
			return d, fmt.Errorf("%w: %s has %d bytes", ErrFormat, f.Name, f.Size)
		}
		last = f.Name
	}
	_, err := asWritten(b, d)
	return d, err
}

// Plain reports whether the drive's segments are not encrypted.
func (d Drive) Plain() bool {
	if len(d.Files) == 0 {
		return false
	}
	s, _ := ParseSegment(d.Files[0].Name)
	return s.Plain
}

// ParseBundle reads bundle.json. The error is a *[NeedsError] for one that this
// version cannot read.
func ParseBundle(b []byte) (Bundle, error) {
	var s Bundle
	if err := checkNeeds(b, bundleVersion); err != nil {
		return s, err
	}
	if err := unmarshal(b, &s); err != nil {
		return s, err
	}
	if err := checkHead(s.Version, bundleVersion, s.Bundle); err != nil {
		return s, err
	}
	if len(s.Drives) == 0 || len(s.Drives) > MaxDrives || (len(s.Drives) > 1) != s.Has(Drives) || s.Sequence < 1 || s.Sequence > MaxSequence || s.Index.Name != IndexOf(s.Has(Plain)) {
		return s, fmt.Errorf("%w: drives, sequence or index", ErrFormat)
	}
	if s.Stream == nil && s.Sequence != 1 {
		return s, fmt.Errorf("%w: sequence %d without a stream", ErrFormat, s.Sequence)
	}
	if s.Stream != nil {
		if err := s.Stream.Check(); err != nil {
			return s, fmt.Errorf("%w: %w", ErrFormat, err)
		}
	}
	if err := s.Supplements.check(s); err != nil {
		return s, err
	}
	for i, d := range s.Drives {
		if d.Drive != i+1 || !IsSum(d.SHA256) {
			return s, fmt.Errorf("%w: drive %d", ErrFormat, i+1)
		}
		if err := s.checkFiles(d.Signatures, DriveName, false); err != nil {
			return s, err
		}
	}
	if err := s.Index.check(); err != nil {
		return s, err
	}
	_, err := asWritten(b, s)
	return s, err
}

// ParseExtras reads extras.json. The error is a *[NeedsError] if what was added
// after the seal is something that this version cannot read.
func ParseExtras(b []byte) (Extras, error) {
	var e Extras
	if err := checkNeeds(b, extrasVersion); err != nil {
		return e, err
	}
	if err := unmarshal(b, &e); err != nil {
		return e, err
	}
	if err := checkHead(e.Version, extrasVersion, e.Bundle); err != nil {
		return e, err
	}
	of, to := BundleName, e.Seal
	if e.Seal == "" {
		of, to = DriveName, e.Drive
	}
	if !IsSum(to) || e.Seal != "" && e.Drive != "" {
		return e, fmt.Errorf("%w: seal", ErrFormat)
	}
	if err := e.checkFiles(e.Files, of, true); err != nil {
		return e, err
	}
	var err error
	e.More, err = asWritten(b, e)
	return e, err
}

func checkHead(version, want, bundle string) error {
	if version != want {
		return fmt.Errorf("%w: it is of version %.64q; this satchel reads %q", ErrFormat, version, want)
	}
	if !IsID(bundle) {
		return fmt.Errorf("%w: bundle ID %.64q", ErrFormat, bundle)
	}
	return nil
}

func (f File) check() error {
	if f.Size < 0 || !IsSum(f.SHA256) {
		return fmt.Errorf("%w: size or SHA-256 of %s", ErrFormat, f.Name)
	}
	return nil
}

// IsSum reports whether s is a SHA-256 in 64 lower-case hexadecimal digits.
func IsSum(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size && s == hex.EncodeToString(b)
}

// Sum is the SHA-256 of b, 64 hexadecimal digits.
func Sum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// FileOf binds bytes under a name.
func FileOf(name string, b []byte) File { return File{name, int64(len(b)), Sum(b)} }
