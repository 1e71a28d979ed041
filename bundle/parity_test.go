package bundle

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// protect adds parity to a sealed bundle, which is then its whole state.
func (s *sealed) protect(t testing.TB, ratio string) *ParityReport {
	t.Helper()
	r, err := ParseParityRatio(ratio)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := AddParity(context.Background(), s.drive, Wanted{Expect: s.finger}, r, "1.2.3", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.whole = files(t, s.drive)
	return rep
}

func TestAddParity(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	before := s.whole
	rep := s.protect(t, "2/4")
	segs := segmentFiles(t, s.drive)
	groups := (len(segs) + 3) / 4
	if rep.Fingerprint != s.finger || rep.Files != 2*groups || rep.Protection.Parity != 2 || len(rep.Protection.Groups) != groups || rep.Kept > 0 || rep.Already {
		t.Errorf("%+v", rep)
	}
	r, err := Verify(context.Background(), []string{s.drive}, VerifyOptions{Expect: s.finger, Cold: true})
	if err != nil || len(r.Faults) > 0 || r.Protection.String() != rep.Protection.String() {
		t.Fatalf("%+v, %v", r, err)
	}
	run(t, s.drive, need(t, "sha256sum"), "--quiet", "-c", seal.SumsName)
	for name, body := range before {
		base := strings.TrimPrefix(name, "copy/")
		if same := string(s.whole[name]) == string(body); !same && base != seal.ExtrasName && base != seal.SumsName {
			t.Errorf("%s was changed", name)
		}
	}
	for name := range s.whole {
		if base := strings.TrimPrefix(name, "copy/"); before[name] == nil && !seal.IsParity(base) {
			t.Errorf("%s was added", name)
		}
	}
	mustOpen(t, s.drive, s.finger, s.identity)
	// Again: nothing is done. Otherwise: refused.
	if again, err := AddParity(context.Background(), s.drive, Wanted{}, ParityRatio{Parity: 2, Data: 4}, "9", nil); err != nil || !again.Already {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, err := AddParity(context.Background(), s.drive, Wanted{}, ParityRatio{Parity: 1, Data: 4}, "9", nil); !isA[*RefusedError](err) {
		t.Errorf("another ratio: %v", err)
	}
	same(t, s.drive, s.whole)
}

func isA[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

// paritySteps are the names that AddParity changes, in order.
func paritySteps(whole map[string][]byte) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(whole)) {
		if seal.IsParityFile(name) {
			names = append(names, name)
		}
	}
	return append(names, "copy/parity.json", "parity.json", "copy/extras.json", "README.txt", "SHA256SUMS", "extras.json")
}

// TestParityInterrupted stops after each change: verify passes or says what was interrupted,
// the bundle opens, a rekey and a signing leave it usable, and the next run completes it.
func TestParityInterrupted(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	before := s.whole
	s.protect(t, "1/2")
	names := paritySteps(s.whole)
	other := newPerson(t, false)
	for n := range len(names) {
		s.between(t, before, names[:n])
		s.put(t, names[n]+".tmp", s.whole[names[n]][:3])
		r, err := Verify(context.Background(), []string{s.drive}, VerifyOptions{Expect: s.finger})
		if !isA[*ParityError](err) || len(r.Faults) > 0 || len(r.UnfinishedParity) == 0 {
			t.Errorf("after %d changes: %v, %+v", n, err, r)
		}
		mustOpen(t, s.drive, s.finger, s.identity)
		if n%3 == 1 {
			if _, err := Rekey(context.Background(), []string{s.drive}, Wanted{}, s.identity, other.to); err != nil {
				t.Fatal(err)
			}
			if _, err := Verify(context.Background(), []string{s.drive}, VerifyOptions{}); !isA[*ParityError](err) {
				t.Errorf("after %d changes and a rekey: %v", n, err)
			}
		}
		rep, err := AddParity(context.Background(), s.drive, Wanted{}, ParityRatio{Parity: 1, Data: 2}, "1.2.3", nil)
		if err != nil || n > 0 && n < len(names) && rep.Kept == 0 {
			t.Errorf("after %d changes: %+v, %v", n, rep, err)
		}
		if _, err := Verify(context.Background(), []string{s.drive}, VerifyOptions{}); err != nil {
			t.Errorf("completed after %d changes: %v", n, err)
		}
		if n%3 != 1 {
			s.gone(t, names[n]+".tmp")
			same(t, s.drive, s.whole)
		}
	}
}

// TestParityLostMeanwhile loses a segment after an adding of parity that was interrupted in its last steps:
// it is rebuilt from what is there, and parity can be completed.
func TestParityLostMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	before := s.whole
	s.protect(t, "1/2")
	names := paritySteps(s.whole)
	for left := range 3 {
		s.between(t, before, names[:len(names)-1-left])
		s.put(t, segmentFiles(t, s.drive)[0], nil)
		if r, err := s.repair(t, "", Wanted{}); !isA[*ParityError](err) || len(r.Remedies) != 1 || r.Remedies[0].From != "parity" {
			t.Errorf("%d steps before the end: %v, %+v", left+1, err, r)
		}
		if _, err := AddParity(context.Background(), s.drive, Wanted{}, ParityRatio{Parity: 1, Data: 2}, "1.2.3", nil); err != nil {
			t.Error(err)
		}
		same(t, s.drive, s.whole)
	}
}

// between makes the drive what it was before, but for the names that are as they are after.
func (s *sealed) between(t testing.TB, before map[string][]byte, names []string) {
	t.Helper()
	now := &sealed{fixture: s.fixture, whole: maps.Clone(before)}
	for _, name := range names {
		now.whole[name] = s.whole[name]
	}
	now.restore(t)
}

// gone removes a file if it is there.
func (s *sealed) gone(t testing.TB, name string) {
	t.Helper()
	if _, ok := files(t, s.drive)[name]; ok {
		s.put(t, name, nil)
	}
}

// TestParityOther starts again with another ratio after an interruption: nothing of the
// first stays.
func TestParityOther(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	before := s.whole
	s.protect(t, "2/1")
	s.between(t, before, paritySteps(s.whole)[:4])
	rep := s.protect(t, "1/3")
	if _, err := Verify(context.Background(), []string{s.drive}, VerifyOptions{}); err != nil {
		t.Error(err)
	}
	n := 0
	for name := range s.whole {
		if seal.IsParityFile(name) {
			n++
		}
	}
	if n != rep.Files {
		t.Errorf("%d parity files, want %d", n, rep.Files)
	}
}

// TestParityExtra: a file that has the name of a parity file, and is none of this bundle.
func TestParityExtra(t *testing.T) {
	t.Parallel()
	s, other := newSealed(t, false), newSealed(t, false)
	other.protect(t, "1/3")
	for name, body := range map[string][]byte{"p-001-01.par": []byte("some bytes"), "p-001-02.par": other.whole["p-001-01.par"], "parity.json": other.whole["parity.json"], "copy/parity.json": other.whole["parity.json"], "copy/p-001-01.par": nil} {
		s.restore(t)
		s.write(t, name, body)
		if got := s.blamed(t); !slices.Equal(got, []string{name}) {
			t.Errorf("%s: %v is at fault", name, got)
		}
	}
	s.restore(t)
	s.protect(t, "1/3")
	s.write(t, "p-900-01.par", s.whole["p-001-01.par"])
	if got := s.blamed(t); !slices.Equal(got, []string{"p-900-01.par"}) {
		t.Errorf("%v is at fault", got)
	}
}

func (s *sealed) write(t testing.TB, name string, body []byte) {
	t.Helper()
	write(t, s.drive, map[string][]byte{name: body})
}

// TestParityKept: a rekey and a signing leave parity as it is.
func TestParityKept(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	s.protect(t, "1/3")
	other := newPerson(t, false)
	if _, err := Rekey(context.Background(), []string{s.drive}, Wanted{}, s.identity, other.to); err != nil {
		t.Fatal(err)
	}
	if _, err := Sign(context.Background(), s.drive, Wanted{}, []*Signer{newSigner(t, 7).Signer}, "1.2.4"); err != nil {
		t.Fatal(err)
	}
	r, err := Verify(context.Background(), []string{s.drive}, VerifyOptions{})
	if err != nil || r.Protection.Parity != 1 || len(r.Signed) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	mustOpen(t, s.drive, s.finger, other.by)
}

// TestParityDamage: damage is not protected; damaged parity keeps nobody from reading.
func TestParityDamage(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	seg := segmentFiles(t, s.drive)[1]
	flipped := slices.Clone(s.whole[seg])
	flipped[100] ^= 1
	s.put(t, seg, flipped)
	_, err := AddParity(context.Background(), s.drive, Wanted{}, ParityRatio{Parity: 1, Data: 2}, "1.2.3", nil)
	if damage, ok := errors.AsType[*DamageError](err); !ok || damage.Faults[0].File != seg {
		t.Errorf("parity of a damaged segment: %v", err)
	}
	s.restore(t)
	s.protect(t, "1/2")
	for name, body := range map[string][]byte{"p-001-01.par": nil, "p-002-01.par": []byte("x"), "parity.json": []byte("{}"), "copy/parity.json": nil} {
		s.restore(t)
		s.put(t, name, body)
		if got := s.blamed(t); !slices.Equal(got, []string{name}) {
			t.Errorf("%s: %v is at fault", name, got)
		}
		mustOpen(t, s.drive, s.finger, s.identity)
	}
}

func TestProtection(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]Protection{
		"":                     {},
		"any 2 of 20 segments": {Parity: 2, Groups: []int{20}},
		"any 2 of 10 or 11 segments in each of 2 groups":                             {Parity: 2, Groups: []int{11, 10}},
		"any 1 of 3 segments in each of 2 groups":                                    {Parity: 1, Groups: []int{3, 3}},
		"the only segment":                                                           {Parity: 1, Groups: []int{1}},
		"all 2 segments":                                                             {Parity: 3, Groups: []int{2}},
		"one whole drive of 3, or any 10 of 20 segments":                             {Parity: 10, Groups: []int{20}, Whole: 1, Drives: 3},
		"any 2 whole drives of 4, or any 6 of 11 or 12 segments in each of 2 groups": {Parity: 6, Groups: []int{11, 12}, Whole: 2, Drives: 4},
	} {
		if got := p.String(); got != want {
			t.Errorf("%v: %q, want %q", p, got, want)
		}
	}
}
