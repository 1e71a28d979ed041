package ocitest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/satchel-airgap/satchel/oci"
)

// decompress turns a layer's bytes into its tar with decoders that are not ours.
func decompress(t *testing.T, mediaType string, r io.Reader) []byte {
	t.Helper()
	switch mediaType {
	case LayerGzip, LayerDocker:
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	case LayerZstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(128<<10))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		r = z
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t *testing.T, c *Content, d oci.Descriptor, off int64) []byte {
	t.Helper()
	rc, err := c.Open(t.Context(), d, off)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(rc)
	if err := errors.Join(err, rc.Close()); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLayersDecompress(t *testing.T) {
	c := New(1)
	for _, mediaType := range []string{LayerTar, LayerGzip, LayerDocker, LayerZstd} {
		for _, size := range []int{0, 2 << 10, 65535, 65536, 128 << 10, 1<<20 + 1, 3 << 20} {
			d := c.Layer(size, mediaType)
			if slack := int64(4096 + size/5000); d.Size > int64(size)+slack || d.Size < int64(size)-slack {
				t.Errorf("%s of %d bytes asked for: has %d", mediaType, size, d.Size)
			}
			body := open(t, c, d, 0)
			if oci.Digest(body) != d.Digest || int64(len(body)) != d.Size {
				t.Fatalf("%s of %d bytes: digest or size is wrong", mediaType, size)
			}
			raw := decompress(t, mediaType, bytes.NewReader(body))
			if oci.Digest(raw) != c.diffs[d.Digest] {
				t.Errorf("%s of %d bytes: diff ID is wrong", mediaType, size)
			}
			tr := tar.NewReader(bytes.NewReader(raw))
			hdr, err := tr.Next()
			if err != nil {
				t.Fatal(err)
			}
			file, err := io.ReadAll(tr)
			if err != nil || int64(len(file)) != hdr.Size {
				t.Errorf("%s of %d bytes: file of %d bytes, want %d; %v", mediaType, size, len(file), hdr.Size, err)
			}
			if _, err := tr.Next(); err != io.EOF {
				t.Errorf("%s of %d bytes: tar does not end: %v", mediaType, size, err)
			}
		}
	}
}

func TestOpenFromAnyOffset(t *testing.T) {
	c := New(2)
	rnd := rand.New(rand.NewPCG(2, 2))
	for _, mediaType := range []string{LayerTar, LayerGzip, LayerZstd, "application/octet-stream"} {
		d := c.Layer(400<<10, mediaType)
		whole := open(t, c, d, 0)
		for range 50 {
			off := rnd.Int64N(d.Size + 1)
			if got := open(t, c, d, off); !bytes.Equal(got, whole[off:]) {
				t.Fatalf("%s from offset %d: other bytes than in the whole", mediaType, off)
			}
		}
	}
}

func TestIncompressible(t *testing.T) {
	c := New(3)
	d := c.Layer(1<<20, LayerGzip)
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(open(t, c, d, 0)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if int64(out.Len()) < d.Size*99/100 {
		t.Errorf("gzip shrinks %d bytes to %d", d.Size, out.Len())
	}
}

// TestHuge shows that a layer beyond tar's plain size field has a valid tar in
// it, and that its end can be read without its beginning.
func TestHuge(t *testing.T) {
	raw := tarball(newRandom(4, 4), 4, 9<<30)
	hdr, err := tar.NewReader(io.NewSectionReader(raw, 0, raw.size())).Next()
	if err != nil || hdr.Size != 9<<30-layerOverhead {
		t.Errorf("header %+v, %v", hdr, err)
	}
	framed := zstandard(raw)
	end := make([]byte, 1024)
	if n, err := framed.ReadAt(end, framed.size()-1024); n != 1024 || err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("read the end: %d, %v", n, err)
	}
	if !bytes.Equal(end, make([]byte, 1024)) {
		t.Error("the tar does not end in two empty blocks")
	}
}

func TestDeterministic(t *testing.T) {
	a, b, other := New(5), New(5), New(6)
	kinds, again, different := a.Kinds(), b.Kinds(), other.Kinds()
	if len(kinds) != 8 {
		t.Errorf("%d kinds", len(kinds))
	}
	for name, d := range kinds {
		if again[name].Digest != d.Digest {
			t.Errorf("%s: another digest from the same seed", name)
		}
		if different[name].Digest == d.Digest {
			t.Errorf("%s: the same digest from another seed", name)
		}
	}
	if x, y := a.Layer(5000, LayerGzip), a.Layer(5000, LayerGzip); x.Digest == y.Digest {
		t.Error("two layers of one content are the same")
	}
}

func TestKindsAreWhole(t *testing.T) {
	c := New(7)
	reached := map[string]bool{}
	for name, root := range c.Kinds() {
		err := oci.Walk(t.Context(), c, root, func(d oci.Descriptor, body []byte) error {
			reached[d.Digest.String()] = true
			if d.MediaType == ispec.MediaTypeImageConfig || d.MediaType == mediaTypeDockerConfig {
				return nil
			}
			if !oci.IsIndex(d.MediaType) && oci.IsManifest(d.MediaType) {
				checkDiffIDs(t, c, name, body)
			}
			_, err := io.Copy(io.Discard, bytes.NewReader(open(t, c, d, 0)))
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var size int64
	for _, d := range c.All() {
		size += d.Size
		if !reached[d.Digest.String()] {
			t.Errorf("no image reaches %s %s", d.MediaType, d.Digest)
		}
	}
	if len(reached) != len(c.All()) || size != c.Size() {
		t.Errorf("images reach %d items, All has %d; Size is %d, their sum %d", len(reached), len(c.All()), c.Size(), size)
	}
}

func checkDiffIDs(t *testing.T, c *Content, name string, body []byte) {
	t.Helper()
	var m manifest
	var config ispec.Image
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	if m.ArtifactType != "" {
		return
	}
	if err := json.Unmarshal(open(t, c, *m.Config, 0), &config); err != nil {
		t.Fatal(err)
	}
	if len(config.RootFS.DiffIDs) != len(m.Layers) || config.OS != "linux" {
		t.Fatalf("%s: %d diff IDs for %d layers, os %q", name, len(config.RootFS.DiffIDs), len(m.Layers), config.OS)
	}
	for i, l := range m.Layers {
		raw := decompress(t, l.MediaType, bytes.NewReader(open(t, c, l, 0)))
		if got := oci.Digest(raw); got != config.RootFS.DiffIDs[i] {
			t.Errorf("%s: layer %d has the diff ID %s, its config says %s", name, i, got, config.RootFS.DiffIDs[i])
		}
	}
}

func TestIndexPlatforms(t *testing.T) {
	c := New(8)
	kinds := c.Kinds()
	got, err := oci.Platforms(t.Context(), c, kinds["index"])
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"linux/amd64", "linux/arm64", "linux/ppc64le", "linux/s390x"}
	if len(got) != len(want) {
		t.Fatalf("platforms %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("platform %d is %s, want %s", i, got[i], want[i])
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	c := New(9)
	d := c.Blob([]byte("four"), "text/plain")
	missing := oci.Descriptor{Digest: oci.Digest([]byte("missing")), Size: 7}
	if _, err := c.Open(t.Context(), missing, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing content: %v", err)
	}
	for _, off := range []int64{-1, 5} {
		if _, err := c.Open(t.Context(), d, off); err == nil {
			t.Errorf("offset %d is accepted", off)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Open(ctx, d, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
