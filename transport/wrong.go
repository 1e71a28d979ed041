package transport

import (
	"cmp"
	"errors"
	"net/http"
	"strings"
)

// isWrong is the error of a credential that the host does not take, nil of another.
func (a *authorizer) isWrong(st *standing) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wrong == nil {
		return nil
	}
	st.sent = true
	return &RegistryError{Status: http.StatusUnauthorized, Host: a.host, standing: st, Err: a.wrong}
}

// judge makes a *[LoginError] of a token service's 401 to a credential that was never accepted.
func (a *authorizer) judge(req *http.Request, err error, st *standing) error {
	answer, ok := errors.AsType[*RegistryError](err)
	if !ok {
		return err
	}
	answer.Host, answer.standing = cmp.Or(answer.Host, a.host), st
	st.sent = a.configured()
	badGrant := answer.Status == http.StatusBadRequest && a.cred.RefreshToken != ""
	if answer.Status != http.StatusUnauthorized && !badGrant || !a.configured() {
		return err
	}
	if a.isTaken() || a.logsIn(req) {
		return err
	}
	return a.declare(answer, st)
}

// logsIn reports whether the token service takes the credential where nothing is asked for, or
// cannot be asked: some answer 401 where a user may not have one repository.
func (a *authorizer) logsIn(req *http.Request) bool {
	a.mu.Lock()
	c := a.known
	a.mu.Unlock()
	realm := a.realm(c, req.URL)
	if c.scheme != schemeBearer || realm == nil {
		return false
	}
	if _, err := a.fetchToken(req.Context(), realm, c.params["service"], nil, req.URL); err != nil {
		return !judged(err)
	}
	a.passed(nil, "Bearer")
	return true
}

func (a *authorizer) isTaken() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.taken
}

func (a *authorizer) declare(answer *RegistryError, st *standing) error {
	a.mu.Lock()
	a.wrong = &LoginError{Host: a.host, User: a.cred.Username, By: answer.by, Status: answer.Status, Token: a.cred.RefreshToken != "", Reason: answer.Message}
	a.mu.Unlock()
	return a.isWrong(st)
}

// check finds out of a 401 to credentials that were sent whether they are wrong, or only may not
// do this: then the API root takes them. Of wrong ones it makes an error.
func (a *authorizer) check(req *http.Request, resp *http.Response, authz string, st *standing) (*http.Response, error) {
	if a.isTaken() || !strings.HasPrefix(authz, "Basic ") {
		a.passed(nil, authz)
		return resp, nil
	}
	status, _, err := a.endpoint.ping(req.Context(), req.URL.Scheme, req.URL.Host, authz)
	if err != nil {
		//lint:ignore nilerr the answer to the request itself is what counts
		return resp, nil
	}
	if status != http.StatusUnauthorized {
		a.passed(nil, authz)
		return resp, nil
	}
	return nil, a.declare(responseError(resp), st)
}
