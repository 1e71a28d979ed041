package bundle

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// TestRekeyDrives lets someone else open a bundle on three drives: all must be here, and it may end after each change.
// Every drive stays readable, and the next run completes it.
func TestRekeyDrives(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	b := newPerson(t, false)
	var away *AwayError
	if _, err := Rekey(t.Context(), []string{s.dirs[2], s.dirs[0]}, Wanted{}, s.identity, b.to); !errors.As(err, &away) || len(away.Drives) != 1 || away.Drives[0].Number != 2 {
		t.Fatalf("without the second drive: %v", err)
	}
	all := s.rekeyed(t, s.links(t), b, 0)
	if all < 3*6 {
		t.Fatalf("%d changes on three drives", all)
	}
	for n := 0; n <= all; n++ {
		if !soak() && n%4 > 1 && n < all {
			continue
		}
		dirs := s.links(t)
		s.rekeyed(t, dirs, b, n)
		var begun *RekeyError
		if r, err := Verify(t.Context(), dirs, VerifyOptions{Expect: s.finger}); err != nil && (!errors.As(err, &begun) || len(r.Faults) > 0) {
			t.Fatalf("after %d of %d changes: %v", n, all, err)
		}
		if _, err := Verify(t.Context(), dirs, VerifyOptions{}); n > 0 && n < all && !errors.As(err, &begun) {
			t.Fatalf("after %d of %d changes, all drives: %v", n, all, err)
		}
		for _, dir := range dirs {
			if r, err := Verify(t.Context(), []string{dir}, VerifyOptions{}); err != nil && (!errors.As(err, &begun) || len(r.Faults) > 0) {
				t.Fatalf("after %d of %d changes, %s alone: %v", n, all, dir, err)
			}
		}
		s.opens(t, dirs, s.identity)
		done, err := Rekey(t.Context(), dirs, Wanted{Expect: s.finger}, append(slices.Clone(s.identity), b.by...), b.to)
		if err != nil || len(done.Files)+len(done.Already) != 1 || (len(done.Already) == 1) != (n == all) {
			t.Fatalf("after %d of %d changes, again: %+v, %v", n, all, done, err)
		}
		if _, err := Verify(t.Context(), dirs, VerifyOptions{Expect: s.finger}); err != nil {
			t.Fatalf("after %d of %d changes, done again: %v", n, all, err)
		}
		s.opens(t, dirs, b.by)
		key := seal.KeyName(2)
		if len(done.Files) > 0 {
			key = done.Files[0]
		}
		for _, dir := range dirs {
			if _, err := os.Stat(filepath.Join(dir, key)); err != nil {
				t.Errorf("after %d of %d changes: %v", n, all, err)
			}
		}
	}
}

// rekeyed makes the first n changes of a rekey, and gives how many there are.
func (s *several) rekeyed(t testing.TB, dirs []string, to someone, n int) int {
	t.Helper()
	all, err := openSeals(dirs, Wanted{Expect: s.finger})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = all.close() }()
	r := rekeying{seals: all, drives: all.drives()}
	err = r.read(to.to)
	key, kerr := all.openKey(context.Background(), s.identity)
	if err := errors.Join(err, kerr); err != nil {
		t.Fatal(err)
	}
	files, err := all.newKeys(key, r.lastKey(), to.to)
	steps, serr := r.steps(r.lastKey()+1, files)
	if err := errors.Join(err, serr); err != nil {
		t.Fatal(err)
	}
	for _, st := range steps[:n] {
		if err := st.on.apply(st.step); err != nil {
			t.Fatal(err)
		}
	}
	return len(steps)
}

// opens opens the bundle by some keys.
func (s *several) opens(t testing.TB, dirs []string, by []Identity) {
	t.Helper()
	r, err := Open(t.Context(), dirs, Wanted{Expect: s.finger}, by)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}
