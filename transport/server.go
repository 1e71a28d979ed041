package transport

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/satchel-airgap/satchel/transport/internal/login"
)

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
