package layers

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// flip changes one byte of a stream.
type flip struct {
	r  io.Reader
	at int
}

func (f *flip) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if f.at >= 0 && f.at < n {
		p[f.at] ^= 1
	}
	f.at -= n
	return n, err
}

// TestWalkDamage spoils a layer in transit: the digest error goes first, whatever
// the damaged bytes looked like and whatever visit said.
func TestWalkDamage(t *testing.T) {
	c := ocitest.New(1)
	d, layers := image(t, c, ocitest.LayerGzip, []string{"c/x=" + strings.Repeat("body", 1000), "c/y=1"})
	cut := func(r io.Reader) io.Reader { return io.LimitReader(r, layers[0].Size-20) }
	tests := map[string]func(io.Reader) io.Reader{
		"truncated":  cut,
		"longer":     func(r io.Reader) io.Reader { return io.MultiReader(r, strings.NewReader("x")) },
		"first byte": func(r io.Reader) io.Reader { return &flip{r, 0} },
		"in between": func(r io.Reader) io.Reader { return &flip{r, 60} },
		"checksum":   func(r io.Reader) io.Reader { return &flip{r, int(layers[0].Size) - 6} },
		"last byte":  func(r io.Reader) io.Reader { return &flip{r, int(layers[0].Size) - 1} },
		"empty":      func(io.Reader) io.Reader { return strings.NewReader("") },
	}
	visits := map[string]func(string, int64, io.Reader) error{
		"reads": func(_ string, _ int64, r io.Reader) error { _, err := io.Copy(io.Discard, r); return err },
		"stops": func(string, int64, io.Reader) error { return Stop },
		"fails": func(string, int64, io.Reader) error { return errors.New("made nothing of it") },
	}
	for name, spoil := range tests {
		for how, visit := range visits {
			src := &counting{Source: c, spoil: map[digestOf]func(io.Reader) io.Reader{layers[0].Digest: spoil}}
			err := Walk(t.Context(), src, d, "c", visit)
			var de *oci.DigestError
			if !errors.As(err, &de) || de.Want.Digest != layers[0].Digest {
				t.Errorf("%s, visit %s: got %v", name, how, err)
			}
		}
	}
	if err := Walk(t.Context(), c, d, "c", visits["fails"]); err == nil || !strings.Contains(err.Error(), "made nothing of it") {
		t.Errorf("an error of visit became %v", err)
	}
}

// TestWalkOtherCompression reads layers whose bytes say more than their media type, as
// whoever unpacks them does.
func TestWalkOtherCompression(t *testing.T) {
	c := ocitest.New(1)
	plain, err := c.Files(ocitest.LayerTar, files("c/x=1")...)
	if err != nil {
		t.Fatal(err)
	}
	body := bytesOf(t, c, plain)
	zip := compress(t, body, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	std := compress(t, body, func(w io.Writer) io.WriteCloser { return encoder(t, w, zstd.WithWindowSize(1<<20)) })
	for _, mediaType := range []string{ocitest.LayerTar, ocitest.LayerGzip, ocitest.LayerZstd, ocitest.LayerDocker} {
		for name, b := range map[string][]byte{"tar": body, "gzip": zip, "zstd": std} {
			c := ocitest.New(1)
			if got, err := walked(t.Context(), c, c.Image(false, c.Blob(b, mediaType)), "c"); err != nil || got != "c/x=1" {
				t.Errorf("%s as %s: %s, %v", name, mediaType, got, err)
			}
		}
	}
}

// TestWalkNotAsNamed has layers whose digest is right and whose bytes are damaged, or of
// a media type that is not known.
func TestWalkNotAsNamed(t *testing.T) {
	c := ocitest.New(1)
	plain, err := c.Files(ocitest.LayerTar, files("c/x=1", "c/y="+strings.Repeat("y", 4000))...)
	if err != nil {
		t.Fatal(err)
	}
	body := bytesOf(t, c, plain)
	zip := compress(t, body, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	broken := bytes.Clone(zip)
	broken[20] ^= 0xff
	far := compress(t, body, func(w io.Writer) io.WriteCloser { return encoder(t, w, zstd.WithWindowSize(32<<20)) })
	near := compress(t, body, func(w io.Writer) io.WriteCloser { return encoder(t, w, zstd.WithWindowSize(16<<20)) })
	tests := []struct {
		name, mediaType string
		body            []byte
		want            string
	}{
		{"no tar", ocitest.LayerTar, bytes.Repeat([]byte("no"), 1024), "it is not a valid tar: archive/tar: invalid tar header"},
		{"short tar", ocitest.LayerTar, body[:len(body)-3000], `it is not a valid tar: in "c/y": unexpected EOF`},
		{"short gzip", ocitest.LayerGzip, zip[:len(zip)/2], "it is not a valid compressed stream: unexpected EOF"},
		{"broken gzip", ocitest.LayerGzip, broken, "it is not a valid compressed stream: flate: corrupt input before offset 24"},
		{"broken zstd", ocitest.LayerZstd, near[:len(near)/2], "it is not a valid compressed stream: unexpected EOF"},
		{"zstd window", ocitest.LayerZstd, far, "its zstd window is above the 16 MiB that are decompressed"},
		{"unknown", "application/vnd.example.layer", body, `its media type "application/vnd.example.layer" is not one of a tar`},
		{"encrypted", ocitest.LayerGzip + "+encrypted", zip, `its media type "application/vnd.oci.image.layer.v1.tar+gzip+encrypted" is not one of a tar`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			c := ocitest.New(1)
			layer := c.Blob(tc.body, tc.mediaType)
			_, err := walked(t.Context(), c, c.Image(false, layer), "c")
			var ue *oci.UnsupportedError
			if want := "layer " + layer.Digest.String() + ": " + tc.want; !errors.As(err, &ue) || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestWalkForeign(t *testing.T) {
	const mediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
	c := ocitest.New(1)
	made, err := c.Files(ocitest.LayerGzip, files("c/x=1")...)
	if err != nil {
		t.Fatal(err)
	}
	made.MediaType = mediaType
	if got, err := walked(t.Context(), c, c.Image(true, made), "c"); got != "c/x=1" || err != nil {
		t.Errorf("one that is there: %s, %v", got, err)
	}
	gone := oci.Descriptor{MediaType: mediaType, Digest: oci.Digest([]byte("gone")), Size: 4}
	_, err = walked(t.Context(), c, c.Image(true, gone), "c")
	var ue *oci.UnsupportedError
	if want := "layer " + gone.Digest.String() + ": it is a foreign layer, which its registry may not have: "; !errors.As(err, &ue) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	gone.MediaType = ocitest.LayerGzip
	if _, err = walked(t.Context(), c, c.Image(true, gone), "c"); err == nil || errors.As(err, &ue) {
		t.Errorf("a layer that cannot be opened: got %v", err)
	}
}

// TestWalkBomb has a file of 1 GiB of zeros.
func TestWalkBomb(t *testing.T) {
	const size, piece = 1 << 30, 32 << 20
	for mediaType, wrap := range map[string]func(io.Writer) io.WriteCloser{
		ocitest.LayerGzip: func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		ocitest.LayerZstd: func(w io.Writer) io.WriteCloser { return encoder(t, w, zstd.WithWindowSize(maxWindow)) },
	} {
		c := ocitest.New(1)
		head, err := c.Files(ocitest.LayerTar, files("c/bomb=")...)
		if err != nil {
			t.Fatal(err)
		}
		header := bytesOf(t, c, head)[:512]
		copy(header[124:], "10000000000\x00") // 1 GiB in octal
		checksum(header)
		// Streams of both kinds may be put one after the other.
		zeros := compress(t, make([]byte, piece), wrap)
		d := c.Image(false, c.Blob(append(compress(t, header, wrap), bytes.Repeat(zeros, size/piece)...), mediaType))
		before := heap()
		var read, most int64
		err = Walk(t.Context(), c, d, "c", func(_ string, _ int64, r io.Reader) error {
			for {
				n, err := io.CopyN(io.Discard, r, size/4)
				read += n
				most = max(most, heap()-before)
				if err != nil {
					//lint:ignore nilerr the size shows whether it was the end
					return nil
				}
			}
		})
		if err != nil || read != size {
			t.Errorf("%s: read %d bytes, %v", mediaType, read, err)
		}
		if most > 32<<20 {
			t.Errorf("%s: %d MiB of memory", mediaType, most>>20)
		}
	}
}

// heap is the memory in use, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestContentIsBounded has a budget of less than the layer decompresses to.
func TestContentIsBounded(t *testing.T) {
	c := ocitest.New(1)
	layer, err := c.Files(ocitest.LayerGzip, files("c/x="+strings.Repeat("x", 100000))...)
	if err != nil {
		t.Fatal(err)
	}
	w := &walk{src: c, visit: func(string, int64, io.Reader) error { return nil }, known: newKnown("c"), left: 50000}
	err = w.layer(t.Context(), layer)
	if want := "layer " + layer.Digest.String() + ": the image has more than 32 GiB when decompressed"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestStop ends the walk in the middle layer, which is still verified.
func TestStop(t *testing.T) {
	c := ocitest.New(1)
	d, layers := image(t, c, ocitest.LayerGzip, []string{"c/a=1"}, []string{"c/b=1", "c/d=1", "c/e->x"}, []string{"c/z=1"})
	src := &counting{Source: c}
	var seen []string
	err := Walk(t.Context(), src, d, "c", func(name string, _ int64, _ io.Reader) error {
		if seen = append(seen, name); name == "c/b" {
			return Stop
		}
		return nil
	})
	if err != nil || strings.Join(seen, " ") != "c/z c/b" || src.layersRead(layers) != "2 1" {
		t.Errorf("saw %q in layers %s, %v", seen, src.layersRead(layers), err)
	}
}

func TestWalkCancelled(t *testing.T) {
	c := ocitest.New(1)
	d, _ := image(t, c, ocitest.LayerGzip, []string{"c/a=" + strings.Repeat("x", 1<<20), "c/b=1"})
	ctx, cancel := context.WithCancel(t.Context())
	err := Walk(ctx, c, d, "c", func(string, int64, io.Reader) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPick(t *testing.T) {
	c := ocitest.New(1)
	layer := c.Layer(4096, ocitest.LayerGzip)
	amd, arm, ppc := c.ImageFor("amd64", true, layer), c.ImageFor("arm64", true, layer), c.ImageFor("ppc64le", true, layer)
	note := c.Artifact("application/vnd.example")
	windows := c.Blob([]byte(strings.ReplaceAll(string(bytesOf(t, c, c.IndexFor(false, []string{"amd64"}, amd))), `"os":"linux"`, `"os":"windows"`)), oci.MediaTypeIndex)
	deep := amd
	for range maxDepth + 2 {
		deep = c.Index(false, deep)
	}
	tests := []struct {
		name string
		root oci.Descriptor
		want oci.Descriptor
		err  string
	}{
		{"image", arm, arm, ""},
		{"list", c.IndexFor(true, []string{"arm64", "amd64"}, arm, amd), amd, ""},
		{"no amd64", c.IndexFor(false, []string{"ppc64le", "arm64"}, ppc, arm), ppc, ""},
		{"nested", c.Index(false, c.IndexFor(false, []string{"arm64"}, arm), c.IndexFor(false, []string{"s390x", "amd64"}, ppc, amd)), amd, ""},
		{"not for linux", windows, oci.Descriptor{}, "it names no image for linux"},
		{"empty", c.Index(false), oci.Descriptor{}, "it names no image for linux"},
		{"artifact first", c.Index(false, c.Index(false), note, amd), note, ""}, // Index says linux/amd64 of it
		{"too deep", deep, oci.Descriptor{}, "too many indexes are nested in each other"},
	}
	for _, tc := range tests {
		got, err := Pick(t.Context(), c, tc.root)
		var ue *oci.UnsupportedError
		if tc.err != "" {
			if !errors.As(err, &ue) || ue.Why != tc.err {
				t.Errorf("%s: got %v", tc.name, err)
			}
			continue
		}
		if err != nil || got.Digest != tc.want.Digest || got.MediaType != tc.want.MediaType || got.Size != tc.want.Size || got.Platform != nil {
			t.Errorf("%s: got %+v, %v", tc.name, got, err)
		}
	}
}

// TestPickOnly takes images of chosen platforms alone.
func TestPickOnly(t *testing.T) {
	c := ocitest.New(1)
	layer := c.Layer(4096, ocitest.LayerGzip)
	amd, arm, ppc := c.ImageFor("amd64", true, layer), c.ImageFor("arm64", true, layer), c.ImageFor("ppc64le", true, layer)
	list := c.IndexFor(false, []string{"ppc64le", "arm64", "amd64"}, ppc, arm, amd)
	windows := c.Blob([]byte(strings.ReplaceAll(string(bytesOf(t, c, c.IndexFor(false, []string{"amd64"}, amd))), `"os":"linux"`, `"os":"windows"`)), oci.MediaTypeIndex)
	mixed := c.Index(false, windows, c.IndexFor(false, []string{"arm64"}, arm))
	for _, tc := range []struct {
		root oci.Descriptor
		only string
		want oci.Descriptor
		err  string
	}{
		{list, "linux/arm64", arm, ""},
		{list, "linux/arm64 linux/ppc64le", ppc, ""},
		{list, "linux/amd64 linux/ppc64le", amd, ""},
		{mixed, "linux/arm64 windows/amd64", arm, ""},
		{mixed, "windows/amd64", amd, ""},
		{mixed, "linux/amd64", oci.Descriptor{}, "it names no image for linux/amd64"},
		{arm, "linux/amd64", arm, ""},
	} {
		got, err := Pick(t.Context(), c, tc.root, strings.Fields(tc.only)...)
		var ue *oci.UnsupportedError
		if tc.err != "" && (!errors.As(err, &ue) || ue.Why != tc.err) || tc.err == "" && (err != nil || got.Digest != tc.want.Digest) {
			t.Errorf("%s: got %v, %v", tc.only, got.Digest, err)
		}
	}
}

func TestConfig(t *testing.T) {
	c := ocitest.New(1)
	d := c.Labelled("arm64", true, map[string]string{"a": "b"}, c.Layer(4096, ocitest.LayerGzip))
	img, err := Config(t.Context(), c, d)
	if err != nil || img.Architecture != "arm64" || img.OS != "linux" || img.Config.Labels["a"] != "b" {
		t.Errorf("got %+v, %v", img, err)
	}
	bad := c.Blob([]byte("{"), "application/vnd.oci.image.config.v1+json")
	m, err := json.Marshal(map[string]any{"schemaVersion": 2, "config": bad, "layers": []string{}})
	if err != nil {
		t.Fatal(err)
	}
	artifact := c.Artifact("application/vnd.example")
	for _, tc := range []struct {
		d    oci.Descriptor
		want string
	}{
		{c.Blob(m, oci.MediaTypeManifest), "image config " + bad.Digest.String() + ": it is not valid JSON: unexpected end of JSON input"},
		{artifact, "manifest " + artifact.Digest.String() + `: its config is a "application/vnd.oci.empty.v1+json", not that of an image`},
		{c.Index(false, d), "manifest " + c.Index(false, d).Digest.String() + ": it is an index, not an image"},
	} {
		_, err := Config(t.Context(), c, tc.d)
		var ue *oci.UnsupportedError
		if !errors.As(err, &ue) || err.Error() != tc.want {
			t.Errorf("got  %v\nwant %s", err, tc.want)
		}
	}
}
