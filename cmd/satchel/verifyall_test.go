package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
)

// TestVerifyNamesDrivesAway has copies of one drive of three, and drives beside other bundles.
func TestVerifyNamesDrivesAway(t *testing.T) {
	t.Parallel()
	drive := func(dir, id string, n, of int) bundle.Found {
		return bundle.Found{Dir: dir, Bundle: id, Drive: n, Of: of}
	}
	for name, c := range map[string]struct {
		found []bundle.Found
		sets  int
		away  string
	}{
		"copies of one drive":   {[]bundle.Found{drive("a", "xxxxxxxxxxxx", 1, 3), drive("b", "xxxxxxxxxxxx", 1, 3), drive("c", "xxxxxxxxxxxx", 1, 3)}, 3, "23"},
		"beside another":        {[]bundle.Found{drive("a", "xxxxxxxxxxxx", 2, 3), drive("b", "yyyyyyyyyyyy", 0, 0)}, 2, "13"},
		"all, and one of them":  {[]bundle.Found{drive("a", "xxxxxxxxxxxx", 1, 2), drive("b", "xxxxxxxxxxxx", 2, 2), drive("c", "xxxxxxxxxxxx", 1, 2)}, 2, ""},
		"drives of two bundles": {[]bundle.Found{drive("a", "xxxxxxxxxxxx", 1, 3), drive("b", "yyyyyyyyyyyy", 2, 2)}, 2, "231"},
		"two bundles of one":    {[]bundle.Found{drive("a", "xxxxxxxxxxxx", 0, 0), drive("b", "xxxxxxxxxxxx", 0, 0)}, 2, ""},
	} {
		var list []foundDrives
		for _, found := range eachDriveOnce(c.found) {
			one, more := together(found)
			for _, f := range one {
				list = append(list, foundDrives{f, more[f.Dir]})
			}
		}
		rep, away := driveReport{Bundles: make([]verifyReport, 2)}, ""
		rep.Bundles[0].OK, rep.Bundles[1].OK = true, true
		for _, d := range awayOf(list) {
			away += string(rune('0' + d.Number))
			rep.NotHere = append(rep.NotHere, driveOf(d))
		}
		for _, err := range awayEach(awayOf(list)) {
			one, _ := errors.AsType[*bundle.AwayError](err)
			if slices.ContainsFunc(one.Drives, func(d bundle.DriveLabel) bool { return d.Bundle != one.Drives[0].Bundle }) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if len(list) != c.sets || away != c.away {
			t.Errorf("%s: %d sets, away %q", name, len(list), away)
		}
		if all := strings.HasPrefix(rep.summary(), "all 2 bundles"); all != (c.away == "") {
			t.Errorf("%s: %s", name, rep.summary())
		}
	}
}
