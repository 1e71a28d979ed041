package login

import (
	"context"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// Host is a registry as requests reach it, for all who log in to it.
type Host struct {
	Client    *http.Client // for all but the API root
	Push      bool         // the mirror's side: only what nodes do as well
	UserAgent string       // may be empty
	Server    Server

	silent atomic.Bool // credentials that it had not asked for were refused
}

// Server answers for the registry.
type Server interface {
	// Challenges gives those of the API root.
	Challenges(ctx context.Context, asked *url.URL) ([]Challenge, error)
	// Ping asks for the API root, with an Authorization if it is not empty.
	Ping(ctx context.Context, scheme, hostport, authz string) (status int, list []Challenge, err error)
	// Refusal reads an answer that is one, and closes it.
	Refusal(resp *http.Response) Answer
}

// Answer is a refusal, of the registry or of its token service, as it was read.
type Answer interface {
	// Says gives who answered, "" for the registry, the HTTP status and the reason, which may be empty.
	Says() (by string, status int, why string)
	// Cause is what it says, in the words for someone by that name.
	Cause(by string) string
}

// Refusal is the error of a login that is refused.
type Refusal struct {
	By       string // who refuses, if not the registry itself
	Answer   Answer // nil where Wrong is not
	Wrong    *Wrong // the credential is
	Standing *Standing
}

func (e *Refusal) Error() string { return "the login is refused" }

// Wrong is a credential that a registry, or its token service, does not take.
type Wrong struct {
	Host   string // the registry
	User   string // may be empty
	Token  bool   // it is an identity token that is not taken
	By     string // who refuses, if not the registry itself
	Status int    // HTTP status of the refusal
	Reason string // what it answered, may be empty
}

// ServiceError is what went wrong on the way to a token service, or with its answer.
type ServiceError struct {
	Host string
	Err  error
}

func (e *ServiceError) Error() string {
	return "the token service " + reply.OneLine(e.Host) + ": " + reply.CleanText(e.Err)
}
func (e *ServiceError) Unwrap() error { return e.Err }
