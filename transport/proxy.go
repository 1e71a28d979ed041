package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/satchel-airgap/satchel/transport/internal/proxy"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// proxy is the proxy for a request, as the HTTP library asks for it.
func (c *Client) proxy(req *http.Request) (*url.URL, error) {
	p := c.proxies()
	if v, ok := p.Via(req.URL); ok && v.Err != nil {
		return nil, &ConfigError{What: ConfigProxy, Path: v.String(), Err: v.Err}
	}
	return p.Of(req.URL)
}

// proxyError is of the proxy that the environment names.
type proxyError struct {
	variable proxy.Variable
	host     string // of the registry, or who else was to be reached
	status   int    // 0: it was not reached
	err      error
}

func (e *proxyError) Error() string {
	who := "the proxy of " + e.variable.String()
	if e.status != 0 {
		return strings.TrimSpace(fmt.Sprintf("%s answered %d %s", who, e.status, strings.ToLower(http.StatusText(e.status))))
	}
	_, host, _ := strings.Cut(e.variable.Value, "://")
	_, why := troubleAt(e.err, host)
	return who + " cannot be used: " + why
}

func (e *proxyError) Unwrap() error { return e.err }

// hint says what to do about the proxy.
func (e *proxyError) hint() string {
	name := e.variable.Name
	switch {
	case e.status == http.StatusProxyAuthRequired:
		return fmt.Sprintf("the proxy needs a user name and a password that it knows: %s=http://USER:PASSWORD@HOST:PORT", name)
	case e.status == http.StatusForbidden || e.status == http.StatusUnauthorized || e.status == http.StatusMethodNotAllowed:
		return fmt.Sprintf("have the proxy allow connections to %s, or name that host in NO_PROXY if it can be reached directly", e.host)
	case e.status >= 500:
		return fmt.Sprintf("check that the proxy can reach %s, or name that host in NO_PROXY if it can be reached directly", e.host)
	}
	return fmt.Sprintf("correct %s in the environment, or name %s in NO_PROXY if it can be reached directly", name, e.host)
}

// refusedTunnel is a proxy's refusal to connect.
type refusedTunnel struct{ status int }

func (e *refusedTunnel) Error() string { return http.StatusText(e.status) }

// proxyAnswer makes a typed error of a proxy's refusal.
func proxyAnswer(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &refusedTunnel{resp.StatusCode}
}

// blame names the proxy for what it did to a request.
func (c *Client) blame(req *http.Request, resp *http.Response, err error) (*http.Response, error) {
	if err == nil && resp.StatusCode != http.StatusProxyAuthRequired {
		return resp, nil
	}
	v, ok := c.proxies().Via(req.URL)
	if !ok || v.Err != nil {
		return resp, err
	}
	e := &proxyError{variable: v, host: reply.OneLine(req.URL.Host), err: err}
	if err == nil {
		reply.Drain(resp)
		e.status = resp.StatusCode
		return nil, e
	}
	if tunnel, ok := errors.AsType[*refusedTunnel](err); ok {
		e.status, e.err = tunnel.status, nil
		return nil, e
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "proxyconnect" || op.Op == "socks") {
		e.err = op.Err
		return nil, e
	}
	return nil, &throughError{v, err}
}

// throughError is a failure of a request that went through a proxy, whoever caused it.
type throughError struct {
	variable proxy.Variable
	err      error
}

func (e *throughError) Error() string { return e.err.Error() }
func (e *throughError) Unwrap() error { return e.err }

// through is the words for an error's proxy, "" without.
func through(err error) string {
	if e, ok := errors.AsType[*throughError](err); ok {
		return ", through the proxy of " + e.variable.String()
	}
	return ""
}

// notItsOwn names who answered in the place of a registry, "" if it was itself: the answer has
// nothing of a registry's, and a status that proxies give.
func (c *Client) notItsOwn(resp *http.Response, said reply.Reason) string {
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
	if v, ok := c.proxies().Via(resp.Request.URL); ok && resp.Request.URL.Scheme == "http" {
		return "the proxy of " + v.String() + ", or one before the registry,"
	}
	who := "a proxy before the registry"
	if server := reply.OneLine(resp.Header.Get("Server")); server != "" {
		who += " (" + server + ")"
	}
	return who
}
