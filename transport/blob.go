package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
	"github.com/satchel-airgap/satchel/transport/internal/watch"
)

const (
	// leastBytes is what an answer gives at least if it counts as progress, and
	// maxTrickle how many in a row may give less, so that reading ends.
	leastBytes = 4 << 10
	maxTrickle = 100

	// staleTries is how often the registry is asked again for an address that works,
	// if no byte of the blob was ever read.
	staleTries = 2
)

var errTrickle = fmt.Errorf("%d answers in a row gave less than %d bytes each: stopped there", maxTrickle, leastBytes)

// blobReader reads a blob, and resumes where it was when its connection
// breaks or stalls. Each byte that arrives starts the count of tries again.
type blobReader struct {
	//lint:ignore containedctx io.Reader takes no context
	ctx     context.Context
	r       *Repository
	d       oci.Descriptor
	off     int64 // of the next byte
	body    *part // nil between answers
	form    rangeForm
	tries   *retry.Tries
	stale   int   // refusals of addresses that the registry gave, before the first byte
	begun   int64 // where the last answer began
	trickle int   // answers in a row that gave next to nothing
	err     error // that ended the reading
}

// open asks for the blob from the next byte on.
func (b *blobReader) open() error {
	if err := b.progress(); err != nil {
		return err
	}
	for {
		err := b.r.each(b.ctx, true, func(ctx context.Context, p *Repository) error {
			return p.aloneOf(ctx, b.d, func(ctx context.Context) (err error) {
				b.body, err = p.openBlob(ctx, b.d, b.off, &b.form)
				return explain("pull", p.name(b.d), err)
			})
		})
		if err == nil || !b.mayOpen(err) || !b.again(err) {
			return err
		}
	}
}

// mayOpen reports whether the registry is asked again after err: the connection broke
// on the way to the offset, or the address that the registry gave is refused. Such
// addresses are good for some minutes, and may be kept for longer on the way here.
func (b *blobReader) mayOpen(err error) bool {
	var broke *watch.BrokenError
	switch {
	case errors.As(err, &broke):
		return true
	case !isStale(err):
		return false
	case b.off > 0:
		return true
	}
	b.stale++
	return b.stale <= staleTries
}

// progress ends what would be asked for again and again and gives next to nothing.
func (b *blobReader) progress() error {
	if b.trickle++; b.off-b.begun >= leastBytes {
		b.trickle = 0
	}
	b.begun = b.off
	if b.trickle > maxTrickle {
		return &RegistryError{Err: errTrickle}
	}
	return nil
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
		switch {
		case errors.Is(err, io.EOF) && b.off >= b.d.Size:
			b.err = io.EOF
		case errors.Is(err, io.EOF) && b.off == b.body.end && b.off > b.begun: // fewer bytes than were asked for
			b.body.Close()
			b.body = nil
		default:
			b.resume(err)
		}
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
	err = watch.Broken(b.ctx, err)
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

// rangeForm is how the bytes from an offset on are asked for. Not every server takes
// every form, so the next one is tried where one is refused.
type rangeForm int

const (
	rangeOpen    rangeForm = iota // bytes=N-
	rangeBounded                  // bytes=N-M, which some take that refuse the first
	rangeNone                     // the whole blob, of which the first bytes are skipped
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
	header := form.header(d, off)
	if header != nil { // without a range it may be answered
		ctx = retry.Briefly(ctx)
	}
	resp, err := r.ask(ctx, http.MethodGet, "blobs/"+d.Digest.String(), header)
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
		p = &part{Closer: resp.Body}
		if p.Reader, first, p.end, err = reply.Partial(resp, d, off); err != nil {
			return nil, &rangeError{err}
		}
	case resp.StatusCode == http.StatusOK: // also of a server without ranges: slow, but right
		body, err := reply.Content(resp, d)
		if coded, ok := errors.AsType[*reply.EncodingError](err); ok {
			err = &RegistryError{Err: &EncodingError{coded.Encoding}}
		}
		var short *oci.DigestError
		if errors.As(err, &short) && off > 0 && form != rangeNone { // it gives the range, and does not say so
			return nil, &rangeError{err}
		}
		if err != nil {
			return nil, err
		}
		p = &part{body, resp.Body, d.Size}
	default:
		err := answerError(resp)
		// A cache may have no parts of what it has: 404 to a range is asked again for the whole.
		if off > 0 && (reply.RefusesRange(resp) || resp.StatusCode == http.StatusNotFound || header != nil && err.internal()) {
			return nil, &rangeError{err}
		}
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, p, off-first); err != nil {
		return nil, watch.Broken(ctx, err)
	}
	return p, nil
}
