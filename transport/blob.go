package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// blobReader reads a blob, and resumes where it was when its connection
// breaks or stalls. Each byte that arrives starts the count of tries again.
type blobReader struct {
	//lint:ignore containedctx io.Reader takes no context
	ctx   context.Context
	r     *Repository
	d     oci.Descriptor
	off   int64 // of the next byte
	body  io.ReadCloser
	tries *tries
	err   error // that ended the reading
}

// open asks for the blob from the next byte on.
func (b *blobReader) open() error {
	for {
		err := b.r.each(b.ctx, true, func(ctx context.Context, p *Repository) (err error) {
			b.body, err = p.openBlob(ctx, b.d, b.off)
			return explain("pull", p.name(b.d), err)
		})
		var broke *brokenError // on the way to the offset
		if err == nil || !errors.As(err, &broke) || !b.again(err) {
			return err
		}
	}
}

func (b *blobReader) again(err error) bool {
	return b.r.sender.client.again(b.ctx, b.tries, b.r.location.Host(), err)
}

func (b *blobReader) Read(p []byte) (int, error) {
	for b.err == nil {
		if b.body == nil {
			if err := b.open(); err != nil {
				b.err = explain("pull", b.r.name(b.d), err)
				break
			}
		}
		n, err := b.body.Read(p)
		b.off += int64(n)
		if n > 0 {
			b.tries = b.r.sender.client.begin()
			return n, nil // an error comes again with the next read
		}
		if err == nil {
			return 0, nil
		}
		if err == io.EOF && b.off >= b.d.Size {
			b.err = io.EOF
			break
		}
		b.resume(err)
	}
	return 0, b.err
}

// resume gets ready to continue after err, or gives up.
func (b *blobReader) resume(err error) {
	b.body.Close()
	b.body = nil
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	err = broken(b.ctx, err)
	if !b.again(err) {
		b.err = explain("pull", b.r.name(b.d), cmp.Or(b.ctx.Err(), err))
	}
}

func (b *blobReader) Close() error {
	if b.body == nil {
		return nil
	}
	return b.body.Close()
}

// broken marks what a connection ended with, unless it was the run that ended.
func broken(ctx context.Context, err error) error {
	if cerr := ctx.Err(); cerr != nil {
		return cerr
	}
	return &brokenError{err}
}

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
		err = responseError(resp)
	}
	if err == nil && off > 0 {
		// A server without ranges: slow, but right.
		if _, err = io.CopyN(io.Discard, resp.Body, off); err != nil {
			err = broken(ctx, err)
		}
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
