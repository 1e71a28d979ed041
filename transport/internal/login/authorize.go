package login

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/internal/watch"
)

// Authorizer sends requests to one host with one credential. Where a credential is configured, the
// API root is asked first what it wants, as nodes do: many registries let anyone read, and answer
// 403 or 404 instead of a challenge where something may not be read.
type Authorizer struct {
	*Host
	name    string // of the host, as in the URL
	cred    auth.Credential
	blocked []netip.Prefix // where a token service must not be

	turn chan struct{} // held by who tries the credential first

	mu     sync.Mutex
	known  Challenge   // that was answered last; its scheme is empty when there is none
	offers []Challenge // among which it was
	wider  map[string][]string
	tokens map[tokenKey]*slot
	slots  map[tokenHash]*slot // by the token that came from it
	tried  bool                // a request has passed, with the credential or without
	taken  bool                // the host takes the credential
	wrong  *Wrong              // the host does not take it
}

// New is one credential at one host, HOST[:PORT]; it may be the empty one.
func New(h *Host, name string, cred auth.Credential) *Authorizer {
	return &Authorizer{Host: h, name: name, cred: cred, blocked: blockedRealms(name), turn: make(chan struct{}, 1),
		wider: map[string][]string{}, tokens: map[tokenKey]*slot{}, slots: map[tokenHash]*slot{}}
}

// Anew is the same credential at the same host, of which nothing is known yet.
func (a *Authorizer) Anew() *Authorizer { return New(a.Host, a.name, a.cred) }

// Name is the host's, HOST[:PORT].
func (a *Authorizer) Name() string { return a.name }

func (a *Authorizer) configured() bool  { return a.cred != auth.EmptyCredential }
func (a *Authorizer) hasPassword() bool { return a.cred.Username != "" || a.cred.Password != "" }

func (a *Authorizer) basic() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(a.cred.Username+":"+a.cred.Password))
}

// Do sends a request, with what its host wants of the credential. One that has an Authorization
// is sent as it is.
func (a *Authorizer) Do(req *http.Request, u *Unasked) (*http.Response, error) {
	st := &Standing{Host: req.URL.Host, User: a.cred.Username, Configured: a.configured()}
	req = req.WithContext(context.WithValue(req.Context(), standingKey{}, st))
	if authz := req.Header.Get("Authorization"); authz != "" {
		st.Sent = a.configured()
		return a.send(req, authz)
	}
	leave, err := a.first(req.Context())
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := a.isWrong(st); err != nil {
		return nil, err
	}
	authz, err := a.ahead(req, u)
	if err != nil {
		return nil, a.judge(req, err, st)
	}
	st.Sent = authz != "" && a.configured()
	resp, err := a.send(req, authz)
	if err != nil || !refusal(resp.StatusCode, authz) || reply.Redirected(resp) {
		a.passed(err, authz)
		return resp, err
	}
	return a.refused(req, resp, authz, u, st)
}

// refusal reports whether an answer may be another one with credentials.
func refusal(status int, authz string) bool {
	switch status {
	case http.StatusUnauthorized:
		return true
	case http.StatusForbidden, http.StatusNotFound:
		return authz == ""
	}
	return false
}

// refused answers the challenge of a refusal and asks again: once, or twice where that was with a
// token that another request had fetched, which may have ended by now too.
func (a *Authorizer) refused(req *http.Request, resp *http.Response, authz string, u *Unasked, st *Standing) (*http.Response, error) {
	for tries := 1; ; tries++ {
		next, shared, err := a.answer(req, resp, authz, st)
		switch {
		case err != nil:
			reply.Drain(resp)
			return nil, a.judge(req, err, st)
		case next == "" && authz == "" && st.Why == "" && a.configured():
			return a.offer(req, resp, u, st)
		case next == "":
			return a.check(req, resp, authz, st)
		}
		again, err := anew(req)
		switch {
		case err != nil:
			reply.Drain(resp)
			return nil, err
		case again == nil:
			return resp, nil
		}
		reply.Drain(resp)
		st.Sent = a.configured()
		if resp, err = a.send(again, next); err != nil || resp.StatusCode != http.StatusUnauthorized || reply.Redirected(resp) {
			a.passed(err, next)
			return resp, err
		}
		if !shared || tries > 1 {
			return a.check(again, resp, next, st)
		}
		authz = next
	}
}

// anew is a request that can be sent once more; nil where its body cannot be read again.
func anew(req *http.Request) (*http.Request, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	if req.GetBody == nil {
		return nil, nil
	}
	again := req.Clone(req.Context())
	var err error
	again.Body, err = req.GetBody()
	return again, err
}

// ahead is what a request is sent with at once: by the challenge that is known.
func (a *Authorizer) ahead(req *http.Request, u *Unasked) (string, error) {
	if u.isOpen() && req.URL.Scheme == "https" {
		return a.basic(), nil
	}
	a.mu.Lock()
	c := a.known
	a.mu.Unlock()
	if c.scheme == "" && a.configured() {
		c = a.root(req.Context(), req.URL)
	}
	switch c.scheme {
	case schemeBasic:
		return a.basic(), nil
	case schemeBearer:
		authz, err := a.bearer(req, c)
		return a.orBasic(req, authz, err)
	}
	return "", nil
}

// orBasic is Basic in the place of a token that is not given, where the registry offers it too.
func (a *Authorizer) orBasic(req *http.Request, authz string, err error) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	basic, ok := a.basicAmong(a.offers)
	if err == nil || !ok || req.Context().Err() != nil || judged(err) {
		return authz, err
	}
	a.known = basic
	return a.basic(), nil
}

// bearer is a token for what the request is known to need. Without a credential, only one that is
// there: what is public may need none.
func (a *Authorizer) bearer(req *http.Request, c Challenge) (string, error) {
	scopes := a.scopes(req)
	realm := a.realm(c, req.URL)
	if realm == nil || len(scopes) == 0 {
		return "", nil
	}
	if !a.configured() {
		a.mu.Lock()
		s := a.tokens[tokenKey{realm.String(), c.params["service"], strings.Join(scopes, " ")}]
		a.mu.Unlock()
		if s == nil {
			return "", nil
		}
	}
	t, _, err := a.tokenFor(req.Context(), c, scopes, req.URL, "")
	if err != nil {
		return "", err
	}
	return "Bearer " + t.value, nil
}

// scopes are those that the request's context names, or what the host made of them.
func (a *Authorizer) scopes(req *http.Request) []string {
	hinted := auth.GetAllScopesForHost(req.Context(), req.URL.Host)
	a.mu.Lock()
	defer a.mu.Unlock()
	if wider := a.wider[strings.Join(hinted, " ")]; wider != nil {
		return wider
	}
	return hinted
}

// root is the challenge of the API root, if it can be answered.
func (a *Authorizer) root(ctx context.Context, asked *url.URL) Challenge {
	list, err := a.Server.Challenges(ctx, asked)
	if err != nil {
		return Challenge{} // the request itself will show
	}
	c, ok := a.answerable(list, asked)
	if !ok {
		return Challenge{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known, a.offers = c, list
	return c
}

// answer gives what to try after a refusal, "" for nothing; shared is a token that another request
// has fetched.
func (a *Authorizer) answer(req *http.Request, resp *http.Response, authz string, st *Standing) (next string, shared bool, err error) {
	list := Challenges(resp.Header)
	c, ok := a.answerable(list, req.URL)
	if !ok && authz == "" && a.configured() {
		if root := a.root(req.Context(), req.URL); root.scheme != "" {
			c, ok = root, true
		} else if len(list) == 0 {
			list, _ = a.Server.Challenges(req.Context(), req.URL)
		}
	}
	if !ok {
		st.Why = a.unanswered(list)
		return "", false, nil
	}
	a.mu.Lock()
	if a.known = c; len(list) > 0 {
		a.offers = list
	}
	a.mu.Unlock()
	next = a.basic()
	if c.scheme == schemeBearer {
		next, shared, err = a.token(req, c, authz)
		if next, err = a.orBasic(req, next, err); err != nil {
			return "", false, err
		}
	}
	if next == authz {
		return "", false, nil
	}
	return next, shared, nil
}

// judged reports whether a token service has itself refused a credential.
func judged(err error) bool {
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		return false
	}
	_, status, _ := refusal.Answer.Says()
	return status < 500 && status != http.StatusTooManyRequests
}

// token answers a Bearer challenge: with the scopes that are known, and those it names.
func (a *Authorizer) token(req *http.Request, c Challenge, authz string) (next string, shared bool, err error) {
	hinted := auth.GetAllScopesForHost(req.Context(), req.URL.Host)
	scopes := auth.CleanScopes(append(a.scopes(req), strings.Fields(c.params["scope"])...))
	stale, _ := strings.CutPrefix(authz, "Bearer ")
	t, shared, err := a.tokenFor(req.Context(), c, scopes, req.URL, stale)
	if err != nil {
		return "", false, err
	}
	if len(hinted) > 0 && !slices.Equal(hinted, scopes) {
		a.mu.Lock()
		a.wider[strings.Join(hinted, " ")] = scopes
		a.mu.Unlock()
	}
	return "Bearer " + t.value, shared, nil
}

// send sends a request as it is, with that Authorization.
func (a *Authorizer) send(req *http.Request, authz string) (*http.Response, error) {
	req = req.Clone(req.Context())
	if authz != "" {
		req.Header.Set("Authorization", authz)
	}
	if ua := a.UserAgent; ua != "" {
		req.Header.Set("User-Agent", ua)
	}
	return a.Client.Do(req)
}

// first has one request alone try a credential: a wrong one that is sent many times at once may
// lock its account.
func (a *Authorizer) first(ctx context.Context) (leave func(), err error) {
	a.mu.Lock()
	tried := a.tried || !a.configured()
	a.mu.Unlock()
	if tried {
		return func() {}, nil
	}
	if err := watch.Pausing(ctx, func(ctx context.Context) error { return Enter(ctx, a.turn) }); err != nil {
		return nil, err
	}
	leave = func() { <-a.turn }
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tried {
		leave()
		leave = func() {}
	}
	return leave, nil
}

// passed notes that a request was answered, and its credential, if it had one, not refused.
func (a *Authorizer) passed(err error, authz string) {
	if err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tried = true
	a.taken = a.taken || authz != ""
}

// blockedRealms lists the addresses that the host must not name as its token
// service: the library's list, which keeps a registry from aiming us at
// services of this machine. A registry that is itself reached by a loopback
// address (an ssh tunnel) may name another one; a host name that merely
// resolves to one may not.
func blockedRealms(hostport string) []netip.Prefix {
	blocked := auth.DefaultBlockedRealmPrefixes()
	if !isLoopback(hostport) {
		return blocked
	}
	return slices.DeleteFunc(blocked, func(p netip.Prefix) bool { return p.Addr().IsLoopback() })
}

func isLoopback(hostport string) bool {
	name, _, err := net.SplitHostPort(hostport)
	if err != nil {
		name = hostport
	}
	addr, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && addr.IsLoopback()
}
