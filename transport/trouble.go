package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"oras.land/oras-go/v2/registry/remote/errcode"
)

// Trouble is the sort of what went wrong with a registry, so that a command can
// say what to do.
type Trouble int

// The sorts of trouble.
const (
	TroubleOther        Trouble = iota
	TroubleAuthority            // its certificate is signed by an authority that this host does not know
	TroubleExpired              // its certificate has expired or is not valid yet
	TroubleHostName             // its certificate is for other names
	TroubleTLS                  // TLS fails in another way, such as a missing client certificate
	TroublePlainHTTP            // it speaks plain HTTP
	TroubleRefused              // nobody listens there
	TroubleName                 // its name cannot be resolved
	TroubleLost                 // the connection timed out, broke or stood still
	TroubleProxy                // the proxy refuses
	TroubleBlocked              // registries.conf forbids it
	TroubleUnauthorized         // 401
	TroubleForbidden            // 403
	TroubleNotFound             // 404
	TroubleTooMany              // 429
	TroubleServer               // 5xx
	TroubleFull                 // its disk is full
)

// Trouble tells the sort.
func (e *RegistryError) Trouble() Trouble {
	switch {
	case e.full:
		return TroubleFull
	case e.Status == 0 && e.Err != nil:
		t, _ := trouble(e.Err)
		return t
	}
	return troubleOf(e.Status)
}

func troubleOf(status int) Trouble {
	switch status {
	case http.StatusUnauthorized:
		return TroubleUnauthorized
	case http.StatusForbidden:
		return TroubleForbidden
	case http.StatusNotFound:
		return TroubleNotFound
	case http.StatusTooManyRequests:
		return TroubleTooMany
	}
	if status >= 500 {
		return TroubleServer
	}
	return TroubleOther
}

// trouble tells the sort of an error without an answer, and says it in words.
func trouble(err error) (Trouble, string) {
	var blocked *BlockedError
	var plain *PlainHTTPError
	var proxy *proxyError
	var name *net.DNSError
	var timeout net.Error
	var broke *brokenError
	host := hostOf(err)
	switch {
	case errors.As(err, &blocked):
		return TroubleBlocked, blocked.Error()
	case errors.As(err, &plain):
		return TroublePlainHTTP, plain.Error()
	case errors.As(err, &proxy):
		return TroubleProxy, proxy.Error()
	case refusedTLS(err):
		return troubleTLS(err, host)
	case errors.Is(err, syscall.ECONNREFUSED):
		return TroubleRefused, "connection refused by " + host
	case errors.As(err, &name):
		return TroubleName, "the name " + name.Name + " cannot be resolved"
	case errors.Is(err, errStalled):
		return TroubleLost, "the connection stood still for too long"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return TroubleLost, "no answer from " + host + " in time"
	case errors.As(err, &broke):
		return TroubleLost, "the connection broke: " + cleanText(broke.err)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return TroubleLost, "the connection to " + host + " broke: " + cleanText(err)
	}
	return TroubleOther, cleanText(err)
}

func troubleTLS(err error, host string) (Trouble, string) {
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var names x509.HostnameError
	switch {
	case errors.As(err, &authority):
		return TroubleAuthority, "the certificate of " + host + " is signed by an authority that this host does not know"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return TroubleExpired, fmt.Sprintf("the certificate of %s is good from %s to %s only", host,
			invalid.Cert.NotBefore.UTC().Format("2006-01-02 15:04"), invalid.Cert.NotAfter.UTC().Format("2006-01-02 15:04 MST"))
	case errors.As(err, &names):
		return TroubleHostName, "the certificate of " + host + " is for other names: " + oneLine(strings.Join(certNames(names.Certificate), ", "))
	}
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		return TroubleTLS, "the certificate of " + host + " is refused: " + cleanText(cert.Err)
	}
	return TroubleTLS, "TLS with " + host + " fails: " + cleanText(err)
}

func certNames(cert *x509.Certificate) []string {
	list := cert.DNSNames
	for _, ip := range cert.IPAddresses {
		list = append(list, ip.String())
	}
	if len(list) == 0 {
		list = []string{"none"}
	}
	return list
}

// hostOf is the host that an error of the HTTP library is about: the registry,
// its token service or where it redirected to.
func hostOf(err error) string {
	var sent *url.Error
	if errors.As(err, &sent) {
		if u, perr := url.Parse(sent.URL); perr == nil {
			return oneLine(u.Host)
		}
	}
	return "the registry"
}

// reason says in one line why something failed.
func reason(err error) string {
	var mine *RegistryError
	var token *errcode.ErrorResponse
	switch {
	case errors.As(err, &mine) && mine.Status != 0:
		return fmt.Sprintf("it answered %d %s", mine.Status, strings.ToLower(http.StatusText(mine.Status)))
	case errors.As(err, &mine) && mine.Err != nil:
		err = mine.Err
	case errors.As(err, &token):
		return fmt.Sprintf("it answered %d %s", token.StatusCode, strings.ToLower(http.StatusText(token.StatusCode)))
	}
	_, text := trouble(err)
	return text
}
