package transport

import (
	"errors"
	"net/http"
	"net/url"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// doer sends requests to registries with one login: it puts in the host's
// scheme and tries again what [policy] allows. It is a remote.Client.
type doer struct {
	client  *Client
	site    *site
	auth    *auth.Client
	blocked *BlockedError // may be nil
}

// Do sends a request whose URL says https. A request that reads, or whose body
// can be had again, is tried again; others have their own way to.
func (d *doer) Do(req *http.Request) (*http.Response, error) {
	if d.blocked != nil {
		return nil, d.blocked
	}
	t := d.client.begin()
	for {
		resp, err := d.send(req)
		failed := err
		if err == nil {
			failed = judged(resp)
		}
		if !replayable(req) || !d.client.again(req.Context(), t, req.URL.Host, failed) {
			return resp, err
		}
		if resp != nil {
			finish(resp)
		}
	}
}

func replayable(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		return true
	}
	return req.GetBody != nil
}

func (d *doer) send(req *http.Request) (*http.Response, error) {
	try := req.Clone(req.Context())
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		try.Body = body
	}
	scheme, err := d.site.findScheme(req.Context(), req.URL.Host)
	if err != nil {
		return nil, err
	}
	try.URL.Scheme = scheme
	resp, err := d.auth.Do(try)
	return resp, mismatch(err)
}

// mismatch names the host, registry or token service, that does not speak TLS.
func mismatch(err error) error {
	var sent *url.Error
	if !errors.Is(err, http.ErrSchemeMismatch) || !errors.As(err, &sent) {
		return err
	}
	if u, perr := url.Parse(sent.URL); perr == nil {
		return &PlainHTTPError{Host: u.Host}
	}
	return err
}
