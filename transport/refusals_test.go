package transport

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestRefusedUploads has a mirror refuse an upload in ways that have nothing to do with
// credentials. The hint says what has.
func TestRefusedUploads(t *testing.T) {
	t.Parallel()
	to := func(status int, location string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Location", location)
			w.WriteHeader(status)
		}
	}
	quota := func(status int, why string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) { refuse(w, r, status, "DENIED", why) }
	}
	for name, c := range map[string]struct {
		kind       string
		answer     func(http.ResponseWriter, *http.Request)
		says, hint string
	}{
		"Harbor's quota": {"PUT upload", quota(403, "adding 1 GiB of storage resource, which when updated to current usage will exceed the configured upper limit"), "by its quota: it answered 403 adding 1 GiB", "raise the quota"},
		"Quay's quota":   {"PUT upload", quota(403, "Quota has been exceeded on namespace"), "by its quota", "raise the quota"},
		"another host":   {"POST upload", to(202, "http://elsewhere.invalid/v2/x"), "another host, elsewhere.invalid", "X-Forwarded-Proto"},
		"no location":    {"POST upload", to(202, ""), "gave no location", "fault of the registry"},
		"a POST moved":   {"POST upload", to(301, "http://elsewhere.invalid/v2/x"), "redirects a POST to http://elsewhere.invalid as a GET", "fault of the registry"},
		"a PUT moved":    {"PUT upload", to(307, "http://elsewhere.invalid/s?sig=secret"), "answered 307 and redirects to elsewhere.invalid, where", "fault of the registry"},
		"an odd scheme":  {"POST upload", to(307, "file:///etc/x"), `redirects to an address with "file:"`, "fault of the registry"},
		"a lost upload":  {"PUT upload", func(w http.ResponseWriter, r *http.Request) { refuse(w, r, 404, "BLOB_UPLOAD_UNKNOWN", "") }, "no longer knew the upload", "sticky sessions"},
	} {
		p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if registrytest.Kind(r) != c.kind {
				return false
			}
			c.answer(w, r)
			return true
		}
		content, d := oneBlob(p.Host, 1000)
		err := mirrorAt(insecure(t), p.Host, 1).Blobs(t.Context(), content, slices.Values([]Delivery{d}))
		var answer *RegistryError
		if !errors.As(err, &answer) || !strings.Contains(err.Error(), c.says) || !strings.Contains(answer.Hint(), c.hint) || strings.Contains(err.Error()+answer.Hint(), "credential") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if sort := answer.Trouble(); sort == TroubleForbidden || sort == TroubleNotFound || c.hint == "raise the quota" && (sort != TroubleQuota || saidNo(err)) {
			t.Errorf("%s: trouble %d", name, sort)
		}
	}
}

// TestUnreadableBlob has a mirror answer 500 for one blob. It is pushed again.
func TestUnreadableBlob(t *testing.T) {
	t.Parallel()
	for _, mends := range []bool{true, false} {
		p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
		content := ocitest.New(3)
		d := content.Layer(1000, ocitest.LayerGzip)
		inv := images(map[string]oci.Descriptor{"a": content.Image(false, d)})
		m := mirrorAt(insecure(t), p.Host, 1)
		mustFill(t, m, content, inv)
		var pushed atomic.Bool
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if registrytest.Kind(r) == "PUT upload" {
				pushed.Store(mends)
			}
			return registrytest.Kind(r) == "GET blob" && strings.HasSuffix(r.URL.Path, d.Digest.String()) && !pushed.Load() && refuse(w, r, 500, "UNKNOWN", "input/output error")
		}
		missing, err := m.Missing(t.Context(), content, inv)
		if err != nil || len(missing.Blobs) != 1 || missing.Blobs[0].Blob.Digest != d.Digest {
			t.Fatalf("missing %+v, %v", missing, err)
		}
		err = m.Blobs(t.Context(), content, slices.Values(missing.Blobs))
		var wrong *BlobError
		if mends && err != nil || !mends && (!errors.As(err, &wrong) || wrong.Times != 2 || !strings.Contains(err.Error(), "500 input/output error")) {
			t.Errorf("mends: %v: %v", mends, err)
		}
	}
}

// TestUnreadableRegistry has a mirror give no blob at all: that is no damage.
func TestUnreadableRegistry(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	content := ocitest.New(4)
	var layers []oci.Descriptor
	for range maxUnreadable + 1 {
		layers = append(layers, content.Layer(1000, ocitest.LayerGzip))
	}
	inv := images(map[string]oci.Descriptor{"a": content.Image(false, layers...)})
	m := mirrorAt(insecure(t), p.Host, 4)
	mustFill(t, m, content, inv)
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		return registrytest.Kind(r) == "GET blob" && refuse(w, r, 500, "UNKNOWN", "")
	}
	var answer *RegistryError
	if _, err := m.Missing(t.Context(), content, inv); !errors.As(err, &answer) || answer.Status != 500 {
		t.Errorf("missing: %v", err)
	}
	stored, err := m.Stored(t.Context(), content, inv.Images)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.ReadBack(t.Context(), stored, nil, func(Delivery, bool) {}); !errors.As(err, &answer) || answer.Status != 500 {
		t.Errorf("read back: %v", err)
	}
}

// TestStorageLacksBlob has the storage behind a mirror lose a blob: it is named.
func TestStorageLacksBlob(t *testing.T) {
	t.Parallel()
	storage := fake(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if registrytest.Kind(r) != "GET blob" {
			return false
		}
		http.Redirect(w, r, "http://"+storage+"/s?sig=secret", http.StatusTemporaryRedirect)
		return true
	}
	content, d := oneBlob(p.Host, 1000)
	err := mirrorAt(insecure(t), p.Host, 1).Blobs(t.Context(), content, slices.Values([]Delivery{d}))
	if err == nil || !strings.Contains(err.Error(), storage+", where the registry redirects to, does not have it") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

// TestConfirmCompressed has a proxy compress what a mirror gives, and say so: nodes take that.
func TestConfirmCompressed(t *testing.T) {
	t.Parallel()
	for _, says := range []bool{true, false} {
		p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
		content := ocitest.New(5)
		root := content.Image(false, content.Layer(1000, ocitest.LayerGzip))
		inv := images(map[string]oci.Descriptor{"a": root})
		m := mirrorAt(insecure(t), p.Host, 1)
		mustFill(t, m, content, inv)
		body, err := oci.ReadManifest(t.Context(), content, root)
		if err != nil {
			t.Fatal(err)
		}
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if registrytest.Kind(r) != "GET manifest" || !strings.HasSuffix(r.URL.Path, root.Digest.String()) {
				return false
			}
			if says {
				w.Header().Set("Content-Encoding", "gzip")
			}
			w.Header().Set("Content-Type", root.MediaType)
			z := gzip.NewWriter(w)
			_, _ = z.Write(body)
			return z.Close() == nil
		}
		if err := m.Confirm(t.Context(), content, inv.Images); (err == nil) != says {
			t.Errorf("says so: %v: %v", says, err)
		}
	}
}

// TestLookedForLonger has a mirror show what it took after some time, where nothing else is tried again.
func TestLookedForLonger(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	content := ocitest.New(6)
	inv := images(map[string]oci.Descriptor{"a": content.Image(false, content.Layer(1000, ocitest.LayerGzip))})
	c := insecure(t)
	c.retry.Times, c.lookFor = 0, time.Second
	m := mirrorAt(c, p.Host, 1)
	mustFill(t, m, content, inv)
	shown := time.Now().Add(200 * time.Millisecond)
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		return registrytest.Kind(r) == "GET manifest" && time.Now().Before(shown) && refuse(w, r, 404, "MANIFEST_UNKNOWN", "")
	}
	if err := m.Confirm(t.Context(), content, inv.Images); err != nil {
		t.Error(err)
	}
	c.lookFor, shown = 10*time.Millisecond, time.Now().Add(time.Minute)
	if err := m.Confirm(t.Context(), content, inv.Images); err == nil {
		t.Error("what never comes is there")
	}
}

// TestOddAnswersToRanges breaks a blob, and then answers a range by something that is neither a
// range nor an error.
func TestOddAnswersToRanges(t *testing.T) {
	t.Parallel()
	d, whole := noise(100<<10, "")
	for name, answer := range map[string]func(http.ResponseWriter, int){
		"204": func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusNoContent) },
		"304": func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusNotModified) },
		"200 with the rest alone": func(w http.ResponseWriter, off int) {
			w.Header().Set("Content-Length", strconv.Itoa(len(whole)-off))
			_, _ = w.Write(whole[off:])
		},
	} {
		r := blobServer(t, func(w http.ResponseWriter, r *http.Request, n int) {
			from, _, ranged := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
			off, _ := strconv.Atoi(from)
			switch {
			case n == 0:
				cutOff(w, whole, 50<<10)
			case ranged:
				answer(w, off)
			default:
				_, _ = w.Write(whole)
			}
		})
		if got, err := readFrom(t, r, d, 0); err != nil || !bytes.Equal(got, whole) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// TestTrickleIsPermanent has a server give some bytes at a time, so that there is no end: whoever
// reads does not begin again.
func TestTrickleIsPermanent(t *testing.T) {
	t.Parallel()
	d, whole := noise(100<<10, "")
	r := blobServer(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if n == 0 {
			cutOff(w, whole, 10)
		}
		from, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
		off, _ := strconv.Atoi(from)
		w.Header().Set("Content-Range", "bytes "+from+"-"+strconv.Itoa(off+9)+"/"+strconv.Itoa(len(whole)))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(whole[off : off+10])
	})
	_, err := readFrom(t, r, d, 0)
	var stopped *RegistryError
	if !errors.As(err, &stopped) || !stopped.Permanent() || !strings.Contains(err.Error(), "stopped there") {
		t.Errorf("%v", err)
	}
}

// TestHeadOfATag has a registry answer HEAD of a signature's tag in a way that says nothing: GET does.
func TestHeadOfATag(t *testing.T) {
	t.Parallel()
	content := ocitest.New(8)
	root := content.Image(false, content.Layer(1000, ocitest.LayerGzip))
	for name, c := range map[string]struct {
		head    func(w http.ResponseWriter)
		get     int
		unknown int
	}{
		"it hangs up":          {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, 404, 0},
		"200 for all":          {func(w http.ResponseWriter) { w.WriteHeader(200) }, 404, 0},
		"400 to both":          {func(w http.ResponseWriter) { w.WriteHeader(400) }, 400, 3},
		"no longer, it says":   {func(w http.ResponseWriter) { w.WriteHeader(410) }, 410, 3},
		"not implemented here": {func(w http.ResponseWriter) { w.WriteHeader(501) }, 501, 3},
	} {
		p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
		mustFill(t, mirrorAt(insecure(t), p.Host, 1), content, images(map[string]oci.Descriptor{"a": root}))
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			switch tag := strings.Contains(r.URL.Path, "/manifests/sha256-"); {
			case tag && r.Method == http.MethodHead:
				c.head(w)
			case tag && strings.HasSuffix(r.URL.Path, root.Digest.Encoded()): // the fallback index
				return refuse(w, r, 404, "MANIFEST_UNKNOWN", "")
			case tag:
				return refuse(w, r, c.get, "TAG_INVALID", "")
			default:
				return false
			}
			return true
		}
		r, err := insecure(t).Repository(oci.Ref{Registry: p.Host, Repository: "mirror/team/a"})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Attachments(t.Context(), root); err != nil || len(got.List) != 0 || len(got.Unknown) != c.unknown {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestNeitherTLSNorHTTP asks a port by TLS where something else answers.
func TestNeitherTLSNorHTTP(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	go func() {
		for {
			conn, err := srv.Listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("220 mail.example ESMTP\r\n"))
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = srv.Listener.Close() })
	c := quick(t, Config{Authfile: writeFile(t, "auth.json", `{"auths":{}}`), TLSVerify: true})
	_, _, err := c.Resolve(t.Context(), oci.Ref{Registry: srv.Listener.Addr().String(), Repository: "a", Tag: "1"})
	var answer *RegistryError
	if !errors.As(err, &answer) || answer.Trouble() != TroublePlainHTTP || !strings.Contains(err.Error(), "does not speak TLS, which is required") {
		t.Errorf("%v", err)
	}
}

// TestStorageLacksBlobOfASource has the storage behind a source lose a blob: it is named, and what is
// inside is refused for good.
func TestStorageLacksBlobOfASource(t *testing.T) {
	t.Parallel()
	storage := fake(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+storage+"/s?sig=secret", http.StatusTemporaryRedirect)
	})
	r, err := insecure(t).Repository(oci.Ref{Registry: host, Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	d, _ := noise(1000, "")
	ok, err := r.Has(t.Context(), d)
	var answer *RegistryError
	if ok || !errors.As(err, &answer) || !answer.Permanent() || answer.Trouble() != TroubleElsewhere || !strings.Contains(err.Error(), storage+", where the registry redirects to, answered 404") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v, %v", ok, err)
	}
}
