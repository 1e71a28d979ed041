package bundle

import (
	"slices"
	"testing"
)

// FuzzParseLinkList: a list that is read has rising numbers, not too many, and is read again as it is written.
func FuzzParseLinkList(f *testing.F) {
	f.Add("ABCDEF12 1-3,7 max 1000 check ab12")
	f.Add("abcdef12 manifest")
	f.Add("abcdef12 1-999999999999999999999 check ab12")
	f.Add("abcdef12 9-1 check ab12")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLinkList(s)
		if err != nil {
			return
		}
		if !slices.IsSorted(l.numbers) || len(l.numbers) > 2*mostListed {
			t.Errorf("%d numbers", len(l.numbers))
		}
		again, err := ParseLinkList(l.String())
		if err != nil || again.String() != l.String() || !slices.Equal(again.numbers, l.numbers) {
			t.Errorf("%q reads as %q, %v", l, again, err)
		}
	})
}
