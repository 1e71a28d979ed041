package baseline

import (
	"slices"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
)

// TestAlike counts on what every site has, also where the mirrors of two have the same name.
func TestAlike(t *testing.T) {
	t.Parallel()
	s := newImages(t)
	one, two, three := s.image("team/one"), s.image("team/two"), s.image("team/three")
	here := oci.Mirror{Host: "registry.local:5000", Namespace: "ocp"}
	of := func(letter string, sequence int, first *Receipt, list ...oci.Image) Receipt {
		r := s.of(letter, sequence, here, list...)
		if r.First = ""; first != nil {
			r.First = first.Site(first.Digest())
		}
		return r
	}
	north := of("a", 1, nil, one)
	later := of("b", 2, &north, one, two)
	south := of("c", 2, nil, one, three)
	for name, c := range map[string]struct {
		list  []Receipt
		want  []oci.Image
		alike int
	}{
		"one site":        {[]Receipt{north, later}, []oci.Image{one, two}, 0},
		"two sites":       {[]Receipt{south, later}, []oci.Image{one}, 1},
		"several of them": {[]Receipt{north, south, later}, []oci.Image{one}, 1},
	} {
		k, err := OfReceipts("", c.list)
		if err != nil {
			t.Fatal(err)
		}
		if got := k.Alike(); len(got) != c.alike || c.alike > 0 && !slices.Equal(got, []string{"registry.local:5000/ocp"}) {
			t.Errorf("%s: alike are %v", name, got)
		}
		for _, img := range []oci.Image{one, two, three} {
			wanted := slices.ContainsFunc(c.want, func(w oci.Image) bool { return w.Source == img.Source })
			if _, _, has := k.Find(img.Root, []oci.Image{img}); has != wanted {
				t.Errorf("%s: %s counts: %v", name, img.Source, has)
			}
		}
	}
	if later.From != receipt.FromUnpack || later.Site(later.Digest()) != north.Digest() {
		t.Errorf("the second receipt of north is of %s", later.Site(later.Digest()))
	}
}
