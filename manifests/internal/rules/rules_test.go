package rules

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/containers/image/v5/pkg/sysregistriesv2"
	"github.com/containers/image/v5/types"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	alpha "github.com/openshift/api/operator/v1alpha1"
	"github.com/openshift/runtime-utils/pkg/registries"

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
	mirror := oci.Mirror{Host: "m:5000", Namespace: "ns"}
	groups := Of(&oci.Inventory{Images: []oci.Image{
		image(oci.OriginAdditional, "q.example/shared:1", ""),
		image(oci.OriginOperator, "q.example/shared:2", "b/two"),
		image(oci.OriginCatalog, "r.example/index:1", ""),
		image(oci.OriginRelease, "q.example/payload:1", "openshift/release-images"),
		image(oci.OriginChart, "s.example/chart:1", ""),
		image(oci.OriginAdditional, "m:5000/ns/here:1", "here"), // is in its place already
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

// nodesFile is what the machine config operator makes of its template and the
// rules, by the package that it calls.
func nodesFile(t *testing.T, groups []Group, insecure, blocked []string) []byte {
	t.Helper()
	conf := sysregistriesv2.V2RegistriesConf{UnqualifiedSearchRegistries: []string{"registry.access.redhat.com", "docker.io"}}
	var icsps []*alpha.ImageContentSourcePolicy
	for _, g := range groups {
		icsp := &alpha.ImageContentSourcePolicy{}
		for _, r := range g.Rules {
			icsp.Spec.RepositoryDigestMirrors = append(icsp.Spec.RepositoryDigestMirrors, alpha.RepositoryDigestMirrors{Source: r.Source, Mirrors: r.Mirrors})
		}
		icsps = append(icsps, icsp)
	}
	if err := registries.EditRegistriesConfig(&conf, insecure, blocked, icsps, nil, nil); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(conf); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestNodes holds what is written against runtime-utils, byte for byte, and what
// a node tries against containers/image, on made-up rules and registrySources.
func TestNodes(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		scope := func() string {
			s := []string{"a.example", "b.example:5000", "sub.a.example"}[rnd.IntN(3)]
			for range rnd.IntN(3) {
				s += "/" + []string{"x", "y", "x-y"}[rnd.IntN(3)]
			}
			return s
		}
		scopes := func() (list []string) {
			for range rnd.IntN(3) {
				list = append(list, []string{scope(), scope() + "/img:1", "*.example", "*.a.example"}[rnd.IntN(4)])
			}
			return list
		}
		var images []oci.Image
		for i := range rnd.IntN(12) {
			origin := []oci.Origin{oci.OriginRelease, oci.OriginOperator, oci.OriginAdditional}[rnd.IntN(3)]
			path := []string{"", "x", fmt.Sprint("other/", i)}[rnd.IntN(3)]
			images = append(images, image(origin, scope()+"/img:1", path))
		}
		inv := &oci.Inventory{Images: images}
		mirror := oci.Mirror{Host: "b.example:5000", Namespace: []string{"", "x"}[rnd.IntN(2)]}
		groups, insecure, blocked := Of(inv, mirror), scopes(), scopes()
		nodes := On(groups, insecure, blocked)
		want := nodesFile(t, groups, insecure, blocked)
		if got := nodes.TOML(); !bytes.Equal(got, want) {
			t.Fatalf("seed %d, insecure %v, blocked %v\ngot:\n%s\nwant:\n%s", seed, insecure, blocked, got, want)
		}
		for range 5 { // others, which wider entries may be for
			images = append(images, image(oci.OriginAdditional, scope()+"/other:1", ""))
		}
		checkPulls(t, nodes, images)
	}
}

// checkPulls asks containers/image where it would pull each image from.
func checkPulls(t *testing.T, nodes *Nodes, images []oci.Image) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "registries.conf")
	if err := os.WriteFile(file, nodes.TOML(), 0o600); err != nil {
		t.Fatal(err)
	}
	sys := &types.SystemContext{SystemRegistriesConfPath: file, SystemRegistriesConfDirPath: "/dev/null"}
	for _, img := range images {
		named, err := reference.ParseNamed(img.Source.WithDigest(img.Root.Digest).String())
		if err != nil {
			t.Fatal(err)
		}
		want := []string{named.Name()}
		reg, err := sysregistriesv2.FindRegistry(sys, named.Name())
		if err != nil {
			t.Fatal(err)
		}
		if reg != nil {
			sources, err := reg.PullSourcesFromReference(named)
			if err != nil {
				t.Fatal(err)
			}
			want = nil
			for _, s := range sources {
				want = append(want, s.Reference.Name())
			}
			if reg.Blocked { // containers/image refuses it only when it comes to it
				want = want[:len(want)-1]
			}
		}
		if got := nodes.Pull(img.Source.Name()); !slices.Equal(got, want) {
			t.Fatalf("%s: a node tries %v, want %v", named, got, want)
		}
	}
}

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		sub, scope string
		want       bool
	}{
		{"h/a", "h", true}, {"h:5000/a", "h", false}, {"h:5000/a", "h:5000", true}, {"h/ab", "h/a", false}, {"h/a/b", "h/a", true},
		{"s.h.d/a", "*.h.d", true}, {"s.h.d:5000/a", "*.h.d", true}, {"h.d/a", "*.h.d", false}, {"x/s.h.d", "*.h.d", false}, {"h", "h/a", false},
		{"h/a", "h/a:1", false}, {"h/a:1", "h/a:1", true}, {"h/a:1", "h", true}, {"h/a:1", "h/a", false}, {"s.h.d/a:1", "*.h.d", false}, {"s.h.d:5000/a:1", "*.h.d", true},
	} {
		if got := Within(c.sub, c.scope); got != c.want || got != registries.ScopeIsNestedInsideScope(c.sub, c.scope) && !strings.Contains(c.sub, ":") {
			t.Errorf("%s within %s: %t", c.sub, c.scope, got)
		}
	}
}
