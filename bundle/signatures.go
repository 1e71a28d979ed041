package bundle

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/bundle/internal/sign"
)

// Wanted says which bundle a reader takes. The zero value takes any.
type Wanted struct {
	Expect Fingerprint // the only one that is taken; empty: any
	Trust  *Trust      // who must have signed it; nil: nobody is asked for
	Plain  bool        // one that is not encrypted is opened too; nothing but opening asks for that
}

// signature is a signature file of a seal that was made by the key in it.
type signature struct {
	file   string
	of     string // bundle.json or drive.json
	key    string // SHA256:...
	listed bool   // bundle.json or extras.json names it
	body   []byte
}

func namespaceOf(sealed string) string {
	if sealed == seal.DriveName {
		return sign.DriveNamespace
	}
	return sign.BundleNamespace
}

// checkTrust refuses a seal that not enough of those who are trusted have signed: before
// anything else of it is looked at.
func (s *seals) checkTrust(trust *Trust, body []byte) error {
	if trust == nil {
		return nil
	}
	err := s.trusts(trust, body)
	failed, ok := errors.AsType[*TrustError](err)
	if !ok {
		return err
	}
	failed.What = "the bundle in " + s.dir.Path()
	if s.second {
		return failed
	}
	second, serr := s.dir.ReadFile(seal.CopyDir+"/"+seal.BundleName, seal.MaxSize)
	if serr == nil && string(unixLines(second)) != string(body) && s.trusts(trust, unixLines(second)) == nil {
		return s.damage(seal.BundleName, "has changed: what is signed is its copy", nil)
	}
	return failed
}

// trusts checks the signatures of bundle.json, those of copies too where a file is at fault.
func (s *seals) trusts(trust *Trust, body []byte) error {
	sigs, err := s.signaturesOf(seal.BundleName, body)
	if err != nil {
		return err
	}
	s.asked = trust
	s.trusted, err = trust.CheckWhen(sign.BundleNamespace, body, sigs, func() (time.Time, error) {
		b, err := seal.ParseBundle(body)
		if err != nil {
			return time.Time{}, cmp.Or(asNeeds(s.dir.Path(), err), error(s.damage(seal.BundleName, "cannot be read", err)))
		}
		return b.Created, nil
	})
	return err
}

// trusts checks the signatures of drive.json, on a drive that is here without the last one. When it was sealed
// stands there: keys that are allowed for a time alone do not count.
func (s *driveDir) trusts(trust *Trust) ([]Signed, error) {
	sigs, err := s.signaturesOf(seal.DriveName, s.bodies[seal.DriveName])
	if err != nil {
		return nil, err
	}
	signed, err := trust.CheckTimeless(sign.DriveNamespace, s.bodies[seal.DriveName], sigs)
	if failed, ok := errors.AsType[*TrustError](err); ok {
		failed.What = "the drive in " + s.dir.Path()
	}
	return signed, err
}

// signaturesOf reads the signature files of a seal whose content is body, and their copies where a file is at fault.
func (s *driveDir) signaturesOf(sealed string, body []byte) (sigs []Signature, err error) {
	for _, sub := range []string{".", seal.CopyDir} {
		files, _, err := s.dir.List(sub)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, f := range files {
			of, _, ok := seal.ParseSignature(seal.Canonical(f.Name))
			if !ok || of != sealed || len(sigs) >= 2*seal.MaxSignatures {
				continue
			}
			sig := Signature{File: seal.Canonical(f.Name)}
			name := f.Name
			if sub != "." {
				name = sub + "/" + f.Name
			}
			if sig.Body, err = s.dir.ReadFile(name, sign.MaxFile); err != nil {
				continue // it is reported where it is a fault
			}
			if sub != "." && slices.ContainsFunc(sigs, func(o Signature) bool { return o.File == sig.File && isOf(o, namespaceOf(sealed), body) }) {
				continue // the original is as good
			}
			sigs = append(sigs, sig)
		}
	}
	return sigs, nil
}

func isOf(sig Signature, namespace string, body []byte) bool {
	_, err := sig.Of(namespace, body)
	return err == nil
}

// listedSignatures are the signature files that a seal or extras.json names.
func (s *driveDir) listedSignatures() (list []seal.File) {
	for _, f := range s.extras.Files {
		if seal.IsSignature(f.Name) {
			list = append(list, f)
		}
	}
	return append(list, s.driveSignatures()...)
}

// readSignatures reads all signature files of the listing. One that nothing names is no fault
// if it is right: it was added with other tools, or just before an interruption, and shows
// itself who made it.
func (s *driveDir) readSignatures(files []media.Entry) error {
	listed := s.listedSignatures()
	for _, f := range listed {
		body, what, err := s.readSignature(f.Name)
		switch {
		case err != nil:
			return err
		case what == "" && int64(len(body)) < f.Size:
			what = "is truncated"
		case what == "" && int64(len(body)) > f.Size:
			what = "is longer than it was"
		case what == "" && seal.FileOf(f.Name, body) != f:
			what = "has changed: its SHA-256 differs from the recorded one"
		}
		if what == "" {
			what = s.addSignature(f.Name, body, true)
		}
		if what != "" {
			s.fault(f.Name, what)
		}
	}
	for _, f := range files {
		named := slices.ContainsFunc(listed, func(l seal.File) bool { return l.Name == f.Name })
		if named || !seal.IsSignature(f.Name) || s.extras.Bundle == "" { // without extras.json nobody knows
			continue
		}
		body, what, err := s.readSignature(f.Name)
		if err != nil {
			return err
		}
		if what == "" {
			what = s.addSignature(f.Name, body, false)
		}
		if what != "" {
			s.fault(f.Name, "is extra: no seal names it, and it "+what)
		}
	}
	return nil
}

// readSignature reads a signature file, or says what is wrong with it.
func (s *driveDir) readSignature(name string) (body []byte, what string, err error) {
	body, err = s.readFile(name, sign.MaxFile)
	var large *DamageError
	switch {
	case err == nil:
		return body, "", nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, "is missing", nil
	case errors.As(err, &large):
		return nil, large.Faults[0].What, nil
	}
	if gone := s.gone(err); gone != nil {
		return nil, "", gone
	}
	return nil, "cannot be read: " + err.Error(), nil
}

// addSignature notes a signature that was made by the key in it, and else says what is wrong.
func (s *driveDir) addSignature(name string, body []byte, listed bool) (what string) {
	of, _, _ := seal.ParseSignature(name)
	key, err := Signature{File: name, Body: body}.Of(namespaceOf(of), s.bodies[of])
	if err != nil {
		return "is no valid signature of " + of + ": " + err.Error()
	}
	s.signatures = append(s.signatures, signature{file: name, of: of, key: key, listed: listed, body: body})
	return ""
}

// signed lists who has signed the bundle: with their principals if they are trusted.
func (s *seals) signed() (list []Signed) {
	for _, sig := range s.signatures {
		if sig.of != seal.BundleName {
			continue
		}
		one := Signed{File: sig.file, Key: sig.key, Revoked: s.asked.RevokedBy(Signature{Body: sig.body})}
		for _, t := range s.trusted {
			if t.Key == sig.key {
				one.Principals = t.Principals
			}
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b Signed) int {
		_, n, _ := seal.ParseSignature(a.File)
		_, m, _ := seal.ParseSignature(b.File)
		return cmp.Compare(n, m)
	})
	return list
}

// unlisted are the signature files that no seal and extras.json does not name.
func (s *driveDir) unlisted() (names []string) {
	for _, sig := range s.signatures {
		if !sig.listed {
			names = append(names, sig.file)
		}
	}
	return names
}

// hasSigned reports whether a key has signed the bundle, and extras.json names that.
func (s *driveDir) hasSigned(key string) bool {
	return slices.ContainsFunc(s.signatures, func(sig signature) bool {
		return sig.of == seal.BundleName && sig.key == key && sig.listed
	})
}

// Signed is who has signed the bundle, with principals where they are trusted; no
// principals means that nobody has asked whose key it is, or that it does not count.
func (r *Reader) Signed() []Signed { return r.seals.signed() }
