package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/watch"
)

var errTrickle = fmt.Errorf("%d answers in a row gave less than %d bytes each: stopped there", maxTrickle, leastBytes)

// rangeForm is how the bytes from an offset on are asked for. Not every server takes
// every form, so the next one is tried where one is refused.
type rangeForm int

const (
	rangeOpen    rangeForm = iota // bytes=N-
	rangeBounded                  // bytes=N-M, which some take that refuse the first
	rangeNone                     // the whole blob, of which the first bytes are passed over
)

// header is the request's, for the bytes of d from off on.
func (f rangeForm) header(d oci.Descriptor, off int64) http.Header {
	switch {
	case f == rangeNone || off == 0:
		return nil
	case f == rangeBounded:
		return http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", off, d.Size-1)}}
	}
	return http.Header{"Range": {fmt.Sprintf("bytes=%d-", off)}}
}

// part is the body of an answer, from the byte that was asked for on.
type part struct {
	io.Reader
	io.Closer
	end int64 // offset in the blob behind its last byte
}

// rangeError says that a server did not answer a request for a range as it should.
type rangeError struct{ err error }

func (e *rangeError) Error() string { return e.err.Error() }
func (e *rangeError) Unwrap() error { return e.err }

// openBlob is a GET from an offset (OCI distribution-spec, "Pulling Blobs"). It begins
// with form, and leaves there the one that was answered.
func (r *Repository) openBlob(ctx context.Context, d oci.Descriptor, off int64, form *rangeForm) (*part, error) {
	if off > 0 && off == d.Size {
		return &part{http.NoBody, http.NoBody, d.Size}, nil // a range that starts at the end cannot be asked for
	}
	f := *form
	if off == 0 {
		f = rangeNone
	}
	for ; ; f++ {
		p, err := r.openRange(ctx, d, off, f)
		var refused *rangeError
		if !errors.As(err, &refused) || f == rangeNone {
			if err == nil && off > 0 {
				*form = f
			}
			return p, err
		}
	}
}

// openRange asks in one form. The error is a *[rangeError] if another may be answered.
func (r *Repository) openRange(ctx context.Context, d oci.Descriptor, off int64, form rangeForm) (p *part, err error) {
	resp, err := r.ask(ctx, http.MethodGet, "blobs/"+d.Digest.String(), form.header(d, off))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			resp.Body.Close()
		}
	}()
	first := int64(0)
	switch {
	case resp.StatusCode == http.StatusPartialContent:
		if p, first, err = partial(resp, d, off); err != nil {
			return nil, &rangeError{err}
		}
	case resp.StatusCode == http.StatusOK: // also of a server without ranges: slow, but right
		body, err := plainBody(resp, d)
		if err != nil {
			return nil, err
		}
		p = &part{body, resp.Body, d.Size}
	default:
		err := answerError(resp)
		if off > 0 && refusesRange(resp) {
			return nil, &rangeError{err}
		}
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, p, off-first); err != nil {
		return nil, watch.Broken(ctx, err)
	}
	return p, nil
}

// refusesRange reports whether an answer may be a refusal of the range alone. Any
// server may have none, and may say so by 416 (RFC 9110, section 15.5.17), or in its
// own way.
func refusesRange(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusRequestedRangeNotSatisfiable, http.StatusInternalServerError, http.StatusNotImplemented:
		return true
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusProxyAuthRequired, http.StatusGone:
		return false
	}
	return permanentStatus(resp.StatusCode) && !redirected(resp)
}

// partial reads what a 206 has of d (RFC 9110, section 14.4). It may have fewer bytes
// than were asked for, and some before them, whose first one it returns.
func partial(resp *http.Response, d oci.Descriptor, off int64) (p *part, first int64, err error) {
	got := resp.Header.Get("Content-Range")
	wrong := fmt.Errorf("asked for the bytes from %d on, the registry answered with the range %q", off, oneLine(got))
	unit, span, _ := strings.Cut(strings.TrimSpace(got), " ")
	if !strings.EqualFold(unit, "bytes") {
		return nil, 0, wrong
	}
	span, total, ok := strings.Cut(span, "/")
	if n, perr := strconv.ParseInt(total, 10, 64); !ok || total == "*" && encoding(resp) != "" || total != "*" && (perr != nil || n != d.Size) {
		return nil, 0, wrong
	}
	from, to, _ := strings.Cut(strings.TrimSpace(span), "-")
	first, ferr := strconv.ParseInt(from, 10, 64)
	last, lerr := strconv.ParseInt(to, 10, 64)
	n := last - first + 1
	if ferr != nil || lerr != nil || first < 0 || first > off || last < off || last >= d.Size || resp.ContentLength >= 0 && resp.ContentLength != n {
		return nil, 0, wrong
	}
	return &part{io.LimitReader(resp.Body, n), resp.Body, last + 1}, first, nil
}
