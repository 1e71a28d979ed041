package asktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/oci"
)

// PutIndex stores an index of an image for each platform.
func (f *Images) PutIndex(note string, platforms ...string) oci.Descriptor {
	var children []string
	for _, p := range platforms {
		d := f.PutImage(p, note)
		goos, arch, _ := strings.Cut(p, "/")
		children = append(children, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"platform":{"os":%q,"architecture":%q}}`, d.MediaType, d.Digest, d.Size, goos, arch))
	}
	return f.PutBlob(oci.MediaTypeIndex, fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, oci.MediaTypeIndex, strings.Join(children, ",")))
}

// Head begins every configuration.
const Head = "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\n"

// Images is a registry in memory: content by digest, manifests by reference.
type Images struct {
	blobs map[digest.Digest][]byte
	Refs  map[string]oci.Descriptor
	// ParseOperators is what was worked out, by key.
	Parsed map[string][]byte
	// more is asked for what blobs has not.
	Also oci.Source

	mu            sync.Mutex
	Asked         []string
	Opened        []digest.Digest
	Running, Most int
	Published     map[string][]byte // by address
	Fetched       []string
	Stored        oci.Memory
	Notes         []string
	Unverified    []string      // notes that a release was not verified
	Gate          chan struct{} // when set, Resolve waits for it or for the end of ctx
}

func NewImages() *Images {
	return &Images{blobs: map[digest.Digest][]byte{}, Refs: map[string]oci.Descriptor{}, Parsed: map[string][]byte{}}
}

func (f *Images) PutBlob(mediaType, body string) oci.Descriptor {
	d := oci.Descriptor{MediaType: mediaType, Digest: oci.Digest([]byte(body)), Size: int64(len(body))}
	f.blobs[d.Digest] = []byte(body)
	return d
}

// PutImage stores an image for a platform, under a name that may be a tag's or a digest's.
func (f *Images) PutImage(osArch, note string) oci.Descriptor {
	goos, arch, _ := strings.Cut(osArch, "/")
	cfg := f.PutBlob("application/vnd.oci.image.config.v1+json", fmt.Sprintf(`{"os":%q,"architecture":%q,"note":%q}`, goos, arch, note))
	return f.PutBlob(oci.MediaTypeManifest, fmt.Sprintf(
		`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[]}`,
		oci.MediaTypeManifest, cfg.MediaType, cfg.Digest, cfg.Size))
}

func (f *Images) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	f.mu.Lock()
	f.Opened = append(f.Opened, d.Digest)
	f.mu.Unlock()
	b, ok := f.blobs[d.Digest]
	if !ok && f.Also != nil {
		return f.Also.Open(ctx, d, off)
	}
	if !ok {
		return nil, fmt.Errorf("blob %s is not here", d.Digest)
	}
	return io.NopCloser(strings.NewReader(string(b[off:]))), nil
}

func (f *Images) Resolve(ctx context.Context, ref oci.Ref) (oci.Descriptor, oci.Source, error) {
	f.mu.Lock()
	f.Asked = append(f.Asked, ref.String())
	f.Running++
	f.Most = max(f.Most, f.Running)
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.Running--; f.mu.Unlock() }()
	if f.Gate != nil {
		select {
		case <-f.Gate:
		case <-ctx.Done():
			return oci.Descriptor{}, nil, ctx.Err()
		}
	}
	d, ok := f.Refs[ref.String()]
	if !ok {
		return oci.Descriptor{}, nil, errors.New("manifest unknown")
	}
	return d, f, nil
}

// Fetch gives the files that the test has at an address.
func (f *Images) Fetch(_ context.Context, url string, limit int64) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Fetched = append(f.Fetched, url)
	body, ok := f.Published[url]
	if !ok {
		return nil, &ask.FetchError{URL: url, Status: 404}
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", url, limit)
	}
	return body, nil
}

// Put stores content in addition to what the images have.
func (f *Images) Put(mediaType string, body []byte) (oci.Descriptor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Stored.Add(mediaType, body), nil
}

// PutFrom keeps what fill writes.
func (f *Images) PutFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error) {
	var b bytes.Buffer
	if err := fill(&b); err != nil {
		return oci.Descriptor{}, err
	}
	return f.Put(mediaType, b.Bytes())
}

func (f *Images) Note(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasPrefix(text, "RELEASE NOT VERIFIED: ") {
		f.Unverified = append(f.Unverified, text)
		return
	}
	f.Notes = append(f.Notes, text)
}

func (f *Images) Derived(_ context.Context, key string, fill func(io.Writer) error) (io.ReadCloser, error) {
	f.mu.Lock()
	b, ok := f.Parsed[key]
	f.mu.Unlock()
	if !ok {
		var out bytes.Buffer
		if err := fill(&out); err != nil {
			return nil, err
		}
		f.mu.Lock()
		b, f.Parsed[key] = out.Bytes(), out.Bytes()
		f.mu.Unlock()
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func ParseImages(t *testing.T, images ...string) *imageset.Config {
	t.Helper()
	in := Head + "mirror:\n  additionalImages:\n"
	for _, name := range images {
		in += "  - name: " + name + "\n"
	}
	c, err := imageset.Parse("f.yaml", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
