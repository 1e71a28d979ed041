package transport

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// standing is how a request stands with the credential that is configured for it.
type standing struct {
	client     *Client
	host       string // of the registry
	user       string
	configured bool
	sent       bool   // also by way of a token service
	why        string // why no challenge can be answered
	unasked    bool   // refused without a challenge
	tried      bool   // then sent all the same, and refused
}

type standingKey struct{}

// standingOf is how the request of an answer stood.
func standingOf(resp *http.Response) *standing {
	st, _ := resp.Request.Context().Value(standingKey{}).(*standing)
	return st
}

// note is what is added to a refusal with this status about the credential, "" for nothing.
func (st *standing) note(status int) string {
	switch {
	case st == nil || status != http.StatusUnauthorized && status != http.StatusForbidden:
		return ""
	case st.why != "":
		return "; " + st.why
	case st.tried:
		return "; it asks for no credentials, and refused those that are configured for it"
	case st.sent && st.user != "":
		return fmt.Sprintf(" (to user %q)", reply.OneLine(st.user))
	case st.sent:
		return " (to the credentials that are configured for it)"
	case st.unasked:
		return "; it asks for no credentials, so those that are configured for it were not sent"
	case !st.configured:
		return "; no credentials are configured for it"
	}
	return ""
}

// trouble is the sort of a refusal with this status.
func (st *standing) trouble(status int) Trouble {
	sort := troubleOf(status)
	switch sort {
	case TroubleUnauthorized, TroubleForbidden, TroubleNotFound:
	default:
		return sort
	}
	switch {
	case st == nil || !st.configured && st.why == "":
		return sort
	case sort == TroubleNotFound:
		return TroubleAbsent
	case st.why != "":
		return TroubleScheme
	case st.sent:
		return TroubleDenied
	case st.unasked:
		return TroubleSilent
	}
	return sort
}

// unasked is what became of the credentials of a repository that refuses and has no challenge,
// neither of its own nor at the API root.
type unasked struct {
	mu    sync.Mutex
	tried bool
	open  bool // it takes them
}

func (u *unasked) isOpen() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.open
}

// offer sends the credentials without a challenge: once for a repository, for a manifest of the
// source's side alone, over TLS, to the host itself. On the mirror's side nodes would not either.
func (a *authorizer) offer(req *http.Request, resp *http.Response, u *unasked, st *standing) (*http.Response, error) {
	st.unasked = true
	a.passed(nil, "")
	fit := !a.client.cfg.Push && req.Method == http.MethodGet && req.URL.Scheme == "https" &&
		strings.Contains(req.URL.Path, "/manifests/") && a.hasPassword()
	if !fit {
		return resp, nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.open && (u.tried || a.endpoint.silent.Load()) {
		return resp, nil
	}
	first := !u.tried
	u.tried = true
	reply.Drain(resp)
	resp, err := a.send(req, a.basic())
	if err != nil {
		return nil, err
	}
	st.tried, st.sent = true, true
	switch {
	case !first: // it was asked before another request found out
	case resp.StatusCode == http.StatusOK && !reply.Redirected(resp):
		u.open = true
	case refusal(resp.StatusCode, ""):
		a.endpoint.silent.Store(true)
	}
	return resp, nil
}

// LoginError says that a registry, or its token service, does not take the credentials that are
// configured for it. It is the cause of a [RegistryError].
type LoginError struct {
	Host   string // the registry
	User   string // may be empty
	Token  bool   // it is an identity token that is not taken
	By     string // who refuses, if not the registry itself
	Status int    // HTTP status of the refusal
	Reason string // what it answered, may be empty
}

func (e *LoginError) Error() string {
	by, what := e.By, "the user name and password"
	if by == "" {
		by = "the registry " + e.Host
	} else {
		by += " of " + e.Host
	}
	if e.Token {
		what = "the identity token"
	}
	said := by + " does not take " + what
	if e.User != "" {
		said += fmt.Sprintf(" of user %q", reply.OneLine(e.User))
	}
	said += fmt.Sprintf(" (it answered %d)", e.Status)
	if e.Reason != "" {
		said += ": " + e.Reason
	}
	return said
}

// Hint says what to do now.
func (e *LoginError) Hint() string {
	return hintPassword
}

// Permanent is false: no image is lost by how this host is configured.
func (e *LoginError) Permanent() bool { return false }
