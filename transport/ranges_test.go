package transport

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// noise is a blob of bytes that cannot be compressed.
func noise(size int, mediaType string) (oci.Descriptor, []byte) {
	body := make([]byte, size)
	dice := rand.NewChaCha8([32]byte{9})
	_, _ = dice.Read(body)
	return oci.Descriptor{MediaType: mediaType, Digest: oci.Digest(body), Size: int64(size)}, body
}

// blobServer answers GETs of blobs by h, which is told how many came before.
func blobServer(t *testing.T, h func(w http.ResponseWriter, r *http.Request, n int)) *Repository {
	t.Helper()
	var asked atomic.Int32
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if registrytest.Kind(r) == "GET blob" {
			h(w, r, int(asked.Add(1))-1)
		}
	})
	c := insecure(t)
	c.retry.Times = 4
	r, err := c.Repository(oci.Ref{Registry: host, Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// cutOff writes the first n bytes of an answer with all of body, and breaks the connection.
func cutOff(w http.ResponseWriter, body []byte, n int) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body[:n])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// TestRangeFallsBack breaks a blob in the middle. What then answers a range has its own
// idea of ranges; the rest is read all the same, the bytes before it never twice to the reader.
func TestRangeFallsBack(t *testing.T) {
	d, whole := noise(200<<10, "")
	serve := func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(whole))
	}
	status := func(code int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	short := func(n int64) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			var from int64
			fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
			to := min(from+n, d.Size)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, d.Size))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(whole[from:to])
		}
	}
	for name, c := range map[string]struct {
		ranged func(http.ResponseWriter, *http.Request)
		most   int // requests
	}{
		"ranges":                   {serve, 2},
		"416 to an open range":     {func(w http.ResponseWriter, r *http.Request) { openRefused(w, r, serve) }, 3},
		"416 to any range":         {status(416), 4},
		"403 to any range":         {status(403), 4},
		"404 to any range":         {status(404), 4},
		"501 to any range":         {status(501), 4},
		"500 to any range":         {status(500), 12},
		"the whole":                {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(whole) }, 2},
		"fewer bytes":              {short(40 << 10), 6},
		"206 without a range":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(206); _, _ = w.Write(whole[100<<10:]) }, 4},
		"a range of another place": {func(w http.ResponseWriter, r *http.Request) { r.Header.Set("Range", "bytes=150000-"); serve(w, r) }, 4},
		"a range from before":      {func(w http.ResponseWriter, r *http.Request) { r.Header.Set("Range", "bytes=7-"); serve(w, r) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var most atomic.Int32
			r := blobServer(t, func(w http.ResponseWriter, r *http.Request, n int) {
				most.Store(int32(n) + 1)
				switch {
				case n == 0:
					cutOff(w, whole, 100<<10)
				case r.Header.Get("Range") == "":
					_, _ = w.Write(whole)
				default:
					c.ranged(w, r)
				}
			})
			got, err := readFrom(t, oci.Verified(r), d, 0)
			if err != nil || !bytes.Equal(got, whole) || int(most.Load()) > c.most {
				t.Errorf("%d bytes with %d requests: %v", len(got), most.Load(), err)
			}
		})
	}
}

func openRefused(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	if strings.HasSuffix(r.Header.Get("Range"), "-") {
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	serve(w, r)
}

// TestTrickle has a server that gives ever so little: that ends.
func TestTrickle(t *testing.T) {
	d, whole := noise(100<<10, "")
	var asked int
	r := blobServer(t, func(w http.ResponseWriter, r *http.Request, n int) {
		asked = n + 1
		from := int64(n)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, from, d.Size))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(whole[from : from+1])
	})
	if _, err := readFrom(t, r, d, 0); err == nil || !strings.Contains(err.Error(), "100 answers in a row") || asked > maxTrickle+2 {
		t.Errorf("after %d requests: %v", asked, err)
	}
}

// TestAddressOutOfDate has a registry that goes on redirecting to an address whose time is over.
func TestAddressOutOfDate(t *testing.T) {
	d, whole := noise(100<<10, "")
	for name, c := range map[string]struct {
		old    int  // redirects to the old address
		begun  bool // the address was good for the first half
		status int
		ok     bool
	}{
		"in the middle, 403":  {2, true, 403, true},
		"in the middle, 404":  {2, true, 404, true},
		"in the middle, 400":  {1, true, 400, true},
		"at first":            {2, false, 403, true},
		"at first, for ever":  {1000, false, 403, false},
		"at half, for ever":   {1000, true, 403, false},
		"without any refusal": {0, true, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := fake(t, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.RawQuery {
				case "sig=old":
					w.Header().Set("Content-Type", "application/xml")
					w.WriteHeader(c.status)
					fmt.Fprint(w, "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
				case "sig=half":
					cutOff(w, whole, 50<<10)
				default:
					http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(whole))
				}
			})
			r := blobServer(t, func(w http.ResponseWriter, r *http.Request, n int) {
				sig := "new"
				if c.begun {
					n--
				}
				if n < 0 {
					sig = "half"
				} else if n < c.old {
					sig = "old"
				}
				http.Redirect(w, r, "http://"+store+"/x?sig="+sig, http.StatusTemporaryRedirect)
			})
			_, err := readFrom(t, oci.Verified(r), d, 0)
			if c.ok && err == nil {
				return
			}
			var answer *RegistryError
			if c.ok || !errors.As(err, &answer) || answer.Host != store || !strings.Contains(err.Error(), store+", where the registry redirects to, answered 403 Request has expired") ||
				strings.Contains(err.Error(), "sig=") || !answer.Permanent() || answer.Trouble() != TroubleElsewhere {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestCompressedOnItsWay has answers that are compressed, or said to be.
func TestCompressedOnItsWay(t *testing.T) {
	zip := func(b []byte) []byte {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_, _ = z.Write(b)
		_ = z.Close()
		return out.Bytes()
	}
	for name, size := range map[string]int{"small": 10 << 10, "large": reply.MaxDecided + 1000} {
		tar := "application/vnd.oci.image.layer.v1.tar"
		d, plain := noise(size, tar)
		layer := zip(plain)
		gz := oci.Descriptor{MediaType: tar + "+gzip", Digest: oci.Digest(layer), Size: int64(len(layer))}
		for what, c := range map[string]struct {
			d       oci.Descriptor
			body    []byte
			want    []byte
			chunked bool
			coding  string
			broken  bool
		}{
			"compressed":                  {d, zip(plain), plain, false, "gzip", false},
			"compressed, no length":       {d, zip(plain), plain, true, "x-gzip", false},
			"compressed layer":            {gz, zip(layer), layer, false, "gzip", false},
			"compressed layer, no length": {gz, zip(layer), layer, true, "gzip", false},
			"only said so":                {gz, layer, layer, false, "gzip", false},
			"only said so, no length":     {gz, layer, layer, true, "gzip", false},
			"said so of plain bytes":      {d, plain, plain, true, "gzip", false},
			"identity":                    {d, plain, plain, false, "identity", false},
			"in an unknown way":           {d, append([]byte{11}, plain...), nil, false, "br", false},
			"broken in the middle":        {d, zip(plain), plain, false, "gzip", true},
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				t.Parallel()
				r := blobServer(t, func(w http.ResponseWriter, _ *http.Request, n int) {
					w.Header().Set("Content-Encoding", c.coding)
					if c.broken && n == 0 {
						cutOff(w, c.body, len(c.body)/2)
					}
					if !c.chunked {
						w.Header().Set("Content-Length", strconv.Itoa(len(c.body)))
					} else {
						_ = http.NewResponseController(w).Flush()
					}
					_, _ = w.Write(c.body)
				})
				got, err := readFrom(t, oci.Verified(r), c.d, 0)
				var coding *EncodingError
				if c.want == nil && (!errors.As(err, &coding) || coding.Permanent() || coding.Hint() == "" || !strings.Contains(err.Error(), c.coding)) || c.want != nil && (err != nil || !bytes.Equal(got, c.want)) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			})
		}
	}
}

// TestManyShortAnswers has a cache that gives a mebibyte at a time, in the middle of a real pull.
func TestManyShortAnswers(t *testing.T) {
	content, d := oneBlob("", 3<<20)
	whole, err := readFrom(t, content, d.Blob, 0)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	r := blobServer(t, func(w http.ResponseWriter, r *http.Request, n int) {
		asked.Add(1)
		var from int
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		to := min(from+1<<20, len(whole))
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(whole)))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(whole[from:to])
	})
	if _, err := readFrom(t, oci.Verified(r), d.Blob, 0); err != nil || asked.Load() > 4 {
		t.Errorf("%d requests, %v", asked.Load(), err)
	}
}
