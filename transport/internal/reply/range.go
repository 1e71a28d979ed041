package reply

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// RefusesRange reports whether an answer may be a refusal of the range alone. Any
// server may have none, and may say so by 416 (RFC 9110, section 15.5.17), or in its
// own way.
func RefusesRange(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusRequestedRangeNotSatisfiable, http.StatusInternalServerError, http.StatusNotImplemented:
		return true
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusProxyAuthRequired, http.StatusGone:
		return false
	}
	return resp.StatusCode < 400 || Permanent(resp.StatusCode) && !Redirected(resp)
}

// Partial reads what a 206 has of d (RFC 9110, section 14.4). It may have fewer bytes
// than were asked for, and some before them: first is the offset of its first byte, end the one
// behind its last.
func Partial(resp *http.Response, d oci.Descriptor, off int64) (body io.Reader, first, end int64, err error) {
	got := resp.Header.Get("Content-Range")
	wrong := fmt.Errorf("asked for the bytes from %d on, the registry answered with the range %q", off, OneLine(got))
	unit, span, _ := strings.Cut(strings.TrimSpace(got), " ")
	if !strings.EqualFold(unit, "bytes") {
		return nil, 0, 0, wrong
	}
	span, total, ok := strings.Cut(span, "/")
	if n, perr := strconv.ParseInt(total, 10, 64); !ok || total == "*" && Encoding(resp) != "" || total != "*" && (perr != nil || n != d.Size) {
		return nil, 0, 0, wrong
	}
	from, to, _ := strings.Cut(strings.TrimSpace(span), "-")
	first, ferr := strconv.ParseInt(from, 10, 64)
	last, lerr := strconv.ParseInt(to, 10, 64)
	n := last - first + 1
	if ferr != nil || lerr != nil || first < 0 || first > off || last < off || last >= d.Size || resp.ContentLength >= 0 && resp.ContentLength != n {
		return nil, 0, 0, wrong
	}
	return io.LimitReader(resp.Body, n), first, last + 1, nil
}
