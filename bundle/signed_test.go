package bundle

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/bundle/keystest"
	"github.com/satchel-airgap/satchel/bundle/readmetest"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// signerOf is a signer, and the line that allows its key to a principal.
type signerOf struct {
	*Signer
	file, public string
}

func newSigner(t testing.TB, n byte) signerOf {
	t.Helper()
	key := seedKey(n)
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	file := keystest.Write(t, string(pem.EncodeToMemory(block)))
	s, err := LoadSigner(context.Background(), file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return signerOf{s, file, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub)))}
}

func seedKey(n byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return ed25519.NewKeyFromSeed(seed)
}

// trustIn makes what trusts the lines, of which each is PRINCIPALS [OPTIONS] KEY.
func trustIn(t testing.TB, signatures int, lines ...string) *Trust {
	t.Helper()
	trust, err := LoadTrust([]string{keystest.Write(t, strings.Join(lines, "\n")+"\n")}, signatures)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// tiny is a fixture of one small image, signed by signers.
func tiny(t testing.TB, signers ...signerOf) *fixture {
	t.Helper()
	c := ocitest.New(23)
	f := newFixtureOf(t, c, map[string]oci.Descriptor{"a": c.Image(false, c.Layer(10<<10, ocitest.LayerGzip))}, DefaultSegmentSize, false)
	for _, s := range signers {
		f.job.Signers = append(f.job.Signers, s.Signer)
	}
	f.job.Version = "7.0.0"
	return f
}

func keysOf(signed []Signed) (list []string) {
	for _, s := range signed {
		list = append(list, s.Key)
	}
	return list
}

// TestSignedSeal: who has signed is said, those who are trusted count, and the tools that
// everybody has agree.
func TestSignedSeal(t *testing.T) {
	t.Parallel()
	a, b, c := newSigner(t, 1), newSigner(t, 2), newSigner(t, 3)
	f := tiny(t, a, b)
	fp := f.pack(t)
	all := files(t, f.drive)
	for _, name := range []string{"bundle.json.sig", "bundle.json.2.sig", "drive.json.sig", "drive.json.2.sig"} {
		if len(all[name]) == 0 || string(all[name]) != string(all["copy/"+name]) || !strings.Contains(string(all[seal.SumsName]), "  copy/"+name+"\n") {
			t.Errorf("%s, its copy or its line in SHA256SUMS is missing", name)
		}
	}
	sumsAgree(t, f.drive)
	seals, err := seal.ParseBundle(all[seal.BundleName])
	if err != nil || !slices.Equal(seals.Needs.Needs, []string{"signatures"}) || seals.PackedBy != "7.0.0" {
		t.Errorf("bundle.json: %v, needs %v", err, seals.Needs)
	}
	r, err := Verify(t.Context(), []string{f.drive}, VerifyOptions{Expect: fp})
	if err != nil || !slices.Equal(keysOf(r.Signed), []string{a.Fingerprint(), b.Fingerprint()}) || r.Signed[0].Principals != "" || len(r.Unlisted) > 0 {
		t.Fatalf("%v: %+v", err, r)
	}
	trust := trustIn(t, 2, "alice "+a.public, "bob "+b.public, "carol "+c.public)
	r, err = Verify(t.Context(), []string{f.drive}, VerifyOptions{Trust: trust})
	if err != nil || r.Signed[0].Principals != "alice" || r.Signed[1].Principals != "bob" || r.Files != len(all) {
		t.Errorf("%v: %+v, %d files", err, r, len(all))
	}
	reader, err := Open(t.Context(), []string{f.drive}, Wanted{Trust: trust, Expect: fp}, f.identity)
	if err != nil || len(reader.Signed()) != 2 || reader.Close() != nil {
		t.Error(err)
	}
	list, _, err := List(f.drive, "")
	if err != nil || len(list) != 1 || list[0].Err != nil || len(list[0].Signed) != 2 {
		t.Errorf("%v: %+v", err, list)
	}
	for name, trust := range map[string]*Trust{
		"another signer": trustIn(t, 1, "carol "+c.public), "one is missing": trustIn(t, 2, "alice "+a.public, "carol "+c.public),
		"one person": trustIn(t, 2, "alice "+a.public, "alice "+b.public), "expired": trustIn(t, 1, `alice valid-before="20200101Z" `+a.public),
		"not yet": trustIn(t, 1, `alice valid-after="29990101Z" `+a.public), "for something else": trustIn(t, 1, `alice namespaces="git" `+a.public),
	} {
		var bad *TrustError
		if _, err := Open(t.Context(), []string{f.drive}, Wanted{Trust: trust}, f.identity); !errors.As(err, &bad) {
			t.Errorf("%s: open: %v", name, err)
		}
		if r, err := Verify(t.Context(), []string{f.drive}, VerifyOptions{Trust: trust}); !errors.As(err, &bad) || r != nil || !strings.Contains(err.Error(), f.drive) {
			t.Errorf("%s: verify: %v", name, err)
		}
	}
}

// TestSignedReadme runs the lines of README.txt with ssh-keygen, and finds what was swapped.
func TestSignedReadme(t *testing.T) {
	t.Parallel()
	need(t, "ssh-keygen")
	a, b := newSigner(t, 1), newSigner(t, 2)
	f := tiny(t, a, b)
	f.pack(t)
	groups := readmetest.Groups(string(files(t, f.drive)[seal.ReadmeName]))
	lines, check := groups[readmetest.Find(t, groups, "ssh-keygen -Y verify")], groups[readmetest.Find(t, groups, "is another one")]
	run := func(dir, who string) (string, error) {
		signers := keystest.Write(t, "alice "+a.public+"\n"+"bob namespaces=\"satchel-bundle\" "+b.public+"\n")
		return readmetest.Run(t, dir, "cd \""+dir+"\"\n"+readmetest.Fill(lines, map[string]string{"SIGNERS": signers, "WHO": who}))
	}
	for who, good := range map[string]int{"alice": 2, "bob": 1, "carol": 0} {
		if out, _ := run(f.drive, who); strings.Count(out, "Good") != good {
			t.Errorf("%s:\n%s", who, out)
		}
	}
	if out, err := readmetest.Run(t, f.drive, check); err != nil || !strings.HasSuffix(out, "right\n") {
		t.Errorf("%v\n%s", err, out)
	}
	if shown, status := readmetest.Paste(t, f.drive, []string{check}); len(status) != 1 || status[0] != 0 || !strings.Contains(shown, "right") {
		t.Errorf("pasted: %v\n%s", status, shown)
	}
	segments := segmentFiles(t, f.drive)
	for name, change := range map[string]func(dir string) error{
		"segments swapped": func(dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, segments[0]), filepath.Join(dir, "x")), os.Rename(filepath.Join(dir, segments[1]), filepath.Join(dir, segments[0])), os.Rename(filepath.Join(dir, "x"), filepath.Join(dir, segments[1])))
		},
		"one more":      func(dir string) error { return os.WriteFile(filepath.Join(dir, "s-00-00000.age"), nil, 0o644) },
		"one less":      func(dir string) error { return os.Remove(filepath.Join(dir, segments[0])) },
		"another index": func(dir string) error { return os.WriteFile(filepath.Join(dir, "index.age"), nil, 0o644) },
		"another drive": func(dir string) error { return os.WriteFile(filepath.Join(dir, "drive.json"), nil, 0o644) },
	} {
		dir := copyDir(t, f.drive)
		if err := change(dir); err != nil {
			t.Fatal(err)
		}
		if out, err := readmetest.Run(t, dir, check); err == nil || strings.Contains(out, "right\n") || !strings.Contains(out, "FAILED") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestSignaturesByOpenSSH: ssh-keygen accepts ours, and what it adds counts, without a line in
// SHA256SUMS.
func TestSignaturesByOpenSSH(t *testing.T) {
	t.Parallel()
	keygen := need(t, "ssh-keygen")
	a, b := newSigner(t, 1), newSigner(t, 2)
	f := tiny(t)
	f.pack(t)
	sealed := filepath.Join(f.drive, seal.BundleName)
	if out, err := proctest.Command(t, keygen, "-q", "-Y", "sign", "-n", BundleNamespace, "-f", a.file, sealed).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r, err := Verify(t.Context(), []string{f.drive}, VerifyOptions{Trust: trustIn(t, 1, "alice "+a.public)})
	if err != nil || len(r.Signed) != 1 || !slices.Equal(r.Unlisted, []string{"bundle.json.sig"}) {
		t.Fatalf("%v: %+v", err, r)
	}
	if _, err := Open(t.Context(), []string{f.drive}, Wanted{Trust: trustIn(t, 1, "alice "+a.public)}, f.identity); err != nil {
		t.Error(err)
	}
	done, err := Sign(t.Context(), f.drive, Wanted{}, []*Signer{b.Signer}, "7.0.0")
	if err != nil || len(done.Added) != 1 || done.Added[0].File != "bundle.json.2.sig" || !slices.Equal(done.Listed, []string{"bundle.json.sig"}) {
		t.Fatalf("%v: %+v", err, done)
	}
	sumsAgree(t, f.drive)
	if r, err = Verify(t.Context(), []string{f.drive}, VerifyOptions{Trust: trustIn(t, 2, "alice "+a.public, "bob "+b.public)}); err != nil || len(r.Unlisted) > 0 {
		t.Errorf("%v: %+v", err, r)
	}
}

// TestSignedTampering: what a drive may have instead of what was signed.
func TestSignedTampering(t *testing.T) {
	t.Parallel()
	a, mallory := newSigner(t, 1), newSigner(t, 66)
	f, other := tiny(t, a), tiny(t, a)
	fp := f.pack(t)
	other.pack(t)
	all, theirs := files(t, f.drive), files(t, other.drive)
	byMallory, err := mallory.Sign(t.Context(), BundleNamespace, all[seal.BundleName])
	if err != nil {
		t.Fatal(err)
	}
	asDrive, err := a.Sign(t.Context(), DriveNamespace, all[seal.BundleName])
	if err != nil {
		t.Fatal(err)
	}
	changed := []byte(strings.Replace(string(all[seal.BundleName]), `"created": "2`, `"created": "1`, 1))
	type change = map[string][]byte // nil deletes
	tests := []struct {
		name            string
		change          change
		fault           string // whose, without trust; "": none
		trusted, copied bool
	}{
		{"as it was", change{}, "", true, false},
		{"without the signature", change{"bundle.json.sig": nil}, "bundle.json.sig is missing", true, false},
		{"without it and its copy", change{"bundle.json.sig": nil, "copy/bundle.json.sig": nil}, "bundle.json.sig is missing", false, false},
		{"without the copy", change{"copy/bundle.json.sig": nil}, "copy/bundle.json.sig is missing", true, false},
		{"that of another bundle", change{"bundle.json.sig": theirs["bundle.json.sig"], "copy/bundle.json.sig": theirs["bundle.json.sig"]}, "bundle.json.sig has changed", false, false},
		{"that of drive.json", change{"bundle.json.sig": all["drive.json.sig"], "copy/bundle.json.sig": all["drive.json.sig"]}, "bundle.json.sig", false, false},
		{"another's", change{"bundle.json.sig": byMallory, "copy/bundle.json.sig": byMallory}, "bundle.json.sig has changed", false, false},
		{"in another namespace", change{"bundle.json.sig": asDrive, "copy/bundle.json.sig": asDrive}, "bundle.json.sig", false, false},
		{"drive.json with that of bundle.json", change{"drive.json.sig": all["bundle.json.sig"]}, "drive.json.sig is longer", true, false},
		{"drive.json without", change{"drive.json.sig": nil}, "drive.json.sig is missing", true, false},
		{"cut", change{"bundle.json.sig": all["bundle.json.sig"][:100]}, "bundle.json.sig is truncated", true, false},
		{"empty", change{"bundle.json.sig": {}}, "bundle.json.sig is truncated", true, false},
		{"huge", change{"bundle.json.sig": make([]byte, 1<<20)}, "bundle.json.sig is larger", true, false},
		{"one that is extra and right", change{"bundle.json.7.sig": byMallory}, "", true, false},
		{"one that is extra and of another bundle", change{"bundle.json.7.sig": theirs["bundle.json.sig"]}, "bundle.json.7.sig is extra", true, false},
		{"one that is extra and empty", change{"bundle.json.7.sig": {}}, "bundle.json.7.sig is extra", true, false},
		{"one of drive.json that is extra", change{"drive.json.2.sig": all["bundle.json.sig"]}, "drive.json.2.sig is extra", true, false},
		{"a copy of nothing", change{"copy/bundle.json.7.sig": theirs["bundle.json.sig"]}, "copy/bundle.json.7.sig is extra", true, false},
		{"a name that is near the grammar", change{"bundle.json.1.sig": {}, "bundle.json.100.sig": {}, "index.age.sig": {}, "bundle.json.02.sig": {}}, "", true, false},
		{"a temporary file", change{"bundle.json.sig.tmp": {}}, "", true, false},
		{"another seal", change{"bundle.json": changed}, "bundle.json has changed", true, false},
		{"another seal and copy", change{"bundle.json": changed, "copy/bundle.json": changed}, "extras.json belongs to another seal", false, false},
		{"line ends", change{"bundle.json.sig": []byte(strings.ReplaceAll(string(all["bundle.json.sig"]), "\n", "\r\n"))}, "", true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := copyDir(t, f.drive)
			for name, body := range tt.change {
				path := filepath.Join(dir, name)
				err := os.Remove(path)
				if body != nil {
					err = os.WriteFile(path, body, 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			var damage *DamageError
			var copied *CopyError
			_, err := Verify(t.Context(), []string{dir}, VerifyOptions{})
			switch {
			case tt.copied:
				if !errors.As(err, &copied) || !slices.Equal(copied.Files, []string{"bundle.json.sig"}) {
					t.Errorf("verify: %v", err)
				}
			case tt.fault == "":
				if err != nil {
					t.Errorf("verify: %v", err)
				}
			case !errors.As(err, &damage) || !slices.ContainsFunc(damage.Faults, func(f Fault) bool { return strings.HasPrefix(f.String(), tt.fault) }):
				t.Errorf("verify: %v, expected a fault %s", err, tt.fault)
			}
			var untrusted *TrustError
			trust := trustIn(t, 1, "alice "+a.public)
			if _, err := Verify(t.Context(), []string{dir}, VerifyOptions{Trust: trust}); errors.As(err, &untrusted) == tt.trusted {
				t.Errorf("with trust: %v", err)
			}
			if _, err := Open(t.Context(), []string{dir}, Wanted{Trust: trust}, f.identity); errors.As(err, &untrusted) == tt.trusted {
				t.Errorf("open with trust: %v", err)
			}
			if len(tt.change) == 0 {
				mustVerify(t, dir, fp)
			}
		})
	}
	t.Run("signatures stripped", func(t *testing.T) {
		t.Parallel()
		plain := tiny(t) // what somebody makes who cannot sign
		plain.pack(t)
		var untrusted *TrustError
		if _, err := Open(t.Context(), []string{plain.drive}, Wanted{Trust: trustIn(t, 1, "alice "+a.public)}, plain.identity); !errors.As(err, &untrusted) || !strings.Contains(err.Error(), "not signed") {
			t.Error(err)
		}
	})
}

// TestSignedRenamed: names as a disc without long names has them are understood, those of
// signatures too.
func TestSignedRenamed(t *testing.T) {
	t.Parallel()
	a, b := newSigner(t, 1), newSigner(t, 2)
	f := tiny(t, a, b)
	f.pack(t)
	for how, rename := range map[string]func(string) string{
		"capitals":       strings.ToUpper,
		"one full stop":  func(s string) string { return strings.ToUpper(oneStop(s)) },
		"version number": func(s string) string { return strings.ToUpper(oneStop(s)) + ";1" },
	} {
		dir := filepath.Join(t.TempDir(), "disc")
		renamed := map[string][]byte{}
		for name, body := range files(t, f.drive) {
			sub, base := filepath.Split(name)
			renamed[strings.ToUpper(sub)+rename(base)] = body
		}
		write(t, dir, renamed)
		r, err := Verify(t.Context(), []string{dir}, VerifyOptions{Trust: trustIn(t, 2, "alice "+a.public, "bob "+b.public)})
		if err != nil || !r.Renamed || len(r.Signed) != 2 {
			t.Errorf("%s: %v: %+v, files %v", how, err, r, slices.Sorted(maps.Keys(renamed)))
		}
	}
}

// oneStop leaves the last full stop of a name.
func oneStop(name string) string {
	last := strings.LastIndex(name, ".")
	if last < 0 {
		return name
	}
	return strings.NewReplacer(".", "_", "-", "_").Replace(name[:last]) + name[last:]
}

// TestSignedForecast: what signatures take on a drive is known before.
func TestSignedForecast(t *testing.T) {
	t.Parallel()
	a, b := newSigner(t, 1), newSigner(t, 2)
	f := tiny(t, a, b)
	bytes, _ := f.packAtOnce(t)
	cast, err := f.job.Forecast(f.inv, f.graph, f.everything(t))
	if err != nil {
		t.Fatal(err)
	}
	if all := files(t, f.drive); len(cast.parts[0].files) != len(all) || cast.Bytes < bytes || cast.Bytes > bytes+4<<10 {
		t.Errorf("forecast of %d files, %d bytes; there are %d, %d", len(cast.parts[0].files), cast.Bytes, len(all), bytes)
	}
}

// TestCrashWhileSealingSigned: after a crash between any two of the last files, the next run
// seals with its own signers, and leaves nothing of those of the earlier one.
func TestCrashWhileSealingSigned(t *testing.T) {
	t.Parallel()
	a, b := newSigner(t, 1), newSigner(t, 2)
	f := tiny(t, a, b)
	f.pack(t)
	cutJournal(t, f, 1) // "sealed"
	for i, name := range []string{
		seal.BundleName, "copy/bundle.json", "bundle.json.2.sig", "bundle.json.sig", "drive.json.2.sig", "drive.json.sig",
		"copy/bundle.json.2.sig", "copy/bundle.json.sig", "copy/drive.json.2.sig", "copy/drive.json.sig", seal.SumsName,
	} {
		if err := os.Remove(filepath.Join(f.drive, name)); err != nil {
			t.Fatal(err)
		}
		by := [][]signerOf{{a, b}, {b}, nil}[i%3]
		c := f.clone(t)
		c.job.Signers = nil
		for _, s := range by {
			c.job.Signers = append(c.job.Signers, s.Signer)
		}
		c.finish(t)
		r, err := Verify(t.Context(), []string{c.drive}, VerifyOptions{})
		if err != nil || len(r.Signed) != len(by) || len(r.Unlisted)+len(r.Leftovers) > 0 {
			t.Errorf("after a crash before %s, sealed by %d: %v: %+v", name, len(by), err, r)
		}
	}
}
