package transport

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/hostfile"
	"github.com/satchel-airgap/satchel/transport/internal/login"
	"github.com/satchel-airgap/satchel/transport/internal/proxy"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// RegistryError says that a registry refused, could not be reached, or gave an
// answer that makes no sense. Its text holds no query, no user information of a
// URL and no credential.
type RegistryError struct {
	Op      string // "pull", "push" or "check"
	Ref     string // the image, or repository@digest for a blob
	Status  int    // HTTP status; 0 when there was no answer or the answer was no error
	Code    string // error code (OCI distribution-spec, "Error Codes"), may be empty
	Message string // what the registry answered, one printable line of at most 300 characters
	Host    string // who answered or was asked: the registry, or where it redirects to; may be empty
	Err     error  // what went wrong below; nil when Status says it all

	by        string          // who answered, if not the registry
	elsewhere bool            // it is where the registry redirects to
	proxy     bool            // it is a proxy
	standing  *login.Standing // may be nil
	after     time.Duration   // Retry-After, bounded
	to        string          // the host that it redirects to
	expired   bool            // a credential that was good for the request before
	ended     bool            // it is a token
	lost      bool            // the upload itself is unknown: another server answered, or it was swept
	early     bool            // it ended before the upload was sent
	full      bool            // the registry's disk is
	readOnly  bool            // it is
	rule      bool            // it takes other content of this repository, see pushing.ruled
	quota     bool            // what may be stored there is
	stale     bool            // another address may be the answer; see answerError
	damaged   bool            // it answers so for this one thing; see alone
	page      bool            // it is a page for people
	of        string          // what is damaged of a source: "blob" or "manifest"; else ""
}

func (e *RegistryError) Error() string {
	return e.Op + " " + e.Ref + ": " + e.Cause()
}

// Cause is what went wrong, without what was being done to what.
func (e *RegistryError) Cause() string {
	if wrong, ok := errors.AsType[*LoginError](e.Err); ok {
		return wrong.Error()
	}
	text := e.Message
	if text == "" && e.Code != "" {
		text = strings.ToLower(strings.ReplaceAll(e.Code, "_", " "))
	}
	if text == "" && e.Status != 0 {
		text = strings.ToLower(http.StatusText(e.Status))
	}
	who := cmp.Or(e.by, "the registry")
	switch {
	case e.full:
		return fmt.Sprintf("%s has no space left (it answered %d)", strings.TrimSuffix(who, ","), e.Status)
	case e.readOnly:
		return fmt.Sprintf("%s has its storage read-only (it answered %d)", strings.TrimSuffix(who, ","), e.Status)
	case e.quota && text != "":
		return fmt.Sprintf("%s has no room left for this by its quota: it answered %d %s", strings.TrimSuffix(who, ","), e.Status, text)
	case e.ended:
		return fmt.Sprintf("the token of this upload expired before the upload was complete (%s answered %d)", who, e.Status)
	case e.lost:
		return fmt.Sprintf("the registry no longer knew the upload that it had begun (%s answered %d)", who, e.Status)
	case e.Status/100 == 3 && e.to != "":
		return fmt.Sprintf("%s answered %d and redirects to %s, where this must not go", who, e.Status, e.to)
	case e.damaged:
		return strings.TrimSpace(fmt.Sprintf("%s answered %d %s", who, e.Status, text)) + ", as to each such request, while it answers others" + e.stored()
	case e.Status != 0:
		return strings.TrimSpace(fmt.Sprintf("%s answered %d %s", who, e.Status, text)) + e.standing.Note(e.Status)
	case e.Err != nil:
		return reason(e.Err) + proxy.Through(e.Err)
	}
	return text
}

// stored says of content of a source what is wrong with it.
func (e *RegistryError) stored() string {
	if e.of == "" {
		return ""
	}
	return ": what it has stored of this " + e.of + " is damaged"
}

func (e *RegistryError) Unwrap() error { return e.Err }

// PlainHTTPError says that a host answered TLS with plain HTTP while TLS is
// required. [Config].TLSVerify false would allow it.
type PlainHTTPError struct {
	Host string

	other bool // what it answered is neither TLS nor HTTP
}

func (e *PlainHTTPError) Error() string {
	if e.other {
		return e.Host + " does not speak TLS, which is required"
	}
	return e.Host + " speaks plain HTTP where TLS is required"
}

// Hint says what to do now.
func (e *PlainHTTPError) Hint() string { return plainHTTPHint }

// Permanent is false: no image is lost by how this host is configured.
func (e *PlainHTTPError) Permanent() bool { return false }

// MissingBlobError says that a repository has a manifest and lacks a blob that the
// manifest names.
type MissingBlobError struct {
	Repo oci.Ref
	Blob oci.Descriptor
	Gone bool // the manifest is not there either: it is known from before
}

func (e *MissingBlobError) Error() string {
	if e.Gone {
		return fmt.Sprintf("check %s: the registry has neither this blob nor the image that it is of, which was there before", e.Repo.WithDigest(e.Blob.Digest))
	}
	return fmt.Sprintf("check %s: the registry has the manifest but lacks this blob", e.Repo.WithDigest(e.Blob.Digest))
}

// Hint says what to do now.
func (e *MissingBlobError) Hint() string {
	if e.Gone {
		return "if the repository was moved or the image deleted, push the image there again, with the same digest"
	}
	return "the image is broken in that registry: push it there again, or take another version of it"
}

// Permanent is true: the registry answered.
func (e *MissingBlobError) Permanent() bool { return true }

// EncodingError says that content came compressed in a way that cannot be undone here,
// although it was asked for as it is.
type EncodingError struct{ Encoding string }

func (e *EncodingError) Error() string {
	return fmt.Sprintf("the answer is compressed with %q, although it was asked for without compression", reply.OneLine(e.Encoding))
}

// Hint says what to do now.
func (e *EncodingError) Hint() string {
	return "have the registry, or the proxy before it, not compress its answers"
}

// Permanent is false: it is no matter of the content.
func (e *EncodingError) Permanent() bool { return false }

// LoginError says that a registry, or its token service, does not take the credentials that are
// configured for it. It is the cause of a [RegistryError].
type LoginError struct {
	Host   string // the registry
	User   string // may be empty
	Token  bool   // it is an identity token that is not taken
	By     string // who refuses, if not the registry itself
	Status int    // HTTP status of the refusal
	Reason string // what it answered, may be empty
}

func (e *LoginError) Error() string {
	by, what := e.By, "the user name and password"
	if by == "" {
		by = "the registry " + e.Host
	} else {
		by += " of " + e.Host
	}
	if e.Token {
		what = "the identity token"
	}
	said := by + " does not take " + what
	if e.User != "" {
		said += fmt.Sprintf(" of user %q", reply.OneLine(e.User))
	}
	said += fmt.Sprintf(" (it answered %d)", e.Status)
	if e.Reason != "" {
		said += ": " + e.Reason
	}
	return said
}

// Hint says what to do now.
func (e *LoginError) Hint() string {
	return hintPassword
}

// Permanent is false: no image is lost by how this host is configured.
func (e *LoginError) Permanent() bool { return false }

// AuthfileError says that the credentials configured for this side cannot be read.
type AuthfileError struct {
	Path string // Config.Authfile or REGISTRY_AUTH_FILE; empty for the other usual places
	Err  error
}

func (e *AuthfileError) Error() string {
	if e.Path == "" {
		return "look up registry credentials: " + reply.CleanText(e.Err)
	}
	return fmt.Sprintf("read credentials from %s: %s", e.Path, reply.CleanText(e.Err))
}

func (e *AuthfileError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *AuthfileError) Hint() string {
	if e.Path == "" {
		return "correct the credentials file or its credential helper, or name another file"
	}
	return "correct the file, or name another"
}

// Permanent is false: no image is lost by how this host is configured.
func (e *AuthfileError) Permanent() bool { return false }

// What a [ConfigError] is about.
const (
	ConfigRegistries   = "registries"         // Config.RegistriesConf
	ConfigCertificates = hostfile.Directory   // Config.CertDir
	ConfigAuthorities  = hostfile.Authorities // Config.CAFile
	ConfigProxy        = "a proxy"            // HTTPS_PROXY or HTTP_PROXY of the environment
)

// ConfigError says that something configured for this side's registries cannot
// be used: registries.conf, certificates.
type ConfigError struct {
	What string // what it configures: one of the constants above
	Path string // the file or directory; of registries.conf, all that are read; of a proxy, the variable with its value, without user and password
	Err  error
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("read %s configured in %s: %s", e.What, e.Path, reply.CleanText(e.Err))
}

func (e *ConfigError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *ConfigError) Hint() string {
	switch e.What {
	case ConfigCertificates:
		return "correct the directory or its files, or name another"
	case ConfigProxy:
		return "correct the variable in the environment, such as http://proxy.example:3128, or remove it"
	}
	return "correct the file, or name another"
}

// Permanent is false: no image is lost by how this host is configured.
func (e *ConfigError) Permanent() bool { return false }

// configError is the error of certificates that cannot be read.
func configError(err error) error {
	if e, ok := errors.AsType[*hostfile.Error](err); ok {
		return &ConfigError{What: e.What, Path: e.Path, Err: e.Err}
	}
	return err
}

// explain turns what came back from the registry client into a *RegistryError;
// an interruption stays one.
func explain(op, ref string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s %s: %w", op, ref, context.Canceled)
	}
	var mine *RegistryError
	if errors.As(err, &mine) {
		if mine.Op == "" {
			mine.Op, mine.Ref = op, ref
		}
		return err
	}
	e := &RegistryError{Op: op, Ref: ref, Err: err}
	var answer *errcode.ErrorResponse
	switch {
	case errors.As(err, &answer):
		e.Status = answer.StatusCode
		if len(answer.Errors) > 0 {
			e.Code, e.Message = reply.OneLine(answer.Errors[0].Code), reply.OneLine(answer.Errors[0].Message)
		}
	case errors.Is(err, errdef.ErrNotFound):
		e.Status = http.StatusNotFound
	}
	return e
}

// responseError makes an error of an answer that is not what was asked for, and
// closes it. [explain] adds what was being done.
func responseError(resp *http.Response) *RegistryError {
	e := statusOf(resp)
	body, _ := io.ReadAll(io.LimitReader(resp.Body, reply.MaxError))
	resp.Body.Close()
	said := reply.Read(body)
	e.Code, e.Message = said.Code, said.Message
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); e.Message == "" && kind == "text/plain" && !said.Own {
		e.Message = reply.OneLine(string(body))
	}
	if c, ok := resp.Request.Context().Value(clientKey{}).(*Client); ok && e.by == "" {
		e.by = c.proxies().NotItsOwn(resp, said)
		e.proxy = e.by != ""
	}
	e.quota = said.Quota && said.Own && reply.Permanent(e.Status) && resp.Request.Method != http.MethodGet
	e.readOnly = e.Status >= 500 && said.ReadOnly
	e.full = e.Status == http.StatusInsufficientStorage || e.Status >= 500 && said.Full
	return e
}

// peekError is [responseError] for an answer that stays readable.
func peekError(resp *http.Response) *RegistryError {
	if resp.StatusCode < 500 || resp.Request.Method == http.MethodHead {
		return statusOf(resp)
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, reply.MaxError))
	peeked := *resp
	peeked.Body = io.NopCloser(bytes.NewReader(body))
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), resp.Body), resp.Body}
	return responseError(&peeked)
}

// answerError is [responseError] for what is read: it notes where a registry redirected to
// an address that may be out of date, so that another one is asked for.
func answerError(resp *http.Response) *RegistryError {
	e := responseError(resp)
	switch e.Status {
	case http.StatusMethodNotAllowed, http.StatusProxyAuthRequired, http.StatusRequestedRangeNotSatisfiable:
	default:
		e.stale = reply.Redirected(resp) && reply.Permanent(e.Status)
	}
	return e
}

// isStale reports whether an error is a refusal of an address that a registry redirected to.
func isStale(err error) bool {
	e, ok := errors.AsType[*RegistryError](err)
	return ok && e.stale
}
