package baseline

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// images are some of a registry, each with a layer of its own and one that all have.
type images struct {
	t      *testing.T
	c      *ocitest.Content
	shared oci.Descriptor
}

func newImages(t *testing.T) *images {
	c := ocitest.New(81)
	return &images{t, c, c.Layer(5000, ocitest.LayerGzip)}
}

func (s *images) image(name string) oci.Image {
	s.t.Helper()
	ref, err := oci.ParseRef("registry.example/" + name + ":v1")
	if err != nil {
		s.t.Fatal(err)
	}
	return oci.Image{Origin: "additional", Source: ref, Root: s.c.Image(false, s.shared, s.c.Layer(1000, ocitest.LayerGzip)), Tags: []string{"v1"}}
}

func (s *images) graph(list ...oci.Image) *oci.Graph {
	s.t.Helper()
	g, err := oci.ReadGraph(s.t.Context(), list, func(oci.Image) (oci.Source, error) { return s.c, nil }, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	return g
}

// everywhere marks all as found.
type everywhere struct{}

func (everywhere) Manifest(string, digest.Digest) (receipt.Mark, bool) { return receipt.Found, true }
func (everywhere) Blob(string, oci.Descriptor) (receipt.Mark, bool)    { return receipt.Pushed, true }
func (everywhere) Tag(string, string) (receipt.Mark, bool)             { return receipt.Pushed, true }

// id is a bundle's ID.
func id(letter string) string { return strings.Repeat(letter, 16) }

// of is the receipt of a bundle of those images.
func (s *images) of(letter string, sequence int, mirror oci.Mirror, list ...oci.Image) Receipt {
	r := &receipt.Receipt{State: receipt.Done, Bundle: id(letter), Fingerprint: strings.Repeat("0a", 32), Sequence: sequence, Mirror: mirror,
		Stream: receipt.Stream{Ledger: strings.Repeat("1c", 16), Name: "weekly"}, Time: time.Unix(int64(1e9+100*sequence), 0).UTC(), First: oci.Digest([]byte(mirror.Host))}
	r.Fill(s.graph(list...), everywhere{})
	return Receipt{r, strings.Repeat("0", 62) + letter + letter}
}

// TestReceipts takes together what receipts of one mirror say, and of several mirrors what all
// of them have.
func TestReceipts(t *testing.T) {
	t.Parallel()
	s := newImages(t)
	one, two, three := s.image("team/deep/er/one"), s.image("team/two"), s.image("team/three")
	north, south := oci.Mirror{Host: "north.example", Namespace: "ocp", MaxNestedPaths: 2}, oci.Mirror{Host: "south.example"}
	layer := func(img oci.Image) oci.Descriptor {
		g := s.graph(img)
		for _, n := range g.Blobs {
			if n.Descriptor.MediaType == ocitest.LayerGzip && n.Descriptor.Digest != s.shared.Digest {
				return n.Descriptor
			}
		}
		t.Fatal("no layer of its own")
		return oci.Descriptor{}
	}
	first, second := s.of("b", 1, north, one), s.of("c", 2, north, one, two)
	k, err := OfReceipts("", []Receipt{second, first})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		d       oci.Descriptor
		images  []oci.Image
		path    string
		of, sum string
	}{
		"a manifest":                        {one.Root, []oci.Image{one}, "team/deep/er/one", id("b"), first.Sum},
		"of the second one":                 {two.Root, []oci.Image{two}, "team/two", id("c"), second.Sum},
		"a layer":                           {layer(one), []oci.Image{one}, "team/deep/er/one", id("b"), first.Sum},
		"a layer that is elsewhere":         {layer(two), []oci.Image{three}, "team-two", id("c"), second.Sum},
		"a shared one":                      {s.shared, []oci.Image{three, two}, "team/two", id("b"), first.Sum},
		"a manifest that is elsewhere":      {one.Root, []oci.Image{three}, "", "", ""},
		"a manifest that is not everywhere": {one.Root, []oci.Image{one, three}, "", "", ""},
		"nothing":                           {three.Root, []oci.Image{three}, "", "", ""},
	} {
		path, from, ok := k.Find(c.d, c.images)
		if path != c.path || from.Bundle != c.of || from.Receipt != c.sum || ok != (c.of != "") || ok && (from.Mirror != "north.example/ocp" || from.Stream.Name != "weekly") {
			t.Errorf("%s: %q, %+v, %v", name, path, from, ok)
		}
	}
	both, err := OfReceipts("", []Receipt{second, s.of("d", 1, south, two, three), first})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		img oci.Image
		ok  bool
	}{{one, false}, {two, true}, {three, false}} {
		if _, from, ok := both.Find(c.img.Root, []oci.Image{c.img}); ok != c.ok || ok && from.Bundle != id("c") {
			t.Errorf("in both mirrors, %s: %+v, %v", c.img.Source, from, ok)
		}
	}
	// A layer that the mirrors have in different places is in none that a bundle could name.
	apart, err := OfReceipts("", []Receipt{s.of("b", 1, north, one), s.of("d", 1, south, two)})
	if err != nil {
		t.Fatal(err)
	}
	if path, _, ok := apart.Find(s.shared, []oci.Image{three}); ok {
		t.Errorf("in both mirrors, apart: %q", path)
	}
	// The limit of the path may be reached in the namespace.
	deep, err := OfReceipts("", []Receipt{s.of("b", 1, oci.Mirror{Host: "deep.example", Namespace: "ocp4/openshift4", MaxNestedPaths: 2}, one)})
	if err != nil {
		t.Fatal(err)
	}
	if path, _, ok := deep.Find(layer(one), []oci.Image{three}); !ok || path != "team-deep-er-one" {
		t.Errorf("below a deep namespace: %q", path)
	}
	// In the layout of oc, one repository has the images of several paths.
	oc := north
	oc.Shared = oci.Shared{Repository: "ocp", Paths: [2]string{"team/deep/er/one", "team/two"}}
	joined, err := OfReceipts("", []Receipt{s.of("b", 1, oc, one)})
	if err != nil {
		t.Fatal(err)
	}
	if path, _, ok := joined.Find(layer(one), []oci.Image{two}); !ok || oc.Repo(oci.Image{Path: path}).Repository != "ocp" {
		t.Errorf("in the repository of releases: %q, %v", path, ok)
	}
	intent := s.of("e", 3, north, three)
	intent.State = receipt.Intent
	var is *IntentError
	if _, err := OfReceipts("", []Receipt{first, intent}); !errors.As(err, &is) || is.Bundle != id("e") {
		t.Errorf("an intent: %v", err)
	}
	var pruned *PrunedError
	left := Receipt{&receipt.Receipt{State: receipt.Done, From: receipt.Pruned, Bundle: receipt.PrunedID, Mirror: north, Replaces: []digest.Digest{digest.Digest("sha256:" + first.Sum)}}, strings.Repeat("f", 64)}
	if _, err := OfReceipts("", []Receipt{first, left}); !errors.As(err, &pruned) || pruned.Hint() == "" {
		t.Errorf("what a prune left, and replaced: %v", err)
	}
	kept, err := OfReceipts("", []Receipt{left, second, first})
	if err != nil {
		t.Fatal(err)
	}
	if _, from, ok := kept.Find(one.Root, []oci.Image{one}); !ok || from.Bundle != id("c") {
		t.Errorf("what was replaced counts: %+v", from)
	}
	if _, err := OfReceipts("", nil); err == nil {
		t.Error("no receipts are a baseline")
	}
}

// TestLedger is what the newest bundle needs that is known to have arrived, and says which
// bundle brought it.
func TestLedger(t *testing.T) {
	t.Parallel()
	s := newImages(t)
	one, two, three := s.image("team/one"), s.image("team/two"), s.image("team/three")
	state := t.TempDir()
	store := ledger.At(state, "weekly")
	var none *NoneArrivedError
	if _, err := OfLedger(state, "weekly", 0); !errors.As(err, &none) || len(none.Bundles) != 0 {
		t.Errorf("without a ledger: %v", err)
	}
	pack := func(letter string, base *bundle.Baseline, list ...oci.Image) {
		content := ledger.ContentOf(s.graph(list...))
		content.Baseline = base
		stream, n, err := store.Reserve(ledger.Reservation{Bundle: id(letter), Content: content})
		if err == nil {
			err = store.Sealed(bundle.Seal{Bundle: id(letter), Fingerprint: bundle.Fingerprint(strings.Repeat("0"+letter, 32)), Stream: stream, Sequence: n}, "/d")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	pack("a", nil, one)
	if _, err := OfLedger(state, "weekly", 0); !errors.As(err, &none) || len(none.Bundles) != 1 {
		t.Errorf("none arrived: %v", err)
	}
	base := &bundle.Baseline{}
	if err := base.Add(one.Root.Digest, "team/one", base.From(bundle.BaselineSource{Bundle: id("a"), Sequence: 1})); err != nil {
		t.Fatal(err)
	}
	if err := base.Add(s.shared.Digest, "team/one", 0); err != nil {
		t.Fatal(err)
	}
	pack("b", base, one, two)
	pack("c", nil, three)
	if _, err := ledger.Confirm(state, strings.Repeat("0b", 8), ledger.Arrival{How: ledger.BySlip}); err != nil {
		t.Fatal(err)
	}
	k, err := OfLedger(state, "weekly", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		d    oci.Descriptor
		img  oci.Image
		path string
		from string
	}{{one.Root, one, "team/one", id("a")}, {two.Root, two, "team/two", id("b")}, {s.shared, three, "team/one", id("a")}, {three.Root, three, "", ""}, {two.Root, three, "", ""}} {
		path, from, ok := k.Find(c.d, []oci.Image{c.img})
		if path != c.path || from.Bundle != c.from || ok != (c.from != "") {
			t.Errorf("%s of %s: %q, %+v", c.d.Digest, c.img.Source, path, from)
		}
	}
	// A receipt of the delta names what the first bundle brought too.
	r := s.of("b", 2, oci.Mirror{Host: "north.example"}, one, two)
	r.Stream.Ledger, r.Fingerprint = k.mirrors[0].manifests[two.Root.Digest].from.Stream.Ledger, strings.Repeat("0b", 32)
	for dir, want := range map[string]string{state: id("a"), t.TempDir(): id("b"), "": id("b")} {
		known, err := OfReceipts(dir, []Receipt{r})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			d    oci.Descriptor
			img  oci.Image
			from string
		}{{one.Root, one, want}, {s.shared, one, want}, {two.Root, two, id("b")}} {
			if _, from, ok := known.Find(c.d, []oci.Image{c.img}); !ok || from.Bundle != c.from || from.Receipt != r.Sum || from.Mirror != "north.example" {
				t.Errorf("%q: %s is from %+v, want %s", dir, c.d.Digest, from, c.from)
			}
		}
	}
	if _, from, _ := k.Find(two.Root, []oci.Image{two}); from.Sequence != 2 || from.Stream == nil || from.Stream.Name != "weekly" || from.Fingerprint != strings.Repeat("0b", 32) {
		t.Errorf("%+v", from)
	}
}
