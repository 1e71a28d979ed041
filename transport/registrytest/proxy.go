package registrytest

import (
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Proxy is a reverse proxy in front of a registry. Set Answer and Alter before
// the first request.
type Proxy struct {
	Host string // 127.0.0.1:port

	// Answer may answer a request itself and then returns true.
	Answer func(w http.ResponseWriter, r *http.Request) bool
	// Alter may change an answer of the registry. Its error breaks the connection.
	Alter func(resp *http.Response) error
	// Break may break a connection, as Drop does, after so many bytes.
	Break func(kind string) (after int64, broken bool)

	mu        sync.Mutex
	requests  []string
	counts    map[string]int
	blobBytes int64
	sentBytes int64
	drops     []*drop
}

type drop struct {
	kind  string
	after int64
	times int
}

var errDropped = errors.New("connection broken by the test")

// StartProxy puts a proxy in front of the registry at target, host:port, until
// the test ends.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	p := &Proxy{counts: map[string]int{}}
	tr := &http.Transport{DisableCompression: true}
	rp := &httputil.ReverseProxy{
		Transport:     tr,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			// The registry builds its Location headers from the Host that the client used.
			r.SetURL(&url.URL{Scheme: "http", Host: target})
			r.Out.Host = r.In.Host
		},
		ModifyResponse: p.modify,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			panic(http.ErrAbortHandler)
		},
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(rp, w, r) }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		tr.CloseIdleConnections()
	})
	p.Host = strings.TrimPrefix(srv.URL, "http://")
	return p
}

// Drop breaks the connection of the next times requests of that kind: after so
// many bytes of the body that the client sends (PUT, PATCH), else of the body
// that it gets.
func (p *Proxy) Drop(kind string, after int64, times int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drops = append(p.drops, &drop{kind, after, times})
}

// BlobBytes is the number of bytes that blob GETs have given so far.
func (p *Proxy) BlobBytes() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.blobBytes
}

// SentBytes is the number of bytes that clients have uploaded so far.
func (p *Proxy) SentBytes() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sentBytes
}

// Count is the number of requests of that kind so far.
func (p *Proxy) Count(kind string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[kind]
}

// Counts gives the number of requests so far by kind.
func (p *Proxy) Counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// Requests lists every request so far as "METHOD PATH?QUERY", in order of arrival.
func (p *Proxy) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// Reset forgets what was counted.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests, p.counts, p.blobBytes, p.sentBytes = nil, map[string]int{}, 0, 0
}

func (p *Proxy) serve(rp http.Handler, w http.ResponseWriter, r *http.Request) {
	kind := Kind(r)
	p.mu.Lock()
	p.counts[kind]++
	p.requests = append(p.requests, r.Method+" "+r.URL.RequestURI())
	p.mu.Unlock()
	if p.Answer != nil && p.Answer(w, r) {
		return
	}
	if r.Method == http.MethodPut || r.Method == http.MethodPatch {
		r.Body = &countBody{r.Body, p, &p.sentBytes}
		if after, ok := p.takeDrop(kind); ok {
			r.Body = &dropBody{ReadCloser: r.Body, left: after}
		}
	}
	rp.ServeHTTP(w, r)
}

func (p *Proxy) modify(resp *http.Response) error {
	if p.Alter != nil {
		if err := p.Alter(resp); err != nil {
			return err
		}
	}
	kind := Kind(resp.Request)
	if kind == "GET blob" {
		resp.Body = &countBody{resp.Body, p, &p.blobBytes}
	}
	if m := resp.Request.Method; m != http.MethodPut && m != http.MethodPatch {
		if after, ok := p.takeDrop(kind); ok {
			resp.Body = &dropBody{ReadCloser: resp.Body, left: after}
		}
	}
	return nil
}

func (p *Proxy) takeDrop(kind string) (after int64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Break != nil {
		if after, ok := p.Break(kind); ok {
			return after, true
		}
	}
	for _, d := range p.drops {
		if d.kind == kind && d.times > 0 {
			d.times--
			return d.after, true
		}
	}
	return 0, false
}

var apiPath = regexp.MustCompile(`^/v2/(?:.+/(manifests|blobs|tags|referrers)/(.*))?$`)

// Kind gives what a request to a registry is, such as "GET blob".
func Kind(r *http.Request) string {
	m := apiPath.FindStringSubmatch(r.URL.Path)
	switch {
	case m == nil:
		return "other"
	case m[1] == "":
		return r.Method + " base"
	case m[1] == "blobs" && strings.HasPrefix(m[2], "uploads/") && r.URL.Query().Has("mount"):
		return r.Method + " mount"
	case m[1] == "blobs" && strings.HasPrefix(m[2], "uploads/"):
		return r.Method + " upload"
	}
	return r.Method + " " + strings.TrimSuffix(m[1], "s")
}

// countBody counts the bytes of a blob on their way.
type countBody struct {
	io.ReadCloser
	p     *Proxy
	count *int64 // one of p's
}

func (b *countBody) Read(buf []byte) (int, error) {
	n, err := b.ReadCloser.Read(buf)
	b.p.mu.Lock()
	*b.count += int64(n)
	b.p.mu.Unlock()
	return n, err
}

// dropBody fails after so many bytes.
type dropBody struct {
	io.ReadCloser
	left int64
}

func (b *dropBody) Read(buf []byte) (int, error) {
	if b.left <= 0 {
		return 0, errDropped
	}
	n, err := b.ReadCloser.Read(buf[:min(int64(len(buf)), b.left)])
	b.left -= int64(n)
	return n, err
}
