package bundle

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh/agent"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/bundle/internal/sign"
	"github.com/satchel-airgap/satchel/bundle/keystest"
)

// TestSign: one more signature on a finished bundle, with others, twice, before and after a
// rekey.
func TestSign(t *testing.T) {
	t.Parallel()
	a, b := newSigner(t, 1), newSigner(t, 2)
	who, later := newPerson(t, false), newPerson(t, false)
	f := tiny(t, a)
	f.job.Recipients, f.identity = who.to, who.by
	fp := f.pack(t)
	done, err := Sign(t.Context(), f.drive, Wanted{Expect: fp}, []*Signer{a.Signer, b.Signer, b.Signer}, "7.0.1")
	if err != nil || !slices.Equal(keysOf(done.Added), []string{b.Fingerprint()}) || !slices.Equal(keysOf(done.Already), []string{a.Fingerprint()}) || done.Fingerprint != fp || done.Added[0].File != "bundle.json.2.sig" {
		t.Fatalf("%v: %+v", err, done)
	}
	both := trustIn(t, 2, "alice "+a.public, "bob "+b.public)
	check := func() {
		t.Helper()
		r, err := Verify(t.Context(), []string{f.drive}, VerifyOptions{Expect: fp, Trust: both})
		if err != nil || len(r.Signed) != 2 || len(r.Leftovers) > 0 || len(r.Unlisted) > 0 {
			t.Fatalf("%v: %+v", err, r)
		}
		sumsAgree(t, f.drive)
		mustOpen(t, f.drive, fp, who.by)
	}
	check()
	before := files(t, f.drive)
	if done, err = Sign(t.Context(), f.drive, Wanted{Trust: both}, []*Signer{b.Signer}, "7.0.1"); err != nil || len(done.Added) > 0 || len(done.Already) != 1 {
		t.Fatalf("%v: %+v", err, done)
	}
	same(t, f.drive, before)
	if _, err := Rekey(t.Context(), []string{f.drive}, Wanted{Trust: both}, who.by, later.to); err != nil {
		t.Fatal(err)
	}
	check()
	mustOpen(t, f.drive, fp, later.by)
	c := newSigner(t, 3)
	if _, err := Sign(t.Context(), f.drive, Wanted{}, []*Signer{c.Signer}, "7.0.1"); err != nil {
		t.Fatal(err)
	}
	if r, err := Verify(t.Context(), []string{f.drive}, VerifyOptions{Trust: trustIn(t, 3, "alice "+a.public, "bob "+b.public, "carol "+c.public)}); err != nil || len(r.Signed) != 3 {
		t.Errorf("%v: %+v", err, r)
	}
	readme := string(files(t, f.drive)[seal.ReadmeName])
	for _, line := range []string{"-s bundle.json.sig < bundle.json", "-s bundle.json.3.sig < bundle.json", "-s drive.json.sig < drive.json", "key-2.age"} {
		if !strings.Contains(readme, line) {
			t.Errorf("README.txt has no %q", line)
		}
	}
}

// TestSignRefused: what is not whole is not signed, and nothing is written then.
func TestSignRefused(t *testing.T) {
	t.Parallel()
	a := newSigner(t, 1)
	f := tiny(t)
	fp := f.pack(t)
	other := Fingerprint(strings.Repeat("0", 64))
	segment := segmentFiles(t, f.drive)[0]
	var damage *DamageError
	var finger *FingerprintError
	var untrusted *TrustError
	var unfinished *UnfinishedError
	var copied *CopyError
	for name, tt := range map[string]struct {
		change func(dir string) error
		want   Wanted
		err    any
	}{
		"another fingerprint": {nil, Wanted{Expect: other}, &finger},
		"not signed by those": {nil, Wanted{Trust: trustIn(t, 1, "alice "+a.public)}, &untrusted},
		"a segment is gone":   {func(dir string) error { return os.Remove(filepath.Join(dir, segment)) }, Wanted{}, &damage},
		"a segment is cut":    {func(dir string) error { return os.Truncate(filepath.Join(dir, segment), 10) }, Wanted{}, &damage},
		"SHA256SUMS changed":  {func(dir string) error { return os.Truncate(filepath.Join(dir, seal.SumsName), 10) }, Wanted{}, &damage},
		"unfinished": {func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, seal.BundleName)), os.Remove(filepath.Join(dir, "copy", seal.BundleName)), os.WriteFile(filepath.Join(dir, seal.DriveName), unfinishedDrive(t, f), 0o644))
		}, Wanted{}, &unfinished},
		"line ends": {func(dir string) error {
			path := filepath.Join(dir, seal.DriveName)
			body, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, []byte(strings.ReplaceAll(string(body), "\n", "\r\n")), 0o644))
		}, Wanted{}, &copied},
	} {
		dir := copyDir(t, f.drive)
		if tt.change != nil {
			if err := tt.change(dir); err != nil {
				t.Fatal(err)
			}
		}
		before := files(t, dir)
		if _, err := Sign(t.Context(), dir, tt.want, []*Signer{a.Signer}, ""); !errors.As(err, tt.err) {
			t.Errorf("%s: %v", name, err)
		}
		same(t, dir, before)
	}
	mustVerify(t, f.drive, fp)
}

// unfinishedDrive is the drive seal of a bundle that is being written.
func unfinishedDrive(t *testing.T, f *fixture) []byte {
	t.Helper()
	d, err := seal.ParseDrive(files(t, f.drive)[seal.DriveName])
	if err != nil {
		t.Fatal(err)
	}
	d.Complete, d.Files = false, nil
	body, err := d.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// signCrash makes the first n changes of a signing, and the beginning of the next.
func signCrash(t testing.TB, dir string, by signerOf, n int) (all int) {
	t.Helper()
	s, err := openSeals([]string{dir}, Wanted{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.dir.Close() }()
	var done SignReport
	if err := s.checkBefore(context.Background(), nothing); err != nil {
		t.Fatal(err)
	}
	made, err := s.newSignatures(context.Background(), []*Signer{by.Signer}, &done)
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.signSteps(made, "7.0.0", &done)
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range list[:min(n, len(list))] {
		if err := s.apply(st); err != nil {
			t.Fatal(err)
		}
	}
	if n < len(list) && list[n].body != nil {
		if err := os.WriteFile(filepath.Join(dir, list[n].name+".tmp"), list[n].body[:len(list[n].body)/2], 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return len(list)
}

// TestSignCrash: after a crash anywhere the bundle verifies, or is said to be half signed; it
// opens; what was signed before still counts; and the next signing, by the same or by
// another, or a rekey, makes it whole.
func TestSignCrash(t *testing.T) {
	t.Parallel()
	a, b, c := newSigner(t, 1), newSigner(t, 2), newSigner(t, 3)
	who, later := newPerson(t, false), newPerson(t, false)
	for name, signers := range map[string][]signerOf{"first signature": nil, "second": {a}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := tiny(t, signers...)
			f.job.Recipients, f.identity = who.to, who.by
			fp := f.pack(t)
			all := signCrash(t, copyDir(t, f.drive), b, 0)
			if all != 6 {
				t.Fatalf("%d changes", all)
			}
			for n := range all + 1 {
				dir := copyDir(t, f.drive)
				signCrash(t, dir, b, n)
				r, err := Verify(t.Context(), []string{dir}, VerifyOptions{Expect: fp})
				var half *SigningError
				if n > 2 && n < all != errors.As(err, &half) || err != nil && half == nil || len(r.Faults) > 0 {
					t.Fatalf("after %d changes: %v", n, err)
				}
				mustOpen(t, dir, fp, who.by)
				if len(signers) > 0 {
					if _, err := Open(t.Context(), []string{dir}, Wanted{Trust: trustIn(t, 1, "alice "+a.public)}, who.by); err != nil {
						t.Fatalf("after %d changes: %v", n, err)
					}
				}
				for _, again := range []signerOf{b, c}[:1+len(signers)] {
					next := copyDir(t, dir)
					if len(signers) > 0 && n%2 == 1 {
						crashAgain(t, next, n, func(dir string, k int) int { return signCrash(t, dir, again, k) })
					}
					if _, err := Sign(t.Context(), next, Wanted{Expect: fp}, []*Signer{again.Signer}, "7.0.0"); err != nil {
						t.Fatalf("after %d changes: %v", n, err)
					}
					r, err := Verify(t.Context(), []string{next}, VerifyOptions{Trust: trustIn(t, 1, "again "+again.public)})
					if err != nil || len(r.Unlisted) > 0 {
						t.Fatalf("after %d changes: %v: %+v", n, err, r)
					}
					sumsAgree(t, next)
				}
				if n == 5 {
					crashAgain(t, dir, n, func(dir string, k int) int { return crash(t, dir, who, later, k) })
				}
				if _, err := Rekey(t.Context(), []string{dir}, Wanted{}, who.by, later.to); err != nil {
					t.Fatalf("rekey after %d changes: %v", n, err)
				}
				mustVerify(t, dir, fp)
				mustOpen(t, dir, fp, later.by)
				sumsAgree(t, dir)
			}
		})
	}
}

// crashAgain interrupts what follows after an interruption anywhere, too.
func crashAgain(t *testing.T, dir string, n int, crash func(dir string, k int) int) {
	t.Helper()
	for k, all := 0, crash(copyDir(t, dir), 0); k <= all; k++ {
		twice := copyDir(t, dir)
		crash(twice, k)
		var half *SigningError
		var begun *RekeyError
		if r, err := Verify(t.Context(), []string{twice}, VerifyOptions{}); err != nil && !errors.As(err, &half) && !errors.As(err, &begun) || len(r.Faults) > 0 {
			t.Fatalf("after %d and %d of %d changes: %v", n, k, all, err)
		}
	}
}

// TestSignAfterRekeyCrash: a rekey that was interrupted is taken back by a signing, and named.
func TestSignAfterRekeyCrash(t *testing.T) {
	t.Parallel()
	a := newSigner(t, 1)
	who, later := newPerson(t, false), newPerson(t, false)
	f := tiny(t)
	f.job.Recipients, f.identity = who.to, who.by
	fp := f.pack(t)
	all := crash(t, copyDir(t, f.drive), who, later, 0)
	for n := range all {
		dir := copyDir(t, f.drive)
		crash(t, dir, who, later, n)
		done, err := Sign(t.Context(), dir, Wanted{Expect: fp}, []*Signer{a.Signer}, "")
		if err != nil || n > 1 && !slices.Equal(done.TakenBack, []string{"key-2.age"}) || n <= 1 && len(done.TakenBack) > 0 {
			t.Fatalf("after %d changes: %v: %+v", n, err, done)
		}
		mustVerify(t, dir, fp)
		sumsAgree(t, dir)
		mustOpen(t, dir, fp, who.by)
		if got := keyFiles(t, dir); len(slices.DeleteFunc(got, func(s string) bool { return strings.HasSuffix(s, ".tmp") })) != 1 {
			t.Fatalf("after %d changes there is %v", n, got)
		}
	}
}

// TestSignOlder: bundles of earlier versions are signed too; their README.txt keeps its wording.
func TestSignOlder(t *testing.T) {
	t.Parallel()
	a := newSigner(t, 1)
	found, err := filepath.Glob("../testdata/vectors/*/x25519/bundle/bundle.json")
	if err != nil || len(found) < 2 {
		t.Fatalf("vectors %v, %v", found, err)
	}
	for _, name := range found {
		dir := copyDir(t, filepath.Dir(name))
		readme := files(t, dir)[seal.ReadmeName]
		if _, err := Sign(t.Context(), dir, Wanted{}, []*Signer{a.Signer}, ""); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := Verify(t.Context(), []string{dir}, VerifyOptions{Trust: trustIn(t, 1, "alice "+a.public)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := files(t, dir)[seal.ReadmeName]; string(got) != string(readme) {
			t.Errorf("%s: README.txt has changed", name)
		}
	}
}

// TestSealWithoutItsAgent: an agent that goes away before the seal leaves a bundle that is
// unfinished and can be resumed.
func TestSealWithoutItsAgent(t *testing.T) {
	t.Parallel()
	a := newSigner(t, 1)
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: seedKey(1)}); err != nil {
		t.Fatal(err)
	}
	s, err := sign.Load(t.Context(), keystest.Write(t, a.public+"\n"), keystest.Agent(t, ring), sign.UI{})
	if err != nil {
		t.Fatal(err)
	}
	f := tiny(t, signerOf{Signer: s})
	w := f.writer(t)
	if err := f.fill(t.Context(), w, f.content); err != nil {
		t.Fatal(err)
	}
	if err := ring.RemoveAll(); err != nil {
		t.Fatal(err)
	}
	var bad *SignerError
	if _, err := w.Seal(t.Context(), f.inv); !errors.As(err, &bad) {
		t.Fatalf("sealed without its agent: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var unfinished *UnfinishedError
	if _, err := Open(t.Context(), []string{f.drive}, Wanted{}, f.identity); !errors.As(err, &unfinished) {
		t.Fatalf("open: %v", err)
	}
	if err := ring.Add(agent.AddedKey{PrivateKey: seedKey(1)}); err != nil {
		t.Fatal(err)
	}
	f.finish(t)
	if _, err := Verify(t.Context(), []string{f.drive}, VerifyOptions{Trust: trustIn(t, 1, "alice "+a.public)}); err != nil {
		t.Error(err)
	}
}
