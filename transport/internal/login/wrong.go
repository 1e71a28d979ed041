package login

import (
	"errors"
	"net/http"
	"strings"

	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// isWrong is the error of a credential that the host does not take, nil of another.
func (a *Authorizer) isWrong(st *Standing) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wrong == nil {
		return nil
	}
	st.Sent = true
	return &Refusal{Wrong: a.wrong, Standing: st}
}

// judge makes a [Wrong] of a token service's 401 to a credential that was never accepted.
func (a *Authorizer) judge(req *http.Request, err error, st *Standing) error {
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		return err
	}
	refusal.Standing = st
	st.Sent = a.configured()
	_, status, why := refusal.Answer.Says()
	badGrant := status == http.StatusBadRequest && a.cred.RefreshToken != ""
	if status != http.StatusUnauthorized && !badGrant || !a.configured() {
		return err
	}
	if a.isTaken() || a.logsIn(req) {
		return err
	}
	return a.declare(refusal.By, status, why, st)
}

// logsIn reports whether the token service takes the credential where nothing is asked for, or
// cannot be asked: some answer 401 where a user may not have one repository.
func (a *Authorizer) logsIn(req *http.Request) bool {
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

func (a *Authorizer) isTaken() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.taken
}

func (a *Authorizer) declare(by string, status int, why string, st *Standing) error {
	a.mu.Lock()
	a.wrong = &Wrong{Host: a.name, User: a.cred.Username, By: by, Status: status, Token: a.cred.RefreshToken != "", Reason: why}
	a.mu.Unlock()
	return a.isWrong(st)
}

// instead sends by Basic what was refused with a token, where the registry offers that too; nil
// where it does not, or refuses that as well.
func (a *Authorizer) instead(req *http.Request) (*http.Response, error) {
	a.mu.Lock()
	basic, ok := a.basicAmong(a.offers)
	a.mu.Unlock()
	if !ok {
		return nil, nil
	}
	again, err := anew(req)
	if again == nil || err != nil {
		return nil, err
	}
	resp, err := a.send(again, a.basic())
	if err != nil {
		return nil, err
	}
	if refusal(resp.StatusCode, a.basic()) {
		reply.Drain(resp)
		return nil, nil
	}
	a.passed(nil, a.basic())
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known = basic
	return resp, nil
}

// check finds out of a 401 to credentials that were sent whether they are wrong, or only may not
// do this: then the API root takes them. Of wrong ones it makes an error.
func (a *Authorizer) check(req *http.Request, resp *http.Response, authz string, st *Standing) (*http.Response, error) {
	if strings.HasPrefix(authz, "Bearer ") {
		if other, err := a.instead(req); other != nil || err != nil {
			reply.Drain(resp)
			return other, err
		}
	}
	if a.isTaken() || !strings.HasPrefix(authz, "Basic ") {
		a.passed(nil, authz)
		return resp, nil
	}
	status, _, err := a.Server.Ping(req.Context(), req.URL.Scheme, req.URL.Host, authz)
	if err != nil {
		//lint:ignore nilerr the answer to the request itself is what counts
		return resp, nil
	}
	if status != http.StatusUnauthorized {
		a.passed(nil, authz)
		return resp, nil
	}
	by, code, why := a.Server.Refusal(resp).Says()
	return nil, a.declare(by, code, why, st)
}
