package bundle

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/bundle/internal/sign"
)

// sealsToVerify is readSeals for a reader that lists faults. Where bundle.json is at fault, its
// second copy stands in for it if drive.json and extras.json agree with that: seals.second.
func sealsToVerify(p location, want Wanted) (*seals, error) {
	s, err := readSeals(p, want)
	var faults []Fault
	if damage, ok := errors.AsType[*DamageError](err); ok {
		faults = damage.Faults
	} else if _, ok := errors.AsType[*FingerprintError](err); ok { // it is another bundle, unless the second copy shows that it has changed
		faults = []Fault{{seal.BundleName, "has changed: its second copy has the fingerprint that is expected"}}
	}
	if len(faults) == 0 || p.short != "" || slices.ContainsFunc(faults, func(f Fault) bool { return f.File != seal.BundleName }) {
		return s, err
	}
	s, serr := readSealsBy(p, func(s *seals) error { return s.readSecond(want) })
	if _, other := errors.AsType[*FingerprintError](err); other && isDamage(serr) {
		return nil, serr // it is the bundle that is expected, and more of it is damaged
	}
	if serr != nil {
		//lint:ignore nilerr the first look has said what is wrong
		return nil, err
	}
	if !s.extrasAgree() {
		return nil, errors.Join(err, s.dir.Close())
	}
	s.faults = append(s.faults, faults...)
	return s, nil
}

// readSecond takes the second copy for the seal.
func (s *seals) readSecond(want Wanted) error {
	body, err := s.dir.ReadFile(seal.CopyDir+"/"+seal.BundleName, seal.MaxSize)
	if err != nil {
		return err
	}
	body = unixLines(body)
	if got := Fingerprint(seal.Sum(body)); want.Expect != "" && got != want.Expect {
		return &FingerprintError{Want: want.Expect, Got: got}
	}
	s.bodies[seal.BundleName], s.second = body, true
	return s.checkTrust(want.Trust, body)
}

// extrasAgree reports whether extras.json or its copy is of this seal, or neither is there.
func (s *driveDir) extrasAgree() bool {
	if s.extras.Bundle != "" {
		return true
	}
	for _, name := range []string{seal.ExtrasName, seal.CopyDir + "/" + seal.ExtrasName} {
		if _, err := s.dir.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}

// mostOf is how many bytes a small file can have that is one of its kind.
func mostOf(name string) int64 {
	switch {
	case isIndex(name), seal.IsOther(name):
		return maxIndex
	case seal.KeyNumber(name) > 0:
		return keys.MaxFile
	case seal.IsSignature(name):
		return sign.MaxFile
	}
	return seal.MaxSize
}

// originalOrSecond reads a small file that a seal or extras.json names, or its second copy where the original is not as it
// was, which second says.
func (s *driveDir) originalOrSecond(f seal.File) (body []byte, second bool, err error) {
	for _, second := range []bool{false, true} {
		name := f.Name
		if second {
			name = seal.CopyDir + "/" + name
		}
		body, err := s.dir.ReadFile(name, mostOf(f.Name))
		if isText(f.Name) {
			body = unixLines(body)
		}
		if err == nil && seal.FileOf(f.Name, body) == f {
			return body, second, nil
		}
	}
	return nil, false, &keys.FileError{Name: f.Name, Why: "and its second copy are damaged"}
}
