package transport

import (
	"cmp"
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
	"time"

	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/login"
	"github.com/satchel-airgap/satchel/transport/internal/proxy"
	"github.com/satchel-airgap/satchel/transport/internal/redirect"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/internal/watch"
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
	TroublePassword             // the credentials that are configured for it are wrong
	TroubleDenied               // 401 or 403 to credentials that it takes otherwise
	TroubleAbsent               // 404 where credentials are configured
	TroubleSilent               // 401 or 403, and it asks for no credentials
	TroubleScheme               // it asks for credentials in a way that is not supported
	TroubleGateway              // a proxy answers in its place
	TroubleElsewhere            // a refusal by the host that it redirects to
	TroubleToken                // its tokens end before an upload does
	TroubleTooMany              // 429
	TroubleServer               // 5xx
	TroubleFull                 // its disk is full
	TroubleReadOnly             // its disk is read-only
	TroubleQuota                // what may be stored there is used up
	TroubleDamaged              // it fails at one thing, and serves others
	TroubleNoRegistry           // its host answers, and not as a registry
	TroubleRule                 // 403 to one manifest or tag, from a registry that took others of this repository
)

// Trouble gives the sort.
func (e *RegistryError) Trouble() Trouble {
	_, wrong := errors.AsType[*LoginError](e.Err)
	switch {
	case wrong:
		return TroublePassword
	case e.full:
		return TroubleFull
	case e.readOnly:
		return TroubleReadOnly
	case e.quota:
		return TroubleQuota
	case e.rule:
		return TroubleRule
	case e.lost:
		return TroubleOther // see Hint
	case e.damaged:
		return TroubleDamaged
	case e.ended:
		return TroubleToken
	case e.proxy:
		return TroubleGateway
	case e.elsewhere && e.Status < 500:
		return TroubleElsewhere
	case e.Status == 0 && e.Err != nil:
		t, _ := trouble(e.Err)
		return t
	}
	return refusedTrouble(e.standing, e.Status)
}

// hints says what to do about each sort of trouble.
var hints = map[Trouble]string{
	TroubleAuthority:    "if you trust that authority, configure its certificate for this registry, for example in a certs.d directory",
	TroubleExpired:      "check this host's clock; if it is right, the host that is named needs another certificate",
	TroubleHostName:     "use one of the names that the certificate is for, or give the registry a certificate for this name",
	TroubleTLS:          "if the registry wants a client certificate, put *.cert and *.key into a certs.d directory for it",
	TroublePlainHTTP:    plainHTTPHint,
	TroubleRefused:      "check that the port is right and that the registry runs; " + hintAgain,
	TroubleName:         "check the name, and that name resolution works on this host",
	TroubleLost:         hintAgain,
	TroubleProxy:        "check HTTPS_PROXY and NO_PROXY in the environment",
	TroubleUnauthorized: hintLogin,
	TroubleForbidden:    hintLogin,
	TroubleNotFound:     "check the name; some registries also answer this when credentials are missing",
	TroublePassword:     hintPassword,
	TroubleDenied:       "give this user the right to do this, or check that the registry and repository are the ones that you mean",
	TroubleAbsent:       "check the name, and that this user may read it; some registries also answer this where something may not be read",
	TroubleSilent:       "have the registry answer 401 with a challenge (WWW-Authenticate) to requests without credentials, here or at /v2/; nodes do not send theirs unasked either",
	TroubleScheme:       "have the registry accept a user name and password (Basic) or a token (Bearer)",
	TroubleGateway:      "check the limits of that proxy (nginx: client_max_body_size and timeouts), and that the registry behind it runs; then run the same command again",
	TroubleElsewhere:    "addresses like this one are good for a short time: check this host's clock, and the storage behind the registry",
	TroubleToken:        "have the registry's token service issue tokens that last longer than an upload, or use a faster link; then run the same command again",
	TroubleTooMany:      "the registry limits the number of requests: run the same command again later, with fewer requests at a time; " + hintKept,
	TroubleServer:       hintAgain,
	TroubleReadOnly:     "make the registry's disk writable again (Linux makes a disk with errors read-only: look into the system log of that host); then run the same command again",
	TroubleQuota:        "raise the quota of this project or user in the registry, or remove from there what is not needed any more; then run the same command again: " + hintKept,
	TroubleDamaged:      "look into the registry's log: what it has stored of this may be damaged (after a power cut or a full disk), or it fails at content of this kind",
	TroubleNoRegistry:   "check host and port, and whether a proxy or a login page answers there",
	TroubleRule:         "the registry takes other content of this repository: look there for rules that this meets (tags that may not move or have this name, a scan for vulnerabilities); then run the same command again",
	TroubleFull:         "make room on the registry's disk; " + hintAgain,
}

const (
	hintAgain     = "run the same command again when the registry can be reached; " + hintKept
	hintKept      = "what is done is not done again"
	hintLogin     = "check that there are credentials for this registry and repository, and that they allow this"
	hintPassword  = "correct them where they are configured, or log in again (podman login)"
	hintMoved     = "this is a fault of the registry, or of a proxy in front of it: report it to its administrator"
	hintNamed     = "the registry does not know by which name it is reached: have the proxy in front of it pass on Host and X-Forwarded-Proto, or set the name in the registry (distribution: http.host, or http.relativeurls: true); or name the registry as it names itself"
	plainHTTPHint = "if that registry is meant to speak plain HTTP, allow that for it"
)

// Hint says what to do now, "" if the error says it all.
func (e *RegistryError) Hint() string {
	if p, ok := errors.AsType[*proxy.Error](e.Err); ok {
		return p.Hint()
	}
	if _, ok := errors.AsType[*ConfigError](e.Err); ok {
		return "" // it has one
	}
	var upload *redirect.UploadError
	var moved *redirect.Error
	switch {
	case errors.As(e.Err, &upload) && upload.Named:
		return hintNamed
	case errors.As(e.Err, &upload), errors.As(e.Err, &moved), errors.Is(e.Err, errTrickle), errors.Is(e.Err, reply.ErrLink), e.Status/100 == 3:
		return hintMoved
	}
	service, ok := errors.AsType[*login.ServiceError](e.Err)
	if sort := e.Trouble(); ok && service != nil && sort == TroubleOther {
		return hintMoved
	}
	if e.lost {
		return "if several servers answer under that name, have each upload stay with one of them (sticky sessions), or give them one storage and one secret"
	}
	if e.Op == "push" && lacksParts(e) {
		return "the registry, or a cache in front of it, says that it lacks a part of this image which it took: run the same command again; if that does not help, restart the registry and empty its cache"
	}
	if e.Op == "pull" && e.Status == http.StatusNotFound && e.Code == errcode.ErrorCodeNameUnknown {
		return "this repository is not known there: check its name; some registries also answer this when credentials are missing"
	}
	return hints[e.Trouble()]
}

// Permanent reports whether trying again would give the same answer, as far as
// is known: the registry refused, or what it gave is wrong.
func (e *RegistryError) Permanent() bool {
	if e.Status != 0 {
		return reply.Permanent(e.Status) && !e.lost || e.damaged
	}
	var digest *oci.DigestError
	var kind *oci.UnsupportedError
	return errors.As(e.Err, &digest) || errors.As(e.Err, &kind) || errors.Is(e.Err, errTrickle) || errors.Is(e.Err, reply.ErrLink)
}

// Everywhere reports whether it is the registry, or what leads to it, that is wrong: the same of
// every repository.
func (e *RegistryError) Everywhere() bool {
	switch e.Trouble() {
	case TroublePassword, TroubleScheme, TroubleProxy, TroubleFull, TroubleReadOnly, TroubleRefused, TroubleName,
		TroubleAuthority, TroubleExpired, TroubleHostName, TroubleTLS, TroublePlainHTTP, TroubleNoRegistry:
		return true
	case TroubleUnauthorized:
		return e.standing != nil && !e.standing.Configured
	}
	return false
}

// Away reports whether the registry is away and may come back, so that nothing is
// known of what it has.
func (e *RegistryError) Away() bool {
	switch e.Trouble() {
	case TroubleGateway:
		return reply.Transient(e.Status)
	case TroubleProxy:
		p, ok := errors.AsType[*proxy.Error](e.Err)
		return ok && (p.Status == 0 || reply.Transient(p.Status))
	case TroubleRefused, TroubleName, TroubleLost, TroubleTooMany, TroubleServer:
		return true
	}
	return false
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

// refusedTrouble is the sort of a refusal with this status, of a request that stood so.
func refusedTrouble(st *login.Standing, status int) Trouble {
	sort := troubleOf(status)
	switch sort {
	case TroubleUnauthorized, TroubleForbidden, TroubleNotFound:
	default:
		return sort
	}
	switch {
	case st == nil || !st.Configured && st.Why == "":
		return sort
	case sort == TroubleNotFound:
		return TroubleAbsent
	case st.Why != "":
		return TroubleScheme
	case st.Sent:
		return TroubleDenied
	case st.Unasked:
		return TroubleSilent
	}
	return sort
}

// trouble gives the sort of an error without an answer, and words for it.
func trouble(err error) (Trouble, string) { return troubleAt(err, hostOf(err)) }

func troubleAt(err error, host string) (Trouble, string) {
	var blocked *BlockedError
	var plain *PlainHTTPError
	var config *ConfigError
	var proxied *proxy.Error
	var service *login.ServiceError
	var moved *movedError
	var name *net.DNSError
	var timeout net.Error
	var broke *watch.BrokenError
	var none *notRegistryError
	switch {
	case errors.As(err, &none):
		return TroubleNoRegistry, none.Error()
	case errors.As(err, &blocked):
		return TroubleBlocked, blocked.Error()
	case errors.As(err, &plain):
		return TroublePlainHTTP, plain.Error()
	case errors.As(err, &config):
		return TroubleProxy, config.Error()
	case errors.As(err, &proxied):
		return TroubleProxy, proxied.Error()
	case errors.As(err, &service):
		name := reply.OneLine(service.Host)
		host := cmp.Or(hostIn(service.Err), name)
		if host != name {
			name += ", which redirects to " + host
		}
		sort, words := troubleAt(service.Err, host)
		return sort, "the token service " + name + ": " + words
	case errors.As(err, &moved):
		sort, words := troubleAt(moved.err, moved.host)
		return sort, "the registry redirects to " + moved.host + ": " + words
	case refusedTLS(err):
		return troubleTLS(err, host)
	case errors.Is(err, syscall.ECONNREFUSED):
		return TroubleRefused, "connection refused" + naming(" by ", host)
	case errors.As(err, &name):
		return TroubleName, "the name " + name.Name + " cannot be resolved"
	case errors.Is(err, watch.ErrStalled):
		return TroubleLost, "the connection stood still for too long"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return TroubleLost, "no answer" + naming(" from ", host) + " in time"
	case errors.As(err, &broke):
		return TroubleLost, "the connection broke: " + reply.CleanText(broke.Err)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return TroubleLost, "the connection" + naming(" to ", host) + " broke: " + reply.CleanText(err)
	}
	return TroubleOther, reply.CleanText(err)
}

func troubleTLS(err error, host string) (Trouble, string) {
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var names x509.HostnameError
	switch {
	case errors.As(err, &authority):
		return TroubleAuthority, "the certificate of " + host + " is signed by an authority that this host does not know"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return TroubleExpired, fmt.Sprintf("the certificate of %s is good from %s to %s only, and the clock of this host says %s", host,
			invalid.Cert.NotBefore.UTC().Format("2006-01-02 15:04"), invalid.Cert.NotAfter.UTC().Format("2006-01-02 15:04 MST"), time.Now().UTC().Format("2006-01-02 15:04 MST"))
	case errors.As(err, &names):
		return TroubleHostName, "the certificate of " + host + " is for other names: " + reply.OneLine(strings.Join(certNames(names.Certificate), ", "))
	}
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		return TroubleTLS, "the certificate of " + host + " is refused: " + reply.CleanText(cert.Err)
	}
	return TroubleTLS, "TLS with " + host + " fails: " + reply.CleanText(err)
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
func hostOf(err error) string { return cmp.Or(hostIn(err), "the registry") }

func hostIn(err error) string {
	var sent *url.Error
	if errors.As(err, &sent) {
		if u, perr := url.Parse(sent.URL); perr == nil {
			return reply.OneLine(u.Host)
		}
	}
	return ""
}

// naming names a host, unless it is named already.
func naming(how, host string) string {
	if host == "" {
		return ""
	}
	return how + host
}

// reason says in one line why something failed.
func reason(err error) string { return reasonAt(err, hostOf(err)) }

// reasonOf is reason for a line that names the host.
func reasonOf(err error, hostport string) string {
	host := hostOf(err)
	if host == hostport {
		host = ""
	}
	return reasonAt(err, host)
}

func reasonAt(err error, host string) string {
	var mine *RegistryError
	var token *errcode.ErrorResponse
	switch {
	case errors.As(err, &mine) && mine.lost:
		return "it does not know the upload that it began"
	case errors.As(err, &mine) && mine.Status != 0:
		return fmt.Sprintf("it answered %d %s", mine.Status, strings.ToLower(http.StatusText(mine.Status)))
	case errors.As(err, &mine) && mine.Err != nil:
		err = mine.Err
	case errors.As(err, &token):
		return fmt.Sprintf("it answered %d %s", token.StatusCode, strings.ToLower(http.StatusText(token.StatusCode)))
	}
	_, text := troubleAt(err, host)
	return text
}
