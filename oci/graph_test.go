package oci_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

// TestGraphDrop: without one image the graph has what the others reach, under their new
// numbers, and a layer that only the dropped image named as ordinary is foreign again.
func TestGraphDrop(t *testing.T) {
	t.Parallel()
	content := map[digest.Digest][]byte{}
	src := oci.SourceFunc(func(_ context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		if body, ok := content[d.Digest]; ok {
			return io.NopCloser(bytes.NewReader(body[off:])), nil
		}
		return nil, fs.ErrNotExist
	})
	const foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar"
	layer := func(mediaType, body string) oci.Descriptor {
		return oci.Descriptor{MediaType: mediaType, Digest: oci.Digest([]byte(body)), Size: int64(len(body))}
	}
	image := func(tag string, layers ...oci.Descriptor) oci.Image {
		m := ispec.Manifest{MediaType: oci.MediaTypeManifest, Config: layer(ispec.MediaTypeEmptyJSON, "config of "+tag), Layers: layers}
		m.SchemaVersion = 2
		body, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		root := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest(body), Size: int64(len(body))}
		content[root.Digest] = body
		return oci.Image{Origin: "additional", Source: oci.Ref{Registry: "q.example", Repository: "a", Tag: tag}, Root: root}
	}
	images := []oci.Image{
		image("one", layer(ispec.MediaTypeImageLayer, "shared"), layer(ispec.MediaTypeImageLayer, "only one")),
		image("two", layer(foreign, "shared")),
	}
	g, err := oci.ReadGraph(t.Context(), images, func(oci.Image) (oci.Source, error) { return src, nil }, 2)
	if err != nil || len(g.Manifests) != 2 || len(g.Blobs) != 4 {
		t.Fatalf("%+v, %v", g, err)
	}
	left := g.Drop(func(img oci.Image) bool { return img.Source.Tag == "one" })
	if len(left.Images) != 1 || len(left.Manifests) != 1 || len(left.Blobs) != 2 || len(g.Images) != 2 || len(g.Blobs) != 4 {
		t.Fatalf("left %+v of %+v", left, g)
	}
	for _, n := range left.Blobs {
		if of := left.Of(n); len(of) != 1 || of[0].Source.Tag != "two" {
			t.Errorf("%s is of %v", n.Descriptor.Digest, of)
		}
		if n.Descriptor.Digest == oci.Digest([]byte("shared")) && n.Descriptor.MediaType != foreign {
			t.Errorf("the shared layer is %s", n.Descriptor.MediaType)
		}
	}
}

// TestGraphShared: a root that many images have is read once, and what they reach in all has a limit.
func TestGraphShared(t *testing.T) {
	t.Parallel()
	m := ispec.Manifest{MediaType: oci.MediaTypeManifest, Config: oci.Descriptor{MediaType: ispec.MediaTypeEmptyJSON, Digest: oci.Digest(nil)}}
	m.SchemaVersion = 2
	for i := range 20000 {
		m.Layers = append(m.Layers, oci.Descriptor{MediaType: ispec.MediaTypeImageLayer, Digest: digest.NewDigestFromEncoded(digest.SHA256, fmt.Sprintf("%064x", i)), Size: 1})
	}
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	root := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest(body), Size: int64(len(body))}
	var opened atomic.Int32
	src := oci.SourceFunc(func(_ context.Context, _ oci.Descriptor, off int64) (io.ReadCloser, error) {
		opened.Add(1)
		return io.NopCloser(bytes.NewReader(body[off:])), nil
	})
	for names, reached := range map[int]bool{100: true, 3000: false} {
		images := make([]oci.Image, names)
		for i := range images {
			images[i] = oci.Image{Origin: "additional", Source: oci.Ref{Registry: "q.example", Repository: "a", Tag: fmt.Sprint(i)}, Root: root}
		}
		opened.Store(0)
		g, err := oci.ReadGraph(t.Context(), images, func(oci.Image) (oci.Source, error) { return src, nil }, 4)
		var limit *oci.LimitError
		switch {
		case opened.Load() != 1:
			t.Errorf("%d names: the manifest is read %d times", names, opened.Load())
		case reached && (err != nil || len(g.Blobs) != 20001 || len(g.Blobs[7].Images) != names || g.Blobs[7].Images[names-1] != names-1):
			t.Errorf("%d names: %v", names, err)
		case !reached && (g != nil || !errors.As(err, &limit)):
			t.Errorf("%d names: %v", names, err)
		}
	}
}
