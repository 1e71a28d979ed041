package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/satchel-airgap/satchel/transport/internal/login"
	"github.com/satchel-airgap/satchel/transport/internal/redirect"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/internal/watch"
)

const (
	// DefaultRetryTimes is how often a request is tried again.
	DefaultRetryTimes = 5

	firstPause   = time.Second
	longestPause = time.Minute
	outage       = 75 * time.Second // more than the minute that is promised
)

// policy says how often something is tried again, and after how long.
type policy struct {
	times    int           // tries after the first
	delay    time.Duration // between tries; 0: first, then doubling up to longestPause
	first    time.Duration
	patience time.Duration // how long an outage is waited for at least, however many tries that takes
}

func newPolicy(cfg Config) policy {
	p := policy{times: max(0, cfg.RetryTimes), delay: cfg.RetryDelay, first: firstPause}
	if p.delay == 0 {
		p.patience = outage
	}
	return p
}

// tries counts what failed in a row. Tried again is what may go better next
// time, see [transient].
type tries struct {
	policy
	n       int
	since   time.Time // the first failure in a row
	renewed bool      // a token was fetched again
}

// next gives how long to wait before trying again what failed with err, and
// whether to.
func (t *tries) next(ctx context.Context, err error) (time.Duration, bool) {
	var answer *RegistryError
	errors.As(err, &answer)
	switch {
	case ctx.Err() != nil || t.times == 0 || onlyOnce(ctx) || !transient(err):
		return 0, false
	case answer != nil && (answer.expired && t.renewed || answer.lost && t.n >= t.times):
		return 0, false
	}
	t.renewed = t.renewed || answer != nil && answer.expired
	if t.n++; t.n == 1 {
		t.since = time.Now()
	}
	left := t.patience - time.Since(t.since)
	if t.n > t.times && left <= 0 {
		return 0, false
	}
	if after := askedToWait(err); after > 0 {
		return after, true
	}
	wait := t.pause()
	if t.n > t.times {
		wait = min(wait, left)
	}
	return wait, true
}

// pause doubles from try to try, and varies by a quarter so that requests that
// failed together do not come back together.
func (t *tries) pause() time.Duration {
	if t.delay > 0 {
		return t.delay
	}
	wait := t.first
	for i := 1; i < t.n && wait < longestPause; i++ {
		wait *= 2
	}
	wait = min(wait, longestPause)
	return wait*3/4 + rand.N(wait/2+1)
}

// moved notes that the try which failed got somewhere: what is wrong now has
// only started. It stops helping when the tries are used up, so that what breaks
// every time ends.
func (t *tries) moved() {
	if t.n <= t.times {
		t.since = time.Now()
	}
}

type onceKey struct{}

// once makes a context in which nothing is tried again, nor waited for at a gate.
func once(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

func onlyOnce(ctx context.Context) bool { return ctx.Value(onceKey{}) != nil }

// sleep waits, but not beyond the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
		proxy    *proxyError
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
		return mine.expired || mine.stale || mine.lost || reply.Transient(mine.Status) && !mine.full
	case errors.As(err, &answer):
		return reply.Transient(answer.StatusCode)
	case errors.As(err, &proxy) && proxy.status != 0:
		return reply.Transient(proxy.status)
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
		errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &remote) && remote.Op == "remote error" // how crypto/tls hands on an alert
}

// statusOf is the bare status of an answer, with its Retry-After.
func statusOf(resp *http.Response) *RegistryError {
	e := &RegistryError{Status: resp.StatusCode, Host: reply.OneLine(resp.Request.URL.Host), after: reply.RetryAfter(resp), standing: login.StandingOf(resp)}
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
