package prepare

import (
	"errors"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// setOf is a set of images whose manifests are not read.
func setOf(images ...oci.Image) *Set {
	s := New(Options{Config: &manifests.Config{}, KeepGoing: true})
	s.setImages(images)
	return s
}

// TestDropTwice drops an image that was noted as a gap before.
func TestDropTwice(t *testing.T) {
	t.Parallel()
	ref, err := oci.ParseRef("quay.io/x/app:sha256-aa.sig")
	if err != nil {
		t.Fatal(err)
	}
	img := oci.Image{Source: ref}
	s := setOf(img)
	s.Gaps.Images = []oci.Gap{{Image: oci.Image{Source: ref}}}
	s.drop(&oci.Gap{Image: img, Err: errors.New("gone")})
	if len(s.Graph.Images) != 0 || len(s.Gaps.Images) != 1 {
		t.Errorf("images %v, gaps %v", s.Graph.Images, s.Gaps.Images)
	}
}

// TestLongReasons notes a gap whose reason is longer than a bundle may carry.
func TestLongReasons(t *testing.T) {
	t.Parallel()
	ref := oci.Ref{Registry: "q.example", Repository: "a", Tag: "v1"}
	s := setOf(oci.Image{Source: ref}, oci.Image{Source: ref.WithTag("v2")})
	s.drop(&oci.Gap{Image: oci.Image{Origin: manifests.OriginAdditional, Source: ref}, Err: errors.New(strings.Repeat("x", 1<<20))})
	if err := (&oci.Inventory{Gaps: s.Gaps.Images}).Validate(); err != nil {
		t.Error(err)
	}
}

// TestAllowedGaps: a run that allows gaps, and still fails, does not advise to allow them.
func TestAllowedGaps(t *testing.T) {
	t.Parallel()
	img := oci.Image{Origin: manifests.OriginAdditional, Source: oci.Ref{Registry: "q.example", Repository: "app", Tag: "v1"}}
	gone := &oci.Gap{Image: img, Err: &oci.UnsupportedError{What: "app", Why: "odd"}}
	unknown := &oci.Gap{Image: img, Err: errors.New("unknown")}
	for name, err := range map[string]error{"none left": gone, "not only gaps": errors.Join(gone, unknown)} {
		s := setOf(img)
		s.KeepGoing = true
		got := s.tolerate(err)
		var allowed *AllowedError
		if !errors.As(got, &allowed) || allowed.Gap != gone || !errors.Is(got, gone) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestDocumentsBeforeTheFirstByte finds out that the cluster's YAML cannot be rendered
// before anything is fetched.
func TestDocumentsBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	s := setOf()
	s.Mirror.Host = "not a host"
	var site *manifests.SiteError
	if _, err := s.Bundled(t.Context()); !errors.As(err, &site) {
		t.Errorf("got %v", err)
	}
}

// TestListedChart has a chart of a registry that was not available: the gap list brings its
// images too, and those of no other chart.
func TestListedChart(t *testing.T) {
	t.Parallel()
	gap := oci.Gap{Image: oci.Image{Origin: manifests.OriginChart, Source: oci.Ref{Registry: "q.example", Repository: "charts/db", Tag: "0.1.0"}, Reasons: []oci.Reason{{Kind: manifests.KindChart, Name: "db 0.1.0"}}}}
	s := setOf()
	s.Only = &gaps.List{Images: []oci.Gap{gap}}
	chart := func(name, part string) oci.Reason {
		return oci.Reason{Kind: manifests.KindChart, Name: name, Part: part}
	}
	for why, want := range map[oci.Reason]bool{chart("db 0.1.0", ""): true, chart("db 0.1.0", "Pod/db db"): true, chart("web 0.1.0", "Pod/w w"): false, chart("db 0.1.01", "Pod/db db"): false} {
		img := oci.Image{Origin: manifests.OriginChart, Source: oci.Ref{Registry: "q.example", Repository: "x", Tag: "1"}, Reasons: []oci.Reason{why}}
		if got := s.listed(&oci.Inventory{}, nil, img); got != want {
			t.Errorf("%s: %v", why, got)
		}
	}
}

// TestListedOfChannel has one of the releases of a channel that was not available: the gap
// list does not bring the others.
func TestListedOfChannel(t *testing.T) {
	t.Parallel()
	payload := func(version string) oci.Image {
		return oci.Image{Origin: manifests.OriginRelease, Source: oci.Ref{Registry: "quay.io", Repository: "ocp", Tag: version},
			Reasons: []oci.Reason{{Kind: "channel", Name: "stable-4.99"}, {Kind: manifests.KindRelease, Name: version + " x86_64"}}}
	}
	s := setOf()
	s.Only = &gaps.List{Images: []oci.Gap{{Image: payload("4.99.1")}}}
	part := payload("4.99.1")
	part.Source.Tag, part.Reasons = "part", []oci.Reason{{Kind: manifests.KindRelease, Name: "4.99.1 x86_64", Part: "etcd"}}
	all := &oci.Inventory{Images: []oci.Image{payload("4.99.1"), part, payload("4.99.2")}}
	for i, want := range []bool{true, true, false} {
		if got := s.listed(all, nil, all.Images[i]); got != want {
			t.Errorf("%s: %v", all.Images[i].Source, got)
		}
	}
}

// TestListedRelease has a release that was not available: the gap list brings its
// components too, and none of another release.
func TestListedRelease(t *testing.T) {
	t.Parallel()
	payload := oci.Ref{Registry: "quay.io", Repository: "openshift-release-dev/ocp-release", Tag: "4.99.1-x86_64"}
	release := func(name, part string) oci.Image {
		return oci.Image{Origin: manifests.OriginRelease, Source: payload.WithTag(name + part), Reasons: []oci.Reason{{Kind: manifests.KindRelease, Name: name, Part: part}}}
	}
	whole := release("4.99.1-x86_64", "")
	s := setOf()
	s.Only = &gaps.List{Images: []oci.Gap{{Image: oci.Image{Origin: manifests.OriginRelease, Source: payload}}}} // no reason was known then
	all := &oci.Inventory{Images: []oci.Image{whole}}
	for _, c := range []struct {
		img  oci.Image
		want bool
	}{
		{whole, true},
		{release("4.99.1-x86_64", "etcd"), true},
		{release("4.99.2-x86_64", "etcd"), false},
		{release("4.99.2-x86_64", ""), false},
		{oci.Image{Origin: manifests.OriginAdditional, Source: payload.WithTag("other")}, false},
	} {
		if got := s.listed(all, nil, c.img); got != c.want {
			t.Errorf("%s: %v", c.img.Source, got)
		}
	}
}

// TestOnlySignaturesLeft: a bundle of nothing but the signatures of images that are gaps
// is not packed.
func TestOnlySignaturesLeft(t *testing.T) {
	t.Parallel()
	ref := oci.Ref{Registry: "q.example", Repository: "app", Tag: "v1"}
	img := oci.Image{Origin: manifests.OriginAdditional, Source: ref, Root: oci.Descriptor{Digest: oci.Digest([]byte("app"))}}
	signature := oci.Image{Origin: manifests.OriginAdditional, Source: ref.WithTag("sig"), Subject: img.Root.Digest}
	s := setOf(img, signature)
	var allowed *AllowedError
	err := s.Tolerate(t.Context(), &oci.Gap{Image: img, Err: &oci.UnsupportedError{What: "app", Why: "odd"}})
	if !errors.As(err, &allowed) || !strings.Contains(err.Error(), "no image is left to carry") {
		t.Errorf("got %v, with images %v", err, s.Graph.Images)
	}
}
