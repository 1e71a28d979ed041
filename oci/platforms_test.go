package oci_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// index adds an index of children as they are.
func index(t *testing.T, c *ocitest.Content, mediaType string, children ...oci.Descriptor) oci.Descriptor {
	t.Helper()
	body, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": mediaType, "manifests": children})
	if err != nil {
		t.Fatal(err)
	}
	return c.Blob(body, mediaType)
}

// on is a child for a platform, os/arch[/variant].
func on(d oci.Descriptor, platform string) oci.Descriptor {
	parts := append(strings.Split(platform, "/"), "")
	d.Platform = &ispec.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
	return d
}

// attests is what BuildKit adds for an image.
func attests(d, image oci.Descriptor) oci.Descriptor {
	d = on(d, "unknown/unknown")
	d.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image.Digest.String()}
	return d
}

// world is an index of everything that an index may have.
type world struct {
	c     *ocitest.Content
	root  oci.Descriptor
	named map[digest.Digest]string
}

func newWorld(t *testing.T) *world {
	w := &world{c: ocitest.New(7), named: map[digest.Digest]string{}}
	image := func(name, arch string) oci.Descriptor {
		d := w.c.ImageFor(arch, false, w.c.Layer(1000, ocitest.LayerGzip))
		w.named[d.Digest] = name
		return d
	}
	amd, v7, v8, arm, windows := image("amd64", "amd64"), image("arm/v7", "arm"), image("arm/v8", "arm"), image("arm64", "arm64"), image("windows", "amd64")
	of, ofArm, ofNone := image("attests amd64", "unknown"), image("attests arm64", "unknown"), image("attests nothing", "unknown")
	artifact := w.c.Artifact("application/vnd.example", w.c.Blob([]byte("text"), "text/plain"))
	blob := w.c.Blob([]byte("cache"), "application/vnd.buildkit.cacheconfig.v0")
	w.named[artifact.Digest], w.named[blob.Digest] = "artifact", "cache"
	deepArm, deepBoth := image("deep arm64", "arm64"), image("deep amd64", "amd64")
	armOnly := index(t, w.c, oci.MediaTypeIndex, on(deepArm, "linux/arm64"))
	both := index(t, w.c, oci.MediaTypeIndex, on(deepArm, "linux/arm64"), on(deepBoth, "linux/amd64"))
	w.named[armOnly.Digest], w.named[both.Digest] = "nested arm64", "nested both"
	w.root = index(t, w.c, oci.MediaTypeIndex, on(amd, "linux/amd64"), on(v7, "linux/arm/v7"), on(v8, "linux/arm/v8"), on(arm, "linux/arm64"),
		on(windows, "windows/amd64"), attests(of, amd), attests(ofArm, arm), on(ofNone, "unknown/unknown"), artifact, blob, armOnly, both)
	return w
}

func (w *world) names(list []digest.Digest) string {
	var names []string
	for _, d := range list {
		names = append(names, w.named[d])
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func TestChoose(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct{ only, without, platforms string }{
		{"linux/amd64", "arm/v7, arm/v8, arm64, attests arm64, deep arm64, nested arm64, windows", "linux/amd64"},
		{"linux/arm", "amd64, arm64, attests amd64, attests arm64, nested arm64, nested both, windows", "linux/arm/v7 linux/arm/v8"},
		{"linux/arm64", "amd64, arm/v7, arm/v8, attests amd64, deep amd64, windows", "linux/arm64"},
		{"linux/amd64 windows/amd64", "arm/v7, arm/v8, arm64, attests arm64, deep arm64, nested arm64", "linux/amd64 windows/amd64"},
		{"linux/amd64 linux/arm linux/arm64 windows/amd64", "", "linux/amd64 linux/arm/v7 linux/arm/v8 linux/arm64 windows/amd64"},
	} {
		p, err := oci.SelectPlatforms(t.Context(), w.c, w.root, strings.Fields(tc.only))
		if err != nil {
			t.Errorf("%s: %v", tc.only, err)
			continue
		}
		if got := w.names(p.Omitted()); got != tc.without {
			t.Errorf("%s: without %s\nwant %s", tc.only, got, tc.without)
		}
		if got := strings.Join(p.Platforms(), " "); got != tc.platforms {
			t.Errorf("%s: platforms %s, want %s", tc.only, got, tc.platforms)
		}
		if !slices.IsSorted(p.Omitted()) {
			t.Errorf("%s: without %v", tc.only, p.Omitted())
		}
		img := oci.Image{Origin: "additional", Source: oci.Ref{Registry: "example.com", Repository: "x", Tag: "1"}, Root: w.root, Omitted: p.Omitted()}
		if err := img.Validate(); err != nil {
			t.Error(err)
		}
		walked := map[digest.Digest]bool{}
		err = oci.WalkImage(t.Context(), w.c, img, func(d oci.Descriptor, _ []byte) error {
			walked[d.Digest] = true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for d, name := range w.named {
			if walked[d] == slices.Contains(img.Omitted, d) && !(tc.only == "linux/arm" && strings.HasPrefix(name, "deep")) || walked[d] != slices.Contains(p.Selected(), d) {
				t.Errorf("%s: %s: walked %v", tc.only, name, walked[d])
			}
		}
	}
}

// TestChooseNone has indexes that have no choice, or not the one that is asked for.
func TestChooseNone(t *testing.T) {
	w := newWorld(t)
	_, err := oci.SelectPlatforms(t.Context(), w.c, w.root, []string{"linux/s390x", "windows/arm64"})
	var fault *oci.UnsupportedError
	if want := "it has no image for linux/s390x, windows/arm64; it has linux/amd64, linux/arm/v7, linux/arm/v8, linux/arm64, windows/amd64"; !errors.As(err, &fault) || fault.Why != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	image := w.c.Image(false, w.c.Layer(1000, ocitest.LayerGzip))
	artifact := w.c.Artifact("application/vnd.example")
	for name, root := range map[string]oci.Descriptor{
		"one image":    image,
		"artifacts":    index(t, w.c, oci.MediaTypeIndex, artifact, w.c.Blob([]byte("x"), "text/plain")),
		"nothing":      index(t, w.c, oci.MediaTypeIndex),
		"attestations": index(t, w.c, oci.MediaTypeIndex, on(image, "unknown/unknown")),
	} {
		p, err := oci.SelectPlatforms(t.Context(), w.c, root, []string{"linux/s390x"})
		if err != nil || len(p.Omitted()) > 0 {
			t.Errorf("%s: without %v, %v", name, p.Omitted(), err)
		}
	}
	// An artifact beside images for others does not stand for one.
	if _, err := oci.SelectPlatforms(t.Context(), w.c, index(t, w.c, oci.MediaTypeIndex, artifact, on(image, "linux/amd64")), []string{"linux/s390x"}); !errors.As(err, &fault) {
		t.Errorf("an artifact and another's image: %v", err)
	}
	list := w.c.Index(true, image, w.c.ImageFor("arm64", true, w.c.Layer(1000, ocitest.LayerGzip)))
	p, err := oci.SelectPlatforms(t.Context(), w.c, list, []string{"linux/arm64"})
	if err != nil || len(p.Omitted()) != 1 || p.Omitted()[0] != image.Digest {
		t.Errorf("a Docker list: %v, %v", p.Omitted(), err)
	}
}

// TestChooseBounds has indexes that would be much work.
func TestChooseBounds(t *testing.T) {
	c := ocitest.New(1)
	image := c.Image(false, c.Layer(10, ocitest.LayerGzip))
	wide := on(image, "linux/amd64")
	for range 9 { // each names the one before many times
		var same []oci.Descriptor
		for range 100 {
			same = append(same, wide)
		}
		wide = index(t, c, oci.MediaTypeIndex, same...)
	}
	if p, err := oci.SelectPlatforms(t.Context(), c, wide, []string{"linux/amd64"}); err != nil || len(p.Omitted()) > 0 {
		t.Errorf("many times the same: %v", err)
	}
	var many []oci.Descriptor
	for i := range 1100 {
		d := image
		d.Digest = oci.Digest([]byte{byte(i), byte(i >> 8)})
		many = append(many, on(d, "linux/arm64"))
	}
	many = append(many, on(image, "linux/amd64"))
	var fault *oci.UnsupportedError
	for name, root := range map[string]oci.Descriptor{"left out": index(t, c, oci.MediaTypeIndex, many...), "deep": index(t, c, oci.MediaTypeIndex, index(t, c, oci.MediaTypeIndex, wide)),
		"named": index(t, c, oci.MediaTypeIndex, slices.Repeat(many, 4)...)} {
		if _, err := oci.SelectPlatforms(t.Context(), c, root, []string{"linux/amd64"}); !errors.As(err, &fault) {
			t.Errorf("too much %s: %v", name, err)
		}
	}
}

// TestCarry adds what another image brings to the same place.
func TestCarry(t *testing.T) {
	w := newWorld(t)
	p, err := oci.SelectPlatforms(t.Context(), w.c, w.root, []string{"linux/amd64"})
	if err != nil {
		t.Fatal(err)
	}
	p.Include(func(d digest.Digest) bool { return w.named[d] == "arm64" })
	if got := w.names(p.Omitted()); got != "arm/v7, arm/v8, deep arm64, nested arm64, windows" || !slices.Equal(p.Platforms(), []string{"linux/amd64", "linux/arm64"}) {
		t.Errorf("without %s, for %v", got, p.Platforms())
	}
}

// TestNestedParts has attestations of nested indexes, and indexes of attestations alone.
func TestNestedParts(t *testing.T) {
	c := ocitest.New(3)
	image := func(arch string) oci.Descriptor { return c.ImageFor(arch, false, c.Layer(1000, ocitest.LayerGzip)) }
	amd, arm := image("amd64"), image("arm64")
	of := map[string]oci.Descriptor{}
	for _, name := range []string{"amd64", "arm64", "nested amd64", "nested arm64", "attestation"} {
		of[name] = image("unknown")
	}
	nestedAmd, nestedArm := index(t, c, oci.MediaTypeIndex, on(amd, "linux/amd64")), index(t, c, oci.MediaTypeIndex, on(arm, "linux/arm64"))
	ofAmd, ofArm := index(t, c, oci.MediaTypeIndex, attests(of["amd64"], amd)), index(t, c, oci.MediaTypeIndex, attests(of["arm64"], arm))
	root := index(t, c, oci.MediaTypeIndex, nestedAmd, nestedArm, attests(of["nested amd64"], nestedAmd), attests(of["nested arm64"], nestedArm), ofAmd, ofArm, attests(of["attestation"], ofAmd))
	p, err := oci.SelectPlatforms(t.Context(), c, root, []string{"linux/amd64"})
	if err != nil {
		t.Fatal(err)
	}
	walked := func() (list []digest.Digest) {
		img := oci.Image{Root: root, Omitted: p.Omitted()}
		err := oci.WalkImage(t.Context(), c, img, func(d oci.Descriptor, _ []byte) error {
			if oci.IsManifest(d.MediaType) && d.Digest != root.Digest {
				list = append(list, d.Digest)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		slices.Sort(list)
		return list
	}
	check := func(what string, wants ...oci.Descriptor) {
		t.Helper()
		var want []digest.Digest
		for _, d := range wants {
			want = append(want, d.Digest)
		}
		slices.Sort(want)
		if got := walked(); !slices.Equal(got, want) || !slices.Equal(p.Selected(), want) {
			t.Errorf("%s: walked %v\ncarried %v\nwant %v", what, got, p.Selected(), want)
		}
	}
	some := []oci.Descriptor{nestedAmd, amd, of["nested amd64"], ofAmd, of["amd64"], of["attestation"]}
	check("amd64", some...)
	none := p.Omitted()
	p.Include(func(digest.Digest) bool { return false })
	if !slices.Equal(p.Omitted(), none) || len(none) != 3 {
		t.Errorf("without %v, then %v", none, p.Omitted())
	}
	p.Include(func(d digest.Digest) bool { return d == arm.Digest })
	check("what brings arm64", append(some, nestedArm, arm, of["nested arm64"], ofArm, of["arm64"])...)
	if got := p.Platforms(); len(p.Omitted()) > 0 || !slices.Equal(got, []string{"linux/amd64", "linux/arm64"}) {
		t.Errorf("without %v, for %v", p.Omitted(), got)
	}
}
