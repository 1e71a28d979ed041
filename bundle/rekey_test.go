package bundle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/bundle/keystest"
)

// someone is a recipient, and what opens for it.
type someone struct {
	to []Recipient
	by []Identity
}

func newPerson(t testing.TB, postQuantum bool) someone {
	t.Helper()
	identity, recipient, err := GenerateKey(postQuantum)
	if err != nil {
		t.Fatal(err)
	}
	return person(t, recipient, keystest.Write(t, identity+"\n"))
}

func person(t testing.TB, recipient, identityFile string) someone {
	t.Helper()
	to, err := ParseRecipients([]string{recipient}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	by, err := ReadIdentities([]string{identityFile}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return someone{to, by}
}

func word(t testing.TB, text string) someone {
	t.Helper()
	p, err := ReadPassphrase(keystest.Write(t, text+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return someone{[]Recipient{p.Recipient()}, []Identity{p.Identity()}}
}

func (s someone) and(more ...someone) someone {
	s = someone{slices.Clone(s.to), slices.Clone(s.by)}
	for _, m := range more {
		s.to, s.by = append(s.to, m.to...), append(s.by, m.by...)
	}
	return s
}

// packFor makes a small bundle for someone.
func packFor(t testing.TB, who someone) (*fixture, Fingerprint) {
	t.Helper()
	f := newFixture(t, DefaultSegmentSize, false)
	f.job.Recipients, f.identity = who.to, who.by
	return f, f.pack(t)
}

func copyDir(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// mustOpen checks that each identity alone opens the bundle.
func mustOpen(t testing.TB, dir string, fp Fingerprint, ids []Identity) {
	t.Helper()
	for i, id := range ids {
		r, err := Open(context.Background(), []string{dir}, Wanted{Expect: fp}, []Identity{id})
		if err != nil {
			t.Fatalf("identity %d: %v", i, err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func mustVerify(t testing.TB, dir string, fp Fingerprint) {
	t.Helper()
	if _, err := Verify(context.Background(), []string{dir}, VerifyOptions{Expect: fp}); err != nil {
		t.Fatal(err)
	}
}

func keyFiles(t testing.TB, dir string) (names []string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "key-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		names = append(names, filepath.Base(f))
	}
	return names
}

func TestRekey(t *testing.T) {
	keystest.Plugin(t)
	ssh := keystest.SSHKey(t, "ed25519", "")
	recipient, identity := keystest.PluginKey(keystest.Classic, false, 9)
	sshKey, device := person(t, keystest.Public(t, ssh), ssh), person(t, recipient, keystest.Write(t, identity))
	a, b, pq, pq2 := newPerson(t, false), newPerson(t, false), newPerson(t, true), newPerson(t, true)
	var many []Recipient
	for n := range 9 {
		many = append(many, word(t, fmt.Sprint(n+1)).to...)
	}
	for name, c := range map[string]struct {
		first, then someone
		files       int // key files at the end
	}{
		"one more key":           {a, b, 2},
		"keys of all kinds":      {a, b.and(sshKey, device), 2},
		"keys and passphrases":   {a, b.and(word(t, "one"), word(t, "two")), 4},
		"passphrase to key":      {word(t, "one"), a, 2},
		"passphrases":            {word(t, "one").and(word(t, "two")), word(t, "three"), 3},
		"post-quantum":           {pq, pq2.and(word(t, "one")), 3},
		"after many passphrases": {someone{many, word(t, "9").by}, a.and(word(t, "11")), 11},
	} {
		t.Run(name, func(t *testing.T) {
			if !soak() && (name == "passphrases" || name == "after many passphrases") {
				t.Skip("each passphrase takes a tenth of a second, again and again: see make soak")
			}
			f, fp := packFor(t, c.first)
			before := snapshot(t, f.drive)
			mustVerify(t, f.drive, fp)
			if c.files == 2 { // passphrases take their time
				again, err := Rekey(context.Background(), []string{f.drive}, Wanted{Expect: fp}, c.first.by, c.first.to[:1])
				if now := snapshot(t, f.drive); err != nil || len(again.Files) > 0 || len(again.Already) != 1 || !maps.Equal(now, before) {
					t.Errorf("for one who can open it: %+v, %v", again, err)
				}
			}
			done, err := Rekey(context.Background(), []string{f.drive}, Wanted{Expect: fp}, c.first.by[:1], c.then.to)
			if err != nil {
				t.Fatal(err)
			}
			if done.Fingerprint != fp || len(keyFiles(t, f.drive)) != c.files {
				t.Errorf("%+v, key files %v, want %d of them", done, keyFiles(t, f.drive), c.files)
			}
			mustVerify(t, f.drive, fp)
			mustOpen(t, f.drive, fp, c.first.by)
			mustOpen(t, f.drive, fp, c.then.by)
			sumsAgree(t, f.drive)
			if c.files == 2 {
				again, err := Rekey(context.Background(), []string{f.drive}, Wanted{Expect: fp}, slices.Concat(c.first.by[:1], c.then.by), []Recipient{c.then.to[0], c.then.to[0]})
				if err != nil || len(again.Files) > 0 || len(again.Already) != 2 {
					t.Errorf("the same again: %+v, %v", again, err)
				}
			}
			for name, body := range before {
				changes := slices.Contains([]string{seal.ExtrasName, "copy/" + seal.ExtrasName, seal.ReadmeName, seal.SumsName}, name)
				if now := snapshot(t, f.drive)[name]; !changes && now != body {
					t.Errorf("%s changed", name)
				}
			}
		})
	}
}

// snapshot reads all files below dir.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"*", "copy/*"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			body, err := os.ReadFile(name)
			if errors.Is(err, syscall.EISDIR) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			rel, err := filepath.Rel(dir, name)
			if err != nil {
				t.Fatal(err)
			}
			all[rel] = string(body)
		}
	}
	return all
}

func TestRekeyRefused(t *testing.T) {
	a, b, pq := newPerson(t, false), newPerson(t, false), newPerson(t, true)
	f, fp := packFor(t, a)
	quantum, qfp := packFor(t, pq)
	before := snapshot(t, f.drive)
	for name, c := range map[string]struct {
		dir  string
		fp   Fingerprint
		by   []Identity
		to   []Recipient
		want error
	}{
		"post-quantum into classic": {f.drive, fp, a.by, pq.to, errClassic},
		"classic into post-quantum": {quantum.drive, qfp, pq.by, a.to, errQuantum},
		"both at once":              {f.drive, fp, a.by, b.and(pq).to, errBoth},
		"a wrong key":               {f.drive, fp, b.by, b.to, ErrWrongKey},
		"no key":                    {f.drive, fp, nil, b.to, ErrNoKey},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Rekey(context.Background(), []string{c.dir}, Wanted{Expect: c.fp}, c.by, c.to)
			var mixed *MixedError
			switch {
			case errors.As(c.want, &mixed):
				if want := mixed.Why; !errors.As(err, &mixed) || !strings.Contains(mixed.Why, want) {
					t.Errorf("got %v, want %q", err, want)
				}
			case !errors.Is(err, c.want):
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	var other *FingerprintError
	if _, err := Rekey(context.Background(), []string{f.drive}, Wanted{Expect: qfp}, a.by, b.to); !errors.As(err, &other) {
		t.Errorf("another bundle: %v", err)
	}
	after := snapshot(t, f.drive)
	for name, body := range after {
		if before[name] != body {
			t.Errorf("a refused rekey changed %s", name)
		}
	}
	unsealed := newFixture(t, DefaultSegmentSize, false)
	if err := unsealed.writer(t).Close(); err != nil {
		t.Fatal(err)
	}
	var unfinished *UnfinishedError
	if _, err := Rekey(context.Background(), []string{unsealed.drive}, Wanted{}, unsealed.identity, a.to); !errors.As(err, &unfinished) {
		t.Errorf("an unfinished bundle: %v", err)
	}
}

var (
	errClassic = &MixedError{Why: "its own key is classic"}
	errQuantum = &MixedError{Why: "packed for post-quantum recipients"}
	errBoth    = &MixedError{Why: "cannot be mixed"}
)

func TestRekeyReadOnly(t *testing.T) {
	a := newPerson(t, false)
	f, fp := packFor(t, a)
	at := t.TempDir()
	if err := syscall.Mount(f.drive, at, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("cannot mount here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(at, 0); err != nil {
			t.Error(err)
		}
	})
	if err := syscall.Mount("", at, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("cannot mount here: %v", err)
	}
	_, err := Rekey(context.Background(), []string{at}, Wanted{Expect: fp}, a.by, a.to)
	var drive *DriveError
	if !errors.As(err, &drive) || !errors.Is(err, syscall.EROFS) {
		t.Errorf("got %v, want the drive to be read-only", err)
	}
}

func TestRekeyLocked(t *testing.T) {
	a := newPerson(t, false)
	f, fp := packFor(t, a)
	s, err := openSeals([]string{f.drive}, Wanted{Expect: fp})
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := s.lock("another rekey of this bundle")
	if err != nil {
		t.Fatal(err)
	}
	var refused *RefusedError
	if _, err := Rekey(context.Background(), []string{f.drive}, Wanted{Expect: fp}, a.by, a.to); !errors.As(err, &refused) {
		t.Errorf("two at once: %v", err)
	}
	if err := errors.Join(unlock(), s.dir.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Rekey(context.Background(), []string{f.drive}, Wanted{Expect: fp}, a.by, a.to); err != nil {
		t.Error(err)
	}
}
