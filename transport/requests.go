package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"syscall"
	"time"

	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/satchel-airgap/satchel/transport/internal/login"
	"github.com/satchel-airgap/satchel/transport/internal/proxy"
	"github.com/satchel-airgap/satchel/transport/internal/redirect"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
	"github.com/satchel-airgap/satchel/transport/internal/watch"
)

// sender sends requests to registries with one login: it puts in the host's
// scheme and tries again what the policy allows. It is a remote.Client.
type sender struct {
	client   *Client
	endpoint *endpoint
	auth     *login.Authorizer
	blocked  *BlockedError // may be nil
	unasked  login.Unasked
}

// Do sends a request whose URL says https. A request that reads, or whose body
// can be read again, is tried again; others have their own way to.
func (d *sender) Do(req *http.Request) (*http.Response, error) {
	if d.blocked != nil {
		return nil, d.blocked
	}
	t := d.client.begin()
	for {
		resp, err := d.send(req)
		failed := err
		if err == nil {
			failed = peekError(resp)
		}
		if !replayable(req) || !d.client.again(req.Context(), t, req.URL.Host, failed) {
			return resp, err
		}
		if resp != nil {
			reply.Drain(resp)
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

// send tries once. The answer's body is watched.
func (d *sender) send(req *http.Request) (*http.Response, error) {
	w := watch.New(req.Context())
	try := req.Clone(w.Context())
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		try.Body = body
	}
	switch {
	case replayable(req) && req.Method == http.MethodPut:
		w.Expect(d.client.slow)
	case req.Method != http.MethodPut: // the body of an upload is watched where it is read
		w.Expect(2 * d.client.stall)
	}
	resp, err := d.authorized(try)
	if err != nil {
		w.End()
		var shut *RegistryError // of a gate
		if errors.As(err, &shut) {
			return nil, shut
		}
		return nil, w.Cause(movedTo(req.URL.Host, mismatch(err)))
	}
	w.Off()
	resp.Body = w.Body(resp.Body, d.client.stall)
	return resp, nil
}

// authorized sends a request by the host's scheme.
func (d *sender) authorized(req *http.Request) (*http.Response, error) {
	scheme, err := d.endpoint.findScheme(req.Context(), req.URL.Host)
	if err != nil {
		return nil, err
	}
	req.URL.Scheme = scheme
	req = req.WithContext(context.WithValue(req.Context(), clientKey{}, d.client))
	resp, err := d.auth.Do(req, &d.unasked)
	return resp, d.refused(err)
}

// mismatch names the host, registry or token service, that does not speak TLS.
func mismatch(err error) error {
	var sent *url.Error
	var record tls.RecordHeaderError
	if !errors.Is(err, http.ErrSchemeMismatch) && !errors.As(err, &record) || !errors.As(err, &sent) {
		return err
	}
	var proxied *proxy.Error
	if u, perr := url.Parse(sent.URL); perr == nil && !errors.As(err, &proxied) {
		return &PlainHTTPError{Host: u.Host, other: !errors.Is(err, http.ErrSchemeMismatch)}
	}
	return err
}

// movedError is a failure on the way to where a registry redirects to.
type movedError struct {
	host string
	err  error
}

func (e *movedError) Error() string { return e.err.Error() }
func (e *movedError) Unwrap() error { return e.err }

// movedTo marks an error of another host than the one that was asked and its token service.
func movedTo(asked string, err error) error {
	var sent *url.Error
	var service *login.ServiceError
	if errors.As(err, &service) || !errors.As(err, &sent) {
		return err
	}
	u, perr := url.Parse(sent.URL)
	if perr != nil || u.Host == "" || u.Host == asked {
		return err
	}
	return &movedError{reply.OneLine(u.Host), err}
}

// clientKey is under which a request to a registry has its client.
type clientKey struct{}

// server is a registry as one that is logged in to sees it.
type server struct{ *endpoint }

func (s server) Challenges(ctx context.Context, asked *url.URL) ([]login.Challenge, error) {
	return s.challenges(ctx, asked)
}

func (s server) Ping(ctx context.Context, scheme, hostport, authz string) (int, []login.Challenge, error) {
	return s.ping(ctx, scheme, hostport, authz)
}

func (s server) Refusal(resp *http.Response) login.Answer { return refusal{responseError(resp)} }

// refusal is an answer of a registry or its token service.
type refusal struct{ err *RegistryError }

func (r refusal) Says() (by string, status int, why string) {
	return r.err.by, r.err.Status, r.err.Message
}

func (r refusal) Cause(by string) string {
	r.err.by = by
	return r.err.Cause()
}

// refused makes a *[RegistryError] of a login that is refused.
func (d *sender) refused(err error) error {
	r, ok := errors.AsType[*login.Refusal](err)
	switch {
	case ok && r.Wrong != nil:
		return &RegistryError{Status: http.StatusUnauthorized, Host: d.auth.Name(), standing: r.Standing, Err: (*LoginError)(r.Wrong)}
	case ok:
		if answer, ok := r.Answer.(refusal); ok {
			answer.err.by, answer.err.standing = r.By, r.Standing
			return answer.err
		}
	}
	var service *login.ServiceError
	var mine *RegistryError
	if errors.As(err, &service) && errors.As(err, &mine) { // of a gate
		mine.Host = cmp.Or(mine.Host, d.auth.Name())
	}
	return err
}

// DefaultRetryTimes is how often a request is tried again.
const DefaultRetryTimes = 5

// failureOf is what counts of an error for trying again.
func failureOf(err error) retry.Failure {
	f := retry.Failure{Transient: transient(err), After: askedToWait(err)}
	var answer *RegistryError
	if errors.As(err, &answer) {
		f.Expired, f.Lost, f.Internal = answer.expired, answer.lost, answer.internal()
	}
	return f
}

// transient reports whether a failure may be over at the next try: a host that
// cannot be reached or found, a broken or stalled connection, the answers 408,
// 429 and most 5xx. Not so are bytes that lie, a source that fails, a
// certificate that does not verify, a registry whose disk is full, any other
// refusal.
func transient(err error) bool {
	var (
		config   *ConfigError
		source   *sourceError
		location *redirect.UploadError
		strayed  *redirect.Error
		blocked  *BlockedError
		proxied  *proxy.Error
		broken   *watch.BrokenError
		mine     *RegistryError
		answer   *errcode.ErrorResponse // of a token service
		sent     *url.Error
	)
	switch {
	case errors.As(err, &config), errors.As(err, &source), errors.As(err, &location), errors.As(err, &strayed), errors.As(err, &blocked):
		return false
	case errors.As(err, &broken), errors.Is(err, watch.ErrStalled):
		return true
	case errors.As(err, &mine) && mine.Status != 0:
		return mine.expired || mine.stale || mine.lost || reply.Transient(mine.Status) && !mine.full && !mine.readOnly
	case errors.As(err, &answer):
		return reply.Transient(answer.StatusCode)
	case errors.As(err, &proxied) && proxied.Status != 0:
		return reply.Transient(proxied.Status)
	case refusedTLS(err):
		return false
	}
	// What the library reads of a token service's answer is not marked as broken.
	return errors.As(err, &sent) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// refusedTLS reports whether one side does not want to speak TLS with the other.
func refusedTLS(err error) bool {
	var (
		plain  *PlainHTTPError
		cert   *tls.CertificateVerificationError
		alert  tls.AlertError
		record tls.RecordHeaderError
		remote *net.OpError
	)
	return errors.As(err, &plain) || errors.As(err, &cert) || errors.As(err, &alert) || errors.As(err, &record) ||
		errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &remote) && remote.Op == "remote error" // how crypto/tls passes on an alert
}

// statusOf is the bare status of an answer, with its Retry-After.
func statusOf(resp *http.Response) *RegistryError {
	e := &RegistryError{Status: resp.StatusCode, Host: reply.OneLine(resp.Request.URL.Host), after: reply.RetryAfter(resp), standing: login.StandingOf(resp)}
	if to, err := resp.Location(); err == nil && e.Status/100 == 3 {
		e.to = reply.OneLine(to.Host)
	}
	if reply.Redirected(resp) && e.standing != nil && e.Host != e.standing.Host {
		e.by, e.elsewhere = e.Host+", where the registry redirects to,", true
	}
	return e
}

// askedToWait is the Retry-After of the answer behind err, 0 if there is none.
func askedToWait(err error) time.Duration {
	var answer *RegistryError
	if !errors.As(err, &answer) {
		return 0
	}
	return answer.after
}

// gate gives the one gate of a host, host[:port] of a URL.
func (c *Client) gate(hostport string) *retry.Gate {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gates[hostport]
	if g == nil {
		g = &retry.Gate{}
		c.gates[hostport] = g
	}
	return g
}

// anyOpen waits until the gate of one of the locations is open.
func (c *Client) anyOpen(ctx context.Context, locations []*Repository) error {
	var waits []time.Duration
	for _, p := range locations {
		if p.sender.blocked == nil {
			waits = append(waits, c.gate(p.location.Host()).Left())
		}
	}
	if len(waits) == 0 || slices.Min(waits) <= 0 {
		return nil
	}
	return retry.Sleep(ctx, slices.Min(waits))
}

// ifOpen fails as the request did that shut the gate.
func ifOpen(g *retry.Gate) error {
	status, left := g.Status()
	if left <= 0 {
		return nil
	}
	return &RegistryError{Status: status, after: left}
}

// again waits before the next try of what failed with err at the host; false
// means that there is none.
func (c *Client) again(ctx context.Context, t *retry.Tries, hostport string, err error) bool {
	wait, ok := t.Next(ctx, failureOf(err))
	if !ok {
		return false
	}
	if c.cfg.Waiting != nil && c.gate(hostport).NoticeDue() {
		c.cfg.Waiting(hostport, reasonOf(err, hostport), wait)
	}
	return retry.Sleep(ctx, wait) == nil
}

// begin counts the tries of one thing.
func (c *Client) begin() *retry.Tries { return &retry.Tries{Policy: c.retry} }
