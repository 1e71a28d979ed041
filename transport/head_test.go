package transport

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestHeadIsNoProof has HEAD of a blob answered otherwise than GET.
func TestHeadIsNoProof(t *testing.T) {
	d, whole := noise(10<<10, "")
	store := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead { // the address is signed for GET
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = w.Write(whole)
	})
	for name, c := range map[string]struct {
		head, get int // 0: redirect to the store
		plain     int // to a GET without a range; 0: as with
		want      bool
		fails     bool
	}{
		"signed for GET":             {0, 0, 0, true, false},
		"no HEAD":                    {405, 200, 0, true, false},
		"HEAD denies":                {404, 200, 0, true, false},
		"HEAD fails":                 {500, 200, 0, true, false},
		"HEAD is not implemented":    {501, 206, 0, true, false},
		"no ranges either":           {403, 416, 200, true, false},
		"neither is there":           {404, 404, 0, false, false},
		"no HEAD, and not there":     {405, 404, 0, false, false},
		"nobody may":                 {403, 403, 0, false, true},
		"HEAD is right":              {200, 500, 0, true, false},
		"HEAD denies, GET is broken": {404, 503, 0, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var heads atomic.Int32
			host := fake(t, func(w http.ResponseWriter, r *http.Request) {
				status := c.get
				switch registrytest.Kind(r) {
				case "HEAD blob":
					heads.Add(1)
					status = c.head
				case "GET blob":
					if r.Header.Get("Range") == "" && c.plain != 0 {
						status = c.plain
					}
				default:
					return
				}
				if status == 0 {
					http.Redirect(w, r, "http://"+store+"/x", http.StatusTemporaryRedirect)
					return
				}
				w.WriteHeader(status)
			})
			r, err := insecure(t).Repository(oci.Ref{Registry: host, Repository: "a"})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if ok, err := r.Has(t.Context(), d); ok != c.want || err != nil != c.fails {
					t.Errorf("%v, %v", ok, err)
				}
			}
			once := c.want && (c.head == 0 || reply.Permanent(c.head) || c.head == http.StatusNotImplemented)
			if n := heads.Load(); once && n != 1 {
				t.Errorf("HEAD was asked %d times, although it denied what is there", n)
			}
		})
	}
}

// TestManifestIsThatOfGet has HEAD and the headers of GET say what is not so.
func TestManifestIsThatOfGet(t *testing.T) {
	body := []byte(`{"schemaVersion":2,"config":{},"layers":[]}`)
	typed := []byte(`{"schemaVersion":2,"mediaType":"` + oci.MediaTypeDockerManifest + `","config":{},"layers":[]}`)
	index := []byte(`{"schemaVersion":2,"manifests":[]}`)
	for name, c := range map[string]struct {
		body       []byte
		head       http.Header
		headStatus int
		get        http.Header
		zip        bool
		want       string
	}{
		"another length":          {body, http.Header{"Content-Length": {"7"}}, 200, nil, false, oci.MediaTypeManifest},
		"length 0":                {body, http.Header{"Content-Length": {"0"}}, 200, nil, false, oci.MediaTypeManifest},
		"another type":            {body, http.Header{"Content-Type": {oci.MediaTypeIndex}}, 200, nil, false, oci.MediaTypeManifest},
		"another digest":          {body, http.Header{headerDigest: {oci.Digest(index).String()}}, 200, nil, false, oci.MediaTypeManifest},
		"no HEAD":                 {body, nil, 405, nil, false, oci.MediaTypeManifest},
		"HEAD not found":          {body, nil, 404, nil, false, oci.MediaTypeManifest},
		"HEAD fails":              {body, nil, 500, nil, false, oci.MediaTypeManifest},
		"JSON":                    {body, nil, 200, http.Header{"Content-Type": {"application/json"}}, false, oci.MediaTypeManifest},
		"no type":                 {index, nil, 200, http.Header{"Content-Type": nil}, false, oci.MediaTypeIndex},
		"text":                    {typed, nil, 200, http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, false, oci.MediaTypeDockerManifest},
		"its own type":            {typed, nil, 200, nil, false, oci.MediaTypeDockerManifest},
		"digest that is none":     {body, nil, 200, http.Header{headerDigest: {"nonsense"}}, false, oci.MediaTypeManifest},
		"compressed":              {body, nil, 200, http.Header{"Content-Encoding": {"gzip"}}, true, oci.MediaTypeManifest},
		"compressed, with digest": {body, nil, 200, http.Header{"Content-Encoding": {"gzip"}, headerDigest: {oci.Digest(body).String()}}, true, oci.MediaTypeManifest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := c.body
			if c.zip {
				var out bytes.Buffer
				z := gzip.NewWriter(&out)
				_, _ = z.Write(c.body)
				_ = z.Close()
				sent = out.Bytes()
			}
			host := fake(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", oci.MediaTypeManifest)
				head := r.Method == http.MethodHead
				set := c.get
				if head {
					set = c.head
					w.Header().Set("Content-Length", strconv.Itoa(len(sent)))
				}
				for k, v := range set {
					w.Header()[k] = v
				}
				if head {
					w.WriteHeader(c.headStatus)
					return
				}
				_, _ = w.Write(sent)
			})
			client := insecure(t)
			known := func(digest.Digest) []byte { return nil }
			for _, ref := range []oci.Ref{{Registry: host, Repository: "a", Tag: "1"}, {Registry: host, Repository: "a", Digest: oci.Digest(c.body)}} {
				d, got, src, err := client.ResolveManifest(t.Context(), ref, known)
				if err != nil || d.Digest != oci.Digest(c.body) || d.Size != int64(len(c.body)) || d.MediaType != c.want || !bytes.Equal(got, c.body) {
					t.Fatalf("%s: %+v, %q, %v", ref, d, got, err)
				}
				if got, err := readFrom(t, oci.Verified(src), d, 0); err != nil || !bytes.Equal(got, c.body) {
					t.Errorf("read again: %q, %v", got, err)
				}
			}
		})
	}
}

// TestKnownManifest takes what is known already without a GET, and nothing else.
func TestKnownManifest(t *testing.T) {
	body := []byte(`{"schemaVersion":2,"config":{},"layers":[]}`)
	var gets, heads atomic.Int32
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		switch registrytest.Kind(r) {
		case "HEAD manifest":
			heads.Add(1)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set(headerDigest, oci.Digest(body).String())
		case "GET manifest":
			gets.Add(1)
			fmt.Fprint(w, string(body))
		}
	})
	ref := oci.Ref{Registry: host, Repository: "a", Tag: "1"}
	known := func(d digest.Digest) []byte {
		if d == oci.Digest(body) {
			return body
		}
		return nil
	}
	d, got, _, err := insecure(t).ResolveManifest(t.Context(), ref, known)
	if err != nil || !bytes.Equal(got, body) || d.MediaType != oci.MediaTypeManifest || d.Size != int64(len(body)) || gets.Load() != 0 || heads.Load() != 1 {
		t.Errorf("%+v, %v: %d GET, %d HEAD", d, err, gets.Load(), heads.Load())
	}
	ref.Digest = oci.Digest([]byte("another"))
	if _, _, _, err := insecure(t).ResolveManifest(t.Context(), ref, known); err == nil || !strings.Contains(err.Error(), "digest") {
		t.Errorf("other bytes than the digest: %v", err)
	}
}
