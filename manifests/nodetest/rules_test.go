package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containers/image/v5/pkg/sysregistriesv2"
	"github.com/containers/image/v5/types"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	configv1 "github.com/openshift/api/config/v1"
	"github.com/openshift/api/operator/v1alpha1"
	"github.com/openshift/runtime-utils/pkg/registries"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci"
)

func image(t *testing.T, origin oci.Origin, source, path string) oci.Image {
	t.Helper()
	ref, err := oci.ParseRef(source)
	if err != nil {
		t.Fatal(err)
	}
	if ref.Digest == "" {
		ref.Digest = digest.FromString(source)
	}
	return oci.Image{Origin: origin, Source: ref, Path: path, Root: oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: ref.Digest, Size: 2}}
}

// policiesOf writes groups of rules as the policies of a cluster.
func policiesOf(groups []rules.Group) (list []*v1alpha1.ImageContentSourcePolicy) {
	for _, g := range groups {
		p := &v1alpha1.ImageContentSourcePolicy{}
		for _, r := range g.Rules {
			p.Spec.RepositoryDigestMirrors = append(p.Spec.RepositoryDigestMirrors, v1alpha1.RepositoryDigestMirrors{Source: r.Source, Mirrors: r.Mirrors})
		}
		list = append(list, p)
	}
	return list
}

// random makes scopes, as registrySources and references have them.
type random struct{ *rand.Rand }

func (r random) scope() string {
	s := []string{"a.example", "b.example:5000", "sub.a.example"}[r.IntN(3)]
	for range r.IntN(3) {
		s += "/" + []string{"x", "y", "x-y"}[r.IntN(3)]
	}
	return s
}

func (r random) scopes() (list []string) {
	for range r.IntN(3) {
		list = append(list, []string{r.scope(), r.scope() + "/img:1", "*.example", "*.a.example"}[r.IntN(4)])
	}
	return list
}

// TestNodes holds what is written against runtime-utils, byte for byte, and what
// a node tries against containers/image, on made-up rules and registrySources.
func TestNodes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rnd := random{rand.New(rand.NewPCG(seed, 1))}
		var images []oci.Image
		for i := range rnd.IntN(12) {
			origin := []oci.Origin{origin.Release, origin.Operator, origin.Additional}[rnd.IntN(3)]
			path := []string{"", "x", fmt.Sprint("other/", i)}[rnd.IntN(3)]
			images = append(images, image(t, origin, rnd.scope()+"/img:1", path))
		}
		mirror := oci.Mirror{Host: "b.example:5000", Namespace: []string{"", "x"}[rnd.IntN(2)]}
		groups, insecure, blocked := rules.Of(&oci.Inventory{Images: images}, mirror), rnd.scopes(), rnd.scopes()
		nodes := rules.On(groups, insecure, blocked)
		want, err := registriesConf(insecure, blocked, policiesOf(groups))
		if err != nil {
			t.Fatal(err)
		}
		if got := nodes.TOML(); !bytes.Equal(got, want) {
			t.Fatalf("seed %d, insecure %v, blocked %v\ngot:\n%s\nwant:\n%s", seed, insecure, blocked, got, want)
		}
		for range 5 { // others, which wider entries may be for
			images = append(images, image(t, origin.Additional, rnd.scope()+"/other:1", ""))
		}
		checkPulls(t, nodes, images)
	}
}

// objectsOf writes objects as the cluster has them.
func objectsOf(objects []rules.Object) (icsps []*v1alpha1.ImageContentSourcePolicy, idms []*configv1.ImageDigestMirrorSet, itms []*configv1.ImageTagMirrorSet) {
	for _, o := range objects {
		d, g := &configv1.ImageDigestMirrorSet{}, &configv1.ImageTagMirrorSet{}
		for _, r := range o.Rules {
			var mirrors []configv1.ImageMirror
			for _, m := range r.Mirrors {
				mirrors = append(mirrors, configv1.ImageMirror(m))
			}
			policy := configv1.AllowContactingSource
			if slices.Contains(o.Never, r.Source) {
				policy = configv1.NeverContactSource
			}
			d.Spec.ImageDigestMirrors = append(d.Spec.ImageDigestMirrors, configv1.ImageDigestMirrors{Source: r.Source, Mirrors: mirrors, MirrorSourcePolicy: policy})
			g.Spec.ImageTagMirrors = append(g.Spec.ImageTagMirrors, configv1.ImageTagMirrors{Source: r.Source, Mirrors: mirrors, MirrorSourcePolicy: policy})
		}
		switch o.Kind {
		case rules.DigestMirrors:
			idms = append(idms, d)
		case rules.TagMirrors:
			itms = append(itms, g)
		default:
			icsps = append(icsps, policiesOf([]rules.Group{{Rules: o.Rules}})...)
		}
	}
	return icsps, idms, itms
}

// TestApplied holds what nodes make of objects of all kinds, which may have the same sources,
// against runtime-utils.
func TestApplied(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rnd := random{rand.New(rand.NewPCG(seed, 3))}
		var objects []rules.Object
		var images []oci.Image
		for range rnd.IntN(5) {
			o := rules.Object{Kind: []rules.Kind{rules.ContentSource, rules.DigestMirrors, rules.TagMirrors}[rnd.IntN(3)]}
			for range rnd.IntN(4) {
				r := rules.Rule{Source: rnd.scope()}
				for range rnd.IntN(4) {
					r.Mirrors = append(r.Mirrors, []string{"m.example/x", "m.example/y", "c.example", r.Source, rnd.scope()}[rnd.IntN(5)])
				}
				if rnd.IntN(5) == 0 && o.Kind != rules.ContentSource && !slices.ContainsFunc(o.Rules, func(other rules.Rule) bool { return other.Source == r.Source }) {
					o.Never = append(o.Never, r.Source)
				}
				o.Rules = append(o.Rules, r)
				images = append(images, image(t, origin.Additional, r.Source+"/img:1", ""))
			}
			o.Never = slices.DeleteFunc(o.Never, func(s string) bool {
				n := 0
				for _, r := range o.Rules {
					if r.Source == s {
						n++
					}
				}
				return n > 1
			})
			objects = append(objects, o)
		}
		insecure, blocked := rnd.scopes(), rnd.scopes()
		nodes := rules.Applied(objects, insecure, blocked)
		icsps, idms, itms := objectsOf(objects)
		want, err := confOf(insecure, blocked, icsps, idms, itms)
		if err != nil {
			t.Fatal(err)
		}
		if got := nodes.TOML(); !bytes.Equal(got, want) {
			t.Fatalf("seed %d, %+v\ngot:\n%s\nwant:\n%s", seed, objects, got, want)
		}
		checkPulls(t, nodes, images)
	}
}

// checkPulls compares where a node pulls each image from with containers/image.
func checkPulls(t *testing.T, nodes *rules.Nodes, images []oci.Image) {
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
			if reg.Blocked { // containers/image lists it and refuses it when it pulls
				want = want[:len(want)-1]
			}
		}
		if got := nodes.Pull(img.Source.Name()); !slices.Equal(got, want) {
			t.Fatalf("%s: a node tries %v, want %v", named, got, want)
		}
	}
}

// TestWithin compares scopes with runtime-utils, but for a wildcard and a port or
// a tag: it takes the port as a part of the name there.
func TestWithin(t *testing.T) {
	t.Parallel()
	rnd := random{rand.New(rand.NewPCG(1, 1))}
	inside := 0
	for range 5000 {
		sub, scope := rnd.scope(), rnd.scope()
		if s := rnd.scopes(); len(s) > 0 {
			scope = s[0]
		}
		got := rules.Within(sub, scope)
		if got != registries.ScopeIsNestedInsideScope(sub, scope) && !strings.Contains(sub, ":") {
			t.Errorf("%s within %s: %t", sub, scope, got)
		}
		if got {
			inside++
		}
	}
	if inside < 100 {
		t.Errorf("only %d of the scopes are within another", inside)
	}
}
