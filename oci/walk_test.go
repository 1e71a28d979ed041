package oci_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestWalkImage skips what an image leaves out, and what only that reaches.
func TestWalkImage(t *testing.T) {
	content := ocitest.New(1)
	layer := func() oci.Descriptor { return content.Layer(1000, ispec.MediaTypeImageLayerGzip) }
	a, b := content.Image(false, layer()), content.Image(false, layer())
	root := content.Index(false, a, b)
	img := oci.Image{Origin: "additional", Source: oci.Ref{Registry: "example.com", Repository: "x", Tag: "1"}, Root: root}
	walk := func(img oci.Image) (list []digest.Digest) {
		err := oci.WalkImage(context.Background(), content, img, func(d oci.Descriptor, _ []byte) error {
			list = append(list, d.Digest)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	whole := walk(img)
	img.Omitted = []digest.Digest{b.Digest}
	some := walk(img)
	if err := img.Validate(); err != nil {
		t.Error(err)
	}
	if len(some) >= len(whole) || slices.Contains(some, b.Digest) || !slices.Contains(some, a.Digest) || some[len(some)-1] != root.Digest {
		t.Errorf("whole %v, without %s %v", whole, b.Digest, some)
	}
	// Neither a layer nor what nothing names can be left out.
	body, err := oci.ReadManifest(t.Context(), content, a)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := oci.Children(a, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []digest.Digest{parts[0].Digest, parts[1].Digest, oci.Digest([]byte("nothing"))} {
		img.Omitted = []digest.Digest{b.Digest, d}
		slices.Sort(img.Omitted)
		for name, walk := range map[string]func(context.Context, oci.Source, oci.Image, func(oci.Descriptor, []byte) error) error{"image": oci.WalkImage, "indexes": oci.WalkIndexes} {
			seen := false
			err := walk(t.Context(), content, img, func(v oci.Descriptor, _ []byte) error {
				seen = seen || v.Digest == d
				return nil
			})
			var fault *oci.UnsupportedError
			if !errors.As(err, &fault) || !strings.Contains(fault.Why, d.String()) || name == "image" && d == parts[1].Digest && !seen {
				t.Errorf("walk of %s without %s: seen %v, %v", name, d, seen, err)
			}
		}
	}
}

// TestImageRefused are bases and gaps of platforms that no bundle may have.
func TestImageRefused(t *testing.T) {
	d := func(s string) digest.Digest { return oci.Digest([]byte(s)) }
	ref := oci.Ref{Registry: "example.com", Repository: "x", Tag: "1"}
	good := func() oci.Image {
		return oci.Image{Origin: "catalog", Source: ref, Root: oci.Descriptor{MediaType: oci.MediaTypeIndex, Digest: d("root"), Size: 4}}
	}
	for name, change := range map[string]func(*oci.Image){
		"a base of what was not made": func(i *oci.Image) { i.Base = ref.WithDigest(d("base")) },
		"a base by tag":               func(i *oci.Image) { i.Built, i.Base = true, ref },
		"a base that is no reference": func(i *oci.Image) { i.Built, i.Base = true, oci.Ref{Registry: "e", Digest: d("base")} },
		"its root left out":           func(i *oci.Image) { i.Omitted = []digest.Digest{i.Root.Digest} },
		"one left out twice":          func(i *oci.Image) { i.Omitted = []digest.Digest{d("a"), d("a")} },
		"another kind of digest":      func(i *oci.Image) { i.Omitted = []digest.Digest{"md5:0123"} },
		"parts of what is no index": func(i *oci.Image) {
			i.Root.MediaType, i.Omitted = oci.MediaTypeManifest, []digest.Digest{d("a")}
		},
	} {
		img := good()
		if err := img.Validate(); err != nil {
			t.Fatal(err)
		}
		if change(&img); img.Validate() == nil {
			t.Errorf("%s was taken", name)
		}
	}
	made := good()
	made.Built, made.Base = true, ref.WithDigest(d("base"))
	if err := made.Validate(); err != nil {
		t.Error(err)
	}
}

// TestReadManifestSize refuses what registries would refuse, whatever media type the
// descriptor has.
func TestReadManifestSize(t *testing.T) {
	body := bytes.Repeat([]byte(" "), oci.MaxManifestSize+1)
	d := oci.Descriptor{MediaType: "application/octet-stream", Digest: oci.Digest(body), Size: int64(len(body))}
	src := oci.SourceFunc(func(context.Context, oci.Descriptor, int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(body)), nil
	})
	var refused *oci.UnsupportedError
	if _, err := oci.ReadManifest(t.Context(), src, d); !errors.As(err, &refused) {
		t.Errorf("a manifest of %d bytes: %v", d.Size, err)
	}
}

// TestHeldIndexes nests large indexes: a walk holds those from the root down, and this is bounded;
// as many beside each other are read one after another.
func TestHeldIndexes(t *testing.T) {
	c := ocitest.New(31)
	large := func(n int, children ...oci.Descriptor) oci.Descriptor {
		body, err := json.Marshal(ispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeIndex, Manifests: children,
			Annotations: map[string]string{"pad": strings.Repeat(string(rune('a'+n)), 3<<20)}})
		if err != nil {
			t.Fatal(err)
		}
		return c.Blob(body, oci.MediaTypeIndex)
	}
	image := c.Image(false, c.Layer(100, ispec.MediaTypeImageLayerGzip))
	nested := large(0, large(1, large(2, image)))
	beside := large(3, large(4, image), large(5, image), large(6, image))
	all := func(oci.Descriptor, []byte) error { return nil }
	if err := oci.Walk(t.Context(), c, nested, all); err == nil || !strings.Contains(err.Error(), "the indexes above it have more than 8388608 bytes") {
		t.Errorf("nested: %v", err)
	}
	if err := oci.Walk(t.Context(), c, beside, all); err != nil {
		t.Errorf("beside each other: %v", err)
	}
}
