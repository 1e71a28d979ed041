package rules

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

func image(origin oci.Origin, source, path string) oci.Image {
	ref, err := oci.ParseRef(source)
	if err != nil {
		panic(err)
	}
	return oci.Image{Origin: origin, Source: ref, Path: path, Root: oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: digest.FromString(source), Size: 2}}
}

func TestOf(t *testing.T) {
	t.Parallel()
	mirror := oci.Mirror{Host: "m:5000", Namespace: "ns"}
	groups := Of(&oci.Inventory{Images: []oci.Image{
		image(origin.Additional, "q.example/shared:1", ""),
		image(origin.Operator, "q.example/shared:2", "b/two"),
		image(origin.Catalog, "r.example/index:1", ""),
		image(origin.Release, "q.example/payload:1", "openshift/release-images"),
		image(origin.Chart, "s.example/chart:1", ""),
		image(origin.Additional, "m:5000/ns/here:1", "here"), // is in its place already
	}}, mirror)
	want := []Group{
		{Release, []Rule{{"q.example/payload", []string{"m:5000/ns/openshift/release-images"}}}},
		{Operator, []Rule{
			{"q.example/shared", []string{"m:5000/ns/b/two", "m:5000/ns/shared"}},
			{"r.example/index", []string{"m:5000/ns/index"}},
		}},
		{Generic, []Rule{{"s.example/chart", []string{"m:5000/ns/chart"}}}},
	}
	if !reflect.DeepEqual(groups, want) {
		t.Errorf("got  %v\nwant %v", groups, want)
	}
}

func TestSetName(t *testing.T) {
	t.Parallel()
	a := Set{Release, []Rule{{"a/x", []string{"m/x"}}, {"a/y", []string{"m/y"}}}}
	b := Set{Release, []Rule{{"a/x", []string{"m/x", "a/y"}}, {"m/y", []string{"m/z"}}}}
	if a.Name() == b.Name() || a.Name() != (Set{Release, slices.Clone(a.Rules)}).Name() {
		t.Error("a name does not come from the rules")
	}
	if len(a.Name()) != len("satchel-release-")+12 {
		t.Errorf("name %s", a.Name())
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	g := Group{Name: Generic}
	for i := range 10 {
		g.Rules = append(g.Rules, Rule{Source: fmt.Sprint(i)})
	}
	sizes := func(n int) (list []int) {
		for _, s := range g.Split(1000, func(Rule) int { return n }) {
			list = append(list, len(s.Rules))
		}
		return list
	}
	for n, want := range map[int][]int{1: {10}, MaxBytes - 1000: {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 83_000: {3, 3, 3, 1}, MaxBytes: {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}} {
		if got := sizes(n); !slices.Equal(got, want) {
			t.Errorf("rules of %d bytes: %v, want %v", n, got, want)
		}
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sub, scope string
		want       bool
	}{
		{"h/a", "h", true}, {"h:5000/a", "h", false}, {"h:5000/a", "h:5000", true}, {"h/ab", "h/a", false}, {"h/a/b", "h/a", true},
		{"s.h.d/a", "*.h.d", true}, {"s.h.d:5000/a", "*.h.d", true}, {"h.d/a", "*.h.d", false}, {"x/s.h.d", "*.h.d", false}, {"h", "h/a", false},
		{"h/a", "h/a:1", false}, {"h/a:1", "h/a:1", true}, {"h/a:1", "h", true}, {"h/a:1", "h/a", false}, {"s.h.d/a:1", "*.h.d", false}, {"s.h.d:5000/a:1", "*.h.d", true},
	} {
		if got := Within(c.sub, c.scope); got != c.want {
			t.Errorf("%s within %s: %t", c.sub, c.scope, got)
		}
	}
}
