package bundle

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/keys"
)

// steps prepares a rekey as [Rekey] does, without making any change.
func steps(t testing.TB, dir string, who, to someone) (*seals, []step) {
	t.Helper()
	s, err := openSeals([]string{dir}, Wanted{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.dir.Close() })
	now, err := s.smallFiles()
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.openKey(context.Background(), who.by)
	if err != nil {
		t.Fatal(err)
	}
	files, err := s.newKeys(key, s.lastKey(), to.to)
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.rekeySteps(now, s.lastKey()+1, files)
	if err != nil {
		t.Fatal(err)
	}
	return s, list
}

// crash makes the first n changes of a rekey, and the beginning of the next.
func crash(t testing.TB, dir string, who, to someone, n int) (all int) {
	t.Helper()
	s, list := steps(t, dir, who, to)
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

// inBetween checks what a crash of rekey may leave: a bundle that verifies, or
// one that verify says a rekey was interrupted in; and it opens as before.
func inBetween(t testing.TB, dir string, fp Fingerprint, who someone, untouched bool) {
	t.Helper()
	r, err := Verify(context.Background(), []string{dir}, VerifyOptions{Expect: fp})
	var begun *RekeyError
	if err != nil && (!errors.As(err, &begun) || len(r.UnfinishedRekey) == 0 || len(r.Faults) > 0) {
		t.Fatalf("verify: %v", err)
	}
	if untouched != (err == nil) {
		t.Fatalf("verify gave %v, want a report of the rekey: %v", err, !untouched)
	}
	mustOpen(t, dir, fp, who.by)
}

func TestRekeyCrash(t *testing.T) {
	a, b, c := newPerson(t, false), newPerson(t, false).and(newPerson(t, false)), newPerson(t, false)
	third, err := keys.ReadPassphrase("words", strings.NewReader("some words"))
	if err != nil {
		t.Fatal(err)
	}
	b.to, b.by = append(b.to, third.Recipient()), append(b.by, third.Identity())
	f, fp := packFor(t, a)
	all := crash(t, copyDir(t, f.drive), a, b, 0)
	for n := range all + 1 {
		if !soak() && n%2 == 1 && n < all {
			continue // each second moment of the first, and all of the second
		}
		dir := copyDir(t, f.drive)
		crash(t, dir, a, b, n)
		inBetween(t, dir, fp, a, n == 0 || n == all)
		if n == all {
			mustOpen(t, dir, fp, b.by)
			continue
		}
		// A second rekey, for someone else, is interrupted too; the third is not.
		again := crash(t, copyDir(t, dir), a, c, 0)
		for m := range again + 1 {
			twice := copyDir(t, dir)
			crash(t, twice, a, c, m)
			r, err := Verify(context.Background(), []string{twice}, VerifyOptions{Expect: fp})
			var begun *RekeyError
			if err != nil && (!errors.As(err, &begun) || len(r.Faults) > 0) {
				t.Fatalf("after %d and %d of %d changes: %v", n, m, again, err)
			}
			mustOpen(t, twice, fp, a.by)
			if m < again && m%3 != n%3 {
				continue // the rest is the same for all; a third of them will do
			}
			if m < again {
				if _, err := Rekey(context.Background(), []string{twice}, Wanted{Expect: fp}, a.by, c.to); err != nil {
					t.Fatalf("after %d and %d changes: %v", n, m, err)
				}
			}
			mustVerify(t, twice, fp)
			mustOpen(t, twice, fp, append(slices.Clone(a.by), c.by...))
			if got := keyFiles(t, twice); m > 0 && !slices.Equal(slices.DeleteFunc(got, func(s string) bool { return strings.HasSuffix(s, ".tmp") }), []string{"key-1.age", "key-2.age"}) {
				t.Fatalf("after %d and %d changes there is %v", n, m, got)
			}
			sumsAgree(t, twice)
		}
	}
}

// TestPlantedKey holds a key file that nobody named against what a rekey leaves.
func TestPlantedKey(t *testing.T) {
	a := newPerson(t, false)
	f, fp := packFor(t, a)
	body, err := os.ReadFile(filepath.Join(f.drive, "key-1.age"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files map[string]string
		fault string // empty: reported as a rekey
	}{
		"with its copy":     {map[string]string{"key-2.age": string(body), "copy/key-2.age": string(body)}, ""},
		"a copy alone":      {map[string]string{"copy/key-2.age": string(body)}, ""},
		"without copy":      {map[string]string{"key-2.age": string(body)}, "key-2.age is extra"},
		"with another copy": {map[string]string{"key-2.age": string(body), "copy/key-2.age": "x"}, "key-2.age is extra"},
		"no age file":       {map[string]string{"key-2.age": "x", "copy/key-2.age": "x"}, "key-2.age is extra"},
		"README of neither": {map[string]string{"key-2.age": string(body), "copy/key-2.age": string(body), "README.txt": "x"}, "README.txt differs"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyDir(t, f.drive)
			for file, text := range c.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Verify(context.Background(), []string{dir}, VerifyOptions{})
			var begun *RekeyError
			var damage *DamageError
			if c.fault == "" && !errors.As(err, &begun) || c.fault != "" && (!errors.As(err, &damage) || !strings.Contains(err.Error(), c.fault)) {
				t.Errorf("got %v, want %q", err, c.fault)
			}
			if _, err := Rekey(context.Background(), []string{dir}, Wanted{Expect: fp}, a.by, a.to); err != nil {
				t.Fatal(err)
			}
			mustVerify(t, dir, fp)
		})
	}
}
