package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/satchel-airgap/satchel/transport/internal/limit"
	"github.com/satchel-airgap/satchel/transport/internal/login"
	"github.com/satchel-airgap/satchel/transport/internal/proxy"
	"github.com/satchel-airgap/satchel/transport/internal/redirect"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
	"github.com/satchel-airgap/satchel/transport/internal/watch"
)

const (
	connectTimeout = 30 * time.Second
	answerTimeout  = 5 * time.Minute // a registry hashes what was uploaded before it answers
	idleTimeout    = 90 * time.Second
	pingAfter      = 30 * time.Second // without a frame, for HTTP/2
	pingTimeout    = 15 * time.Second
	idlePerHost    = 32
	bufferSize     = 256 << 10
)

// endpointKey names a registry as requests reach it.
type endpointKey struct {
	registry string // as in references: docker.io, not the host behind it
	insecure bool
}

// endpoint is a registry as requests reach it: its connections and its scheme. As
// containers/image does it, what is configured for a registry also holds for
// its token service and for where it redirects to.
type endpoint struct {
	client   *Client
	insecure bool
	http     *http.Client

	busy   chan struct{}     // holds one while someone finds out
	scheme string            // "" when not known yet
	root   []login.Challenge // of the API root
	asked  int               // how often the API root was asked for them, or enough

	answer atomic.Pointer[rootAnswer] // to GET /v2/

	login login.Host
}

// endpoint gives the one endpoint of a key. The caller holds c.mu.
func (c *Client) endpoint(key endpointKey) (*endpoint, error) {
	if s := c.endpoints[key]; s != nil {
		return s, nil
	}
	conf, err := c.certificates.TLS(key.registry, key.insecure)
	if err != nil {
		return nil, configError(err)
	}
	s := &endpoint{client: c, insecure: key.insecure, busy: make(chan struct{}, 1)}
	s.http = &http.Client{CheckRedirect: redirect.Check, Transport: &holding{c, c.connections(conf)}}
	s.login.Client, s.login.Push, s.login.UserAgent, s.login.Server = s.http, c.cfg.Push, c.cfg.UserAgent, server{s}
	c.endpoints[key] = s
	return s, nil
}

// connections makes the pool of connections of a endpoint.
func (c *Client) connections(conf *tls.Config) *http.Transport {
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: connectTimeout}
	dial := dialer.DialContext
	if c.limit != nil {
		dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return limit.Conn(conn, c.limit), nil
		}
	}
	return &http.Transport{
		Proxy:                  c.proxy,
		OnProxyConnectResponse: proxy.Answer,
		DialContext:            dial,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    connectTimeout,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		ResponseHeaderTimeout:  answerTimeout,
		DisableCompression:     true, // bytes must be exact
		WriteBufferSize:        bufferSize,
		ReadBufferSize:         bufferSize,
	}
}

// proxy is the proxy for a request, as the HTTP library asks for it.
func (c *Client) proxy(req *http.Request) (*url.URL, error) {
	p := c.proxies()
	if v, ok := p.Via(req.URL); ok && v.Err != nil {
		return nil, &ConfigError{What: ConfigProxy, Path: v.String(), Err: v.Err}
	}
	return p.Of(req.URL)
}

// blame names the proxy for what it did to a request.
func (c *Client) blame(req *http.Request, resp *http.Response, err error) (*http.Response, error) {
	resp, err = c.proxies().Blame(req, resp, err)
	if p, ok := errors.AsType[*proxy.Error](err); ok && p.Err != nil {
		_, host, _ := strings.Cut(p.Variable.Value, "://")
		_, p.Why = troubleAt(p.Err, host)
	}
	return resp, err
}

// holding is a pool of connections that heeds Retry-After for all requests to a
// host, those to token services included. A request that is sent only once, its
// content being elsewhere too, fails instead of waiting.
type holding struct {
	client *Client
	*http.Transport
}

func (g *holding) RoundTrip(req *http.Request) (*http.Response, error) {
	gate := g.client.gate(req.URL.Host)
	enter := gate.Pass
	if retry.OnlyOnce(req.Context()) {
		enter = func(context.Context) error { return ifOpen(gate) }
	}
	if err := watch.Pausing(req.Context(), enter); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	resp, err := g.Transport.RoundTrip(reply.Identity(req))
	resp, err = g.client.blame(req, resp, err)
	g.client.trace(req, resp, err)
	if err == nil {
		if wait := reply.RetryAfter(resp); wait > 0 {
			gate.Shut(wait, resp.StatusCode)
		}
	}
	return resp, err
}

// trace reports a request. Queries are left out: upload sessions have secrets there.
func (c *Client) trace(req *http.Request, resp *http.Response, err error) {
	if c.cfg.Trace == nil {
		return
	}
	status := 0
	if err == nil {
		status = resp.StatusCode
	}
	c.cfg.Trace(req.Method, reply.BareURL(req.URL.String()), status, err)
}

// findScheme finds out how a host of the endpoint is reached: by TLS if it can be,
// and by plain HTTP only if certificates are not checked either. It is asked once.
func (s *endpoint) findScheme(ctx context.Context, hostport string) (string, error) {
	if !s.insecure {
		return "https", nil
	}
	select {
	case s.busy <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-s.busy }()
	if s.scheme != "" {
		return s.scheme, nil
	}
	scheme := "https"
	_, list, err := s.ping(ctx, scheme, hostport, "")
	switch {
	case speaksNoTLS(err):
		scheme = "http"
		if _, plain, perr := s.ping(ctx, scheme, hostport, ""); perr == nil || !errors.Is(err, syscall.ECONNREFUSED) {
			list, err = plain, perr
		}
	case hangsUp(err): // so may a registry with TLS, which says 400 to plain HTTP
		status, plain, perr := s.ping(ctx, "http", hostport, "")
		if perr == nil && (status == http.StatusOK || status == http.StatusUnauthorized) {
			scheme, list, err = "http", plain, nil
		}
	}
	if err != nil {
		return "", err
	}
	s.scheme = scheme
	s.root, s.asked = list, rootTries
	return scheme, nil
}

// rootTries is how often the API root is asked for its challenges when it does not answer.
const rootTries = 2

// challenges gives those of the API root, which is asked for them once. Most registries have the
// same ones everywhere; some have them nowhere else.
func (s *endpoint) challenges(ctx context.Context, asked *url.URL) ([]login.Challenge, error) {
	if err := watch.Pausing(ctx, func(ctx context.Context) error { return login.Enter(ctx, s.busy) }); err != nil {
		return nil, err
	}
	defer func() { <-s.busy }()
	if s.asked >= rootTries {
		return s.root, nil
	}
	s.asked++
	ctx, stop := context.WithTimeout(ctx, connectTimeout)
	defer stop()
	status, list, err := s.ping(ctx, asked.Scheme, asked.Host, "")
	if err != nil || reply.Transient(status) {
		return nil, err
	}
	s.root, s.asked = list, rootTries
	return list, nil
}

// speaksNoTLS reports whether an error is how a host without TLS answers it, or
// how one does whose TLS port is not there.
func speaksNoTLS(err error) bool {
	var record tls.RecordHeaderError
	return errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &record) || errors.Is(err, syscall.ECONNREFUSED)
}

// hangsUp reports whether an error is that of a host which ended the connection, as
// some do that do not know what TLS is.
func hangsUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// ping asks for the API root (OCI distribution-spec, end-1); any answer will do.
func (s *endpoint) ping(ctx context.Context, scheme, hostport, authz string) (status int, list []login.Challenge, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s://%s/v2/", scheme, hostport), nil)
	if err != nil {
		return 0, nil, err
	}
	if authz != "" {
		req.Header.Set("Authorization", authz)
	}
	if ua := s.client.cfg.UserAgent; ua != "" {
		req.Header.Set("User-Agent", ua)
	}
	plain := &http.Client{
		Transport:     s.http.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := plain.Do(req)
	if err != nil {
		return 0, nil, err
	}
	reply.Drain(resp)
	root := rootOf(resp)
	s.answer.Store(&root)
	return resp.StatusCode, login.Challenges(resp.Header), nil
}
