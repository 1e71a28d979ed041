package bundle

import (
	"context"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// protectAcross adds parity across the drives of a bundle, and gives the files of each.
func (s *several) protectAcross(t testing.TB, dirs []string, ratio ParityRatio) (whole []map[string][]byte) {
	t.Helper()
	rep, err := AddParityAcross(context.Background(), dirs, Wanted{Expect: s.finger}, ratio, 0, "1.2.3", nil)
	if err != nil || rep.Protection.Whole != 1 || rep.Already {
		t.Fatalf("%+v, %v", rep, err)
	}
	for _, dir := range dirs {
		whole = append(whole, files(t, dir))
	}
	return whole
}

// TestParityAcross adds parity across three drives: each verifies together with the others and
// alone, what the seals bind is as it was, and the same again adds nothing.
func TestParityAcross(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false, newSigner(t, 3).Signer)
	dirs := s.copies(t)
	whole := s.protectAcross(t, dirs, ParityRatio{Parity: 10, Data: 20})
	if r, err := Verify(context.Background(), dirs, VerifyOptions{Expect: s.finger, Cold: true}); err != nil || r.Protection.Whole != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	for k, dir := range dirs {
		if r, err := Verify(context.Background(), []string{dir}, VerifyOptions{Cold: true}); err != nil || r.Protection.Whole != 1 {
			t.Errorf("drive %d alone: %+v, %v", k+1, r, err)
		}
		run(t, dir, need(t, "sha256sum"), "--quiet", "-c", seal.SumsName)
		for name, body := range files(t, s.dirs[k]) {
			if base := filepath.Base(name); string(whole[k][name]) != string(body) && base != seal.ExtrasName && base != seal.SumsName {
				t.Errorf("drive %d: %s was changed", k+1, name)
			}
		}
	}
	r, err := Open(context.Background(), dirs, Wanted{Expect: s.finger}, s.identity)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if rep, err := AddParityAcross(context.Background(), dirs, Wanted{}, ParityRatio{Parity: 10, Data: 20}, 0, "9", nil); err != nil || !rep.Already {
		t.Errorf("again: %+v, %v", rep, err)
	}
	for name, err := range map[string]error{
		"another ratio": errOf(AddParityAcross(context.Background(), dirs, Wanted{}, ParityRatio{Parity: 10, Data: 10}, 0, "9", nil)),
		"too little":    errOf(AddParityAcross(context.Background(), s.dirs, Wanted{}, ParityRatio{Parity: 2, Data: 20}, 0, "9", nil)),
	} {
		if !isA[*RefusedError](err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := NoWholeDrive(ParityRatio{Parity: 2, Data: 20}, 3); !strings.Contains(s, "--parity 10/20 does that") || !strings.Contains(s, "at least 50% to the bundle, in place of 10%") || NoWholeDrive(ParityRatio{Parity: 10, Data: 20}, 3) != "" {
		t.Error(s)
	}
	if err := errOf(AddParityAcross(context.Background(), s.dirs[1:], Wanted{}, ParityRatio{Parity: 10, Data: 20}, 0, "9", nil)); !isA[*AwayError](err) {
		t.Errorf("a drive is away: %v", err)
	}
}

// TestParityAcrossStopped stops the adding of parity after each change of a drive: verify says so, and
// nothing worse; the next run comes to the same end.
func TestParityAcrossStopped(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	done := s.copies(t)
	whole := s.protectAcross(t, done, ParityRatio{Parity: 1, Data: 2})
	before := make([]map[string][]byte, len(done))
	for k := range done {
		before[k] = files(t, s.dirs[k])
	}
	for k := range done {
		order := []string{"copy/parity.json", "parity.json", "copy/extras.json", "README.txt", "SHA256SUMS", "extras.json"}
		for _, sub := range []string{"", "copy/"} {
			for name := range whole[k] {
				if sub+filepath.Base(name) == name && seal.IsOther(filepath.Base(name)) {
					order = append([]string{name}, order...)
				}
			}
		}
		for n := range order {
			if !soak() && n%4 != k {
				continue
			}
			dirs := s.copies(t)
			for j, dir := range dirs {
				now := maps.Clone(before[j])
				for name, body := range whole[j] {
					if j < k || seal.IsParityFile(name) { // drives before this one are done
						now[name] = body
					}
				}
				if j == k {
					for _, name := range order[:n] {
						now[name] = whole[j][name]
					}
				}
				write(t, dir, now)
			}
			r, err := Verify(context.Background(), dirs, VerifyOptions{})
			if !isA[*ParityError](err) || len(r.Faults) > 0 {
				t.Errorf("drive %d after %d changes: %v, %v", k+1, n, err, r.Faults)
			}
			if _, err := AddParityAcross(context.Background(), dirs, Wanted{}, ParityRatio{Parity: 1, Data: 2}, 0, "1.2.3", nil); err != nil {
				t.Fatalf("drive %d after %d changes: %v", k+1, n, err)
			}
			for j, dir := range dirs {
				same(t, dir, whole[j])
			}
		}
	}
}

// TestParityAcrossThenChanged: an adding of parity is interrupted between two drives, and then the bundle is opened to
// somebody else, or signed. The next adding completes it, and a drive that is lost then comes back.
func TestParityAcrossThenChanged(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	done := s.copies(t)
	whole := s.protectAcross(t, done, ParityRatio{Parity: 1, Data: 2})
	b := newPerson(t, false)
	for name, change := range map[string]func(dirs []string) error{
		"rekey": func(dirs []string) error {
			return errOf(Rekey(context.Background(), dirs, Wanted{}, s.identity, b.to))
		},
		"sign": func(dirs []string) error {
			return errOf(Sign(context.Background(), dirs[2], Wanted{}, []*Signer{newSigner(t, 3).Signer}, "1.2.3"))
		},
	} {
		dirs := s.copies(t)
		for j, dir := range dirs {
			for name, body := range whole[j] {
				if j == 0 || seal.IsParityFile(name) || j == 1 && seal.IsOther(filepath.Base(name)) {
					write(t, dir, map[string][]byte{name: body})
				}
			}
		}
		if err := change(dirs); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := AddParityAcross(context.Background(), dirs, Wanted{}, ParityRatio{Parity: 1, Data: 2}, 0, "1.2.3", nil); err != nil {
			t.Fatalf("%s, parity again: %v", name, err)
		}
		if r, err := Verify(context.Background(), dirs, VerifyOptions{Expect: s.finger}); err != nil {
			t.Fatalf("%s: %v, %v", name, err, r.Faults)
		}
		for k := range dirs {
			to := filepath.Join(t.TempDir(), "new")
			if err := s.rebuild(t, without(dirs, k), to, Wanted{}); err != nil {
				t.Fatalf("%s, drive %d: %v", name, k+1, err)
			}
			if _, err := Verify(context.Background(), append(without(dirs, k), to), VerifyOptions{Expect: s.finger}); err != nil {
				t.Errorf("%s, with drive %d made anew: %v", name, k+1, err)
			}
		}
	}
}
