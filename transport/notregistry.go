package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/satchel-airgap/satchel/transport/internal/login"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// notRegistryError says that a host does not answer as a registry.
type notRegistryError struct {
	host string
	root rootAnswer
}

// rootAnswer is what a host answered to GET /v2/.
type rootAnswer struct {
	status  int
	page    bool // for people
	spoke   bool // as registries do
	product Product
}

func (e *notRegistryError) Error() string {
	said := fmt.Sprintf("%d %s", e.root.status, strings.ToLower(http.StatusText(e.root.status)))
	if e.root.page && e.root.status == http.StatusOK {
		return fmt.Sprintf("%s answers with a page of text in a registry's place (GET /v2/: %s)", e.host, said)
	}
	return fmt.Sprintf("%s does not answer as a registry (GET /v2/: %s)", e.host, said)
}

// rootOf reads the answer to GET /v2/.
func rootOf(resp *http.Response) rootAnswer {
	api := resp.Header.Get("Docker-Distribution-Api-Version")
	to, err := resp.Location()
	moved := err == nil && strings.HasSuffix(strings.TrimSuffix(to.Path, "/"), "/v2") // as registry.k8s.io does
	return rootAnswer{resp.StatusCode, strings.HasPrefix(mediaType(resp), "text/html"), api != "" || moved, productOf(resp.Header)}
}

// isNone reports whether it is an answer that no registry gives, after one to something else that
// was a page or not.
func (a rootAnswer) isNone(page bool) bool {
	switch {
	case a.spoke, a.status == 0, a.status == http.StatusUnauthorized, a.status == http.StatusForbidden, a.status == http.StatusProxyAuthRequired, reply.Transient(a.status):
		return false
	case a.status/100 == 2:
		return a.page && page
	}
	return true
}

// blameHost gives a *[notRegistryError] in place of an error that a host with no registry may be
// the cause of. The host is asked for /v2/ once, if that was not done before.
func (r *Repository) blameHost(ctx context.Context, err error) error {
	answer, ok := errors.AsType[*RegistryError](err)
	if !ok || answer.proxy || answer.elsewhere || ctx.Err() != nil || r.sender.blocked != nil {
		return err
	}
	switch answer.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return err
	case 0:
		if !answer.page {
			return err
		}
	default: // a registry gives a code
		if answer.Code != "" || answer.Status >= 400 && !reply.Permanent(answer.Status) && answer.Status != http.StatusNotImplemented {
			return err
		}
	}
	host := r.location.Host()
	root := r.sender.endpoint.rootAnswer(ctx, host)
	if !root.isNone(answer.page) {
		return err
	}
	return &RegistryError{Host: host, Err: &notRegistryError{host, root}}
}

// rootAnswer gives the answer to GET /v2/, which is asked for once.
func (s *endpoint) rootAnswer(ctx context.Context, host string) rootAnswer {
	scheme, err := s.findScheme(ctx, host)
	if err != nil || login.Enter(ctx, s.busy) != nil {
		return rootAnswer{}
	}
	defer func() { <-s.busy }()
	if known := s.answer.Load(); known != nil {
		return *known
	}
	ctx, stop := context.WithTimeout(ctx, connectTimeout)
	defer stop()
	if _, _, err := s.ping(ctx, scheme, host, ""); err != nil {
		return rootAnswer{}
	}
	return *s.answer.Load()
}
