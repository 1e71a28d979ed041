package transport

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestEmptiedBlob has real registries lose the bytes of a blob, as a power cut does it, and
// keep manifest and tag. Neither mends it when the blob is pushed again.
func TestEmptiedBlob(t *testing.T) {
	t.Parallel()
	plain, cached, v3 := t.TempDir(), t.TempDir(), registrytest.StartV3(t, false, "", "")
	for name, at := range map[string]struct{ host, dir string }{
		"docker-registry":              {registrytest.StartOn(t, plain).Host, plain},
		"docker-registry with a cache": {registrytest.StartCached(t, cached).Host, cached},
		"distribution":                 {v3.Host, v3.Dir},
	} {
		content := ocitest.New(21)
		large, small := content.Layer(200<<10, ocitest.LayerGzip), content.Layer(1000, ocitest.LayerGzip)
		inv := images(map[string]oci.Descriptor{"a": content.Image(false, large, small)})
		m := mirrorAt(insecure(t), at.host, 4)
		mustFill(t, m, content, inv)
		for _, d := range []oci.Descriptor{large, small} {
			if err := os.Truncate(registrytest.BlobFile(at.dir, d.Digest), d.Size/2); err != nil {
				t.Fatal(err)
			}
		}
		missing, err := m.Missing(t.Context(), content, inv)
		if err != nil || missing.Present != 1 || len(missing.Blobs) != 2 {
			t.Fatalf("%s: missing %+v, %v", name, missing, err)
		}
		m.Verify = VerifyManifests
		if trusted, err := m.Missing(t.Context(), content, inv); err != nil || len(trusted.Blobs) != 0 {
			t.Errorf("%s: missing %+v, %v, where the manifest was to be the proof", name, trusted, err)
		}
		err = m.Blobs(t.Context(), content, slices.Values(missing.Blobs))
		var wrong *BlobError
		if !errors.As(err, &wrong) || wrong.Times != 2 || !strings.Contains(err.Error(), "team/a") || !strings.Contains(err.Error(), wrong.Blob.Digest.String()) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// answers is a mirror with one blob, whose GETs a function answers until the blob was
// pushed.
func answers(t *testing.T, d oci.Descriptor, f func(w http.ResponseWriter, r *http.Request)) (*registrytest.Proxy, *atomic.Int32) {
	t.Helper()
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	pushes := &atomic.Int32{}
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		switch kind := registrytest.Kind(r); {
		case kind == "PUT upload":
			pushes.Add(1)
		case kind == "HEAD blob": // of a front that says what it likes
			w.Header().Set("Content-Length", "0")
			return true
		case kind == "GET blob" && strings.HasSuffix(r.URL.Path, d.Digest.String()) && pushes.Load() == 0:
			f(w, r)
			return true
		}
		return false
	}
	return p, pushes
}

// TestLook tells a blob that is whole from one that is not by whatever a registry may
// answer, and has the latter pushed again.
func TestLook(t *testing.T) {
	t.Parallel()
	content, d := oneBlob("", 100<<10)
	body, err := readFrom(t, content, d.Blob, 0)
	if err != nil {
		t.Fatal(err)
	}
	last := func(w http.ResponseWriter, r *http.Request, body []byte) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}
	refusing := func(status int) func(w http.ResponseWriter, r *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.WriteHeader(status)
				return
			}
			w.Write(body)
		}
	}
	short := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-0/%d", len(body)))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(body[:1])
			return
		}
		w.Write(body)
	}
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		whole  bool
	}{
		"whole":                 {func(w http.ResponseWriter, r *http.Request) { last(w, r, body) }, true},
		"without ranges":        {func(w http.ResponseWriter, r *http.Request) { w.Write(body) }, true},
		"ranges refused by 416": {refusing(416), true},
		"ranges refused by 400": {refusing(400), true},
		"another range":         {short, true},
		"empty":                 {func(w http.ResponseWriter, r *http.Request) { last(w, r, nil) }, false},
		"cut short":             {func(w http.ResponseWriter, r *http.Request) { last(w, r, body[:50<<10]) }, false},
		"longer":                {func(w http.ResponseWriter, r *http.Request) { last(w, r, append(slices.Clone(body), 'x')) }, false},
		"absent":                {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) }, false},
		"empty, without ranges": {func(w http.ResponseWriter, r *http.Request) {}, false},
		"other bytes, ranges refused": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Transfer-Encoding", "chunked")
			w.Write(bytes.Repeat([]byte("x"), len(body)))
		}, false},
		"breaks off": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1")
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", len(body)-1, len(body)-1, len(body)))
			w.WriteHeader(206)
		}, false},
	} {
		p, pushes := answers(t, d.Blob, c.answer)
		m := mirrorAt(insecure(t), p.Host, 2)
		r, err := m.client.Repository(oci.Ref{Registry: p.Host, Repository: "mirror/one"})
		if err != nil {
			t.Fatal(err)
		}
		f, err := r.look(t.Context(), d.Blob)
		if err != nil || f.whole() != c.whole {
			t.Errorf("%s: found %+v, %v", name, f, err)
		}
		delivery := Delivery{Blob: d.Blob, Repos: []oci.Ref{r.ref}}
		if err := m.Blobs(t.Context(), content, slices.Values([]Delivery{delivery})); err != nil || pushes.Load() != 1 {
			t.Errorf("%s: pushed %d times, %v", name, pushes.Load(), err)
		}
	}
}

// TestPushedAndAbsent looks again for what a store shows late, and ends with what it never
// shows.
func TestPushedAndAbsent(t *testing.T) {
	t.Parallel()
	for late, want := range map[int32]bool{2: true, 100: false} {
		content, d := oneBlob("", 100<<10)
		p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
		var asked atomic.Int32
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if registrytest.Kind(r) != "GET blob" || asked.Add(1) > late {
				return false
			}
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		d.Repos[0].Registry = p.Host
		m := mirrorAt(insecure(t), p.Host, 2)
		err := m.Blobs(t.Context(), content, slices.Values([]Delivery{d}))
		var wrong *BlobError
		if (err == nil) != want || err != nil && (!errors.As(err, &wrong) || wrong.Fault != "") {
			t.Errorf("late by %d: %v", late, err)
		}
		if n := p.Count("PUT upload"); n != 1 {
			t.Errorf("late by %d: %d uploads", late, n)
		}
	}
}

// TestMountIsOnly201 has a registry answer a mount in several ways and not mount; only an
// upload helps then.
func TestMountIsOnly201(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 201, 202, 204, 404} {
		content, d := oneBlob("", 50<<10)
		p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if registrytest.Kind(r) != "POST mount" {
				return false
			}
			w.WriteHeader(status) // 202 without a location is no session
			return true
		}
		d.Repos[0].Registry = p.Host
		d.From = oci.Ref{Registry: p.Host, Repository: "mirror/other"}
		m := mirrorAt(insecure(t), p.Host, 2)
		if err := m.Blobs(t.Context(), content, slices.Values([]Delivery{d})); err != nil || p.Count("PUT upload") != 1 {
			t.Errorf("%d: %d uploads, %v", status, p.Count("PUT upload"), err)
		}
		if got, err := readFrom(t, mustRepo(t, m.client, d.Repos[0]), d.Blob, 0); err != nil || oci.Digest(got) != d.Blob.Digest {
			t.Errorf("%d: the mirror has %d bytes, %v", status, len(got), err)
		}
	}
}

func mustRepo(t *testing.T, c *Client, ref oci.Ref) *Repository {
	t.Helper()
	r, err := c.Repository(ref)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPutAnswers takes any 2xx to the PUTs of blobs and manifests.
func TestPutAnswers(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 201, 202, 204} {
		p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
		p.Alter = func(resp *http.Response) error {
			if resp.Request.Method == http.MethodPut && resp.StatusCode == http.StatusCreated {
				resp.StatusCode, resp.Status = status, fmt.Sprint(status)
				resp.Header.Del("Docker-Content-Digest")
				if status == http.StatusNoContent {
					resp.Body, resp.ContentLength = http.NoBody, 0
				}
			}
			return nil
		}
		content := ocitest.New(22)
		inv := images(map[string]oci.Descriptor{"a": content.Index(false, content.Image(false, content.Layer(1000, ocitest.LayerGzip)))})
		m := mirrorAt(insecure(t), p.Host, 2)
		mustFill(t, m, content, inv)
		if err := m.Confirm(t.Context(), content, inv.Images); err != nil {
			t.Errorf("%d: %v", status, err)
		}
		if got := m.Sent(); got.Manifests != 2 || got.Blobs != 2 || got.Mounted != 0 || got.Bytes == 0 {
			t.Errorf("%d: sent %+v", status, got)
		}
	}
}
