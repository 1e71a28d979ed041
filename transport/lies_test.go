package transport

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// lie is a registry that does not say what is so, for one request of a client.
type lie struct {
	answer func(w http.ResponseWriter, r *http.Request, n int) // n requests of its kind came before
	do     func(ctx context.Context, c *Client, host string) error
	says   string // in the error, which names the registry; "" for no error
}

// endless writes until nobody reads any more, and at most 64 MiB.
func endless(w io.Writer, piece string) {
	b := bytes.Repeat([]byte(piece), 1<<16/len(piece))
	for range 1 << 10 {
		if _, err := w.Write(b); err != nil {
			return
		}
	}
}

// zipped is so many MiB of spaces, compressed.
func zipped(mib int) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	for range mib {
		_, _ = z.Write(bytes.Repeat([]byte(" "), 1<<20))
	}
	_ = z.Close()
	return out.Bytes()
}

// TestLies has registries that lie, to who packs and to who unpacks: each is found out, named in the
// error, and takes neither memory nor time.
func TestLies(t *testing.T) {
	manifest := []byte(`{"schemaVersion":2,"mediaType":"` + oci.MediaTypeManifest + `","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + oci.Digest(nil).String() + `","size":0},"layers":[]}`)
	index := []byte(`{"schemaVersion":2,"mediaType":"` + oci.MediaTypeIndex + `","manifests":[]}`)
	both := []byte(`{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}`)
	pinned := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest(manifest), Size: int64(len(manifest))}
	blob, whole := noise(100<<10, "")
	bomb := zipped(64)

	resolve := func(d digest.Digest) func(context.Context, *Client, string) error {
		return func(ctx context.Context, c *Client, host string) error {
			got, src, err := c.Resolve(ctx, oci.Ref{Registry: host, Repository: "a", Tag: "v1", Digest: d})
			if err == nil { // the bytes say what it is
				var body []byte
				if body, err = oci.ReadManifest(ctx, src, got); err == nil {
					_, err = oci.ParseManifest(got, body)
				}
			}
			return err
		}
	}
	read := func(d oci.Descriptor) func(context.Context, *Client, string) error {
		return func(ctx context.Context, c *Client, host string) error {
			r, err := c.Repository(oci.Ref{Registry: host, Repository: "a"})
			if err != nil {
				return err
			}
			rc, err := oci.Verified(r).Open(ctx, d, 0)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, rc)
			return errors.Join(err, rc.Close())
		}
	}
	tags := func(ctx context.Context, c *Client, host string) error {
		r, err := c.Repository(oci.Ref{Registry: host, Repository: "a"})
		if err == nil {
			_, err = r.Tags(ctx)
		}
		return err
	}
	push := func(ctx context.Context, c *Client, host string) error {
		content, d := oneBlob(host, 1000)
		return mirrorAt(c, host, 1).Blobs(ctx, content, func(yield func(Delivery) bool) { yield(d) })
	}
	fetch := func(ctx context.Context, c *Client, host string) error {
		_, err := c.Fetch(ctx, "http://"+host+"/index.yaml", 1<<20)
		return err
	}
	send := func(mediaType string, body []byte, header ...string) func(http.ResponseWriter, *http.Request, int) {
		return func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Content-Type", mediaType)
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			_, _ = w.Write(body)
		}
	}
	wrong := oci.Digest(whole).String()
	for name, l := range map[string]lie{
		"the digest header of another manifest":       {send(oci.MediaTypeManifest, manifest, headerDigest, wrong), resolve(""), "digest"},
		"its own digest header, and another manifest": {send(oci.MediaTypeManifest, []byte(string(manifest)+" "), headerDigest, pinned.Digest.String()), resolve(pinned.Digest), "digest"},
		"an index, called a manifest":                 {send(oci.MediaTypeManifest, index), resolve(""), ""},
		"a manifest, called an index":                 {send(oci.MediaTypeIndex, manifest), resolve(""), ""},
		"a manifest that is an index too":             {send(oci.MediaTypeManifest, both), resolve(""), "lists manifests"},
		"an index that is a manifest too":             {send(oci.MediaTypeIndex, both), resolve(""), "config or layers"},
		"a manifest of another type than was asked":   {send("application/vnd.example+json", []byte(`{"schemaVersion":2}`)), resolve(""), "media type"},
		"a page in its place":                         {send("text/html", []byte("<html>log in</html>")), resolve(""), "a page of text"},
		"a page in its place, called a manifest":      {send(oci.MediaTypeManifest, []byte("<html>log in</html>")), resolve(""), "JSON"},
		"a page in a blob's place":                    {send("text/html", []byte("<html>log in</html>")), read(blob), "19 bytes"},
		"a manifest without an end":                   {func(w http.ResponseWriter, _ *http.Request, _ int) { endless(w, " ") }, resolve(""), "4194304 bytes"},
		"a pinned manifest without an end":            {func(w http.ResponseWriter, _ *http.Request, _ int) { endless(w, " ") }, read(pinned), "a page of text"},
		"a blob without an end":                       {func(w http.ResponseWriter, _ *http.Request, _ int) { endless(w, " ") }, read(blob), "digest"},
		"a blob that is shorter":                      {send("", whole[:1000]), read(blob), "1000 bytes"},
		"a blob that is longer":                       {send("", append(bytes.Clone(whole), 1)), read(blob), "102401 bytes"},
		"a blob that ends before its Content-Length":  {send("", whole[:1000], "Content-Length", fmt.Sprint(len(whole))), read(blob), ""},
		"another blob":                                {send("", bytes.Repeat([]byte("x"), len(whole))), read(blob), "digest"},
		"a manifest that is a bomb":                   {send(oci.MediaTypeManifest, bomb, "Content-Encoding", "gzip"), resolve(""), "4194304 bytes"},
		"a blob that is a bomb":                       {send("", bomb, "Content-Encoding", "gzip"), read(blob), "compressed"},
		"a large blob that is a bomb":                 {send("", bomb, "Content-Encoding", "gzip"), read(oci.Descriptor{Digest: blob.Digest, Size: 5 << 20}), "digest"},
		"a file that is a bomb":                       {send("", bomb, "Content-Encoding", "gzip"), fetch, "more than 1048576 bytes"},
		"a file without an end":                       {func(w http.ResponseWriter, _ *http.Request, _ int) { endless(w, " ") }, fetch, "more than 1048576 bytes"},
		"ten million tags": {func(w http.ResponseWriter, _ *http.Request, _ int) {
			io.WriteString(w, `{"tags":[`)
			endless(w, `"v1.2",`)
		}, tags, "more than 8388608 bytes"},
		"pages of tags without an end": {func(w http.ResponseWriter, _ *http.Request, n int) {
			w.Header().Set("Link", fmt.Sprintf(`</v2/a/tags/list?n=%d>; rel="next"`, n))
			io.WriteString(w, `{"tags":["v1"`+strings.Repeat(`,"v1"`, 2000)+`]}`)
		}, tags, "no end"},
		"pages of tags that are as long as a page": {func(w http.ResponseWriter, _ *http.Request, n int) {
			w.Header().Set("Link", fmt.Sprintf(`</v2/a/tags/list?n=%d>; rel="next"`, n))
			io.WriteString(w, `{"tags":["`+strings.Repeat("v", 7<<20)+`"]}`)
		}, tags, "no end"},
		"a link to itself": {func(w http.ResponseWriter, r *http.Request, _ int) {
			w.Header().Set("Link", `<`+r.URL.RequestURI()+`>; rel="next"`)
			io.WriteString(w, `{"tags":["v1"]}`)
		}, tags, ""},
		"headers without an end": {send(oci.MediaTypeManifest, manifest, "X-Long", strings.Repeat("x", 11<<20)), resolve(""), "header"},
		"redirects without an end": {func(w http.ResponseWriter, r *http.Request, _ int) {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		}, read(blob), "redirect"},
		"redirects in a circle": {func(w http.ResponseWriter, r *http.Request, n int) {
			http.Redirect(w, r, fmt.Sprintf("%s?%d", r.URL.Path, n), http.StatusFound)
		}, resolve(""), "redirect"},
		"an error without an end": {func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.WriteHeader(http.StatusForbidden)
			endless(w, "no ")
		}, resolve(""), "403"},
		"an upload that goes elsewhere": {func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Location", "http://127.0.0.1:1/v2/a/blobs/uploads/1")
			w.WriteHeader(http.StatusAccepted)
		}, push, "another host"},
		"an upload that is at once there": {func(w http.ResponseWriter, r *http.Request, _ int) {
			if r.Method == http.MethodHead || r.Method == http.MethodGet {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			w.Header().Set("Location", r.URL.Path+"1")
			w.WriteHeader(http.StatusCreated)
		}, push, "registry"},
		"a token without an end": {func(w http.ResponseWriter, r *http.Request, _ int) {
			if r.URL.Path == "/token" {
				io.WriteString(w, `{"token":"`)
				endless(w, "t")
				return
			}
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="s"`)
			w.WriteHeader(http.StatusUnauthorized)
		}, resolve(""), "token"},
		"a challenge without an end": {func(w http.ResponseWriter, r *http.Request, _ int) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",`+strings.Repeat(`scope="repository:a:pull",`, 20000))
			w.WriteHeader(http.StatusUnauthorized)
		}, resolve(""), "401"},
		"a manifest that changes after HEAD": {func(w http.ResponseWriter, r *http.Request, _ int) {
			w.Header().Set("Content-Type", oci.MediaTypeManifest)
			if r.Method == http.MethodHead {
				w.Header().Set(headerDigest, wrong)
				return
			}
			_, _ = w.Write(manifest)
		}, func(ctx context.Context, c *Client, host string) error {
			d, body, _, err := c.ResolveManifest(ctx, oci.Ref{Registry: host, Repository: "a", Tag: "v1"}, func(digest.Digest) []byte { return nil })
			if err == nil && (d.Digest != pinned.Digest || !bytes.Equal(body, manifest)) {
				err = fmt.Errorf("what was taken is %s", d.Digest)
			}
			return err
		}, ""},
	} {
		t.Run(name, func(t *testing.T) { l.check(t) })
	}
}

func (l lie) check(t *testing.T) {
	var asked atomic.Int32
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if registrytest.Kind(r) != "GET base" {
			l.answer(w, r, int(asked.Add(1))-1)
		}
	})
	c := insecure(t)
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := l.do(ctx, c, host)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 256 || took > 5*time.Second || asked.Load() > maxPages {
		t.Errorf("%d MiB of memory, %v, %d requests", n, took, asked.Load())
	}
	if l.says == "" {
		if err != nil && !errors.As(err, new(*RegistryError)) {
			t.Errorf("got %v", err)
		}
		return
	}
	if err == nil {
		t.Fatal("it is believed")
	}
	if !strings.Contains(err.Error(), l.says) || len(err.Error()) > 4<<10 {
		t.Errorf("got %.500v", err)
	}
	var answer *RegistryError
	var damaged *oci.DigestError
	var unsupported *oci.UnsupportedError
	var large *SizeError
	content := errors.As(err, &damaged) || errors.As(err, &unsupported) // who asked for it names the image
	if !content && !errors.As(err, &answer) && !errors.As(err, &large) || ctx.Err() != nil {
		t.Errorf("an error without a kind: %.500v", err)
	}
	if !content && !strings.Contains(err.Error(), host) {
		t.Errorf("the registry is not named: %.300v", err)
	}
}
