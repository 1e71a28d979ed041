package login

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/satchel-airgap/satchel/transport/internal/redirect"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/internal/watch"
)

const (
	maxToken = 128 << 10 // bytes read of a token service's answer
	clientID = "satchel" // OAuth 2 wants a name
)

// tokenHash stands for a token in a table that keeps all of a run: tokens are long.
type tokenHash = [sha256.Size]byte

// tokenKey is what a token is good for.
type tokenKey struct{ realm, service, scopes string }

// token is what a token service gave.
type token struct {
	value string
	until time.Time // zero: not known
}

// good reports whether a token may be used for a request that begins now: one that is about to
// end may end on the way.
func (t token) good(now time.Time) bool {
	return t.value != "" && (t.until.IsZero() || now.Before(t.until))
}

// slot holds the token for one key; busy is held while it is fetched.
type slot struct {
	c      Challenge
	scopes []string
	asked  *url.URL // the registry

	busy chan struct{}
	tok  token  // read and written while busy is held
	dead string // a token that was refused; under the authorizer's lock
}

// tokenFor gives a token of the service that the challenge names, other than stale. However many
// ask, it is fetched once: shared is one that was there.
func (a *Authorizer) tokenFor(ctx context.Context, c Challenge, scopes []string, asked *url.URL, stale string) (t token, shared bool, err error) {
	realm := a.realm(c, asked)
	key := tokenKey{realm.String(), c.params["service"], strings.Join(scopes, " ")}
	a.mu.Lock()
	s := a.tokens[key]
	if s == nil {
		s = &slot{c: c, scopes: scopes, asked: asked, busy: make(chan struct{}, 1)}
		a.tokens[key] = s
	}
	a.mu.Unlock()
	if err := watch.Pausing(ctx, func(ctx context.Context) error { return Enter(ctx, s.busy) }); err != nil {
		return token{}, false, err
	}
	defer func() { <-s.busy }()
	a.mu.Lock()
	dead := s.dead
	a.mu.Unlock()
	if s.tok.good(time.Now()) && s.tok.value != stale && s.tok.value != dead {
		return s.tok, true, nil
	}
	t, err = a.fetchToken(ctx, realm, key.service, scopes, asked)
	if err == nil {
		s.tok = t
		a.mu.Lock()
		a.slots[sha256.Sum256([]byte(t.value))] = s
		a.mu.Unlock()
	}
	return t, false, err
}

// Renewed is what to send in the place of what a request was sent with: a token that ends is
// fetched again.
func (a *Authorizer) Renewed(ctx context.Context, authz string) string {
	s := a.slotOf(authz)
	if s == nil {
		return authz
	}
	t, _, err := a.tokenFor(ctx, s.c, s.scopes, s.asked, "")
	if err != nil {
		return authz // the answer will show
	}
	return "Bearer " + t.value
}

// Forget has a token that was refused fetched again.
func (a *Authorizer) Forget(authz string) {
	if s := a.slotOf(authz); s != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		s.dead = strings.TrimPrefix(authz, "Bearer ")
	}
}

func (a *Authorizer) slotOf(authz string) *slot {
	value, ok := strings.CutPrefix(authz, "Bearer ")
	if !ok {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.slots[sha256.Sum256([]byte(value))]
}

// Enter takes a place of a channel, or ends with ctx.
func Enter(ctx context.Context, busy chan struct{}) error {
	select {
	case busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fetchToken asks a token service (distribution's "Token Authentication Specification"), with an
// identity token by OAuth 2.
func (a *Authorizer) fetchToken(ctx context.Context, realm *url.URL, service string, scopes []string, asked *url.URL) (token, error) {
	if err := a.mayAsk(ctx, realm, asked); err != nil {
		return token{}, err
	}
	req, err := a.tokenRequest(ctx, realm, service, scopes)
	if err != nil {
		return token{}, err
	}
	begun := time.Now()
	client := &http.Client{Transport: a.Client.Transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if next.Body != nil && next.Body != http.NoBody && redirect.LeftOrigin(next, via) {
			return &redirect.Error{Why: fmt.Sprintf("the token service %s redirects a secret to %s; that is refused", reply.OneLine(realm.Host), reply.OneLine(next.URL.Host))}
		}
		return errors.Join(a.mayAsk(next.Context(), next.URL, asked), redirect.Check(next, via))
	}}
	resp, err := client.Do(req)
	if err != nil {
		return token{}, &ServiceError{Host: realm.Host, Err: err}
	}
	defer reply.Drain(resp)
	if resp.StatusCode != http.StatusOK {
		return token{}, a.tokenRefused(resp)
	}
	return tokenOf(resp, begun)
}

func (a *Authorizer) tokenRequest(ctx context.Context, realm *url.URL, service string, scopes []string) (*http.Request, error) {
	values := url.Values{}
	if service != "" {
		values.Set("service", service)
	}
	var req *http.Request
	var err error
	if a.cred.RefreshToken != "" {
		values.Set("grant_type", "refresh_token")
		values.Set("refresh_token", a.cred.RefreshToken)
		values.Set("client_id", clientID)
		if len(scopes) > 0 {
			values.Set("scope", strings.Join(scopes, " "))
		}
		if req, err = http.NewRequestWithContext(ctx, http.MethodPost, realm.String(), strings.NewReader(values.Encode())); err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
	} else if req, err = http.NewRequestWithContext(ctx, http.MethodGet, realm.String(), nil); err == nil {
		query := req.URL.Query()
		for k, v := range values {
			query[k] = v
		}
		query["scope"] = append(query["scope"], scopes...)
		if len(query["scope"]) == 0 {
			delete(query, "scope")
		}
		req.URL.RawQuery = query.Encode()
		if a.hasPassword() {
			req.SetBasicAuth(a.cred.Username, a.cred.Password)
		}
	}
	if err != nil {
		return nil, err
	}
	if ua := a.UserAgent; ua != "" {
		req.Header.Set("User-Agent", ua)
	}
	return req, nil
}

// tokenOf reads a token service's answer. Of the two names of the token, nodes look at the first
// before the second.
func tokenOf(resp *http.Response, begun time.Time) (token, error) {
	host := resp.Request.URL.Host
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxToken))
	if err != nil {
		return token{}, &ServiceError{host, watch.Broken(resp.Request.Context(), err)}
	}
	var answer struct {
		Token       string          `json:"token"`
		AccessToken string          `json:"access_token"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return token{}, &ServiceError{host, errors.New("it answered 200 and something that is not a token (no JSON)")}
	}
	t := token{value: answer.Token}
	if t.value == "" {
		t.value = answer.AccessToken
	}
	if t.value == "" {
		return token{}, &ServiceError{host, errors.New("it answered 200 and gave no token")}
	}
	if s, err := strconv.ParseFloat(strings.Trim(string(answer.ExpiresIn), `"`), 64); err == nil && s > 0 && s < 1<<30 {
		life := time.Duration(s * float64(time.Second))
		t.until = begun.Add(life - min(life/10, 10*time.Second))
	}
	return t, nil
}

// tokenRefused is the error of a token service that gave no token. A status which says nothing of the
// credential must not pass for one of the registry: 404 there means that an image is absent.
func (a *Authorizer) tokenRefused(resp *http.Response) error {
	answer := a.Server.Refusal(resp)
	host := reply.OneLine(resp.Request.URL.Host)
	switch _, status, _ := answer.Says(); {
	case status == http.StatusBadRequest, status == http.StatusUnauthorized, status == http.StatusForbidden, reply.Transient(status):
		return &Refusal{By: "the token service " + host, Answer: answer}
	}
	return &ServiceError{host, errors.New(answer.Cause("it"))}
}

// mayAsk refuses a token service, or where it redirects to, at an address that a registry must not
// aim us at, and one without TLS for a registry with it. A name that cannot be resolved here may be
// one that a proxy resolves.
func (a *Authorizer) mayAsk(ctx context.Context, u, asked *url.URL) error {
	if u.Scheme != "https" && asked.Scheme == "https" {
		return &redirect.Error{Why: fmt.Sprintf("the token service is %s on %s, where the registry was asked by https", reply.OneLine(u.Scheme), reply.OneLine(u.Host))}
	}
	host := u.Hostname()
	if strings.EqualFold(host, asked.Hostname()) {
		return nil
	}
	addrs := []netip.Addr{}
	if addr, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, addr)
	} else if found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host); err == nil {
		addrs = found
	}
	for _, addr := range addrs {
		inner := embedded(addr)
		if slices.ContainsFunc(a.blocked, func(p netip.Prefix) bool { return p.Contains(inner) || p.Contains(addr.WithZone("")) }) {
			return &redirect.Error{Why: fmt.Sprintf("the token service %s is at %s, an address that a registry must not name", reply.OneLine(u.Host), addr)}
		}
	}
	return nil
}

// embedded is the IPv4 address inside a mapped, NAT64 (RFC 6052) or 6to4 (RFC 3056) one.
func embedded(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() {
		return addr
	}
	b := addr.As16()
	switch {
	case netip.PrefixFrom(netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b}), 96).Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case b[0] == 0x20 && b[1] == 0x02:
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return addr
}
