package transport

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// altered alters the bytes of one blob.
func altered(src oci.Source, which oci.Descriptor, wrap func(io.Reader) io.Reader) oci.Source {
	return oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		rc, err := src.Open(ctx, d, off)
		if err != nil || d.Digest != which.Digest {
			return rc, err
		}
		return struct {
			io.Reader
			io.Closer
		}{wrap(rc), rc}, nil
	})
}

// flipLast flips a bit of the last byte.
type flipLast struct {
	r    io.Reader
	left int64
}

func (f *flipLast) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if f.left -= int64(n); f.left == 0 && n > 0 {
		p[n-1] ^= 1
	}
	return n, err
}

func TestWrongBytesAreNeverCommitted(t *testing.T) {
	proxy, c := proxied(t)
	content := ocitest.New(4)
	bad := content.Layer(2<<20, ocitest.LayerGzip)
	empty := content.Blob(nil, "application/octet-stream")
	inv := images(map[string]oci.Descriptor{"a": content.Image(false, bad)})
	repo := oci.Ref{Registry: proxy.Host, Repository: "mirror/team/a"}
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"flipped":   func(r io.Reader) io.Reader { return &flipLast{r, bad.Size} },
		"truncated": func(r io.Reader) io.Reader { return io.LimitReader(r, bad.Size-1) },
		"longer":    func(r io.Reader) io.Reader { return io.MultiReader(r, strings.NewReader("x")) },
	} {
		proxy.Reset()
		err := fill(t.Context(), mirrorAt(c, proxy.Host, 1), altered(content, bad, wrap), inv)
		var wrong *oci.DigestError
		if !errors.As(err, &wrong) || wrong.Want.Digest != bad.Digest {
			t.Errorf("%s: error %v", name, err)
		}
		if err != nil && (!strings.Contains(err.Error(), bad.Digest.String()) || !strings.Contains(err.Error(), repo.Name())) {
			t.Errorf("%s: the error does not name blob and repository: %v", name, err)
		}
		if has(t, c, repo, bad) {
			t.Errorf("%s: the mirror holds it", name)
		}
		if n := proxy.Count("PUT manifest"); n != 0 {
			t.Errorf("%s: %d manifests were pushed", name, n)
		}
		if n := proxy.Count("DELETE upload"); n != 1 {
			t.Errorf("%s: %d sessions were cancelled, want 1; requests %v", name, n, proxy.Counts())
		}
	}

	// The empty blob has no last byte to hold back.
	d := Delivery{Blob: empty, Repos: []oci.Ref{repo}}
	long := altered(content, empty, func(io.Reader) io.Reader { return strings.NewReader("x") })
	var wrong *oci.DigestError
	if err := mirrorAt(c, proxy.Host, 1).Blobs(t.Context(), long, slices.Values([]Delivery{d})); !errors.As(err, &wrong) {
		t.Errorf("one byte for an empty blob: %v", err)
	}
	if err := mirrorAt(c, proxy.Host, 1).Blobs(t.Context(), content, slices.Values([]Delivery{d})); err != nil || !has(t, c, repo, empty) {
		t.Errorf("an empty blob: %v", err)
	}
}

type damage struct{ segment string }

func (d *damage) Error() string { return "segment " + d.segment + " is damaged" }

type failAfter struct {
	r    io.Reader
	left int
}

func (f *failAfter) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, &damage{"s-00-00007.age"}
	}
	n, err := f.r.Read(p[:min(len(p), f.left)])
	f.left -= n
	return n, err
}

// A source error that looks like a network's is still the source's.
func TestSourceErrorPassesThrough(t *testing.T) {
	proxy, c := proxied(t)
	content, d := oneBlob(proxy.Host, 1<<20)
	m := mirrorAt(c, proxy.Host, 1)
	src := altered(content, d.Blob, func(r io.Reader) io.Reader { return &failAfter{r, 700 << 10} })
	err := m.Blobs(t.Context(), src, slices.Values([]Delivery{d}))
	var mine *damage
	var theirs *RegistryError
	if !errors.As(err, &mine) || errors.As(err, &theirs) {
		t.Errorf("error %v", err)
	}
	refusing := oci.SourceFunc(func(context.Context, oci.Descriptor, int64) (io.ReadCloser, error) {
		return nil, &damage{"s-00-00001.age"}
	})
	if err := m.Blobs(t.Context(), refusing, slices.Values([]Delivery{d})); !errors.As(err, &mine) || mine.segment != "s-00-00001.age" {
		t.Errorf("error of Open: %v", err)
	}
	if n := proxy.Count("POST upload"); n != 2 {
		t.Errorf("%d uploads were begun, want one for each source", n)
	}
	if n := proxy.Count("DELETE upload"); n != 2 {
		t.Errorf("%d uploads were cancelled, want 2", n)
	}
}

func TestBrokenUploadStartsAgain(t *testing.T) {
	proxy, c := proxied(t)
	content, d := oneBlob(proxy.Host, 2<<20)
	m := mirrorAt(c, proxy.Host, 1)
	proxy.Drop("PUT upload", 700<<10, 2)
	if err := m.Blobs(t.Context(), content, slices.Values([]Delivery{d})); err != nil {
		t.Fatal(err)
	}
	if n := proxy.Count("PUT upload"); n != 3 || !has(t, c, d.Repos[0], d.Blob) {
		t.Errorf("%d uploads, want the third to be whole", n)
	}
	proxy.Reset()
	proxy.Drop("PUT upload", 10, 3)
	d.Repos[0].Repository = "mirror/other"
	err := m.Blobs(t.Context(), content, slices.Values([]Delivery{d}))
	var refused *RegistryError
	if !errors.As(err, &refused) || refused.Status != 0 || proxy.Count("PUT upload") != 3 {
		t.Errorf("after %d tries: %v", proxy.Count("PUT upload"), err)
	}
}

func TestUploadAnswers(t *testing.T) {
	for _, c := range []struct {
		status, times, tries int
		done                 bool
	}{
		{500, 1, 2, true}, {503, 2, 3, true}, {502, 3, 3, false}, {429, 1, 2, true}, {408, 1, 2, true},
		{400, 1, 1, false}, {403, 1, 1, false}, {413, 1, 1, false}, {401, 1, 1, false},
	} {
		proxy, client := proxied(t)
		var refusals atomic.Int32
		proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if registrytest.Kind(r) != "PUT upload" || int(refusals.Add(1)) > c.times {
				return false
			}
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(c.status)
			io.WriteString(w, `{"errors":[{"code":"DENIED","message":"not today"}]}`)
			return true
		}
		content, d := oneBlob(proxy.Host, 100<<10)
		err := mirrorAt(client, proxy.Host, 1).Blobs(t.Context(), content, slices.Values([]Delivery{d}))
		if (err == nil) != c.done || proxy.Count("PUT upload") != c.tries {
			t.Errorf("%d, %d times: %d tries, %v", c.status, c.times, proxy.Count("PUT upload"), err)
		}
		var refused *RegistryError
		if err != nil && (!errors.As(err, &refused) || refused.Status != c.status || refused.Code != "DENIED" || refused.Message != "not today") {
			t.Errorf("%d: error %+v", c.status, err)
		}
		if err != nil && proxy.Count("DELETE upload") != c.tries {
			t.Errorf("%d: %d sessions cancelled, want %d", c.status, proxy.Count("DELETE upload"), c.tries)
		}
	}
}

// A token that runs out between POST and PUT is fetched again.
func TestExpiredLoginStartsAgain(t *testing.T) {
	reg := registrytest.StartAuth(t, "user", "secret")
	proxy := registrytest.StartProxy(t, reg.Host)
	var once atomic.Bool
	proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if registrytest.Kind(r) != "PUT upload" || once.Swap(true) {
			return false
		}
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	content, d := oneBlob(proxy.Host, 100<<10)
	c := quick(t, Config{Authfile: authfile(t, map[string]string{proxy.Host: "user:secret"})})
	if err := mirrorAt(c, proxy.Host, 1).Blobs(t.Context(), content, slices.Values([]Delivery{d})); err != nil {
		t.Fatal(err)
	}
	if !has(t, c, d.Repos[0], d.Blob) || proxy.Count("PUT upload") != 2 {
		t.Errorf("requests %v", proxy.Counts())
	}
}

func TestLocationElsewhereIsRefused(t *testing.T) {
	var reached atomic.Int32
	elsewhere := fake(t, func(w http.ResponseWriter, r *http.Request) { reached.Add(1) })
	var location string
	begin := func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			reached.Add(1)
		}
		w.Header().Set("Location", location)
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusAccepted)
		}
	}
	tlsServer := httptest.NewTLSServer(http.HandlerFunc(begin))
	t.Cleanup(tlsServer.Close)
	secure := strings.TrimPrefix(tlsServer.URL, "https://")
	plain := fake(t, begin)
	for _, c := range []struct{ host, location, want string }{
		{plain, "http://" + elsewhere + "/v2/x?token=geheim", "another host, " + elsewhere},
		{plain, "//user:geheim@upload.example/v2/x", "another host, upload.example"},
		{secure, "http://" + secure + "/v2/x?token=geheim", "by http on " + secure},
		{plain, "ftp://" + plain + "/v2/x", "by ftp on " + plain},
		{plain, "", "gave no location"},
	} {
		location = c.location
		content, d := oneBlob(c.host, 10<<10)
		err := mirrorAt(insecure(t), c.host, 1).Blobs(t.Context(), content, slices.Values([]Delivery{d}))
		var refused *RegistryError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("location %q: error %v, want %q", c.location, err, c.want)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d requests followed a location that is refused", n)
	}
}

func TestRelativeLocation(t *testing.T) {
	proxy, c := proxied(t)
	proxy.Alter = func(resp *http.Response) error {
		if to, err := resp.Location(); err == nil {
			resp.Header.Set("Location", to.RequestURI())
		}
		return nil
	}
	content, d := oneBlob(proxy.Host, 10<<10)
	if err := mirrorAt(c, proxy.Host, 1).Blobs(t.Context(), content, slices.Values([]Delivery{d})); err != nil || !has(t, c, d.Repos[0], d.Blob) {
		t.Error(err)
	}
}

func TestStoredDigestMustMatch(t *testing.T) {
	proxy, c := proxied(t)
	content := ocitest.New(5)
	inv := images(map[string]oci.Descriptor{"a": content.Image(false, content.Layer(10<<10, ocitest.LayerGzip))})
	proxy.Alter = func(resp *http.Response) error {
		if registrytest.Kind(resp.Request) == "PUT manifest" {
			resp.Header.Set("Docker-Content-Digest", oci.Digest([]byte("other")).String())
		}
		return nil
	}
	err := fill(t.Context(), mirrorAt(c, proxy.Host, 1), content, inv)
	var changed *ManifestError
	if !errors.As(err, &changed) || changed.Got != oci.Digest([]byte("other")) || !strings.Contains(err.Error(), "changed this manifest: it has "+changed.Got.String()) {
		t.Errorf("error %v", err)
	}
}

// A manifest with a subject joins the subject's fallback index where the
// registry has no referrers API.
func TestSubjectIsIndexed(t *testing.T) {
	proxy, c := proxied(t)
	content := ocitest.New(6)
	subject := content.Image(false, content.Layer(10<<10, ocitest.LayerGzip))
	empty := content.Blob([]byte("{}"), "application/vnd.oci.empty.v1+json")
	var signatures []oci.Descriptor
	for _, note := range []string{"one", "two"} {
		body := `{"schemaVersion":2,"mediaType":"` + oci.MediaTypeManifest + `","artifactType":"application/vnd.example.sig","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"` +
			empty.Digest.String() + `","size":2},"layers":[],"annotations":{"note":"` + note + `"},"subject":{"mediaType":"` + oci.MediaTypeManifest + `","digest":"` + subject.Digest.String() + `","size":1}}`
		signatures = append(signatures, content.Blob([]byte(body), oci.MediaTypeManifest))
	}
	inv := &oci.Inventory{}
	for i, d := range append(signatures, subject) {
		src := oci.Ref{Registry: "registry.example", Repository: "team/a", Tag: "t" + string(rune('0'+i))}
		inv.Images = append(inv.Images, oci.Image{Source: src, Root: d})
	}
	mustFill(t, mirrorAt(c, proxy.Host, 3), content, inv)
	ref := oci.Ref{Registry: proxy.Host, Repository: "mirror/team/a", Tag: "sha256-" + subject.Digest.Encoded()}
	d, src, err := c.Resolve(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	body, err := oci.ReadManifest(t.Context(), src, d)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range signatures {
		if !strings.Contains(string(body), s.Digest.String()) {
			t.Errorf("%s is not in the subject's index %s", s.Digest, body)
		}
	}
}

// A location may name the same place in other words, or by a better scheme.
func TestLocationsAccepted(t *testing.T) {
	for _, c := range []struct{ host, asked, location string }{
		{"h.example", "https", "https://h.example:443/x?_state=1"},
		{"h.example:443", "https", "https://h.example/x"},
		{"h.example:5000", "http", "https://H.example:5000/x"},
		{"h.example", "http", "http://h.example:80/x"},
		{"h.example", "https", "/x"},
		{"h.example", "https", "https://user:geheim@h.example/x"},
	} {
		r, err := insecure(t).Repository(oci.Ref{Registry: c.host, Repository: "a"})
		if err != nil {
			t.Fatal(err)
		}
		req := httptest.NewRequest(http.MethodPost, c.asked+"://"+c.host+"/v2/a/blobs/uploads/", nil)
		resp := &http.Response{Request: req, Body: http.NoBody, Header: http.Header{"Location": {c.location}}}
		if s, err := r.session(resp); err != nil || s.location.Path != "/x" || s.location.User != nil {
			t.Errorf("%s on %s: %v", c.location, c.host, err)
		}
	}
}

// TestHTTP2 uploads through TLS and HTTP/2, whose bodies end in other ways.
func TestHTTP2(t *testing.T) {
	reg := registrytest.Start(t)
	var old atomic.Int32
	behind := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: reg.Host})
			r.SetXForwarded()
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			old.Add(1)
		}
		behind.ServeHTTP(w, r)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	host := strings.TrimPrefix(srv.URL, "https://")
	c := insecure(t)
	content, d := oneBlob(host, 2<<20)
	bad := altered(content, d.Blob, func(r io.Reader) io.Reader { return &flipLast{r, d.Blob.Size} })
	var wrong *oci.DigestError
	if err := mirrorAt(c, host, 1).Blobs(t.Context(), bad, slices.Values([]Delivery{d})); !errors.As(err, &wrong) || has(t, c, d.Repos[0], d.Blob) {
		t.Errorf("wrong bytes: %v", err)
	}
	if err := mirrorAt(c, host, 1).Blobs(t.Context(), content, slices.Values([]Delivery{d})); err != nil || !has(t, c, d.Repos[0], d.Blob) {
		t.Errorf("right bytes: %v", err)
	}
	if n := old.Load(); n != 0 {
		t.Errorf("%d requests did not use HTTP/2", n)
	}
}
