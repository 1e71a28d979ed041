package oci_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

const emptyConfig = `"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}`

// manifestWith is the manifest of an artifact, with more fields.
func manifestWith(more string) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,%s%s}`, oci.MediaTypeManifest, emptyConfig, more)
}

// TestOddManifests are manifests that depart from the specification in what only describes.
func TestOddManifests(t *testing.T) {
	t.Parallel()
	config := strings.TrimPrefix(emptyConfig, `"config":`)
	for more, odd := range map[string]string{
		``: "",
		`,"annotations":null,"subject":null,"artifactType":null,"layers":null,"manifests":null,"fsLayers":null`: "",
		`,"annotations":{"a":"b"},"artifactType":"x/y"`:                                                         "",
		`,"annotations":{"a":1,"b":true,"c":{"d":[]},"e":null}`:                                                 "annotations",
		`,"annotations":[]`:          "annotations",
		`,"annotations":"x"`:         "annotations",
		`,"artifactType":7`:          "artifactType",
		`,"artifactType":{}`:         "artifactType",
		`,"subject":{}`:              "subject",
		`,"subject":[]`:              "subject",
		`,"subject":"sha256:00"`:     "subject",
		`,"subject":{"digest":"no"}`: "subject",
		`,"subject":{"digest":7}`:    "subject",
		`,"layers":[` + strings.Replace(config, `{`, `{"annotations":{"n":1},`, 1) + `]`:                         "layers[0].annotations",
		`,"layers":[` + strings.Replace(config, `{`, `{"urls":"http://x","data":7,"platform":"linux",`, 1) + `]`: "layers[0].urls",
		`,"layers":[` + strings.Replace(config, `"application/vnd.oci.empty.v1+json"`, `null`, 1) + `]`:          "",
	} {
		body := manifestWith(more)
		m, err := oci.ParseManifest(oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest(body), Size: int64(len(body))}, body)
		if err != nil {
			t.Errorf("%s: %v", more, err)
			continue
		}
		if (odd == "") != (m.Odd == "") || !strings.Contains(m.Odd, odd) || m.Subject != nil || m.Config.Size != 2 {
			t.Errorf("%s: odd %q, want %q; %+v", more, m.Odd, odd, m)
		}
	}
}

// TestUnfitManifests are refused, whoever reads them.
func TestUnfitManifests(t *testing.T) {
	t.Parallel()
	for more, want := range map[string]string{
		`,"layers":{}`:             "layers is not a list",
		`,"layers":[null]`:         "layers[0] is null",
		`,"layers":["x"]`:          "layers[0] is not a descriptor",
		`,"layers":[{"digest":5}]`: "layers[0] is not a descriptor",
		`,"layers":[{}]`:           "not a valid digest",
		`,"config":{}`:             "not a valid digest",
		`,"layers":[{"digest":"` + oci.Digest(nil).String() + `"}]`:             "layers[0] gives no size",
		`,"layers":[{"digest":"` + oci.Digest(nil).String() + `","size":null}]`: "layers[0] gives no size",
		`,"config":null`:  "without a config",
		`,"manifests":[]`: "lists manifests",
		`,"mediaType":5`:  "not valid JSON",
		`,"Layers":[]`:    `key "Layers" is not spelled "layers"`,
		`,"CONFIG":null`:  `key "CONFIG" is not spelled "config"`,
		`,"layers":[{"digest":"` + oci.Digest(nil).String() + `","size":0,"Digest":"` + oci.Digest([]byte("x")).String() + `"}]`: `in its layers[0] its key "Digest"`,
	} {
		body := manifestWith(more)
		_, err := oci.ParseManifest(oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest(body), Size: int64(len(body))}, body)
		var unsupported *oci.UnsupportedError
		if !errors.As(err, &unsupported) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", more, err, want)
		}
	}
}

// apart is a source that has manifests and blobs apart, as registries do: a manifest is
// given by its own media type or by any, never as a blob.
type apart struct{ *ocitest.Content }

func (a apart) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	for _, have := range a.All() {
		manifest := oci.IsManifest(have.MediaType)
		asked := oci.IsManifest(d.MediaType) || d.MediaType == oci.MediaTypeAnyManifest
		if have.Digest == d.Digest && (manifest != asked || manifest && d.MediaType != oci.MediaTypeAnyManifest && d.MediaType != have.MediaType) {
			return nil, &oci.UnsupportedError{What: "blob " + d.Digest.String(), Why: "not found"}
		}
	}
	return a.Content.Open(ctx, d, off)
}

// TestRoleByPosition has media types that do not say what content is for.
func TestRoleByPosition(t *testing.T) {
	t.Parallel()
	content := ocitest.New(1)
	layer := content.Layer(1000, ispec.MediaTypeImageLayerGzip)
	image, docker := content.Image(false, layer), content.Image(true, layer)
	untyped := func(d oci.Descriptor, mediaType string) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, d.Digest, d.Size)
	}
	nested := content.Index(false, docker)
	cacheConfig := content.Blob([]byte(`{"layers":[]}`), "application/vnd.buildkit.cacheconfig.v0")
	body := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, oci.MediaTypeIndex, strings.Join([]string{
		untyped(image, ""), untyped(docker, "application/json"), untyped(nested, ""),
		untyped(cacheConfig, cacheConfig.MediaType), untyped(layer, layer.MediaType),
	}, ","))
	root := content.Blob(body, oci.MediaTypeIndex)
	// An artifact whose layers are manifests, one of them of schema 1: bytes like others.
	inside := content.Blob([]byte(`{"schemaVersion":1}`), "text/plain")
	artifact := content.Blob(manifestWith(`,"layers":[`+untyped(inside, oci.MediaTypeManifest)+","+
		untyped(layer, "application/vnd.docker.distribution.manifest.v1+prettyjws")+"]"), oci.MediaTypeManifest)
	content.Blob([]byte("{}"), "application/vnd.oci.empty.v1+json")

	for name, src := range map[string]oci.Source{"a registry": apart{content}, "a bundle": content} {
		manifests := map[string]string{}
		visit := func(d oci.Descriptor, body []byte) error {
			if body != nil {
				manifests[d.Digest.String()] = d.MediaType
			} else if oci.IsManifest(d.MediaType) {
				t.Errorf("%s: blob %s has the media type %s", name, d.Digest, d.MediaType)
			}
			return nil
		}
		for _, d := range []oci.Descriptor{root, artifact} {
			if err := oci.Walk(t.Context(), src, d, visit); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, want := range []oci.Descriptor{root, artifact, image, docker, nested} {
			if manifests[want.Digest.String()] != want.MediaType {
				t.Errorf("%s: %s is %q, want %q", name, want.Digest, manifests[want.Digest.String()], want.MediaType)
			}
		}
		if len(manifests) != 5 {
			t.Errorf("%s: manifests %v", name, manifests)
		}
	}
}

// TestBothRoles has a manifest that is also a layer of an artifact.
func TestBothRoles(t *testing.T) {
	t.Parallel()
	content := ocitest.New(2)
	image := content.Image(false, content.Layer(1000, ispec.MediaTypeImageLayerGzip))
	content.Blob([]byte("{}"), "application/vnd.oci.empty.v1+json")
	carrier := content.Blob(manifestWith(fmt.Sprintf(`,"layers":[{"mediaType":%q,"digest":%q,"size":%d}]`, image.MediaType, image.Digest, image.Size)), oci.MediaTypeManifest)
	root := content.Index(false, carrier, image)
	img := oci.Image{Origin: "additional", Source: oci.Ref{Registry: "example.com", Repository: "x", Tag: "1"}, Root: root}
	g, err := oci.ReadGraph(t.Context(), []oci.Image{img}, func(oci.Image) (oci.Source, error) { return content, nil }, 1)
	if err != nil {
		t.Fatal(err)
	}
	same := func(n oci.Node) bool { return n.Descriptor.Digest == image.Digest }
	if !slices.ContainsFunc(g.Manifests, same) || !slices.ContainsFunc(g.Blobs, same) || len(g.Manifests) != 3 {
		t.Errorf("manifests %+v, blobs %+v", g.Manifests, g.Blobs)
	}
}

// TestUnknownChild has an index name a manifest of a type that registries do not take: it is
// refused by name, and not carried as a blob that the mirror has under no manifest's address.
func TestUnknownChild(t *testing.T) {
	t.Parallel()
	content := ocitest.New(3)
	child := content.Blob([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.example.unknown+json","config":{}}`), "application/vnd.example.unknown+json")
	body := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, oci.MediaTypeIndex, child.MediaType, child.Digest, child.Size)
	root := content.Blob(body, oci.MediaTypeIndex)
	err := oci.Walk(t.Context(), content, root, func(oci.Descriptor, []byte) error { return nil })
	var refused *oci.UnsupportedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), child.Digest.String()) || !strings.Contains(err.Error(), `"application/vnd.example.unknown+json"`) {
		t.Errorf("got %v", err)
	}
}
