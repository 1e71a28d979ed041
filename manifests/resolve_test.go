package manifests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// fakeImages is a registry in memory: content by digest, manifests by reference.
const head = "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\n"

type fakeImages struct {
	blobs map[digest.Digest][]byte
	refs  map[string]oci.Descriptor
	// parsed is what was worked out, by key.
	parsed map[string][]byte
	// more is asked for what blobs has not.
	more oci.Source

	mu            sync.Mutex
	asked         []string
	opened        []digest.Digest
	running, most int
	files         map[string][]byte // by address
	fetched       []string
	kept          oci.Memory
	notes         []string
	unverified    []string      // notes that a release was not verified
	gate          chan struct{} // when set, Resolve waits for it or for the end of ctx
}

func newFakeImages() *fakeImages {
	return &fakeImages{blobs: map[digest.Digest][]byte{}, refs: map[string]oci.Descriptor{}, parsed: map[string][]byte{}}
}

func (f *fakeImages) put(mediaType, body string) oci.Descriptor {
	d := oci.Descriptor{MediaType: mediaType, Digest: oci.Digest([]byte(body)), Size: int64(len(body))}
	f.blobs[d.Digest] = []byte(body)
	return d
}

// image stores an image for a platform, under a name that may be a tag's or a digest's.
func (f *fakeImages) image(osArch, note string) oci.Descriptor {
	goos, arch, _ := strings.Cut(osArch, "/")
	cfg := f.put("application/vnd.oci.image.config.v1+json", fmt.Sprintf(`{"os":%q,"architecture":%q,"note":%q}`, goos, arch, note))
	return f.put(oci.MediaTypeManifest, fmt.Sprintf(
		`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[]}`,
		oci.MediaTypeManifest, cfg.MediaType, cfg.Digest, cfg.Size))
}

func (f *fakeImages) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	f.mu.Lock()
	f.opened = append(f.opened, d.Digest)
	f.mu.Unlock()
	b, ok := f.blobs[d.Digest]
	if !ok && f.more != nil {
		return f.more.Open(ctx, d, off)
	}
	if !ok {
		return nil, fmt.Errorf("blob %s is not here", d.Digest)
	}
	return io.NopCloser(strings.NewReader(string(b[off:]))), nil
}

func (f *fakeImages) Resolve(ctx context.Context, ref oci.Ref) (oci.Descriptor, oci.Source, error) {
	f.mu.Lock()
	f.asked = append(f.asked, ref.String())
	f.running++
	f.most = max(f.most, f.running)
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.running--; f.mu.Unlock() }()
	if f.gate != nil {
		select {
		case <-f.gate:
		case <-ctx.Done():
			return oci.Descriptor{}, nil, ctx.Err()
		}
	}
	d, ok := f.refs[ref.String()]
	if !ok {
		return oci.Descriptor{}, nil, errors.New("manifest unknown")
	}
	return d, f, nil
}

// Fetch gives the files that the test has at an address.
func (f *fakeImages) Fetch(_ context.Context, url string, limit int64) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fetched = append(f.fetched, url)
	body, ok := f.files[url]
	if !ok {
		return nil, &FetchError{URL: url, Status: 404}
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", url, limit)
	}
	return body, nil
}

// Put stores content beside what the images have.
func (f *fakeImages) Put(mediaType string, body []byte) (oci.Descriptor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.kept.Add(mediaType, body), nil
}

// PutFrom keeps what fill writes.
func (f *fakeImages) PutFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error) {
	var b bytes.Buffer
	if err := fill(&b); err != nil {
		return oci.Descriptor{}, err
	}
	return f.Put(mediaType, b.Bytes())
}

func (f *fakeImages) Note(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasPrefix(text, "RELEASE NOT VERIFIED: ") {
		f.unverified = append(f.unverified, text)
		return
	}
	f.notes = append(f.notes, text)
}

func (f *fakeImages) Derived(_ context.Context, key string, fill func(io.Writer) error) (io.ReadCloser, error) {
	f.mu.Lock()
	b, ok := f.parsed[key]
	f.mu.Unlock()
	if !ok {
		var out bytes.Buffer
		if err := fill(&out); err != nil {
			return nil, err
		}
		f.mu.Lock()
		b, f.parsed[key] = out.Bytes(), out.Bytes()
		f.mu.Unlock()
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func config(t *testing.T, images ...string) *Config {
	t.Helper()
	in := head + "mirror:\n  additionalImages:\n"
	for _, name := range images {
		in += "  - name: " + name + "\n"
	}
	c, err := Parse("f.yaml", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestResolve(t *testing.T) {
	f := newFakeImages()
	amd, arm := f.image("linux/amd64", "a"), f.image("linux/arm64", "b")
	index := f.put(oci.MediaTypeIndex, fmt.Sprintf(
		`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d,"platform":{"os":"linux","architecture":"arm64"}},{"mediaType":%q,"digest":%q,"size":%d,"platform":{"os":"linux","architecture":"amd64"}}]}`,
		oci.MediaTypeIndex, arm.MediaType, arm.Digest, arm.Size, amd.MediaType, amd.Digest, amd.Size))
	moved := amd
	moved.Annotations = map[string]string{"of": "the registry"}
	f.refs["z.io/multi:v1"] = index
	f.refs["a.io/one:v1"] = moved
	f.refs["a.io/one@"+amd.Digest.String()] = amd
	f.refs["a.io/two@"+arm.Digest.String()] = arm

	both := "a.io/two:v2@" + arm.Digest.String()
	bare := "a.io/one@" + amd.Digest.String()
	inv, err := Resolve(t.Context(), config(t, "z.io/multi:v1", both, "a.io/one:v1", bare, "a.io/one:v1"), f)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		source, tags, platforms string
		root                    digest.Digest
	}{
		{"a.io/one:v1", "v1", "linux/amd64", amd.Digest},
		{bare, "", "linux/amd64", amd.Digest},
		{both, "v2", "linux/arm64", arm.Digest},
		{"z.io/multi:v1", "v1", "linux/amd64 linux/arm64", index.Digest},
	}
	if len(inv.Images) != len(want) {
		t.Fatalf("got %d images: %+v", len(inv.Images), inv.Images)
	}
	for i, w := range want {
		img := inv.Images[i]
		if img.Source.String() != w.source || strings.Join(img.Tags, " ") != w.tags || strings.Join(img.Platforms, " ") != w.platforms ||
			img.Root.Digest != w.root || img.Root.Annotations != nil || img.Origin != origin.Additional || !slices.Equal(oci.Words(img.Reasons), []string{"additionalImages"}) {
			t.Errorf("image %d: got %+v, want %+v", i, img, w)
		}
	}
	if err := inv.Validate(); err != nil {
		t.Error(err)
	}
	slices.Sort(f.asked)
	asked := []string{"a.io/one:v1", bare, "a.io/two@" + arm.Digest.String(), "z.io/multi:v1"}
	if !slices.Equal(f.asked, asked) {
		t.Errorf("asked for %q, want %q", f.asked, asked)
	}
}

func TestResolveReportsAll(t *testing.T) {
	f := newFakeImages()
	amd, arm := f.image("linux/amd64", "a"), f.image("linux/arm64", "b")
	f.refs["a.io/good:v1"] = amd
	f.refs["a.io/lies@"+amd.Digest.String()] = arm
	f.refs["a.io/old:v1"] = oci.Descriptor{MediaType: "application/vnd.docker.distribution.manifest.v1+json", Digest: amd.Digest, Size: 2}
	f.refs["a.io/gone:v1"] = oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest([]byte("gone")), Size: 4}
	lies := "a.io/lies@" + amd.Digest.String()
	_, err := Resolve(t.Context(), config(t, "z.io/none:v1", "a.io/old:v1", lies, "a.io/good:v1", "a.io/gone:v1", "a.io/none:v1"), f)
	want := "image a.io/gone:v1: blob " + oci.Digest([]byte("gone")).String() + " is not here\n" +
		"image " + lies + ": pinned to another digest, " + arm.Digest.String() + "\n" +
		"image a.io/none:v1: manifest unknown\n" +
		"image a.io/old:v1: manifest " + amd.Digest.String() + ": it is a Docker schema 1 manifest, which no current registry stores unchanged; rebuild or re-push the image\n" +
		"image z.io/none:v1: manifest unknown"
	if errorText(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	var ue *oci.UnsupportedError
	if !errors.As(err, &ue) {
		t.Error("the causes are lost")
	}
}

func TestResolveParallel(t *testing.T) {
	f := newFakeImages()
	f.gate = make(chan struct{})
	d := f.image("linux/amd64", "a")
	var names []string
	for i := range 3 * parallelImages {
		names = append(names, fmt.Sprintf("a.io/b:v%d", i))
		f.refs[names[i]] = d
	}
	go func() {
		for range names {
			f.gate <- struct{}{}
		}
	}()
	inv, err := Resolve(t.Context(), config(t, names...), f)
	if err != nil || len(inv.Images) != len(names) {
		t.Fatalf("got %v, %v", inv, err)
	}
	if f.most < 2 || f.most > parallelImages {
		t.Errorf("%d at a time", f.most)
	}
}

func TestResolveCancelled(t *testing.T) {
	f := newFakeImages()
	f.gate = make(chan struct{})
	var names []string
	for i := range 10 * parallelImages {
		names = append(names, fmt.Sprintf("a.io/b:v%d", i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		f.gate <- struct{}{} // one at least has been asked for
		cancel()
	}()
	_, err := Resolve(ctx, config(t, names...), f)
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "a.io") {
		t.Errorf("got %v", err)
	}
	if len(f.asked) > 2*parallelImages || f.running != 0 {
		t.Errorf("asked for %d images, %d still running", len(f.asked), f.running)
	}
}

func TestResolveNothing(t *testing.T) {
	for in, want := range map[string]string{
		head + "mirror: {}\n":                      "f.yaml:3:9: there is nothing to carry: none of mirror.platform.release, mirror.platform.channels, mirror.platform.graph, mirror.operators, mirror.additionalImages and mirror.helm names an image",
		head + "mirror:\n  samples: [{name: a}]\n": "f.yaml:4:3: mirror.samples: oc-mirror reads it and carries nothing for it; name the images under mirror.additionalImages",
	} {
		c, err := Parse("f.yaml", []byte(in))
		if err != nil {
			t.Fatal(err)
		}
		f := newFakeImages()
		_, err = Resolve(t.Context(), c, f)
		var ce *ConfigError
		if !errors.As(err, &ce) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if len(f.asked) != 0 {
			t.Errorf("asked for %q", f.asked)
		}
	}
}
