package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/internal/proxy"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
	"github.com/satchel-airgap/satchel/transport/internal/watch"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// schedule gives the pauses until the policy gives up, in fake time.
func schedule(ctx context.Context, p retry.Policy, err error) (pauses []time.Duration) {
	for t := (&retry.Tries{Policy: p}); ; {
		wait, again := t.Next(ctx, failureOf(err))
		if !again {
			return pauses
		}
		pauses = append(pauses, wait)
		time.Sleep(wait)
	}
}

func TestDefaultSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		pauses := schedule(t.Context(), retry.New(DefaultRetryTimes, 0), &RegistryError{Status: 429})
		want := time.Second
		for i, got := range pauses[:DefaultRetryTimes] {
			if got < want*3/4 || got > want*5/4 {
				t.Errorf("pause %d is %v, want about %v", i, got, want)
			}
			want *= 2
		}
		if d := time.Since(begun); d < time.Minute || d > 90*time.Second {
			t.Errorf("an outage is waited for %v, in %v", d, pauses)
		}
	})
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		busy := &RegistryError{Status: 503}
		if got := schedule(t.Context(), retry.New(3, 7*time.Second), busy); !slices.Equal(got, []time.Duration{7 * time.Second, 7 * time.Second, 7 * time.Second}) {
			t.Errorf("a given delay: %v", got)
		}
		if got := schedule(t.Context(), retry.New(0, 0), busy); got != nil {
			t.Errorf("no retries: %v", got)
		}
		long := schedule(t.Context(), retry.New(12, 0), busy)
		if len(long) != 12 || slices.Max(long) > retry.Longest*5/4 || long[11] < retry.Longest*3/4 {
			t.Errorf("12 retries: %v", long)
		}
		if got := schedule(retry.Once(t.Context()), retry.New(3, 0), busy); got != nil {
			t.Errorf("where nothing is to be tried again: %v", got)
		}
		expired := &RegistryError{Status: 401, expired: true}
		if got := schedule(t.Context(), retry.New(3, 1), expired); len(got) != 1 {
			t.Errorf("an expired token is renewed %d times", len(got))
		}
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for header, want := range map[string]time.Duration{
			"3": 3 * time.Second, "3600": 5 * time.Minute, "-1": 0, "soon": 0, "": 0,
			time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat): 90 * time.Second,
			time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat):       0,
			time.Now().Add(time.Hour).UTC().Format(http.TimeFormat):        5 * time.Minute,
		} {
			for status, want := range map[int]time.Duration{429: want, 503: want, 500: 0, 200: 0} {
				resp := &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {header}}}
				if got := reply.RetryAfter(resp); got != want {
					t.Errorf("%d, Retry-After %q: %v, want %v", status, header, got, want)
				}
			}
		}
		tr := &retry.Tries{Policy: retry.Policy{Times: 1, First: time.Hour}}
		if got, again := tr.Next(t.Context(), failureOf(&RegistryError{Status: 429, after: 4 * time.Second})); !again || got != 4*time.Second {
			t.Errorf("asked to wait 4 s: %v, %v", got, again)
		}
	})
}

func TestTransient(t *testing.T) {
	t.Parallel()
	wrap := func(err error) error { return &url.Error{Op: "Get", URL: "https://h.example/", Err: err} }
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"refused":       {wrap(syscall.ECONNREFUSED), true},
		"reset":         {wrap(syscall.ECONNRESET), true},
		"no such name":  {wrap(&net.DNSError{IsNotFound: true}), true},
		"timeout":       {wrap(context.DeadlineExceeded), true},
		"stalled":       {watch.ErrStalled, true},
		"broken":        {&watch.BrokenError{Err: io.ErrNoProgress}, true},
		"token cut":     {fmt.Errorf("decode: %w", io.ErrUnexpectedEOF), true},
		"token reset":   {fmt.Errorf("decode: %w", &net.OpError{Op: "read", Err: syscall.ECONNRESET}), true},
		"lie":           {&oci.DigestError{}, false},
		"source":        {&sourceError{wrap(syscall.ECONNRESET)}, false},
		"alert":         {wrap(&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}), false},
		"proxy says no": {wrap(&proxy.Error{Status: 407}), false},
		"proxy is busy": {wrap(&proxy.Error{Status: 503}), true},
		"408":           {&RegistryError{Status: 408}, true},
		"500":           {&RegistryError{Status: 500}, true},
		"500, full":     {&RegistryError{Status: 500, full: true}, false},
		"501":           {&RegistryError{Status: 501}, false},
		"507":           {&RegistryError{Status: 507}, false},
		"401":           {&RegistryError{Status: 401}, false},
	} {
		if got := transient(c.err); got != c.want {
			t.Errorf("%s is transient: %v", name, got)
		}
	}
}

// outageNet is a network inside the process, for fake time: connections reach
// srv, except while it is down, and then they break, too.
type outageNet struct {
	conns chan net.Conn
	stop  chan struct{}

	mu    sync.Mutex
	until time.Time
	open  []net.Conn
}

func (n *outageNet) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.stop:
		return nil, net.ErrClosed
	}
}

func (n *outageNet) Close() error   { return nil }
func (n *outageNet) Addr() net.Addr { return &net.TCPAddr{} }

func (n *outageNet) dial(context.Context, string, string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Now().Before(n.until) {
		return nil, syscall.ECONNREFUSED
	}
	near, far := net.Pipe()
	n.open = append(n.open, near, far)
	n.conns <- far
	return near, nil
}

func (n *outageNet) down(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.until = time.Now().Add(d)
	for _, c := range n.open {
		c.Close()
	}
	n.open = nil
}

// TestOutageOfAMinute has the registry away for a minute before, and inside,
// every kind of request, with the settings that users get.
func TestOutageOfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		content := ocitest.New(5)
		layer := content.Layer(1<<20, ocitest.LayerGzip)
		n := &outageNet{conns: make(chan net.Conn, 8), stop: make(chan struct{})}
		reg := &memory{blobs: map[string][]byte{}}
		srv := &http.Server{Handler: reg, ErrorLog: log.New(io.Discard, "", 0)}
		go srv.Serve(n)
		defer srv.Close()
		defer close(n.stop)
		c := NewClient(Config{Authfile: writeFile(t, "auth.json", `{"auths":{}}`), RetryTimes: DefaultRetryTimes})
		r, err := c.Repository(oci.Ref{Registry: "registry.example", Repository: "a"})
		if err != nil {
			t.Fatal(err)
		}
		pool := r.sender.endpoint.http.Transport.(*holding).Transport
		pool.DialContext, pool.Proxy = n.dial, nil
		r.sender.endpoint.scheme = "http"
		defer pool.CloseIdleConnections()
		manifest := content.Image(false, layer)
		body, err := oci.ReadManifest(t.Context(), content, manifest)
		if err != nil {
			t.Fatal(err)
		}
		for name, op := range map[string]func() error{
			"push":  func() error { return r.putBlob(t.Context(), oci.Verified(content), layer, oci.Ref{}) },
			"store": func() error { return r.putManifest(t.Context(), manifest, body, "1") },
			"look":  func() error { _, err := r.Has(t.Context(), layer); return err },
			"resolve": func() error {
				_, _, err := c.Resolve(t.Context(), oci.Ref{Registry: "registry.example", Repository: "a", Tag: "1"})
				return err
			},
			"pull": func() error { _, err := readFrom(t, oci.Verified(r), layer, 0); return err },
			"read": func() error { _, err := readFrom(t, oci.Verified(r), manifest, 0); return err },
		} {
			reg.put(layer, content)
			reg.blobs[manifest.Digest.String()] = body
			begun := time.Now()
			n.down(time.Minute)
			if err := op(); err != nil || time.Since(begun) < time.Minute {
				t.Errorf("%s, down before: %v after %v", name, err, time.Since(begun))
			}
			begun = time.Now()
			reg.within.Store(&[]func(){func() { n.down(time.Minute) }}[0])
			if err := op(); err != nil || time.Since(begun) < time.Minute {
				t.Errorf("%s, down within: %v after %v", name, err, time.Since(begun))
			}
		}
	})
}

// memory is a registry in memory that calls within, once, in the middle of a body.
type memory struct {
	blobs  map[string][]byte
	within atomic.Pointer[func()]
}

func (m *memory) put(d oci.Descriptor, src oci.Source) {
	rc, err := src.Open(context.Background(), d, 0)
	if err == nil {
		m.blobs[d.Digest.String()], _ = io.ReadAll(rc)
	}
}

func (m *memory) interrupt() {
	if f := m.within.Swap(nil); f != nil {
		(*f)()
	}
}

func (m *memory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(r.URL.Path, "/")
	switch last := path[len(path)-1]; r.Method {
	case http.MethodPost:
		w.Header().Set("Location", "/v2/a/blobs/uploads/1")
		w.WriteHeader(http.StatusAccepted)
	case http.MethodPut:
		io.CopyN(io.Discard, r.Body, 100)
		m.interrupt()
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			w.WriteHeader(http.StatusCreated)
		}
	default:
		var body []byte
		for digest, b := range m.blobs {
			if digest == last || last == "1" && strings.HasPrefix(string(b), "{") {
				body = b
				w.Header().Set(headerDigest, digest)
			}
		}
		w.Header().Set("Content-Type", oci.MediaTypeManifest)
		if r.Method == http.MethodHead {
			m.interrupt()
		}
		http.ServeContent(&halfway{w, m, 100}, r, "", time.Time{}, strings.NewReader(string(body)))
	}
}

type halfway struct {
	http.ResponseWriter
	m    *memory
	left int
}

func (h *halfway) Write(p []byte) (int, error) {
	if h.left <= 0 {
		return h.ResponseWriter.Write(p)
	}
	n, err := h.ResponseWriter.Write(p[:min(h.left, len(p))])
	if h.left -= n; err != nil {
		return n, err
	}
	http.NewResponseController(h.ResponseWriter).Flush()
	h.m.interrupt()
	k, err := h.ResponseWriter.Write(p[n:])
	return n + k, err
}

// TestSharedPause has a registry tell one of many requests to wait: the others
// wait, too.
func TestSharedPause(t *testing.T) {
	var mu sync.Mutex
	var noticed time.Time
	early := 0
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case registrytest.Kind(r) == "GET base":
		case noticed.IsZero():
			noticed = time.Now()
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		case time.Since(noticed) < 900*time.Millisecond:
			early++
		}
	})
	r, err := insecure(t).Repository(oci.Ref{Registry: host, Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	d := oci.Descriptor{Digest: oci.Digest(nil)}
	first := make(chan error)
	go func() { _, err := r.Has(t.Context(), d); first <- err }()
	for asked := false; !asked; time.Sleep(time.Millisecond) {
		mu.Lock()
		asked = !noticed.IsZero()
		mu.Unlock()
	}
	time.Sleep(50 * time.Millisecond) // the answer is on its way
	for range 10 {
		if _, err := r.Has(t.Context(), d); err != nil {
			t.Error(err)
		}
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
	if early > 0 {
		t.Errorf("%d requests came before the pause was over", early)
	}
}

// A host that is waited for is reported, by name and reason.
func TestWaitingIsReported(t *testing.T) {
	c := insecure(t)
	var noticed []string
	c.cfg.Waiting = func(host, why string, d time.Duration) { noticed = append(noticed, host+": "+why) }
	r, err := c.Repository(oci.Ref{Registry: "127.0.0.1:1", Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	r.Has(t.Context(), oci.Descriptor{Digest: oci.Digest(nil)})
	if want := []string{"127.0.0.1:1: connection refused"}; !slices.Equal(noticed, want) {
		t.Errorf("noticed %q, want %q", noticed, want)
	}
}

// A manifest whose connection breaks is read again.
func TestBrokenManifest(t *testing.T) {
	proxy, c := proxied(t)
	content, _ := oneBlob(proxy.Host, 10)
	root := content.Image(false, content.Layer(100, ocitest.LayerGzip))
	m := mirrorAt(c, proxy.Host, 1)
	inv := images(map[string]oci.Descriptor{"a": root})
	mustFill(t, m, content, inv)
	proxy.Drop("GET manifest", 20, 2)
	r, err := c.Repository(oci.Ref{Registry: proxy.Host, Repository: "mirror/team/a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := oci.ReadManifest(t.Context(), r, root); err != nil || proxy.Count("GET manifest") != 3 {
		t.Errorf("%d requests: %v", proxy.Count("GET manifest"), err)
	}
}
