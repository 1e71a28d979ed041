package bundle

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// reseal writes the index and the seals of a finished bundle as another version
// might: edit gets the text of each, by the file's name, and all is bound again.
func (f *fixture) reseal(t *testing.T, edit func(name, text string) string) {
	t.Helper()
	now := files(t, f.drive)
	begin := f.replay(t).Begin
	idx := f.reindex(t, begin.Key, edit)
	drive := []byte(edit(seal.DriveName, string(now[seal.DriveName])))
	d, err := seal.ParseDrive(now[seal.DriveName])
	if err != nil {
		t.Fatal(err)
	}
	b, err := seal.ParseBundle(now[seal.BundleName])
	if err != nil {
		t.Fatal(err)
	}
	b.Index, b.Drives[0].SHA256 = seal.FileOf(seal.IndexName, idx), seal.Sum(drive)
	text, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(edit(seal.BundleName, string(text)))
	all := smallFiles{
		bundle: begin.Bundle, text: seal.ReadmeText, finger: Fingerprint(seal.Sum(body)), segments: d.Files, keys: begin.KeyFiles,
		sealed: []seal.File{seal.FileOf(seal.IndexName, idx), seal.FileOf(seal.DriveName, drive), seal.FileOf(seal.BundleName, body)},
	}
	derived, err := all.derive()
	if err == nil {
		all.extras = []byte(edit(seal.ExtrasName, string(derived.extras)))
		derived, err = all.derive()
	}
	if err != nil {
		t.Fatal(err)
	}
	again := map[string][]byte{seal.IndexName: idx, seal.DriveName: drive, seal.BundleName: body, seal.ExtrasName: derived.extras}
	for name, body := range again {
		write(t, f.drive, map[string][]byte{name: body, seal.CopyDir + "/" + name: body})
	}
	write(t, f.drive, map[string][]byte{seal.ReadmeName: derived.readme, seal.SumsName: derived.sums})
}

// reindex gives the index with its text edited.
func (f *fixture) reindex(t *testing.T, key string, edit func(name, text string) string) []byte {
	t.Helper()
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	text, err := dec.DecodeAll(decrypt(t, f, seal.IndexName), nil)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	var idx bytes.Buffer
	w, err := keys.Encrypt(&idx, key)
	if err == nil {
		_, err = w.Write(enc.EncodeAll([]byte(edit(seal.IndexName, string(text))), nil))
		err = errors.Join(err, w.Close(), enc.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return idx.Bytes()
}

// TestNeeds has every reader come to a bundle that a newer version packed.
func TestNeeds(t *testing.T) {
	later := map[string]string{
		seal.BundleName: "\n \"needs\": [\n  \"future\"\n ],\n \"packedBy\": \"9.9.1\"\n}\n",
		seal.ExtrasName: "\n \"needs\": [\n  \"future\"\n ],\n \"packedBy\": \"9.9.1\"\n}\n",
		seal.IndexName:  `,"needs":["future"],"packedBy":"9.9.1"}}`,
	}
	for file := range later {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			f := newSmall(t, false)
			f.pack(t)
			f.reseal(t, func(name, text string) string {
				switch {
				case name != file:
					return text
				case name == seal.IndexName:
					return strings.Replace(text, "}}\n", later[name]+"\n", 1)
				}
				return strings.TrimSuffix(text, "\n}\n") + "," + later[name]
			})
			before := files(t, f.drive)
			_, verr := Verify(t.Context(), []string{f.drive}, VerifyOptions{})
			_, serr := SealedSize([]string{f.drive}, Wanted{})
			_, oerr := Open(t.Context(), []string{f.drive}, Wanted{}, f.identity)
			_, kerr := Rekey(t.Context(), []string{f.drive}, Wanted{}, f.identity, f.job.Recipients)
			_, rerr := Resume(t.Context(), f.drive, f.state, f.job, nil)
			all := map[string]error{"Open": oerr, "Rekey": kerr}
			if file != seal.IndexName { // Verify has no key to the index
				all["Verify"], all["SealedSize"] = verr, serr
			} else if verr != nil {
				t.Errorf("Verify: %v", verr)
			}
			if file == seal.BundleName {
				all["Resume"] = rerr
			}
			for door, err := range all {
				var needs *NeedsError
				var damage *DamageError
				if !errors.As(err, &needs) || errors.As(err, &damage) || needs.PackedBy != "9.9.1" || len(needs.Features) != 1 || needs.Features[0] != "future" {
					t.Errorf("%s: %v", door, err)
					continue
				}
				if want := "packed by satchel 9.9.1: use that or newer"; !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), f.drive) {
					t.Errorf("%s: %v", door, err)
				}
			}
			same(t, f.drive, before)
		})
	}
}

// TestSealsDisagree: seals and index that somebody sealed again do not say the same of the bundle.
func TestSealsDisagree(t *testing.T) {
	t.Parallel()
	const other = "aaaaaaaaaaaaaaaa"
	for name, tc := range map[string]struct{ file, old, now, fault string }{
		"drive.json of another":    {seal.DriveName, `"bundle": "`, other, "drive.json belongs to another bundle or is not complete"},
		"bundle.json of another":   {seal.BundleName, `"bundle": "`, other, "drive.json belongs to another bundle or is not complete"},
		"another drive":            {seal.DriveName, `"drive": 1`, `"drive": 2`, "drive.json belongs to another bundle or is not complete"},
		"a drive not complete":     {seal.DriveName, `"complete": true`, `"complete": false`, "drive.json belongs to another bundle or is not complete"},
		"a label":                  {seal.DriveName, `"label": ""`, `"label": "X"`, "drive.json cannot be read"},
		"a sequence of no stream":  {seal.BundleName, `"sequence": 1`, `"sequence": 7`, "bundle.json cannot be read"},
		"other needs in the index": {seal.IndexName, `}}`, `,"needs":["parity"],"packedBy":"9.9.1"}}`, "index.age and bundle.json disagree about what a reader needs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newSmall(t, false)
			f.pack(t)
			f.reseal(t, func(file, text string) string {
				if file != tc.file {
					return text
				}
				if tc.now == other {
					at := strings.Index(text, tc.old) + len(tc.old)
					return text[:at] + other + text[at+len(other):]
				}
				return strings.Replace(text, tc.old, tc.now, 1)
			})
			_, verr := Verify(t.Context(), []string{f.drive}, VerifyOptions{})
			_, oerr := Open(t.Context(), []string{f.drive}, Wanted{}, f.identity)
			all := map[string]error{"Verify": verr, "Open": oerr}
			if tc.file == seal.IndexName {
				delete(all, "Verify") // it has no key
			}
			for door, err := range all {
				var damage *DamageError
				if !errors.As(err, &damage) || !strings.Contains(err.Error(), tc.fault) {
					t.Errorf("%s: %v", door, err)
				}
			}
		})
	}
}

// TestMoreKeys has a newer version write keys that need nothing: every reader
// ignores them.
func TestMoreKeys(t *testing.T) {
	f := newSmall(t, false)
	f.pack(t)
	f.reseal(t, func(name, text string) string {
		if name == seal.IndexName {
			return strings.ReplaceAll(text, `":{"`, `":{"later":[1],"`)
		}
		return strings.TrimSuffix(text, "\n}\n") + ",\n \"later\": {\n  \"a\": 1\n }\n}\n"
	})
	f.check(t)
	if _, err := Rekey(t.Context(), []string{f.drive}, Wanted{}, f.identity, f.job.Recipients); err != nil {
		t.Fatal(err)
	}
	f.check(t)
}
