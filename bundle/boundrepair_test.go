package bundle

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// forge makes another first drive that agrees with itself: a segment, its seal, what binds that.
func (s *several) forge(t testing.TB, dir string) {
	t.Helper()
	now, name := files(t, dir), segmentFiles(t, dir)[0]
	sum := func(text, from, to []byte) []byte {
		return []byte(strings.ReplaceAll(string(text), seal.Sum(from), seal.Sum(to)))
	}
	body := append([]byte(nil), now[name]...)
	body[len(body)-1] ^= 1
	drive := sum(now[seal.DriveName], now[name], body)
	extras := sum(now[seal.ExtrasName], now[seal.DriveName], drive)
	sums := sum(sum(sum(now[seal.SumsName], now[name], body), now[seal.DriveName], drive), now[seal.ExtrasName], extras)
	write(t, dir, map[string][]byte{
		name: body, seal.DriveName: drive, "copy/" + seal.DriveName: drive, seal.ExtrasName: extras, "copy/" + seal.ExtrasName: extras, seal.SumsName: sums,
	})
}

// TestRepairBound holds each drive against the seal of the bundle: one that agrees with itself alone is not whole.
func TestRepairBound(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	dirs := s.copies(t)
	s.forge(t, dirs[0])
	set, err := FindRepairs(context.Background(), dirs, Wanted{Expect: s.finger}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Close(); err != nil {
		t.Error(err)
	}
	if len(set.Drives) != 2 || len(set.Lost) != 1 || set.Lost[0].Number != 1 || !isDamage(set.Lost[0].Err) {
		t.Errorf("a drive that the seal does not bind: %+v", set)
	}
	across := s.copies(t)
	whole := s.protectAcross(t, across, ParityRatio{Parity: 1, Data: 2})
	for name, dirs := range map[string][]string{"all": across, "without the last one": across[:2]} {
		write(t, across[0], whole[0])
		s.forge(t, across[0])
		set, err := FindRepairs(context.Background(), dirs, Wanted{Expect: s.finger}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if name == "all" {
			if err := set.InPlace(context.Background(), nil); err != nil {
				t.Error(err)
			}
			same(t, across[0], whole[0])
		} else if !set.Damaged() {
			t.Errorf("%s: nothing is damaged", name)
		}
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestRepairExpect compares the fingerprint that is asked for wherever the seal comes from.
func TestRepairExpect(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	plain, across := s.copies(t), s.copies(t)
	s.protectAcross(t, across, ParityRatio{Parity: 1, Data: 2})
	other := Fingerprint(seal.Sum([]byte("another")))
	for name, dirs := range map[string][]string{"no parity": plain, "parity across": across} {
		for how, body := range map[string][]byte{"damaged": []byte("rubbish"), "lost": nil} {
			for _, name := range []string{seal.BundleName, "copy/" + seal.BundleName} {
				put(t, dirs[2], name, body)
			}
			set, err := FindRepairs(context.Background(), dirs, Wanted{Expect: other}, nil)
			if err == nil {
				err = errors.Join(errors.New("taken"), set.Close())
			}
			if !isA[*FingerprintError](err) && !isA[*AwayError](err) && !isDamage(err) {
				t.Errorf("%s, %s: %v", name, how, err)
			}
			set, err = FindRepairs(context.Background(), dirs, Wanted{Trust: &Trust{}}, nil)
			if err == nil {
				t.Errorf("%s, %s: without a signature: %+v, %v", name, how, set, set.Close())
			}
		}
	}
}
