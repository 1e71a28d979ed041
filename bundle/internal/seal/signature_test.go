package seal

import (
	"errors"
	"slices"
	"testing"
)

func TestSignatureNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		of string
		n  int
	}{
		"bundle.json.sig": {BundleName, 1}, "bundle.json.2.sig": {BundleName, 2}, "bundle.json.99.sig": {BundleName, 99}, "drive.json.sig": {DriveName, 1}, "drive.json.10.sig": {DriveName, 10},
		"bundle.json.1.sig": {}, "bundle.json.0.sig": {}, "bundle.json.02.sig": {}, "bundle.json.100.sig": {}, "bundle.json..sig": {}, "extras.json.sig": {}, "index.age.sig": {},
		"bundle.json.sig.tmp": {}, "Bundle.json.sig": {}, "bundle.json.2.sig ": {}, "copy/bundle.json.sig": {}, "bundle-json.sig": {}, "bundle.jsonx2.sig": {},
	} {
		of, n, ok := ParseSignature(name)
		if of != want.of || n != want.n || ok != (want.n > 0) || IsSignature(name) != ok || Known(name, false) != ok {
			t.Errorf("%s: %q, %d, %t", name, of, n, ok)
		}
		if ok && (SignatureName(of, n) != name || !Known(name+".tmp", true)) {
			t.Errorf("%s is written %s", name, SignatureName(of, n))
		}
	}
	for name, want := range map[string]string{
		"BUNDLE.JSON.SIG": "bundle.json.sig", "BUNDLE_JSON.SIG;1": "bundle.json.sig", "BUNDLE_JSON_2.SIG": "bundle.json.2.sig", "DRIVE_JSON_12.SIG;1": "drive.json.12.sig", "drive.json.2.sig.": "drive.json.2.sig",
		"BUNDLE_JSON_1.SIG": "", "INDEX_AGE.SIG": "", "BUNDLE_JSON_100.SIG": "",
	} {
		if got := Canonical(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestSignedSeals: signature files stand where they belong, in order, and need their feature.
func TestSignedSeals(t *testing.T) {
	t.Parallel()
	signed := extras
	signed.Needs = SignedBy("7.0.0")
	signed.Files = append([]File{{"bundle.json.2.sig", 5, sum}, {"bundle.json.sig", 5, sum}}, extras.Files...)
	change := func(f func(*Extras)) Extras {
		e := signed
		e.Files = slices.Clone(e.Files)
		f(&e)
		return e
	}
	for name, tt := range map[string]struct {
		e  Extras
		ok bool
	}{
		"right":               {signed, true},
		"without the feature": {change(func(e *Extras) { e.Needs = Needs{} }), false},
		"out of order":        {change(func(e *Extras) { e.Files[0], e.Files[1] = e.Files[1], e.Files[0] }), false},
		"twice":               {change(func(e *Extras) { e.Files[1] = e.Files[0] }), false},
		"of the drive seal":   {change(func(e *Extras) { e.Files = append(e.Files[:2], File{"drive.json.sig", 5, sum}) }), false},
		"negative size":       {change(func(e *Extras) { e.Files[0].Size = -1 }), false},
	} {
		body, err := tt.e.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseExtras(body); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("extras.json, %s: %v", name, err)
		}
	}
	for name, tt := range map[string]struct {
		needs Needs
		file  string
		ok    bool
	}{
		"right": {SignedBy("not / a version"), "drive.json.sig", true}, "without the feature": {Needs{}, "drive.json.sig", false},
		"of the seal": {SignedBy(""), "bundle.json.sig", false}, "a key file": {SignedBy(""), "key-1.age", false},
	} {
		b := bundle
		b.Needs = tt.needs
		b.Drives = []DriveSum{{Drive: 1, SHA256: sum, Signatures: []File{{tt.file, 5, sum}}}}
		body, err := b.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseBundle(body); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("bundle.json, %s: %v", name, err)
		}
	}
}
