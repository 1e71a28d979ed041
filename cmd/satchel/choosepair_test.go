package main

import (
	"slices"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/bundle"
)

// TestSeveralSupplements takes the one that was made last, or the one that is named.
func TestSeveralSupplements(t *testing.T) {
	t.Parallel()
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }
	all := []bundle.Found{
		{Bundle: "damaged", Created: day(1), Fingerprint: "d"},
		{Bundle: "first", Created: day(2), Fingerprint: "f", Supplements: "damaged"},
		{Bundle: "last", Created: day(4), Fingerprint: "l", Supplements: "damaged"},
		{Bundle: "second", Created: day(3), Fingerprint: "s", Supplements: "damaged"},
		{Bundle: "last", Created: day(4), Fingerprint: "l", Supplements: "damaged"}, // a copy
		{Bundle: "away", Created: day(9), Fingerprint: "a", Supplements: "elsewhere"},
	}
	for _, c := range []struct {
		w     wanted
		more  string
		older []string
	}{
		{wanted{}, "last", []string{"first", "second"}},
		{wanted{id: "damaged"}, "last", []string{"first", "second"}},
		{wanted{id: "first"}, "first", nil},
		{wanted{expect: "s"}, "second", nil},
		{wanted{expect: "a"}, "", nil},
	} {
		if more, _, older := newestPair(all, c.w); more != c.more || !slices.Equal(older, c.older) {
			t.Errorf("%+v: %s, without %v", c.w, more, older)
		}
	}
	var list []picked
	for _, f := range slices.Delete(all, 4, 5) {
		list = append(list, picked{bundle: f.Bundle, created: f.Created, supplements: f.Supplements, dirs: []string{f.Bundle}})
	}
	got, older := pairs(list)
	if len(got) != 2 || !slices.Equal(got[0].dirs, []string{"last", "damaged"}) || got[1].bundle != "away" || !slices.Equal(older, []string{"first", "second"}) {
		t.Errorf("%+v, without %v", got, older)
	}
}
