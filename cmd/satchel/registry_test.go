package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// shelf is a registry inside the test that gives made-up content, ranges
// included, in any repository.
type shelf struct {
	content *ocitest.Content
	mu      sync.Mutex
	tags    map[string]oci.Descriptor // by repository:tag
	ranges  []string                  // Range headers of blob requests, in order
	// spoil changes what a blob reads as, from the given offset on.
	spoil map[digest.Digest]func(off int64, r io.Reader) io.Reader
}

func newShelf(c *ocitest.Content) *shelf {
	return &shelf{content: c, tags: map[string]oci.Descriptor{}, spoil: map[digest.Digest]func(int64, io.Reader) io.Reader{}}
}

// listen serves the shelf until the test ends.
func (s *shelf) listen(t testing.TB) (host string) {
	srv := httptest.NewServer(s)
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return strings.TrimPrefix(srv.URL, "http://")
}

// slow serves the shelf through a proxy with a tap that holds blobs to a rate.
func (s *shelf) slow(t testing.TB, rate float64) (*registrytest.Proxy, *tap) {
	t.Helper()
	proxy := registrytest.StartProxy(t, s.listen(t))
	k := &tap{kind: "GET blob", rate: rate}
	k.through(proxy)
	return proxy, k
}

var shelfPath = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs)/([^/]+)$`)

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := shelfPath.FindStringSubmatch(r.URL.Path)
	if m == nil {
		if r.URL.Path != "/v2/" {
			http.NotFound(w, r)
		}
		return
	}
	s.mu.Lock()
	d, tagged := s.tags[m[1]+":"+m[3]]
	if m[2] == "blobs" && r.Method == http.MethodGet {
		s.ranges = append(s.ranges, r.Header.Get("Range"))
	}
	spoil := s.spoil[digest.Digest(m[3])]
	s.mu.Unlock()
	if !tagged {
		d.Digest = digest.Digest(m[3])
		for _, known := range s.content.All() {
			if known.Digest == d.Digest {
				d = known
			}
		}
	}
	body, err := s.content.Reader(d.Digest)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Docker-Content-Digest", d.Digest.String())
	w.Header().Set("Content-Type", d.MediaType)
	if spoil == nil {
		http.ServeContent(w, r, "", time.Time{}, body)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(d.Size, 10))
	if r.Method == http.MethodGet {
		_, _ = io.Copy(w, spoil(0, body)) // the client may go away
	}
}

// tag names content that was made before.
func (s *shelf) tag(ref string, root oci.Descriptor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tags[ref] = root
}

// lie spoils a blob, or with nil gives it as it is.
func (s *shelf) lie(d digest.Digest, spoil func(int64, io.Reader) io.Reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spoil[d] = spoil
}

func (s *shelf) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ranges)
}

// flipFrom gives r with every byte from offset at on changed.
func flipFrom(at int64) func(off int64, r io.Reader) io.Reader {
	return func(off int64, r io.Reader) io.Reader {
		head := io.LimitReader(r, at-off)
		return io.MultiReader(head, flipping{r})
	}
}

type flipping struct{ r io.Reader }

func (f flipping) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	for i := range p[:n] {
		p[i] ^= 0xff
	}
	return n, err
}

// tap counts the bytes of blobs that go through a proxy, holds them to a rate,
// and calls a function once at a mark.
type tap struct {
	kind     string  // of the requests whose bytes count: "GET blob" or "PUT upload"
	rate     float64 // bytes a second; 0 is no limit
	mu       sync.Mutex
	began    time.Time
	count    int64 // since the mark was set
	total    int64
	mark     int64
	requests int // that are left until the call; 0 is none
	call     func()
}

// through installs the tap in a proxy.
func (k *tap) through(p *registrytest.Proxy) {
	p.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		k.request()
		if kind := registrytest.Kind(r); kind == "PUT upload" || kind == "PATCH upload" {
			if k.kind == "PUT upload" {
				r.Body = &tapped{r.Body, k}
			}
		}
		return false
	}
	p.Alter = func(resp *http.Response) error {
		if registrytest.Kind(resp.Request) == k.kind {
			resp.Body = &tapped{resp.Body, k}
		}
		return nil
	}
	_ = p.Count("") // takes the proxy's lock, so that its requests see what was set
}

// at has call called once so many bytes, or requests, from now.
func (k *tap) at(bytes int64, requests int, call func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.count, k.began, k.mark, k.requests, k.call = 0, time.Now(), bytes, requests, call
}

func (k *tap) request() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.requests > 0 {
		if k.requests--; k.requests == 0 && k.call != nil {
			k.call()
			k.call = nil
		}
	}
}

func (k *tap) pass(n int) {
	k.mu.Lock()
	k.count += int64(n)
	k.total += int64(n)
	if k.mark > 0 && k.count >= k.mark && k.call != nil {
		k.call()
		k.call = nil
	}
	ahead := time.Duration(0)
	if k.rate > 0 {
		ahead = time.Duration(float64(k.count)/k.rate*float64(time.Second)) - time.Since(k.began)
	}
	k.mu.Unlock()
	if ahead > 0 {
		time.Sleep(ahead)
	}
}

func (k *tap) passed() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.total
}

type tapped struct {
	io.ReadCloser
	k *tap
}

func (b *tapped) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.k.pass(n)
	return n, err
}

// push puts an image into a registry and returns its reference.
func push(t testing.TB, c *ocitest.Content, root oci.Descriptor, host, repo, tag string) string {
	t.Helper()
	if err := ocitest.Push(t.Context(), c, root, "http://"+host, repo, tag); err != nil {
		t.Fatal(err)
	}
	return host + "/" + repo + ":" + tag
}

// retag moves a tag to an image whose content the registry has.
func retag(t testing.TB, host, repo, tag string, c *ocitest.Content, root oci.Descriptor) {
	t.Helper()
	body, err := c.Reader(root.Digest)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPut, "http://"+host+"/v2/"+repo+"/manifests/"+tag, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = root.Size
	req.Header.Set("Content-Type", root.MediaType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("move %s:%s: %s, %v", repo, tag, resp.Status, err)
	}
}

// newMirror is an empty registry inside the test that keeps what it gets in memory.
func newMirror(t testing.TB) (host string) {
	t.Helper()
	return inMemory(t)
}

// newSource runs a registry to pack from, where it does not matter of what kind it is.
func newSource(t testing.TB) (host string) {
	t.Helper()
	return inMemory(t)
}

func inMemory(t testing.TB) (host string) {
	t.Helper()
	store := olareg.New(config.Config{Storage: config.ConfigStorage{StoreType: config.StoreMem}, Log: slog.New(slog.DiscardHandler)})
	srv := httptest.NewServer(store)
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return strings.TrimPrefix(srv.URL, "http://")
}
