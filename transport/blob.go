package transport

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// openBlob is a GET from an offset (OCI distribution-spec, "Pulling Blobs").
func (r *Repository) openBlob(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	if off > 0 && off == d.Size {
		return http.NoBody, nil // a range that starts at the end cannot be asked for
	}
	var header http.Header
	if off > 0 {
		header = http.Header{"Range": {fmt.Sprintf("bytes=%d-", off)}}
	}
	resp, err := r.ask(ctx, http.MethodGet, "blobs/"+d.Digest.String(), header)
	if err != nil {
		return nil, err
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		err = checkWhole(resp, d)
	case resp.StatusCode == http.StatusPartialContent && off > 0:
		if err = checkRange(resp, d, off); err == nil {
			return resp.Body, nil
		}
	default:
		return nil, answered(resp)
	}
	if err == nil && off > 0 {
		// A server without ranges: slow, but right.
		_, err = io.CopyN(io.Discard, resp.Body, off)
	}
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp.Body, nil
}

// checkWhole refuses an answer that announces another size.
func checkWhole(resp *http.Response, d oci.Descriptor) error {
	if n := resp.ContentLength; n >= 0 && n != d.Size {
		return &oci.DigestError{Want: d, GotSize: n}
	}
	return nil
}

// checkRange makes sure that a 206 is the rest of d from off on (RFC 9110,
// section 14.4).
func checkRange(resp *http.Response, d oci.Descriptor, off int64) error {
	got := resp.Header.Get("Content-Range")
	wrong := fmt.Errorf("asked for the bytes from %d on, the registry answered with the range %q", off, oneLine(got))
	span, total, ok := strings.Cut(strings.TrimPrefix(got, "bytes "), "/")
	if !ok || !strings.HasPrefix(got, "bytes ") {
		return wrong
	}
	first, last, _ := strings.Cut(span, "-")
	if n, err := strconv.ParseInt(first, 10, 64); err != nil || n != off {
		return wrong
	}
	if n, err := strconv.ParseInt(total, 10, 64); total != "*" && (err != nil || n != d.Size) {
		return wrong
	}
	if n, err := strconv.ParseInt(last, 10, 64); err != nil || n != d.Size-1 {
		return wrong
	}
	return nil
}
