package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/docker/distribution/registry/api/errcode"
	"go.podman.io/image/v5/docker"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// sizeError says that a place has another number of bytes than the manifest says.
type sizeError struct{ has, want int64 }

func (e *sizeError) Error() string { return fmt.Sprintf("it has %d bytes, and not %d", e.has, e.want) }

// placeError is what a place answered, in words that may be shown.
type placeError struct {
	name  string
	sort  Trouble
	words string
	err   error
}

func (e *placeError) Error() string { return e.name + ": " + e.words }
func (e *placeError) Unwrap() error { return e.err }

// NodeTrouble gives the sort of what a place answered to a [Node], and words for it: they have no
// query of an address and no credential.
func NodeTrouble(err error) (Trouble, string) {
	if source, ok := errors.AsType[*SourceError](err); ok {
		return TroubleBlocked, source.Error()
	}
	if at, ok := errors.AsType[*placeError](err); ok {
		return at.sort, at.words
	}
	if size, ok := errors.AsType[*sizeError](err); ok {
		return TroubleDamaged, size.Error()
	}
	if wrong, ok := errors.AsType[*oci.DigestError](err); ok {
		return TroubleDamaged, wrong.Error()
	}
	if config, ok := errors.AsType[*ConfigError](err); ok && config.What == ConfigRegistries {
		return TroubleOther, "its rule gives no place for it: " + reply.CleanText(config.Err)
	}
	status, words := nodeStatus(err)
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return TroublePlainHTTP, "it speaks plain HTTP where TLS is required"
	case status == 0:
		sort, words := trouble(err)
		return sort, strings.ReplaceAll(words, "an authority that this host does not know", "an authority that nodes do not know")
	}
	return troubleOf(status), words
}

// nodeStatus is the HTTP status that containers/image made an error of; 0 for none.
func nodeStatus(err error) (status int, words string) {
	if refused, ok := errors.AsType[docker.ErrUnauthorizedForCredentials](err); ok {
		return http.StatusUnauthorized, "its token service takes neither this user name nor this password: " + reply.CleanText(refused.Err)
	}
	if other, ok := errors.AsType[docker.UnexpectedHTTPStatusError](err); ok {
		return other.StatusCode, fmt.Sprintf("it answered %d %s", other.StatusCode, strings.ToLower(http.StatusText(other.StatusCode)))
	}
	if errors.Is(err, docker.ErrTooManyRequests) {
		return http.StatusTooManyRequests, "it answered 429 too many requests"
	}
	var coded errcode.ErrorCoder
	if errors.As(err, &coded) {
		d := coded.ErrorCode().Descriptor()
		if d.Value == "UNKNOWN" && strings.Contains(strings.ToLower(err.Error()), "not found") { // Harbor, registry.redhat.io
			return http.StatusNotFound, "it answered not found"
		}
		if d.Value != "UNKNOWN" {
			return d.HTTPStatusCode, fmt.Sprintf("it answered %d %s", d.HTTPStatusCode, strings.ToLower(strings.ReplaceAll(d.Value, "_", " ")))
		}
	}
	// What has no form of the specification is a type that containers/image does not export.
	if _, rest, ok := strings.Cut(err.Error(), "StatusCode: "); ok {
		var code int
		if _, err := fmt.Sscanf(rest, "%d", &code); err == nil {
			return code, fmt.Sprintf("it answered %d %s", code, strings.ToLower(http.StatusText(code)))
		}
	}
	return 0, ""
}

// NodeLacks reports whether nodes take an answer for "there is no such manifest" where they look for
// signatures (containers/image, isManifestUnknownError).
func NodeLacks(err error) bool {
	var coded errcode.ErrorCoder
	if errors.As(err, &coded) {
		d := coded.ErrorCode().Descriptor()
		return d.Value == "MANIFEST_UNKNOWN" || d.Value == "UNKNOWN" && strings.Contains(strings.ToLower(err.Error()), "not found")
	}
	status, _ := nodeStatus(err)
	return status == http.StatusNotFound
}

// mayPass reports whether a pull may go better at once: the connection broke, or the registry is busy.
func mayPass(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	switch sort, _ := NodeTrouble(err); sort {
	case TroubleRefused, TroubleLost, TroubleServer, TroubleTooMany:
		return true
	}
	return false
}
