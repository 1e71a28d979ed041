package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// smallSet is a set that is quick to make.
func smallSet(t *testing.T) *set {
	t.Helper()
	c := ocitest.New(1)
	base := c.Layer(3*mib, ocitest.LayerGzip)
	s := &set{content: c, images: []image{
		{"bench/one", "1", c.Image(false, base, c.Layer(20*kib, ocitest.LayerZstd))},
		{"bench/two", "1", c.Image(false, base, c.Layer(10*kib, ocitest.LayerGzip))},
	}}
	if err := s.survey(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSetOptions(t *testing.T) {
	s, err := makeSet(t.Context(), options{layer: 1 * mib, quick: true})
	if err != nil {
		t.Fatal(err)
	}
	// 200 small layers, 1 huge, 1 base, 9 others, and a config an image.
	if len(s.images) != 5 || len(s.blobs) != 200+1+1+9+5 {
		t.Errorf("%d images, %d blobs", len(s.images), len(s.blobs))
	}
	if want := int64(1+10*20) * mib; s.bytes < want || s.bytes > want+4*mib {
		t.Errorf("%d bytes, want about %d", s.bytes, want)
	}
	if text := s.imageSet("127.0.0.1:5000"); strings.Count(text, "- name: 127.0.0.1:5000/bench/") != 5 {
		t.Errorf("imageset: %s", text)
	}
}

func TestSourceServesTheSet(t *testing.T) {
	s := smallSet(t)
	srv := httptest.NewServer(newSource(s))
	defer srv.Close()
	for _, i := range s.images {
		if err := ocitest.Compare(t.Context(), s.content, i.root, srv.URL, i.repo, i.tag); err != nil {
			t.Error(err)
		}
	}
	d := s.blobs[1] // the base layer; 0 is a config
	whole, err := oci.ReadBlob(t.Context(), s.content, d, d.Size)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/v2/bench/one/blobs/"+d.Digest.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", "bytes=1000000-")
	status, body := answer(t, req)
	if status != http.StatusPartialContent || !bytes.Equal(body, whole[1000000:]) {
		t.Errorf("range: status %d, %d bytes", status, len(body))
	}
	for _, path := range []string{"/v2/bench/one/manifests/2", "/v2/bench/one/manifests/" + d.Digest.String(), "/v2/bench/one/blobs/" + s.images[0].root.Digest.String(), "/else"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := answer(t, req); status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, status)
		}
	}
}

func answer(t *testing.T, req *http.Request) (int, []byte) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

// call makes a request to the mirror and returns its status and Location.
func call(t *testing.T, method, url, contentType, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Location")
}

func TestMirrorTakesTheSet(t *testing.T) {
	s := smallSet(t)
	srv := httptest.NewServer(newMirror())
	defer srv.Close()
	b := &bench{set: s, servers: &servers{addresses: addresses{Mirror: strings.TrimPrefix(srv.URL, "http://")}}}
	if err := b.checkMirror(t.Context()); err == nil {
		t.Error("an empty mirror passes the check")
	}
	var sent int64
	for _, i := range s.images {
		if err := ocitest.Push(t.Context(), s.content, i.root, srv.URL, "mirror/"+i.repo, i.tag); err != nil {
			t.Fatal(err)
		}
		sent += s.blobs[1].Size // the base layer
	}
	if err := b.checkMirror(t.Context()); err != nil {
		t.Error(err)
	}
	if n, err := b.servers.taken(t.Context()); err != nil || n < sent {
		t.Errorf("took %d, at least %d were sent; %v", n, sent, err)
	}
}

func TestMirrorRefuses(t *testing.T) {
	s := smallSet(t)
	srv := httptest.NewServer(newMirror())
	defer srv.Close()
	at := srv.URL + "/v2/a/"
	root := s.images[0].root
	body, err := oci.ReadManifest(t.Context(), s.content, root)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := call(t, "PUT", at+"manifests/1", root.MediaType, string(body)); status != http.StatusBadRequest {
		t.Errorf("manifest without its blobs: %d", status)
	}
	if status, _ := call(t, "PUT", at+"manifests/"+s.blobs[0].Digest.String(), root.MediaType, string(body)); status != http.StatusBadRequest {
		t.Errorf("manifest under another digest: %d", status)
	}
	right := oci.Digest([]byte("right")).String()
	_, place := call(t, "POST", at+"blobs/uploads/", "", "")
	if status, _ := call(t, "PUT", srv.URL+place+"?digest="+right, "", "wrong"); status != http.StatusBadRequest {
		t.Errorf("wrong bytes: %d", status)
	}
	if status, _ := call(t, "HEAD", at+"blobs/"+right, "", ""); status != http.StatusNotFound {
		t.Errorf("a refused blob is there: %d", status)
	}
	_, place = call(t, "POST", at+"blobs/uploads/", "", "")
	if status, _ := call(t, "DELETE", srv.URL+place, "", ""); status != http.StatusNoContent {
		t.Errorf("cancel: %d", status)
	}
	if status, _ := call(t, "PUT", srv.URL+place+"?digest="+right, "", "right"); status != http.StatusNotFound {
		t.Errorf("a cancelled session continues: %d", status)
	}
}

func TestMirrorChunksAndMounts(t *testing.T) {
	srv := httptest.NewServer(newMirror())
	defer srv.Close()
	right := oci.Digest([]byte("right")).String()
	if status, _ := call(t, "POST", srv.URL+"/v2/b/blobs/uploads/?mount="+right+"&from=a", "", ""); status != http.StatusAccepted {
		t.Errorf("mount of a missing blob: %d", status)
	}
	_, place := call(t, "POST", srv.URL+"/v2/a/blobs/uploads/", "", "")
	if status, _ := call(t, "PATCH", srv.URL+place, "", "rig"); status != http.StatusAccepted {
		t.Fatalf("first chunk: %d", status)
	}
	if status, _ := call(t, "PUT", srv.URL+place+"?digest="+right, "", "ht"); status != http.StatusCreated {
		t.Fatalf("last chunk: %d", status)
	}
	if status, _ := call(t, "POST", srv.URL+"/v2/b/blobs/uploads/?mount="+right+"&from=a", "", ""); status != http.StatusCreated {
		t.Errorf("mount: %d", status)
	}
	if status, _ := call(t, "HEAD", srv.URL+"/v2/b/blobs/"+right, "", ""); status != http.StatusOK {
		t.Errorf("mounted blob: %d", status)
	}
}

func TestPlainTransfers(t *testing.T) {
	s := smallSet(t)
	source, m := httptest.NewServer(newSource(s)), newMirror()
	defer source.Close()
	mirror := httptest.NewServer(m)
	defer mirror.Close()
	if _, err := getToNowhere(t.Context(), source.URL+"/v2/x", s.blobs); err != nil {
		t.Error(err)
	}
	if _, err := getToFiles(t.Context(), source.URL+"/v2/x", filepath.Join(t.TempDir(), "files"), s.blobs); err != nil {
		t.Error(err)
	}
	u, err := put(t.Context(), mirror.URL+"/v2/x", s.content, s.blobs)
	if err != nil || u.wall <= 0 {
		t.Errorf("put: %v, %v", u.wall, err)
	}
	if m.taken != s.bytes {
		t.Errorf("the mirror took %d bytes of %d", m.taken, s.bytes)
	}
	missing := []oci.Descriptor{{Digest: oci.Digest([]byte("missing")), Size: 7}}
	if _, err := getToNowhere(t.Context(), source.URL+"/v2/x", missing); err == nil {
		t.Error("a blob that is not there is fetched")
	}
}

func TestServeUntilStdinEnds(t *testing.T) {
	stdin, closer := io.Pipe()
	out, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- serve(t.Context(), options{layer: mib, quick: true}, stdin, stdout) }()
	var at addresses
	if err := json.NewDecoder(out).Decode(&at); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{at.Source, at.Mirror} {
		if status, _ := call(t, "GET", "http://"+addr+"/v2/", "", ""); status != http.StatusOK {
			t.Errorf("%s: status %d", addr, status)
		}
	}
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := (&servers{addresses: at}).taken(ctx); err == nil {
		t.Error("the mirror outlives serve")
	}
}

func TestMeasure(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("measures on Linux only")
	}
	cmd := exec.Command("dd", "if=/dev/zero", "of="+filepath.Join(t.TempDir(), "zeros"), "bs=1M", "count=9", "conv=fsync")
	u, err := measure(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if u.calls < 9*mib || u.calls > 10*mib || u.peak < mib || u.wall <= 0 || u.cpu <= 0 {
		t.Errorf("dd of 9 MiB: %+v", u)
	}
	if _, err := measure(exec.Command("false")); err == nil {
		t.Error("a command that fails is measured as if it had succeeded")
	}
}

func TestByteSize(t *testing.T) {
	for s, want := range map[string]byteSize{"8GiB": 8 << 30, "200MiB": 200 << 20, "3KiB": 3072, "17": 17, "17B": 17} {
		var b byteSize
		if err := b.Set(s); err != nil || b != want {
			t.Errorf("%s: %d, %v", s, b, err)
		}
	}
	for _, s := range []string{"", "GiB", "-1GiB", "0", "8GB", "1.5GiB", "9999999999GiB", "8iGB"} {
		var b byteSize
		if err := b.Set(s); err == nil {
			t.Errorf("%q is read as %d", s, b)
		}
	}
}

func TestReport(t *testing.T) {
	b := &bench{set: &set{blobs: make([]oci.Descriptor, 10), bytes: 100 * mib}}
	ok := usage{wall: time.Second, cpu: time.Second, peak: 100 * mib}
	good := results{pack: ok, unpack: ok, get: ok, files: ok, put: ok, packed: 102*mib + 4000, unpacked: 64*mib - 1}
	for name, tt := range map[string]struct {
		change func(*results)
		want   string
	}{
		"kept":          {func(*results) {}, ""},
		"pack memory":   {func(r *results) { r.pack.peak = 256 * mib }, "FAIL  pack: peak memory"},
		"pack writes":   {func(r *results) { r.packed++ }, "FAIL  pack: bytes written"},
		"unpack memory": {func(r *results) { r.unpack.peak = 256 * mib }, "FAIL  unpack: peak memory"},
		"unpack writes": {func(r *results) { r.unpacked++ }, "FAIL  unpack: bytes written"},
	} {
		r := good
		tt.change(&r)
		var out bytes.Buffer
		kept := b.report(&out, r)
		if kept != (tt.want == "") || !strings.Contains(out.String(), tt.want) || strings.Count(out.String(), "FAIL") > 1 {
			t.Errorf("%s: %v\n%s", name, kept, out.String())
		}
		if !strings.Contains(out.String(), fmt.Sprintf("%d\n", maxPacked(b.bytes, 10))) {
			t.Errorf("%s: the limit of pack is not in\n%s", name, out.String())
		}
	}
}

// TestProtectionReport leaves out what was not measured.
func TestProtectionReport(t *testing.T) {
	u := usage{wall: time.Second, cpu: 2 * time.Second, peak: mib}
	p := &protection{bytes: 100 * mib, lost: 2, satchel: [3]usage{u, u, u}, unpack: u}
	var out bytes.Buffer
	p.report(&out)
	if s := out.String(); !strings.Contains(s, "satchel repair") || strings.Contains(s, "par2") || strings.Contains(s, "not encrypted") || !strings.Contains(s, "100") || !strings.Contains(s, "50") {
		t.Error(s)
	}
}
