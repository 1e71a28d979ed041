package transport

import (
	"encoding/xml"
	"errors"
	"net/http"
)

// answerError is [responseError] for what is read: it notes where a registry redirected to
// an address that may be out of date, so that another one is asked for.
func answerError(resp *http.Response) *RegistryError {
	e := responseError(resp)
	switch e.Status {
	case http.StatusMethodNotAllowed, http.StatusProxyAuthRequired, http.StatusRequestedRangeNotSatisfiable:
	default:
		e.stale = redirected(resp) && permanentStatus(e.Status)
	}
	return e
}

// isStale reports whether an error is a refusal of an address that a registry redirected to.
func isStale(err error) bool {
	e, ok := errors.AsType[*RegistryError](err)
	return ok && e.stale
}

// xmlMessage is what stores of objects say in their errors (Amazon S3, "Error Responses").
func xmlMessage(body []byte) string {
	var parsed struct{ Message string }
	if xml.Unmarshal(body, &parsed) != nil {
		return ""
	}
	return oneLine(parsed.Message)
}
