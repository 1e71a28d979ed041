package reply

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// MaxError is how many bytes are read of an answer that is not the content asked for.
const MaxError = 64 << 10

const maxRetryAfter = 5 * time.Minute

// Drain reads what little is left of an answer, so that its connection can be
// used again, and closes it.
func Drain(resp *http.Response) {
	io.CopyN(io.Discard, resp.Body, MaxError)
	resp.Body.Close()
}

// Redirected reports whether it was not the host that was asked which answered.
func Redirected(resp *http.Response) bool { return resp.Request.Response != nil }

// Permanent reports whether an HTTP status is a refusal that stays one.
func Permanent(status int) bool {
	return status >= 400 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
}

// Transient reports whether an HTTP status may be another one at the next try: 408, 429, most 5xx.
func Transient(status int) bool {
	switch status {
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusInsufficientStorage:
		return false
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// RetryAfter is how long the answers 429 and 503 ask to wait, at most 5
// minutes (RFC 9110, section 10.2.3: seconds or a date); 0 if they do not.
func RetryAfter(resp *http.Response) time.Duration {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	text := resp.Header.Get("Retry-After")
	wait := time.Duration(0)
	if s, err := strconv.ParseUint(text, 10, 31); err == nil {
		wait = time.Duration(s) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = time.Until(at)
	}
	return max(0, min(wait, maxRetryAfter))
}
