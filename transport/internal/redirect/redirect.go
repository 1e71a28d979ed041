package redirect

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

const most = 10

// Error says that a redirect was not followed.
type Error struct{ Why string }

func (e *Error) Error() string { return e.Why }

// Check follows redirects, to another host too, but never from TLS to
// plain HTTP. The credential stays with the origin: the HTTP library takes another port for the
// same host, and puts back for a later redirect what was taken away for this one.
func Check(req *http.Request, via []*http.Request) error {
	if LeftOrigin(req, via) {
		req.Header.Del("Authorization")
	}
	from := via[len(via)-1].URL
	switch req.URL.Scheme {
	case "http", "https":
	default:
		return &Error{Why: fmt.Sprintf("%s redirects to an address with %q", from.Host, req.URL.Scheme+":")}
	}
	if method := via[0].Method; req.Method != method {
		return &Error{Why: fmt.Sprintf("%s redirects a %s to %s://%s as a %s", from.Host, method, req.URL.Scheme, req.URL.Host, req.Method)}
	}
	if from.Scheme == "https" && req.URL.Scheme != "https" {
		return &Error{Why: fmt.Sprintf("%s redirects from https to %s on %s", from.Host, req.URL.Scheme, req.URL.Host)}
	}
	if len(via) >= most {
		return &Error{Why: fmt.Sprintf("%s redirects more than %d times", via[0].URL.Host, most)}
	}
	return nil
}

// LeftOrigin reports whether a chain of redirects has left scheme, host or port of its first request.
func LeftOrigin(req *http.Request, via []*http.Request) bool {
	first := via[0].URL
	for _, r := range append(via[1:len(via):len(via)], req) {
		if r.URL.Scheme != first.Scheme || !strings.EqualFold(r.URL.Hostname(), first.Hostname()) || Port(r.URL) != Port(first) {
			return true
		}
	}
	return false
}

// Port is that of a URL, or of its scheme.
func Port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
