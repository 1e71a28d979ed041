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
		if _, err := ledger.Confirm(state, strings.Repeat("0"+letter, 8), ledger.Arrival{Site: site, How: ledger.BySlip}); err != nil {
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
	counts("a site that was not named has only the first", 0, one)
	var few *SitesError
	if _, err := OfLedger(state, "weekly", 2); !errors.As(err, &few) || few.Has != 1 || few.Known != "bundle 1 at unnamed, bundle 2 at north" {
		t.Errorf("two sites were asked for: %v", err)
	}
	if _, err := ledger.ForgetSite(state, ledger.Unnamed); err != nil {
		t.Fatal(err)
	}
	counts("one site", 0, one, two)
	arrived("a", "south")
	counts("south has only the first", 2, one)
	arrived("c", "north")
	counts("what went from the newer one", 2) // bundle 3 does not need it
	arrived("b", "south")
	counts("both have the second image", 2, two)
	arrived("c", ledger.Everywhere)
	counts("everywhere again", 2, two, three)
	if _, err := ledger.ForgetSite(state, "east"); err == nil || !strings.Contains(err.Error(), `"east"`) {
		t.Errorf("a site that is not known: %v", err)
	}
	for _, site := range []string{"north", "south"} {
		if _, err := ledger.ForgetSite(state, site); err != nil {
			t.Fatal(err)
		}
	}
	var none *NoneArrivedError
	if _, err := OfLedger(state, "weekly", 0); !errors.As(err, &none) {
		t.Errorf("no site is known: %v", err)
	}
}

// TestPartial counts on the newest bundle of all images, and on those of a part of them that
// arrived after it; each site by itself.
func TestPartial(t *testing.T) {
	t.Parallel()
	s := newImages(t)
	images := map[string]oci.Image{}
	for _, letter := range []string{"a", "b", "c", "d", "e"} {
		images[letter] = s.image("team/" + letter)
	}
	state := t.TempDir()
	store := ledger.At(state, "weekly")
	for _, letter := range []string{"a", "b", "c", "d", "e"} { // b, d and e are of a part
		stream, n, err := store.Reserve(ledger.Reservation{Bundle: id(letter), Partial: letter != "a" && letter != "c", Content: ledger.ContentOf(s.graph(images[letter]))})
		if err == nil {
			err = store.Sealed(bundle.Seal{Bundle: id(letter), Fingerprint: bundle.Fingerprint(strings.Repeat("0"+letter, 32)), Stream: stream, Sequence: n}, "/d")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct{ arrives, site, want string }{
		{"b", "", "b"}, // nothing else is known to be there
		{"a", "", "ab"},
		{"d", "", "abd"},
		{"c", "", "cd"}, // b is older than the bundle that all of it is in
		{"c", "north", "c"},
		{"d", "north", "cd"},
		{"e", "north", "cd"},
		{"e", ledger.Unnamed, "cde"},
		{"c", "south", "c"},
		{"e", "south", "ce"},
		{"d", "south", "cde"},
	} {
		if _, err := ledger.Confirm(state, strings.Repeat("0"+step.arrives, 8), ledger.Arrival{Site: step.site, How: ledger.BySlip}); err != nil {
			t.Fatal(err)
		}
		k, err := OfLedger(state, "weekly", 0)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, letter := range []string{"a", "b", "c", "d", "e"} {
			img := images[letter]
			if _, from, ok := k.Find(img.Root, []oci.Image{img}); ok {
				if got += letter; from.Bundle != id(letter) {
					t.Errorf("%s is said to be of bundle %s", letter, from.Bundle)
				}
			}
		}
		if got != step.want {
			t.Errorf("when %s has arrived at %q: counts on %s, not on %s", step.arrives, step.site, got, step.want)
		}
	}
}
