package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"

	"github.com/satchel-airgap/satchel/transport/internal/login"
	"github.com/satchel-airgap/satchel/transport/internal/proxy"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
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
