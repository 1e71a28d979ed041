package bundle

import (
	"context"
	"errors"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// TestLostIsNotGone: a drive that has lost the file by which it is asked whether it is there, and others, is damaged,
// and not away: it is repaired.
func TestLostIsNotGone(t *testing.T) {
	t.Parallel()
	one := newSealed(t, false)
	one.protect(t, "1/3")
	three := newSeveral(t, false)
	first := three.copies(t)[:1]
	must(AddParity(context.Background(), first[0], Wanted{}, ParityRatio{Parity: 1, Data: 3}, "1.2.3", nil))(t)
	for name, c := range map[string]struct {
		dirs, lost []string
		whole      map[string][]byte
	}{
		"one drive":        {[]string{one.drive}, []string{seal.BundleName, "p-001-01.par"}, one.whole},
		"an earlier drive": {first, []string{seal.DriveName, "p-001-01.par"}, files(t, first[0])},
	} {
		t.Run(name, func(t *testing.T) {
			for _, name := range c.lost {
				put(t, c.dirs[0], name, nil)
			}
			rep, err := Verify(context.Background(), c.dirs, VerifyOptions{Cold: true})
			if !isDamage(err) || isA[*DriveError](err) || len(rep.Remedies) != len(c.lost) {
				t.Errorf("%+v, %v", rep, err)
			}
			set, err := FindRepairs(context.Background(), c.dirs, Wanted{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(set.InPlace(context.Background(), nil), set.Close()); err != nil {
				t.Error(err)
			}
			same(t, c.dirs[0], c.whole)
		})
	}
}

// TestLastByCopies: the last drive has lost bundle.json and drive.json, and their copies say which drive it is: alone
// and with the others it is repaired, in place and elsewhere.
func TestLastByCopies(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	whole := files(t, s.dirs[2])
	for how, body := range map[string][]byte{"damaged": []byte("rubbish"), "lost": nil} {
		for _, alone := range []bool{true, false} {
			dirs := s.copies(t)
			put(t, dirs[2], seal.BundleName, body)
			put(t, dirs[2], seal.DriveName, body)
			last := dirs[2]
			if alone {
				dirs = dirs[2:]
			}
			rep, err := Verify(context.Background(), dirs, VerifyOptions{Expect: s.finger})
			if !isDamage(err) || len(rep.Remedies) != 2 || len(LostOf(rep).Drives) > 0 {
				t.Errorf("%s, alone %v: %v, %+v", how, alone, err, rep)
			}
			set, err := FindRepairs(context.Background(), dirs, Wanted{Expect: s.finger}, nil)
			if err != nil {
				t.Errorf("%s, alone %v: %v", how, alone, err)
				continue
			}
			if !set.Damaged() || len(set.Drives) != len(dirs) {
				t.Errorf("%s, alone %v: %+v", how, alone, set)
			}
			to := t.TempDir()
			r, err := set.Target()
			if err == nil {
				err = r.Into(context.Background(), to, nil)
			}
			if err := errors.Join(err, set.InPlace(context.Background(), nil), set.Close()); err != nil {
				t.Errorf("%s, alone %v: %v", how, alone, err)
			}
			same(t, to, whole)
			same(t, last, whole)
		}
	}
}

// TestKeyFromOthers: a drive has lost a key file with its second copy, and no parity goes across the drives: the others
// have the same.
func TestKeyFromOthers(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	dirs := s.copies(t)
	whole := files(t, dirs[1])
	put(t, dirs[1], "key-1.age", nil)
	put(t, dirs[1], "copy/key-1.age", nil)
	if rep, err := Verify(context.Background(), dirs, VerifyOptions{}); !isDamage(err) || !LostOf(rep).Empty() {
		t.Errorf("%v, lost %+v", err, LostOf(rep))
	}
	set, err := FindRepairs(context.Background(), dirs, Wanted{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(set.InPlace(context.Background(), nil), set.Close()); err != nil {
		t.Error(err)
	}
	same(t, dirs[1], whole)
}

// TestOtherDrivesCopy: a second copy that is of another drive is not taken for the seal of this one.
func TestOtherDrivesCopy(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	dirs := s.copies(t)
	other := files(t, dirs[1])
	write(t, dirs[0], map[string][]byte{"copy/" + seal.DriveName: other[seal.DriveName], seal.ExtrasName: other[seal.ExtrasName], seal.SumsName: other[seal.SumsName]})
	set, err := FindRepairs(context.Background(), dirs[:1], Wanted{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(set.InPlace(context.Background(), nil), set.Close()); err != nil || set.Drives[0].Drive.Number != 1 {
		t.Error(err, set.Drives[0].Drive)
	}
	same(t, dirs[0], files(t, s.dirs[0]))
}

// TestRepairGoesOn: an adding of parity that was interrupted on one drive keeps no other drive from being repaired.
func TestRepairGoesOn(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	dirs := s.copies(t)
	before := files(t, dirs[0])
	for _, dir := range dirs[:2] {
		must(AddParity(context.Background(), dir, Wanted{}, ParityRatio{Parity: 1, Data: 2}, "1.2.3", nil))(t)
	}
	whole := files(t, dirs[1])
	for _, name := range []string{seal.ExtrasName, "copy/" + seal.ExtrasName, seal.ReadmeName, seal.SumsName} {
		put(t, dirs[0], name, before[name])
	}
	for _, dir := range dirs[:2] {
		put(t, dir, segmentFiles(t, dir)[0], nil)
	}
	set, err := FindRepairs(context.Background(), dirs, Wanted{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := set.InPlace(context.Background(), nil); !isA[*ParityError](err) {
		t.Error(err)
	}
	if err := set.Close(); err != nil {
		t.Error(err)
	}
	if !set.Drives[0].Done || !set.Drives[1].Done || set.Drives[2].Done {
		t.Error("said to be repaired:", set.Drives[0].Done, set.Drives[1].Done, set.Drives[2].Done)
	}
	same(t, dirs[1], whole)
}
