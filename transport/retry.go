package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"oras.land/oras-go/v2/registry/remote/errcode"
)

// maxRetryAfter bounds what a registry may ask for by Retry-After.
const maxRetryAfter = 10 * time.Second

// policy says what is tried again, how often, and after how long. Tried again
// is what may go better next time: a host that cannot be reached, a broken
// connection, the answers 408, 429 and 5xx. Never tried again are bytes that
// lie, a source that fails, a certificate that does not verify, any other
// refusal.
type policy struct {
	tries int           // in all, the first included
	pause time.Duration // before the second try; doubles from try to try
}

func defaultPolicy() policy { return policy{tries: 3, pause: 500 * time.Millisecond} }

// next tells how long to wait before trying again what failed with err at its
// n-th try, and whether to.
func (p policy) next(ctx context.Context, n int, err error) (time.Duration, bool) {
	if ctx.Err() != nil || n >= p.tries || !transient(err) {
		return 0, false
	}
	wait := p.pause << (n - 1)
	var answer *RegistryError
	if errors.As(err, &answer) && answer.after > 0 {
		wait = min(answer.after, maxRetryAfter)
	}
	return wait, true
}

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

func transient(err error) bool {
	var (
		source   *sourceError
		location *locationError
		redirect *redirectError
		plain    *PlainHTTPError
		cert     *tls.CertificateVerificationError
		alert    tls.AlertError
		record   tls.RecordHeaderError
		mine     *RegistryError
		answer   *errcode.ErrorResponse // of a token service
		sent     *url.Error
	)
	switch {
	case errors.As(err, &source), errors.As(err, &location), errors.As(err, &redirect), errors.As(err, &plain),
		errors.As(err, &cert), errors.As(err, &alert), errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return false
	case errors.As(err, &mine) && mine.Status != 0:
		return mine.expired || transientStatus(mine.Status)
	case errors.As(err, &answer):
		return transientStatus(answer.StatusCode)
	}
	return errors.As(err, &sent)
}

func transientStatus(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500
}

// statusOf is the bare status of an answer, with its Retry-After if that is a
// number of seconds.
func statusOf(resp *http.Response) *RegistryError {
	e := &RegistryError{Status: resp.StatusCode}
	if s, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16); err == nil {
		e.after = time.Duration(s) * time.Second
	}
	return e
}
