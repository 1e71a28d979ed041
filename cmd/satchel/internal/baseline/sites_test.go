package baseline

import (
	"errors"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/oci"
)

// TestSites counts only on what every site has: one that confirmed a bundle says nothing of
// another.
func TestSites(t *testing.T) {
	t.Parallel()
	s := newImages(t)
	one, two, three := s.image("team/one"), s.image("team/two"), s.image("team/three")
	state := t.TempDir()
	store := ledger.At(state, "weekly")
	for _, b := range []struct {
		letter string
		list   []oci.Image
	}{{"a", []oci.Image{one}}, {"b", []oci.Image{one, two}}, {"c", []oci.Image{two, three}}} {
		stream, n, err := store.Reserve(ledger.Reservation{Bundle: id(b.letter), Content: ledger.ContentOf(s.graph(b.list...))})
		if err == nil {
			err = store.Sealed(bundle.Seal{Bundle: id(b.letter), Fingerprint: bundle.Fingerprint(strings.Repeat("0"+b.letter, 32)), Stream: stream, Sequence: n}, "/d")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	arrived := func(letter, site string) {
		t.Helper()
		if _, err := ledger.Confirm(state, strings.Repeat("0"+letter, 8), site, ledger.BySlip); err != nil {
			t.Fatal(err)
		}
	}
	counts := func(when string, least int, want ...oci.Image) {
		t.Helper()
		k, err := OfLedger(state, "weekly", least)
		if err != nil {
			t.Fatal(when, err)
		}
		for _, img := range []oci.Image{one, two, three} {
			_, _, has := k.Find(img.Root, []oci.Image{img})
			wanted := false
			for _, w := range want {
				wanted = wanted || w.Source == img.Source
			}
			if has != wanted {
				t.Errorf("%s: %s counts: %v", when, img.Source, has)
			}
		}
	}
	arrived("a", "")
	counts("everywhere", 0, one)
	arrived("b", "north")
	counts("one of two sites, of which the other is not known", 0, one, two)
	var few *SitesError
	if _, err := OfLedger(state, "weekly", 2); !errors.As(err, &few) || few.Has != 1 || few.Known != "bundle 2 at north" {
		t.Errorf("two sites were asked for: %v", err)
	}
	arrived("a", "south")
	counts("south has only the first", 2, one)
	arrived("c", "north")
	counts("what went from the newer one", 2) // bundle 3 does not need it
	arrived("b", "south")
	counts("both have the second image", 2, two)
	arrived("c", "")
	counts("everywhere again", 2, two, three)
	if _, err := ledger.ForgetSite(state, "east"); err == nil || !strings.Contains(err.Error(), `"east"`) {
		t.Errorf("a site that is not known: %v", err)
	}
	for _, site := range []string{"north", "south"} {
		if _, err := ledger.ForgetSite(state, site); err != nil {
			t.Fatal(err)
		}
	}
	counts("no site is known", 0, two, three)
}
