package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// Error is of the proxy that the environment names.
type Error struct {
	Variable Variable
	Host     string // of the registry, or who else was to be reached
	Status   int    // 0: it was not reached
	Err      error  // why
	Why      string // the words for that
}

func (e *Error) Error() string {
	who := "the proxy of " + e.Variable.String()
	if e.Status != 0 {
		return strings.TrimSpace(fmt.Sprintf("%s answered %d %s", who, e.Status, strings.ToLower(http.StatusText(e.Status))))
	}
	return who + " cannot be used: " + e.Why
}

func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do about the proxy.
func (e *Error) Hint() string {
	name := e.Variable.Name
	switch {
	case e.Status == http.StatusProxyAuthRequired:
		return fmt.Sprintf("the proxy needs a user name and a password that it knows: %s=http://USER:PASSWORD@HOST:PORT", name)
	case e.Status == http.StatusForbidden || e.Status == http.StatusUnauthorized || e.Status == http.StatusMethodNotAllowed:
		return fmt.Sprintf("have the proxy allow connections to %s, or name that host in NO_PROXY if it can be reached directly", e.Host)
	case e.Status >= 500:
		return fmt.Sprintf("check that the proxy can reach %s, or name that host in NO_PROXY if it can be reached directly", e.Host)
	}
	return fmt.Sprintf("correct %s in the environment, or name %s in NO_PROXY if it can be reached directly", name, e.Host)
}

// refusedTunnel is a proxy's refusal to connect.
type refusedTunnel struct{ status int }

func (e *refusedTunnel) Error() string { return http.StatusText(e.status) }

// Answer makes a typed error of a proxy's refusal.
func Answer(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &refusedTunnel{resp.StatusCode}
}

// Blame names the proxy for what it did to a request.
func (p *Proxies) Blame(req *http.Request, resp *http.Response, err error) (*http.Response, error) {
	if err == nil && resp.StatusCode != http.StatusProxyAuthRequired {
		return resp, nil
	}
	v, ok := p.Via(req.URL)
	if !ok || v.Err != nil {
		return resp, err
	}
	e := &Error{Variable: v, Host: reply.OneLine(req.URL.Host), Err: err}
	if err == nil {
		reply.Drain(resp)
		e.Status = resp.StatusCode
		return nil, e
	}
	if tunnel, ok := errors.AsType[*refusedTunnel](err); ok {
		e.Status, e.Err = tunnel.status, nil
		return nil, e
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "proxyconnect" || op.Op == "socks") {
		e.Err = op.Err
		return nil, e
	}
	return nil, &throughError{v, err}
}

// throughError is a failure of a request that went through a proxy, whoever caused it.
type throughError struct {
	variable Variable
	err      error
}

func (e *throughError) Error() string { return e.err.Error() }
func (e *throughError) Unwrap() error { return e.err }

// Through is the words for an error's proxy, "" without.
func Through(err error) string {
	if e, ok := errors.AsType[*throughError](err); ok {
		return ", through the proxy of " + e.variable.String()
	}
	return ""
}

// NotItsOwn names who answered in the place of a registry, "" if it was itself: the answer has
// nothing of a registry's, and a status that proxies give.
func (p *Proxies) NotItsOwn(resp *http.Response, said reply.Reason) string {
	switch resp.StatusCode {
	case http.StatusProxyAuthRequired, http.StatusRequestEntityTooLarge, http.StatusBadGateway, http.StatusGatewayTimeout:
	case http.StatusServiceUnavailable:
		if resp.Header.Get("Server") == "" {
			return ""
		}
	default:
		return ""
	}
	if said.Own || resp.Header.Get("Docker-Distribution-Api-Version") != "" {
		return ""
	}
	if v, ok := p.Via(resp.Request.URL); ok && resp.Request.URL.Scheme == "http" {
		return "the proxy of " + v.String() + ", or one before the registry,"
	}
	who := "a proxy before the registry"
	if server := reply.OneLine(resp.Header.Get("Server")); server != "" {
		who += " (" + server + ")"
	}
	return who
}
