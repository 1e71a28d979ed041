package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"syscall"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// doer sends requests to registries with one login: it puts in the host's
// scheme and tries again what [policy] allows. It is a remote.Client.
type doer struct {
	client *Client
	auth   *auth.Client
}

// Do sends a request whose URL says https. A request that reads, or whose body
// can be had again, is tried again; others have their own way to.
func (d *doer) Do(req *http.Request) (*http.Response, error) {
	for n := 1; ; n++ {
		resp, err := d.once(req)
		failed := err
		if err == nil {
			failed = statusOf(resp)
		}
		wait, again := d.client.retry.next(req.Context(), n, failed)
		if !again || !replayable(req) {
			return resp, err
		}
		if resp != nil {
			finish(resp)
		}
		if err := sleep(req.Context(), wait); err != nil {
			return nil, err
		}
	}
}

func replayable(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		return true
	}
	return req.GetBody != nil
}

func (d *doer) once(req *http.Request) (*http.Response, error) {
	try := req.Clone(req.Context())
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		try.Body = body
	}
	scheme, err := d.client.scheme(req.Context(), req.URL.Host)
	if err != nil {
		return nil, err
	}
	try.URL.Scheme = scheme
	resp, err := d.auth.Do(try)
	return resp, mismatch(err)
}

// mismatch names the host, registry or token service, that does not speak TLS.
func mismatch(err error) error {
	var sent *url.Error
	if !errors.Is(err, http.ErrSchemeMismatch) || !errors.As(err, &sent) {
		return err
	}
	if u, perr := url.Parse(sent.URL); perr == nil {
		return &PlainHTTPError{Host: u.Host}
	}
	return err
}

// host is what is known of a host.
type host struct {
	busy   chan struct{} // holds one while someone finds out
	scheme string        // "" when not known yet
}

// scheme tells how a host is spoken to: by TLS if it can be, and by plain HTTP
// only if certificates are not checked either. Each host is asked once.
func (c *Client) scheme(ctx context.Context, hostport string) (string, error) {
	if c.cfg.TLSVerify {
		return "https", nil
	}
	c.mu.Lock()
	h := c.hosts[hostport]
	if h == nil {
		h = &host{busy: make(chan struct{}, 1)}
		c.hosts[hostport] = h
	}
	c.mu.Unlock()
	select {
	case h.busy <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-h.busy }()
	if h.scheme != "" {
		return h.scheme, nil
	}
	scheme := "https"
	err := c.ping(ctx, scheme, hostport)
	if speaksNoTLS(err) {
		scheme = "http"
		if perr := c.ping(ctx, scheme, hostport); perr == nil || !errors.Is(err, syscall.ECONNREFUSED) {
			err = perr
		}
	}
	if err != nil {
		return "", err
	}
	h.scheme = scheme
	return scheme, nil
}

// speaksNoTLS reports whether an error is how a host without TLS answers it, or
// how one does whose TLS port is not there.
func speaksNoTLS(err error) bool {
	var record tls.RecordHeaderError
	return errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &record) || errors.Is(err, syscall.ECONNREFUSED)
}

// ping asks for the API root (OCI distribution-spec, end-1); any answer will do.
func (c *Client) ping(ctx context.Context, scheme, hostport string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s://%s/v2/", scheme, hostport), nil)
	if err != nil {
		return err
	}
	if c.cfg.UserAgent != "" {
		req.Header.Set("User-Agent", c.cfg.UserAgent)
	}
	plain := &http.Client{
		Transport:     c.http.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := plain.Do(req)
	if err != nil {
		return err
	}
	finish(resp)
	return nil
}
