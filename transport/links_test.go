package transport

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// link puts a toxiproxy in front of a registry.
func link(t *testing.T, target string) *toxiproxy.Proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	p := toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", target)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func toxic(t *testing.T, p *toxiproxy.Proxy, kind, stream string, toxicity float32, attributes string) {
	t.Helper()
	body := fmt.Sprintf(`{"name":"%s-%s","type":%q,"stream":%q,"toxicity":%g,"attributes":%s}`, kind, stream, kind, stream, toxicity, attributes)
	if _, err := p.Toxics.AddToxicJson(strings.NewReader(body)); err != nil {
		t.Fatal(err)
	}
}

// atMost fails the test when more than 10% beyond the content was transferred.
func atMost(t *testing.T, what string, got, content int64) {
	t.Helper()
	t.Logf("%s: %d bytes for %d of content", what, got, content)
	if got < content || got > content*11/10 {
		t.Errorf("%s: %d bytes for %d of content", what, got, content)
	}
}

// blobBytes is the size of what fill uploads: each blob once.
func blobBytes(t *testing.T, content *ocitest.Content, inv *oci.Inventory) (total int64) {
	t.Helper()
	seen := map[string]bool{}
	for _, img := range inv.Images {
		err := oci.Walk(t.Context(), content, img.Root, func(d oci.Descriptor, body []byte) error {
			if body == nil && !seen[d.Digest.String()] {
				seen[d.Digest.String()] = true
				total += d.Size
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return total
}

// roundTrip pushes everything to a registry at host and pulls it from there, in
// one run each, and holds the bytes that counted saw against the content.
func roundTrip(t *testing.T, counted *registrytest.Proxy, host string, c *Client, layers, size int) {
	t.Helper()
	content, inv := everything(t, 9, layers, size)
	total := blobBytes(t, content, inv)
	mustFill(t, mirrorAt(c, host, 4), content, inv)
	atMost(t, "push", counted.SentBytes(), total)
	var got, want int64              // of all images: chance may hit a small one twice
	for _, img := range inv.Images { // one by one, so that what is counted is what one run takes
		one := &oci.Inventory{Images: []oci.Image{img}}
		counted.Reset()
		pulled(t, c, host, one)
		got, want = got+counted.BlobBytes(), want+pulledBlobs(t, content, one)
	}
	atMost(t, "pull", got, want)
}

// pulledBlobs is the size of the blobs that a walk over the images gives.
func pulledBlobs(t *testing.T, content *ocitest.Content, inv *oci.Inventory) (total int64) {
	t.Helper()
	for _, img := range inv.Images {
		if err := oci.Walk(t.Context(), content, img.Root, func(d oci.Descriptor, body []byte) error {
			if body == nil {
				total += d.Size
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return total
}

// impatient is a client with the default number of tries, and short pauses.
func impatient(t *testing.T, cfg Config) *Client {
	t.Helper()
	cfg.Authfile = authfile(t, nil)
	c := quick(t, cfg)
	c.retry = retry.Policy{Times: DefaultRetryTimes, First: 5 * time.Millisecond}
	return c
}

// TestResetRequests breaks every twentieth request, at any byte of its body.
func TestResetRequests(t *testing.T) {
	proxy := registrytest.StartProxy(t, registrytest.Start(t).Host)
	var mu sync.Mutex
	dice := rand.New(rand.NewPCG(1, 2))
	broken := 0
	proxy.Break = func(string) (int64, bool) {
		mu.Lock()
		defer mu.Unlock()
		if dice.IntN(20) > 0 {
			return 0, false
		}
		broken++
		return dice.Int64N(64 << 10), true
	}
	roundTrip(t, proxy, proxy.Host, impatient(t, Config{}), 120, 64<<10)
	if broken < 20 {
		t.Errorf("only %d requests were broken", broken)
	}
}

// TestBusyRegistry has every thirtieth request answered by 429 or 503.
func TestBusyRegistry(t *testing.T) {
	proxy := registrytest.StartProxy(t, registrytest.Start(t).Host)
	var n, refused atomic.Int32
	proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if k := n.Add(1); k%30 != 0 {
			return false
		}
		status := http.StatusTooManyRequests
		w.Header().Set("Retry-After", "1")
		if refused.Add(1)%2 == 0 {
			status = http.StatusServiceUnavailable
			w.Header().Set("Retry-After", time.Now().Add(time.Second).UTC().Format(http.TimeFormat))
		}
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		return true
	}
	begun := time.Now()
	roundTrip(t, proxy, proxy.Host, impatient(t, Config{}), 30, 64<<10)
	if k := refused.Load(); k < 4 || time.Since(begun) < time.Duration(k)*time.Second/2 {
		t.Errorf("%d refusals in %v: Retry-After is not heeded", k, time.Since(begun))
	}
}

// TestBadLinks has the link itself do what it should not.
func TestBadLinks(t *testing.T) {
	for name, poison := range map[string]func(*testing.T, *toxiproxy.Proxy, *Client){
		"delay": func(t *testing.T, p *toxiproxy.Proxy, _ *Client) {
			toxic(t, p, "latency", "downstream", 1, `{"latency":30,"jitter":20}`)
		},
		"narrow": func(t *testing.T, p *toxiproxy.Proxy, _ *Client) {
			toxic(t, p, "bandwidth", "downstream", 1, `{"rate":4000}`)
			toxic(t, p, "bandwidth", "upstream", 1, `{"rate":4000}`)
		},
		"resets": func(t *testing.T, p *toxiproxy.Proxy, c *Client) {
			toxic(t, p, "reset_peer", "downstream", 0.02, `{"timeout":0}`)
			toxic(t, p, "reset_peer", "upstream", 0.03, `{"timeout":0}`)
			everyRequestItsConnection(t, c, p.Listen)
		},
		"stalls": func(t *testing.T, p *toxiproxy.Proxy, c *Client) {
			toxic(t, p, "timeout", "downstream", 0.02, `{"timeout":0}`)
			toxic(t, p, "timeout", "upstream", 0.03, `{"timeout":0}`)
			everyRequestItsConnection(t, c, p.Listen)
		},
	} {
		t.Run(name, func(t *testing.T) {
			counted := registrytest.StartProxy(t, registrytest.Start(t).Host)
			p := link(t, counted.Host)
			c := impatient(t, Config{})
			c.stall, c.slow = 150*time.Millisecond, 300*time.Millisecond
			poison(t, p, c)
			layers := 30
			if name == "resets" || name == "stalls" {
				layers = 200 // so many that chance cannot make 10% of it
			}
			roundTrip(t, counted, p.Listen, c, layers, 3<<20/layers)
		})
	}
}

// everyRequestItsConnection makes each request meet the link again.
func everyRequestItsConnection(t *testing.T, c *Client, host string) {
	t.Helper()
	r, err := c.Repository(oci.Ref{Registry: host, Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	r.sender.endpoint.http.Transport.(*holding).DisableKeepAlives = true
}

// TestStallInsideABody has a body stand still: it resumes where it was.
func TestStallInsideABody(t *testing.T) {
	content, d := oneBlob("", 1<<20)
	whole, err := readFrom(t, content, d.Blob, 0)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var ranges []string
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if registrytest.Kind(r) == "GET base" {
			return
		}
		mu.Lock()
		ranges = append(ranges, r.Header.Get("Range"))
		again := len(ranges) > 1
		mu.Unlock()
		if again {
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(whole)))
			return
		}
		w.Write(whole[:1000])
		http.NewResponseController(w).Flush()
		<-r.Context().Done() // until the client drops the connection
	})
	c := insecure(t)
	c.stall = 100 * time.Millisecond
	r, err := c.Repository(oci.Ref{Registry: host, Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readFrom(t, oci.Verified(r), d.Blob, 0); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(ranges) < 2 || ranges[0] != "" || ranges[1] != "bytes=1000-" { // a busy machine may stall the rest too
		t.Errorf("ranges %q", ranges)
	}
}

// TestStalledUpload has a registry that stops to read, and one that never answers.
func TestStalledUpload(t *testing.T) {
	for name, read := range map[string]int64{"does not read": 1000, "does not answer": 16 << 20} {
		tries := atomic.Int32{}
		host := fake(t, func(w http.ResponseWriter, r *http.Request) {
			switch registrytest.Kind(r) {
			case "POST upload":
				w.Header().Set("Location", "/v2/x/blobs/uploads/1")
				w.WriteHeader(http.StatusAccepted)
			case "PUT upload":
				io.CopyN(io.Discard, r.Body, read)
				if tries.Add(1) < 2 {
					time.Sleep(2 * time.Second)
					return
				}
				io.Copy(io.Discard, r.Body)
				w.WriteHeader(http.StatusCreated)
			}
		})
		content, d := oneBlob(host, 16<<20)
		c := insecure(t)
		c.stall, c.slow = 100*time.Millisecond, 200*time.Millisecond
		r, err := c.Repository(d.Repos[0])
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := r.putBlob(t.Context(), oci.Verified(content), d.Blob, oci.Ref{}); err != nil || tries.Load() != 2 || time.Since(begun) > 2*time.Second {
			t.Errorf("%s: %d tries in %v, %v", name, tries.Load(), time.Since(begun), err)
		}
	}
}

// TestManyBreaks has a link that breaks all the time: progress makes up for it.
func TestManyBreaks(t *testing.T) {
	proxy := registrytest.StartProxy(t, registrytest.Start(t).Host)
	content, d := oneBlob(proxy.Host, 2<<20)
	c := insecure(t)
	r, err := c.Repository(d.Repos[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := r.putBlob(t.Context(), oci.Verified(content), d.Blob, oci.Ref{}); err != nil {
		t.Fatal(err)
	}
	proxy.Drop("GET blob", 50<<10, 30)
	if _, err := readFrom(t, oci.Verified(r), d.Blob, 0); err != nil {
		t.Error(err)
	}
	if n := proxy.Count("GET blob"); n != 31 {
		t.Errorf("%d requests", n)
	}
	atMost(t, "pull", proxy.BlobBytes(), d.Blob.Size)
}

// TestAwayForTenSeconds has the registry gone in the middle of a push, and of a
// pull, with the settings that users get.
func TestAwayForTenSeconds(t *testing.T) {
	for _, name := range []string{"push", "pull"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			counted := registrytest.StartProxy(t, registrytest.Start(t).Host)
			p := link(t, counted.Host)
			c := NewClient(Config{Authfile: writeFile(t, "auth.json", `{"auths":{}}`), RetryTimes: DefaultRetryTimes})
			t.Cleanup(c.Close)
			content, inv := everything(t, 8, 40, 128<<10)
			total := blobBytes(t, content, inv)
			m := mirrorAt(c, p.Listen, 2)
			if name == "pull" {
				mustFill(t, m, content, inv)
			}
			var once sync.Once
			counted.Break = func(kind string) (int64, bool) {
				if transfer(kind) == name {
					once.Do(func() {
						go func() {
							time.Sleep(100 * time.Millisecond)
							p.Stop()
							time.Sleep(10 * time.Second)
							if err := p.Start(); err != nil {
								t.Error(err)
							}
						}()
					})
				}
				time.Sleep(10 * time.Millisecond) // so that it is in the middle
				return 0, false
			}
			begun := time.Now()
			if name == "push" {
				mustFill(t, m, content, inv)
				atMost(t, "push", counted.SentBytes(), total)
			} else {
				counted.Reset()
				pulled(t, c, p.Listen, inv)
				atMost(t, "pull", counted.BlobBytes(), pulledBlobs(t, content, inv))
			}
			if d := time.Since(begun); d < 10*time.Second {
				t.Errorf("done after %v, while the registry was away", d)
			}
		})
	}
}

func transfer(kind string) string {
	return map[string]string{"PUT upload": "push", "GET blob": "pull"}[kind]
}
