package rebuild

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
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

// kept keeps what is made, in memory.
type kept struct{ oci.Memory }

func (k *kept) Put(mediaType string, body []byte) (oci.Descriptor, error) {
	return k.Add(mediaType, body), nil
}

func (k *kept) PutFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error) {
	var b bytes.Buffer
	if err := fill(&b); err != nil {
		return oci.Descriptor{}, err
	}
	return k.Put(mediaType, b.Bytes())
}

func (k *kept) read(t *testing.T, d oci.Descriptor, to any) []byte {
	t.Helper()
	body, err := oci.ReadBlob(t.Context(), k, d, 1<<30)
	if err == nil && to != nil {
		err = json.Unmarshal(body, to)
	}
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func topLayer(t *testing.T, k *kept) Layer {
	t.Helper()
	l, err := NewLayer(k, func(w *Tar) error {
		return errors.Join(w.Dir("configs", 0o755), w.Opaque("configs"),
			w.File("configs/a.json", 0o644, 2, strings.NewReader("{}")))
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLayer(t *testing.T) {
	t.Parallel()
	var k kept
	l := topLayer(t, &k)
	z, err := gzip.NewReader(bytes.NewReader(k.read(t, l.Blob, nil)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil || oci.Digest(raw) != l.DiffID {
		t.Fatalf("diff ID %s of %d bytes, %v", l.DiffID, len(raw), err)
	}
	var got []string
	for tr := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%c %s %o %d %d:%d %d %q%q", h.Typeflag, h.Name, h.Mode, h.Size, h.Uid, h.Gid, h.ModTime.Unix(), h.Uname, h.Gname))
	}
	want := []string{`5 configs/ 755 0 0:0 0 """"`, `0 configs/.wh..wh..opq 644 0 0:0 0 """"`, `0 configs/a.json 644 2 0:0 0 """"`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if again := topLayer(t, &kept{}); again.Blob.Digest != l.Blob.Digest || again.DiffID != l.DiffID {
		t.Errorf("made twice: %s and %s", l.Blob.Digest, again.Blob.Digest)
	}
}

// fullAtFirst is a store that has to ask again: its first directory has no room.
type fullAtFirst struct{ kept }

func (f *fullAtFirst) PutFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error) {
	if _, err := f.kept.PutFrom(mediaType, fill); err != nil {
		return oci.Descriptor{}, err
	}
	return f.kept.PutFrom(mediaType, fill)
}

func TestLayerAskedAgain(t *testing.T) {
	t.Parallel()
	fill := func(w *Tar) error { return w.File("a", 0o644, 2, strings.NewReader("{}")) }
	want, err := NewLayer(&kept{}, fill)
	got, aerr := NewLayer(&fullAtFirst{}, fill)
	if err := errors.Join(err, aerr); err != nil || got.DiffID != want.DiffID || got.Blob.Digest != want.Blob.Digest {
		t.Errorf("asked again: %+v, want %+v, %v", got, want, err)
	}
}

func TestLayerFails(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string]func(*Tar) error{
		"short": func(w *Tar) error { return w.File("a", 0o644, 3, strings.NewReader("ab")) },
		"long":  func(w *Tar) error { return w.File("a", 0o644, 1, strings.NewReader("ab")) },
		"own":   func(*Tar) error { return errors.New("no") },
	} {
		if l, err := NewLayer(&kept{}, fill); err == nil {
			t.Errorf("%s: made %v", name, l)
		}
	}
}

// start is an image of three layers, the second of which is left out, with a history
// and settings that are not known here.
func start(c *ocitest.Content, docker bool) (oci.Descriptor, []oci.Descriptor) {
	kind, configType, manifestType := ispec.MediaTypeImageLayerGzip, ispec.MediaTypeImageConfig, oci.MediaTypeManifest
	if docker {
		kind, configType, manifestType = mediaTypeDockerLayer, mediaTypeDockerConfig, oci.MediaTypeDockerManifest
	}
	var layers []oci.Descriptor
	var diffs, history []string
	for i := range 3 {
		layers = append(layers, c.Layer(1000+i, kind))
		diffs = append(diffs, fmt.Sprintf("%q", oci.Digest([]byte{byte(i)})))
		history = append(history, fmt.Sprintf(`{"created_by":"layer %d"}`, i))
	}
	history = slices.Insert(history, 2, `{"created_by":"ENV","empty_layer":true}`)
	config := c.Blob([]byte(`{"architecture":"amd64","os":"linux","created":"2020-01-01T00:00:00Z","os.version":"9",
		"config":{"Cmd":["serve","/configs"],"Entrypoint":["/bin/opm"],"Labels":{"a":"b"},"User":"1001","StopSignal":"SIGTERM"},
		"rootfs":{"type":"layers","diff_ids":[`+strings.Join(diffs, ",")+`]},"history":[`+strings.Join(history, ",")+`]}`), configType)
	body, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": manifestType, "config": config, "layers": layers})
	if err != nil {
		panic(err)
	}
	return c.Blob(body, manifestType), layers
}

func TestImage(t *testing.T) {
	t.Parallel()
	for _, docker := range []bool{false, true} {
		var k kept
		c := ocitest.New(1)
		image, layers := start(c, docker)
		recipe := Recipe{Layer: topLayer(t, &k), Drop: []bool{false, true, false}, Comment: "filtered",
			Edit: func(s *Settings) { s.Cmd = append(s.Cmd, "--more"); s.Labels["c"] = "d" }}
		d, err := Image(t.Context(), c, image, recipe, &k)
		if err != nil {
			t.Fatal(err)
		}
		if d.MediaType != image.MediaType {
			t.Errorf("made a %s", d.MediaType)
		}
		var m ispec.Manifest
		body := k.read(t, d, &m)
		if _, err := oci.Children(d, body); err != nil {
			t.Error(err)
		}
		if len(m.Layers) != 3 || m.Layers[0].Digest != layers[0].Digest || m.Layers[1].Digest != layers[2].Digest ||
			m.Layers[2].Digest != recipe.Layer.Blob.Digest || m.Layers[2].MediaType != layers[0].MediaType {
			t.Errorf("layers %v", m.Layers)
		}
		var cfg ispec.Image
		text := string(k.read(t, m.Config, &cfg))
		if want := []string{"serve", "/configs", "--more"}; !slices.Equal(cfg.Config.Cmd, want) || cfg.Config.User != "1001" ||
			cfg.Config.Labels["a"] != "b" || cfg.Config.Labels["c"] != "d" || !strings.Contains(text, `"os.version":"9"`) || cfg.Config.StopSignal != "SIGTERM" {
			t.Errorf("config %s", text)
		}
		if n := len(cfg.RootFS.DiffIDs); n != 3 || cfg.RootFS.DiffIDs[2] != recipe.Layer.DiffID || cfg.RootFS.DiffIDs[1] != oci.Digest([]byte{2}) {
			t.Errorf("diff IDs %v", cfg.RootFS.DiffIDs)
		}
		var history []string
		for _, h := range cfg.History {
			history = append(history, h.CreatedBy)
		}
		if want := []string{"layer 0", "ENV", "layer 2", "filtered"}; !slices.Equal(history, want) {
			t.Errorf("history %q", history)
		}
		again, err := Image(t.Context(), c, image, recipe, &kept{})
		if err != nil || again.Digest != d.Digest {
			t.Errorf("made twice: %s and %s, %v", d.Digest, again.Digest, err)
		}
	}
}

// TestImageRefused are images that do not fit together.
func TestImageRefused(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{
		"too few diff IDs":       `{"rootfs":{"type":"layers","diff_ids":[]}}`,
		"two configs":            `{"Config":{},"rootfs":{"type":"layers","diff_ids":["sha256:0"]}}`,
		"another Entrypoint":     `{"config":{"entrypoint":["/other"]},"rootfs":{"type":"layers","diff_ids":["sha256:0"]}}`,
		"a list":                 `[]`,
		"null":                   `null`,
		"labels that are a list": `{"config":{"Labels":[1]},"rootfs":{"type":"layers","diff_ids":["sha256:0"]}}`,
	} {
		c := ocitest.New(1)
		cfg := c.Blob([]byte(config), ispec.MediaTypeImageConfig)
		body, err := json.Marshal(map[string]any{"schemaVersion": 2, "config": cfg, "layers": []oci.Descriptor{c.Layer(10, ispec.MediaTypeImageLayer)}})
		if err != nil {
			t.Fatal(err)
		}
		var k kept
		_, err = Image(t.Context(), c, c.Blob(body, oci.MediaTypeManifest), Recipe{Layer: topLayer(t, &k)}, &k)
		var refused *oci.UnsupportedError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := ocitest.New(1)
	var k kept
	if _, err := Image(t.Context(), c, c.Artifact("application/x", c.Layer(10, "text/plain")), Recipe{}, &k); err == nil {
		t.Error("an artifact was taken for an image")
	}
}

// TestHistoryThatLies is abandoned, and none is begun: one entry would be for the lowest
// layer.
func TestHistoryThatLies(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 3} {
		c := ocitest.New(1)
		history, err := json.Marshal(make([]ispec.History, n))
		if err != nil {
			t.Fatal(err)
		}
		config := c.Blob([]byte(`{"rootfs":{"type":"layers","diff_ids":["sha256:0","sha256:1"]},"history":`+string(history)+`}`), ispec.MediaTypeImageConfig)
		list := []oci.Descriptor{c.Layer(10, ispec.MediaTypeImageLayer), c.Layer(11, ispec.MediaTypeImageLayer)}
		body, err := json.Marshal(map[string]any{"schemaVersion": 2, "config": config, "layers": list})
		if err != nil {
			t.Fatal(err)
		}
		var k kept
		d, err := Image(t.Context(), c, c.Blob(body, oci.MediaTypeManifest), Recipe{Layer: topLayer(t, &k), Comment: "x"}, &k)
		if err != nil {
			t.Fatal(err)
		}
		var m ispec.Manifest
		k.read(t, d, &m)
		if text := string(k.read(t, m.Config, nil)); strings.Contains(text, "history") {
			t.Errorf("%d entries for 2 layers became %s", n, text)
		}
	}
}

// TestIndexOddPlatforms leaves out what no inventory takes, and shows none of it.
func TestIndexOddPlatforms(t *testing.T) {
	t.Parallel()
	c := ocitest.New(1)
	layer := c.Layer(100, ispec.MediaTypeImageLayerGzip)
	archs := []string{"amd64", "arm 64", "", "\x1b[2J"}
	var list []oci.Descriptor
	for range archs {
		list = append(list, c.ImageFor("amd64", false, layer))
	}
	root := c.IndexFor(false, archs, list...)
	var k kept
	cook := func(context.Context, oci.Descriptor) (Recipe, error) { return Recipe{Layer: topLayer(t, &k)}, nil }
	made, platforms, err := Index(t.Context(), c, root, func(ispec.Platform) bool { return true }, cook, &k)
	if err != nil || !slices.Equal(platforms, []string{"linux/amd64"}) {
		t.Fatalf("platforms %q, %v", platforms, err)
	}
	var index ispec.Index
	if k.read(t, made, &index); len(index.Manifests) != 1 {
		t.Errorf("index %+v", index)
	}
	_, _, err = Index(t.Context(), c, root, func(ispec.Platform) bool { return false }, cook, &k)
	if err == nil || !strings.HasSuffix(err.Error(), "it has linux/amd64") {
		t.Errorf("nothing taken: %v", err)
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := ocitest.New(1)
	layer := func() oci.Descriptor { return c.Layer(100, ispec.MediaTypeImageLayerGzip) }
	var list []oci.Descriptor
	archs := []string{"amd64", "arm64", "s390x"}
	for _, arch := range archs {
		list = append(list, c.ImageFor(arch, false, layer()))
	}
	root := c.IndexFor(false, archs, list...)
	var k kept
	cook := func(_ context.Context, d oci.Descriptor) (Recipe, error) {
		return Recipe{Layer: topLayer(t, &k), Comment: "x"}, nil
	}
	take := func(p ispec.Platform) bool { return p.Architecture != "s390x" }
	made, platforms, err := Index(ctx, c, root, take, cook, &k)
	if err != nil || !slices.Equal(platforms, []string{"linux/amd64", "linux/arm64"}) {
		t.Fatalf("platforms %v, %v", platforms, err)
	}
	var index ispec.Index
	k.read(t, made, &index)
	if len(index.Manifests) != 2 || index.Manifests[1].Platform.Architecture != "arm64" || index.Manifests[0].Digest == list[0].Digest {
		t.Errorf("index %+v", index)
	}
	_, _, err = Index(ctx, c, root, func(ispec.Platform) bool { return false }, cook, &k)
	if err == nil || !strings.Contains(err.Error(), "linux/amd64, linux/arm64, linux/s390x") {
		t.Errorf("nothing taken: %v", err)
	}
	one, platforms, err := Index(ctx, c, list[1], take, cook, &k)
	if err != nil || oci.IsIndex(one.MediaType) || !slices.Equal(platforms, []string{"linux/arm64"}) {
		t.Errorf("of one image: %v, %v, %v", one, platforms, err)
	}
}
