package transport

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// TargetError says that the place to which a registry redirects refused.
type TargetError struct {
	Host    string
	Status  int
	Message string // one printable line of at most 300 characters, may be empty
}

func (e *TargetError) Error() string {
	text := e.Message
	if text == "" {
		text = strings.ToLower(http.StatusText(e.Status))
	}
	return strings.TrimSpace(fmt.Sprintf("the registry redirects to %s, which answered %d %s", e.Host, e.Status, text))
}

// Hint says what to do now.
func (e *TargetError) Hint() string {
	if e.stale() {
		return "such addresses are valid for a short time: check this host's clock and that the host can be reached from here without a proxy that changes requests, then run the same command again"
	}
	return ""
}

// Permanent reports whether it refused, and would again.
func (e *TargetError) Permanent() bool { return permanentStatus(e.Status) }

// stale reports whether the address may be out of date, so that the registry is asked
// for another one.
func (e *TargetError) stale() bool {
	return permanentStatus(e.Status) && e.Status != http.StatusRequestedRangeNotSatisfiable && e.Status != http.StatusMethodNotAllowed
}

// trouble is the sort of what went wrong.
func (e *TargetError) trouble() Trouble {
	if t := troubleOf(e.Status); t == TroubleTooMany || t == TroubleServer {
		return t
	}
	return TroubleOther
}

// redirectedTo is the host that answered in place of the registry, "" if none did.
func redirectedTo(resp *http.Response) string {
	if resp.Request == nil || resp.Request.Response == nil {
		return ""
	}
	return resp.Request.URL.Host
}

// answerError is [responseError], with the host that really answered.
func answerError(resp *http.Response) *RegistryError {
	host := redirectedTo(resp)
	if host == "" {
		return responseError(resp)
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	resp.Body.Close()
	// Stores of objects answer in XML (Amazon S3, "Error Responses").
	var parsed struct{ Message string }
	message := ""
	if xml.Unmarshal(body, &parsed) == nil {
		message = oneLine(parsed.Message)
	}
	return &RegistryError{Err: &TargetError{Host: oneLine(host), Status: resp.StatusCode, Message: message}, after: retryAfter(resp)}
}
