package transport

import (
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
		location *uploadError
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
		c.cfg.Waiting(hostport, reason(err), wait)
	}
	return retry.Sleep(ctx, wait) == nil
}

// begin counts the tries of one thing.
func (c *Client) begin() *retry.Tries { return &retry.Tries{Policy: c.retry} }
