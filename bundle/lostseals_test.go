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
