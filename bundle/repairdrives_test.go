package bundle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// without gives a list without one element.
func without(list []string, i int) []string { return slices.Delete(slices.Clone(list), i, i+1) }

// rebuild makes one drive that is lost anew in a directory.
func (s *several) rebuild(t testing.TB, dirs []string, to string, want Wanted) error {
	t.Helper()
	set, err := FindRepairs(context.Background(), dirs, want, nil)
	if err != nil {
		return err
	}
	r, err := set.Target()
	if err == nil {
		err = r.Into(context.Background(), to, nil)
	}
	return errors.Join(err, set.Close())
}

// TestLostDrive loses each drive in turn, the last one too: verify says that it can be made anew,
// and it is, byte for byte.
func TestLostDrive(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		signed bool
	}{"signed": {true}, "not signed": {false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var signers []*Signer
			if c.signed {
				signers = append(signers, newSigner(t, 3).Signer, newSigner(t, 4).Signer)
			}
			s := newSeveral(t, !c.signed, signers...)
			dirs := s.copies(t)
			whole := s.protectAcross(t, dirs, ParityRatio{Parity: 10, Data: 20})
			for k := range dirs {
				left := without(dirs, k)
				rep, err := Verify(context.Background(), left, VerifyOptions{})
				if !isA[*AwayError](err) || len(rep.Rebuildable) != 1 || rep.Rebuildable[0].Number != k+1 || !LostOf(rep).Empty() {
					t.Errorf("drive %d is lost: %v, %+v", k+1, err, rep)
				}
				to := filepath.Join(t.TempDir(), "new")
				if err := s.rebuild(t, left, to, Wanted{Expect: s.finger}); err != nil {
					t.Fatalf("drive %d: %v", k+1, err)
				}
				same(t, to, whole[k])
				if _, err := Verify(context.Background(), append(slices.Clone(left), to), VerifyOptions{Expect: s.finger}); err != nil {
					t.Errorf("with drive %d made anew: %v", k+1, err)
				}
				// Again it goes on where it was; another bundle is not taken for this one.
				if err := errors.Join(os.Remove(filepath.Join(to, seal.DriveName)), os.Remove(filepath.Join(to, segmentFiles(t, to)[0]))); err != nil {
					t.Fatal(err)
				}
				if err := s.rebuild(t, left, to, Wanted{}); err != nil {
					t.Errorf("drive %d again: %v", k+1, err)
				}
				same(t, to, whole[k])
				if err := s.rebuild(t, left, dirs[k], Wanted{Expect: Fingerprint(seal.Sum(nil))}); !isA[*FingerprintError](err) {
					t.Errorf("drive %d of another bundle: %v", k+1, err)
				}
			}
			if rep, err := Verify(context.Background(), dirs[:1], VerifyOptions{}); err != nil || len(rep.Rebuildable) > 0 {
				t.Errorf("two drives are lost: %v, %+v", err, rep.Rebuildable)
			}
			if err := s.rebuild(t, dirs, t.TempDir(), Wanted{}); !isA[*RefusedError](err) {
				t.Errorf("nothing is lost: %v", err)
			}
		})
	}
}

// TestDamagedDrives damages several drives, in ways that parity can rebuild: in place all are
// what they were. A drive that is lost is made anew from damaged ones.
func TestDamagedDrives(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	done := s.copies(t)
	whole := s.protectAcross(t, done, ParityRatio{Parity: 1, Data: 2})
	trials := 4
	if soak() {
		trials = 200
	}
	for trial := range trials {
		rnd := rand.New(rand.NewPCG(15, uint64(trial)))
		dirs := s.copies(t)
		for k, dir := range dirs {
			write(t, dir, whole[k])
		}
		hurt := s.hurt(t, rnd, dirs, whole)
		set, err := FindRepairs(context.Background(), dirs, Wanted{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(set.InPlace(context.Background(), nil), set.Close()); err != nil {
			t.Fatalf("trial %d, %s: %v", trial, hurt, err)
		}
		for k, dir := range dirs {
			same(t, dir, whole[k])
		}
	}
}

// hurt loses or changes one file of a group, and one small file of each drive with its copy or
// without.
func (s *several) hurt(t testing.TB, rnd *rand.Rand, dirs []string, whole []map[string][]byte) string {
	t.Helper()
	p, err := seal.ParseParity(whole[0][seal.ParityName])
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	for _, g := range p.Groups {
		i := rnd.IntN(len(g.Drives))
		f, k := slices.Concat(g.Data, g.Parity)[i], g.Drives[i]-1
		body := slices.Clone(whole[k][f.Name])
		body[rnd.IntN(len(body))] ^= 1
		if rnd.IntN(2) == 0 {
			body = nil
		}
		put(t, dirs[k], f.Name, body)
		said += fmt.Sprintf("%s of drive %d, ", f.Name, k+1)
	}
	for k, dir := range dirs {
		var names []string
		for name := range whole[k] {
			if base := filepath.Base(name); base == name && (seal.IsOther(name) || name == seal.ParityName || seal.KeyNumber(name) > 0) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		name := names[rnd.IntN(len(names))]
		put(t, dir, name, nil)
		if seal.KeyNumber(name) == 0 { // README.txt follows from key files
			put(t, dir, "copy/"+name, nil)
		}
		said += fmt.Sprintf("%s of drive %d, ", name, k+1)
	}
	return said
}

// put changes a file, or removes it where there is nothing to write.
func put(t testing.TB, dir, name string, body []byte) {
	t.Helper()
	if body == nil {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		return
	}
	write(t, dir, map[string][]byte{name: body})
}

// TestSealLost: the last drive has lost its seal and the copy of it: it is made anew from the others, which have
// one.
func TestSealLost(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	dirs := s.copies(t)
	whole := s.protectAcross(t, dirs, ParityRatio{Parity: 1, Data: 2})
	put(t, dirs[2], seal.BundleName, nil)
	put(t, dirs[2], "copy/"+seal.BundleName, nil)
	set, err := FindRepairs(context.Background(), dirs, Wanted{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := set.Target()
	if err != nil || r.Drive.Number != 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	to := filepath.Join(t.TempDir(), "new")
	if err := errors.Join(r.Into(context.Background(), to, nil), set.Close()); err != nil {
		t.Fatal(err)
	}
	same(t, to, whole[2])
}

// TestOddParity: a drive has parity of another adding than the other drives: that is its fault, and what is
// rebuilt is still compared with the seals.
func TestOddParity(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	dirs, others := s.copies(t), s.copies(t)
	whole, other := s.protectAcross(t, dirs, ParityRatio{Parity: 1, Data: 2}), s.protectAcross(t, others, ParityRatio{Parity: 2, Data: 4})
	rep, err := Verify(context.Background(), []string{dirs[0], others[1], dirs[2]}, VerifyOptions{})
	if !isA[*DamageError](err) || len(rep.Faults) != 1 || rep.Faults[0].File != seal.ParityName || len(rep.Drives[1].Faults) != 1 || rep.Drives[1].Remedies[0].Lost == "" {
		t.Fatalf("%+v, %v", rep, err)
	}
	segment := segmentFiles(t, dirs[0])[0]
	put(t, dirs[0], segment, nil)
	set, err := FindRepairs(context.Background(), []string{dirs[0], others[1], dirs[2]}, Wanted{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(set.InPlace(context.Background(), nil), set.Close()); err == nil {
		t.Error("the parity.json of drive 2 was called right")
	}
	same(t, others[1], other[1])
	if body, ok := files(t, dirs[0])[segment]; ok && string(body) != string(whole[0][segment]) {
		t.Error("a segment is wrong")
	}
}

// TestRepairOneAcross verifies and repairs a drive by itself that has parity across: its small files are, and
// of segments it is said that the others are needed, and not that they are lost. They are where no drive brings them back.
func TestRepairOneAcross(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	dirs := s.copies(t)
	whole := s.protectAcross(t, dirs, ParityRatio{Parity: 1, Data: 2})
	segment := segmentFiles(t, dirs[0])[0]
	put(t, dirs[0], segment, nil)
	put(t, dirs[0], seal.DriveName, nil)
	others := []DriveLabel{{s.id, 2, 3}, {s.id, 3, 3}}
	v, err := Verify(context.Background(), dirs[:1], VerifyOptions{})
	if i := slices.IndexFunc(v.Remedies, func(m Remedy) bool { return m.File == segment }); !isDamage(err) || i < 0 || v.Remedies[i].Lost != "" || !slices.Equal(v.Remedies[i].Away, others) || !LostOf(v).Empty() {
		t.Errorf("verify, alone: %v, %+v, lost %+v", err, v.Remedies, LostOf(v))
	}
	r, err := FindRepair(context.Background(), dirs[0], Wanted{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(r.InPlace(context.Background(), nil), r.Close())
	if e, ok := errors.AsType[*RepairError](err); !ok || len(e.Files) > 0 || !slices.Equal(e.Open, []string{segment}) || !slices.Equal(r.Remedy(segment).Away, others) || r.Remedy(seal.DriveName).From == "" {
		t.Errorf("%v, %+v", err, r.Remedies)
	}
	now := maps.Clone(whole[0])
	delete(now, segment)
	same(t, dirs[0], now)
	set, err := FindRepairs(context.Background(), dirs[:2], Wanted{}, nil) // without the last drive, which has what is needed
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(set.InPlace(context.Background(), nil), set.Close())
	if e, ok := errors.AsType[*RepairError](err); !ok && len(files(t, dirs[0])) < len(whole[0]) || ok && !slices.Equal(e.Beside, dirs[1:2]) {
		t.Errorf("not all is whole: %v, %+v", err, e)
	}
	if rep, err := Verify(context.Background(), dirs[:2], VerifyOptions{}); err == nil || len(rep.Beyond) != 1 || rep.Beyond[0].Number != 3 || len(rep.Rebuildable) > 0 {
		t.Errorf("the last drive cannot be made anew, and that is not said: %+v, %v", rep, err)
	}
	write(t, dirs[0], whole[0])
	put(t, dirs[0], segment, nil)
	rep, err := Verify(context.Background(), dirs, VerifyOptions{})
	if !isA[*DamageError](err) || len(rep.Drives[0].Remedies) != 1 || rep.Drives[0].Remedies[0].From != "parity" || len(rep.Drives[1].Remedies) > 0 {
		t.Errorf("%v, %+v", err, rep)
	}
}

// TestLostAlone: of two drives of three, what the third one cannot bring back is lost, and what it may is not.
func TestLostAlone(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	dirs := s.copies(t)
	whole := s.protectAcross(t, dirs, ParityRatio{Parity: 1, Data: 2})
	p, err := seal.ParseParity(whole[0][seal.ParityName])
	if err != nil {
		t.Fatal(err)
	}
	var gone []string // of one group, on drives 1 and 2
	for i, f := range slices.Concat(p.Groups[0].Data, p.Groups[0].Parity) {
		if k := p.Groups[0].Drives[i]; k < 3 {
			put(t, dirs[k-1], f.Name, nil)
			gone = append(gone, f.Name)
		}
	}
	if len(gone) != 2 {
		t.Fatalf("group 1 has %v on drives 1 and 2", gone)
	}
	may := segmentFiles(t, dirs[1])[0]
	put(t, dirs[1], may, nil)
	rep, err := Verify(context.Background(), dirs[:2], VerifyOptions{})
	if !isDamage(err) || len(rep.Remedies) != 3 {
		t.Fatalf("%v, %+v", err, rep.Remedies)
	}
	for _, m := range rep.Remedies {
		if (m.Lost != "") != slices.Contains(gone, m.File) || m.Open() != (m.File == may) {
			t.Errorf("%+v", m)
		}
	}
}

// TestAgreedParity: how parity goes across is what most drives say that are of the seal of the bundle, not what the first
// one says.
func TestAgreedParity(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	ours, err := seal.ParseParity(s.protectAcross(t, s.copies(t), ParityRatio{Parity: 1, Data: 2})[0][seal.ParityName])
	if err != nil {
		t.Fatal(err)
	}
	foreign := ours
	foreign.Seal = seal.Sum(nil)
	for name, c := range map[string]struct {
		parity []*seal.Parity // of drives 1, 2 and 3
		last   bool           // drive 3 has the seal
		odd    []int
	}{
		"of another seal":    {[]*seal.Parity{&foreign, &ours, nil}, true, []int{1}},
		"most of one":        {[]*seal.Parity{&foreign, &foreign, &ours}, true, []int{1, 2}},
		"without the seal":   {[]*seal.Parity{&foreign, &ours, &ours}, false, []int{1}},
		"nothing says which": {[]*seal.Parity{&foreign, &ours, nil}, false, []int{1, 2}},
	} {
		drives := map[int]*driveDir{}
		for i, p := range c.parity {
			drives[i+1] = &driveDir{drive: seal.Drive{Drive: i + 1, Of: 3}, parity: p}
		}
		if c.last {
			drives[3].bundle.Bundle, drives[3].finger = s.id, s.finger
		}
		if a := acrossOf(drives); (a == nil) != (len(c.odd) == 2 && !c.last) || a != nil && a.parity.Seal != ours.Seal {
			t.Errorf("%s: taken was %+v", name, a)
		}
		findOddParity(sortedDrives(drives))
		for n, d := range drives {
			if slices.Contains(c.odd, n) != (len(d.faults) > 0) {
				t.Errorf("%s: drive %d: %v", name, n, d.faults)
			}
		}
	}
}

// TestConfirmNewDrive: what was written for a drive that is made anew is compared with what it must be: another drive of
// the bundle, which is whole by its own seal, is not taken for it.
func TestConfirmNewDrive(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	dirs := s.copies(t)
	s.protectAcross(t, dirs, ParityRatio{Parity: 1, Data: 2})
	set, err := FindRepairs(context.Background(), dirs[1:], Wanted{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := set.Target()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dir  string
		want bool
	}{{dirs[0], true}, {dirs[1], false}} {
		if err := r.confirm(context.Background(), c.dir); (err == nil) != c.want {
			t.Errorf("%s: %v", c.dir, err)
		}
	}
	if err := set.Close(); err != nil {
		t.Error(err)
	}
}

// TestOtherLineEnds: a copy has changed the line ends of all text files of a drive, copies of other drives' files among
// them: that is no damage, and repair undoes it.
func TestOtherLineEnds(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false, newSigner(t, 3).Signer)
	dirs := s.copies(t)
	whole := s.protectAcross(t, dirs, ParityRatio{Parity: 1, Data: 2})
	for name, body := range whole[0] {
		if isText(name) {
			put(t, dirs[0], name, []byte(strings.ReplaceAll(string(body), "\n", "\r\n")))
		}
	}
	rep, err := Verify(context.Background(), dirs, VerifyOptions{})
	if !isA[*CopyError](err) || len(rep.Faults) > 0 || !slices.Contains(rep.LineEnds, seal.OtherName(3, seal.BundleName)) {
		t.Fatalf("%v: %v, line ends %v", err, rep.Faults, rep.LineEnds)
	}
	set, err := FindRepairs(context.Background(), dirs, Wanted{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(set.InPlace(context.Background(), nil), set.Close()); err != nil {
		t.Fatal(err)
	}
	same(t, dirs[0], whole[0])
}
