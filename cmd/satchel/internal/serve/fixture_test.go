package serve

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// host packs bundles without registries, and serves them.
type host struct {
	*ocitest.Content
	t       *testing.T
	dir     string
	ids     []bundle.Identity
	to      []bundle.Recipient
	log     *jobtest.Log
	stream  string
	bundles int
}

func newHost(t *testing.T, seed uint64) *host {
	t.Helper()
	h := &host{Content: ocitest.New(seed), t: t, dir: t.TempDir(), log: &jobtest.Log{}}
	identity, recipient, err := bundle.GenerateKey(false)
	if err == nil {
		h.to, err = bundle.ParseRecipients([]string{recipient}, nil, nil)
	}
	key := filepath.Join(h.dir, "key")
	if err = errors.Join(err, os.WriteFile(key, []byte(identity+"\n"), 0o600)); err == nil {
		h.ids, err = bundle.ReadIdentities([]string{key}, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// image is one under a name of the source and tags.
func image(root oci.Descriptor, repo string, tags ...string) oci.Image {
	ref := oci.Ref{Registry: "quay.io", Repository: repo, Digest: root.Digest}
	if len(tags) > 0 {
		ref = ref.WithTag(tags[0])
	}
	return oci.Image{Origin: manifests.OriginAdditional, Source: ref, Root: root, Tags: tags, Platforms: []string{"linux/amd64"}}
}

// attached is an image that belongs to another.
func attached(root, subject oci.Descriptor, repo string, tags ...string) oci.Image {
	img := image(root, repo, tags...)
	img.Subject = subject.Digest
	return img
}

// pack writes a bundle of images, without what the bundles in since have.
func (h *host) pack(name string, images []oci.Image, since ...*bundle.Reader) (dir string) {
	h.t.Helper()
	dir = filepath.Join(h.dir, name)
	inv := &oci.Inventory{Images: images}
	inv.Sort()
	job := bundle.Job{Config: digest.FromString(name), Recipients: h.to, SegmentSize: 1 << 20, Lanes: 2, Stream: h.stream}
	for _, r := range since {
		if job.Baseline == nil {
			job.Baseline = &bundle.Baseline{}
		}
		h.without(job.Baseline, r)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		h.t.Fatal(err)
	}
	w, err := bundle.Create(dir, filepath.Join(h.dir, "state"), job, inv)
	if err != nil {
		h.t.Fatal(err)
	}
	if h.stream != "" {
		h.bundles++
		err = w.SetNumber(bundle.Stream{Ledger: "0123456789abcdef0123456789abcdef", Name: h.stream}, h.bundles)
	}
	for _, img := range images {
		err = errors.Join(err, oci.WalkImage(h.t.Context(), h.Content, img, func(d oci.Descriptor, _ []byte) error {
			if _, _, left := job.Baseline.Find(d.Digest); left {
				return nil
			}
			return w.Put(h.t.Context(), d, h.Content)
		}))
	}
	_, sealErr := w.Seal(h.t.Context(), inv)
	if err := errors.Join(err, sealErr, w.Close()); err != nil {
		h.t.Fatal(err)
	}
	return dir
}

// without adds all that a bundle has to a baseline.
func (h *host) without(b *bundle.Baseline, r *bundle.Reader) {
	h.t.Helper()
	s := r.Stream()
	from := b.From(bundle.BaselineSource{Bundle: r.ID(), Fingerprint: string(r.Fingerprint()), Stream: &s, Sequence: r.Sequence()})
	for _, img := range r.Inventory().Images {
		err := oci.WalkImage(h.t.Context(), h.Content, img, func(d oci.Descriptor, _ []byte) error { return b.Add(d.Digest, img.MirrorPath(), from) })
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *host) reader(dir string) *bundle.Reader {
	h.t.Helper()
	r, err := bundle.Open(h.t.Context(), []string{dir}, bundle.Wanted{}, h.ids)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *host) options() Options {
	return Options{To: notice.To{Log: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}}
}

// serve serves bundles until the test ends.
func (h *host) serve(dirs ...string) *served {
	h.t.Helper()
	var list []*bundle.Reader
	for _, dir := range dirs {
		list = append(list, h.reader(dir))
	}
	return h.served(h.options(), list...)
}

func (h *host) served(o Options, list ...*bundle.Reader) *served {
	h.t.Helper()
	g, err := Open(h.t.Context(), list, o)
	if err != nil {
		h.t.Fatal(err)
	}
	s := &served{Registry: g, t: h.t, server: httptest.NewServer(g)}
	h.t.Cleanup(func() {
		s.server.Close()
		g.Close()
	})
	return s
}

// served is a registry and where it is.
type served struct {
	*Registry
	t      *testing.T
	server *httptest.Server
}

// got is an answer.
type got struct {
	*http.Response
	body []byte
	err  error // of reading the body
}

// ask sends a request with headers, NAME, VALUE, ...
func (s *served) ask(method, path string, header ...string) got {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	answer, err := s.server.Client().Do(r)
	if err != nil {
		return got{&http.Response{Header: http.Header{}}, nil, err}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return got{answer, body, err}
}

// bytes are those of some content.
func (h *host) bytes(d oci.Descriptor) []byte {
	h.t.Helper()
	r, err := h.Reader(d.Digest)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(r)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return body
}

// referrer is an artifact of a subject.
func (h *host) referrer(subject oci.Descriptor, artifactType string, annotations map[string]string) oci.Descriptor {
	h.t.Helper()
	var m ispec.Manifest
	err := json.Unmarshal(h.bytes(h.Artifact(artifactType)), &m)
	m.Subject, m.Annotations = &subject, annotations
	body, merr := json.Marshal(m)
	if err := errors.Join(err, merr); err != nil {
		h.t.Fatal(err)
	}
	return h.Blob(body, oci.MediaTypeManifest)
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("it never came that %s", what)
		}
	}
}
