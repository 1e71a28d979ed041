package login

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// Standing is how a request stands with the credential that is configured for it.
type Standing struct {
	Host       string // of the registry
	User       string
	Configured bool
	Sent       bool   // also through a token service
	Why        string // why no challenge can be answered
	Unasked    bool   // refused without a challenge
	Tried      bool   // then sent all the same, and refused
}

type standingKey struct{}

// StandingOf is how the request of an answer stood.
func StandingOf(resp *http.Response) *Standing {
	st, _ := resp.Request.Context().Value(standingKey{}).(*Standing)
	return st
}

// Note is what is added to a refusal with this status about the credential, "" for nothing.
func (st *Standing) Note(status int) string {
	switch {
	case st == nil || status != http.StatusUnauthorized && status != http.StatusForbidden:
		return ""
	case st.Why != "":
		return "; " + st.Why
	case st.Tried:
		return "; it asks for no credentials, and refused those that are configured for it"
	case st.Sent && st.User != "":
		return fmt.Sprintf(" (to user %q)", reply.OneLine(st.User))
	case st.Sent:
		return " (to the credentials that are configured for it)"
	case st.Unasked:
		return "; it asks for no credentials, so those that are configured for it were not sent"
	case !st.Configured:
		return "; no credentials are configured for it"
	}
	return ""
}

// Unasked is what became of the credentials of a repository that refuses and has no challenge,
// neither of its own nor at the API root.
type Unasked struct {
	mu    sync.Mutex
	tried bool
	open  bool // it takes them
}

func (u *Unasked) isOpen() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.open
}

// offer sends the credentials without a challenge: once for a repository, for a manifest of the
// source's side alone, over TLS, to the host itself. On the mirror's side nodes would not either.
func (a *Authorizer) offer(req *http.Request, resp *http.Response, u *Unasked, st *Standing) (*http.Response, error) {
	st.Unasked = true
	a.passed(nil, "")
	fit := !a.Push && req.Method == http.MethodGet && req.URL.Scheme == "https" &&
		strings.Contains(req.URL.Path, "/manifests/") && a.hasPassword()
	if !fit {
		return resp, nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.open && (u.tried || a.silent.Load()) {
		return resp, nil
	}
	first := !u.tried
	u.tried = true
	reply.Drain(resp)
	resp, err := a.send(req, a.basic())
	if err != nil {
		return nil, err
	}
	st.Tried, st.Sent = true, true
	switch {
	case !first: // it was asked before another request found out
	case resp.StatusCode == http.StatusOK && !reply.Redirected(resp):
		u.open = true
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		a.silent.Store(true)
	}
	return resp, nil
}
