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
		w    wanted
		more []string
	}{
		{wanted{}, []string{"last", "second", "first"}},
		{wanted{id: "damaged"}, []string{"last", "second", "first"}},
		{wanted{id: "first"}, []string{"first"}},
		{wanted{expect: "s"}, []string{"second"}},
		{wanted{expect: "a"}, nil},
	} {
		if more, _ := pairOf(all, c.w); !slices.Equal(more, c.more) {
			t.Errorf("%+v: %v", c.w, more)
		}
	}
	var list []picked
	for _, f := range slices.Delete(all, 4, 5) {
		list = append(list, picked{bundle: f.Bundle, created: f.Created, supplements: f.Supplements, dirs: []string{f.Bundle}})
	}
	got := pairs(list)
	if len(got) != 2 || !slices.Equal(got[0].more, []string{"last", "second", "first"}) || got[0].of != "damaged" || !slices.Equal(got[0].ways[1], []string{"second", "damaged"}) ||
		got[1].more != nil || !slices.Equal(got[1].ways[0], []string{"away"}) {
		t.Errorf("%+v", got)
	}
}
