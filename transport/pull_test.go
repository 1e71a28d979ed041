package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

func TestReadsAreTriedAgain(t *testing.T) {
	for _, c := range []struct {
		status, times, tries int
		done                 bool
	}{{503, 2, 3, true}, {500, 3, 5, true}, {500, 99, 8, false}, {429, 1, 2, true}, {404, 1, 1, false}, {403, 1, 1, false}} {
		tries := 0
		host := fake(t, func(w http.ResponseWriter, r *http.Request) {
			if registrytest.Kind(r) == "GET base" {
				return
			}
			if tries++; tries <= c.times {
				w.WriteHeader(c.status)
				io.WriteString(w, `{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}`)
				return
			}
			io.WriteString(w, "hello")
		})
		r, err := insecure(t).Repository(oci.Ref{Registry: host, Repository: "a"})
		if err != nil {
			t.Fatal(err)
		}
		d := oci.Descriptor{Digest: oci.Digest([]byte("hello")), Size: 5}
		got, err := readFrom(t, r, d, 0)
		if (err == nil) != c.done || tries != c.tries || c.done && string(got) != "hello" {
			t.Errorf("%d, %d times: %d tries, %q, %v", c.status, c.times, tries, got, err)
		}
		want := fmt.Sprintf("pull %s/a@%s: the registry answered %d blob unknown to registry", host, d.Digest, c.status)
		if c.status == http.StatusForbidden {
			want += "; no credentials are configured for it"
		}
		if !c.done && (err == nil || err.Error() != want) {
			t.Errorf("error %q, want %q", err, want)
		}
	}
}

func TestUnreachableHost(t *testing.T) {
	c := insecure(t)
	c.retry.Times = 1
	r, err := c.Repository(oci.Ref{Registry: "127.0.0.1:1", Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Has(t.Context(), oci.Descriptor{Digest: oci.Digest(nil)})
	var refused *RegistryError
	if !errors.As(err, &refused) || refused.Status != 0 || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("error %v", err)
	}
}

// TestRangeAnswers has a registry answer a GET from an offset in every wrong way.
func TestRangeAnswers(t *testing.T) {
	whole := bytes.Repeat([]byte("0123456789"), 100)
	d := oci.Descriptor{Digest: oci.Digest(whole), Size: int64(len(whole))}
	for name, c := range map[string]struct {
		status int
		header string
		body   []byte
		ok     bool
	}{
		"right":            {206, "bytes 400-999/1000", whole[400:], true},
		"unknown total":    {206, "bytes 400-999/*", whole[400:], true},
		"range ignored":    {200, "", whole, true},
		"earlier start":    {206, "bytes 300-999/1000", whole[300:], true},
		"later start":      {206, "bytes 500-999/1000", whole[500:], false},
		"other total":      {206, "bytes 400-999/2000", whole[400:], false},
		"not to the end":   {206, "bytes 400-899/1000", whole[400:900], false},
		"no range":         {206, "", whole[400:], false},
		"other unit":       {206, "lines 400-999/1000", whole[400:], false},
		"ignored, shorter": {200, "", whole[:500], false},
		"refused":          {416, "", nil, false},
		"empty":            {204, "", nil, false},
	} {
		host := fake(t, func(w http.ResponseWriter, r *http.Request) {
			if registrytest.Kind(r) == "GET base" {
				return
			}
			if got := r.Header.Get("Range"); got != "" && got != "bytes=400-" && got != "bytes=400-999" && got != "bytes=900-" && got != "bytes=900-999" {
				t.Errorf("%s: Range %q", name, got)
			}
			if c.header != "" {
				w.Header().Set("Content-Range", c.header)
			}
			w.WriteHeader(c.status)
			w.Write(c.body)
		})
		r, err := insecure(t).Repository(oci.Ref{Registry: host, Repository: "a"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := readFrom(t, r, d, 400)
		var refused *RegistryError
		if c.ok && (err != nil || !bytes.Equal(got, whole[400:])) || !c.ok && !errors.As(err, &refused) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestBrokenReadNamesTheBlob(t *testing.T) {
	proxy, c := proxied(t)
	content, d := oneBlob(proxy.Host, 1<<20)
	if err := mirrorAt(c, proxy.Host, 1).Blobs(t.Context(), content, slices.Values([]Delivery{d})); err != nil {
		t.Fatal(err)
	}
	r, err := c.Repository(d.Repos[0])
	if err != nil {
		t.Fatal(err)
	}
	var fixed atomic.Bool
	var gets atomic.Int32
	proxy.Break = func(kind string) (int64, bool) {
		if kind != "GET blob" || fixed.Load() {
			return 0, false
		}
		return int64(max(0, 2-gets.Add(1))) * (300 << 10), true // the first brings something
	}
	got, err := readFrom(t, r, d.Blob, 0)
	var refused *RegistryError
	if !errors.As(err, &refused) || refused.Ref != r.name(d.Blob) || refused.Trouble() != TroubleLost || !strings.Contains(err.Error(), "broke") {
		t.Errorf("error %v", err)
	}
	if n := proxy.Count("GET blob"); n < 3 || n > 1+3*3 { // a break may come before the answer or after, and take the first bytes along
		t.Errorf("%d requests, want three that brought nothing, and the one that may have", n)
	}
	fixed.Store(true)
	rest, err := readFrom(t, r, d.Blob, int64(len(got)))
	if err != nil || oci.Digest(append(got, rest...)) != d.Blob.Digest {
		t.Errorf("%d bytes before the break, %d after: %v", len(got), len(rest), err)
	}
}

// manifestRegistry answers HEAD and GET of any manifest.
func manifestRegistry(t *testing.T, mediaType, named string, body []byte, head bool) string {
	return fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && !head {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		w.Header()["Content-Type"] = []string{mediaType}
		if mediaType == "" {
			w.Header()["Content-Type"] = nil
		}
		if named != "" {
			w.Header().Set(headerDigest, named)
		}
		w.Write(body)
	})
}

func TestResolveAnswers(t *testing.T) {
	body := []byte(`{"schemaVersion":2}`)
	good, other := oci.Digest(body), oci.Digest([]byte("x"))
	for name, c := range map[string]struct {
		mediaType, named string
		body             []byte
		head             bool
		pin              bool
	}{
		"no digest given": {oci.MediaTypeManifest, "", body, true, false},
		"no HEAD":         {oci.MediaTypeIndex, good.String(), body, false, false},
		"parameters":      {oci.MediaTypeManifest + "; charset=utf-8", "", body, true, false},
		"wrong digest named, pinned, HEAD lies, GET is right": {oci.MediaTypeManifest, other.String(), body, true, true},
	} {
		host := manifestRegistry(t, c.mediaType, c.named, c.body, c.head)
		ref := oci.Ref{Registry: host, Repository: "a", Tag: "1"}
		if c.pin {
			ref.Digest = good
		}
		d, _, err := insecure(t).Resolve(t.Context(), ref)
		if err != nil || d.Digest != good || d.Size != int64(len(body)) || !strings.HasPrefix(c.mediaType, d.MediaType) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

func TestResolveRefuses(t *testing.T) {
	body := []byte(`{"schemaVersion":2}`)
	for name, c := range map[string]struct {
		mediaType, named string
		body             []byte
		head             bool
		want             string
	}{
		"schema 1":      {"application/vnd.docker.distribution.manifest.v1+prettyjws", oci.Digest(body).String(), body, true, "schema 1"},
		"sha512":        {oci.MediaTypeManifest, "sha512:" + strings.Repeat("ab", 64), body, true, "only sha256"},
		"sha512, GET":   {oci.MediaTypeManifest, "sha512:" + strings.Repeat("ab", 64), body, false, "only sha256"},
		"no manifest":   {"application/vnd.example", "", body, true, `"application/vnd.example"`},
		"no media type": {"", "", body, true, `""`},
		"large":         {oci.MediaTypeManifest, oci.Digest(body).String(), make([]byte, oci.MaxManifestSize+1), true, "4194304"},
		"large, GET":    {oci.MediaTypeManifest, "", make([]byte, oci.MaxManifestSize+1), false, "4194304"},
	} {
		host := manifestRegistry(t, c.mediaType, c.named, c.body, c.head)
		ref := oci.Ref{Registry: host, Repository: "a", Tag: "1"}
		_, _, err := insecure(t).Resolve(t.Context(), ref)
		var refused *oci.UnsupportedError
		if !errors.As(err, &refused) || refused.What != "image "+ref.String() || !strings.Contains(refused.Why, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	pinned := oci.Ref{Registry: manifestRegistry(t, oci.MediaTypeManifest, "", body, true), Repository: "a", Digest: oci.Digest([]byte("x"))}
	_, _, err := insecure(t).Resolve(t.Context(), pinned)
	var wrong *oci.DigestError
	if !errors.As(err, &wrong) || wrong.Got != oci.Digest(body) {
		t.Errorf("other bytes than pinned: %v", err)
	}
	pinned.Registry = manifestRegistry(t, oci.MediaTypeManifest, "", make([]byte, oci.MaxManifestSize+1), false)
	var refused *oci.UnsupportedError
	if _, _, err := insecure(t).Resolve(t.Context(), pinned); !errors.As(err, &refused) {
		t.Errorf("pinned and too large: %v", err)
	}
	if _, _, err := insecure(t).Resolve(t.Context(), pinned.Repo()); err == nil {
		t.Error("a reference with neither tag nor digest resolves")
	}
}

func TestResolveOfNothing(t *testing.T) {
	proxy, c := proxied(t)
	ref := oci.Ref{Registry: proxy.Host, Repository: "no/such", Tag: "1"}
	_, _, err := c.Resolve(t.Context(), ref)
	want := "pull " + ref.String() + ": the registry answered 404 manifest unknown"
	var refused *RegistryError
	if !errors.As(err, &refused) || refused.Status != 404 || refused.Code != "MANIFEST_UNKNOWN" || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                      "plain",
		"two\nlines\tand\x1b[31mred": "two lines and [31mred",
		"bad \xff utf-8":             "bad ? utf-8",
		"see https://user:geheim@h.example:1/p?q=geheim#geheim, then http://x/?geheim": "see https://h.example:1/p then http://x/",
		"https://%zz?geheim":     "(a URL)",
		strings.Repeat("é", 400): strings.Repeat("é", 300),
	} {
		if got := reply.OneLine(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

// An error page without end is not read to its end.
func TestLongErrorPage(t *testing.T) {
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if registrytest.Kind(r) == "GET base" {
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusForbidden)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("no ", 1000)); err != nil {
				return
			}
		}
	})
	r, err := insecure(t).Repository(oci.Ref{Registry: host, Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Open(t.Context(), oci.Descriptor{Digest: oci.Digest(nil), Size: 1}, 0)
	var refused *RegistryError
	if !errors.As(err, &refused) || refused.Status != 403 || len(refused.Message) > 300 || !strings.HasPrefix(refused.Message, "no no") {
		t.Errorf("error %v", err)
	}
}

func TestManifestsComeWhole(t *testing.T) {
	body := []byte(`{"schemaVersion":2}`)
	d := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest(body), Size: int64(len(body))}
	host := manifestRegistry(t, oci.MediaTypeManifest, "", body, true)
	r, err := insecure(t).Repository(oci.Ref{Registry: host, Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readFrom(t, r, d, 0); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := r.Open(t.Context(), d, 1); !errors.Is(err, oci.ErrNoOffset) {
		t.Errorf("a manifest from its second byte: %v", err)
	}
	d.MediaType = oci.MediaTypeIndex // the digest decides, not what the registry says of the type
	if got, err := readFrom(t, r, d, 0); err != nil || !bytes.Equal(got, body) {
		t.Errorf("by another media type: %q, %v", got, err)
	}
}

// Content must come as it is stored, so it is asked for like that.
func TestRequestHeaders(t *testing.T) {
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if a := r.Header.Get("Accept-Encoding"); a != "identity" || r.UserAgent() != "satchel/test" {
			t.Errorf("%s: Accept-Encoding %q, User-Agent %q", registrytest.Kind(r), a, r.UserAgent())
		}
		if registrytest.Kind(r) == "GET blob" {
			io.WriteString(w, "hello")
		}
	})
	r, err := insecure(t).Repository(oci.Ref{Registry: host, Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	d := oci.Descriptor{Digest: oci.Digest([]byte("hello")), Size: 5}
	if got, err := readFrom(t, oci.Verified(r), d, 0); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	d.Size = 6
	var wrong *oci.DigestError
	if _, err := r.Open(t.Context(), d, 0); !errors.As(err, &wrong) {
		t.Errorf("another size than its descriptor's: %v", err)
	}
}
