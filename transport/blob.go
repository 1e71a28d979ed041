package transport

import (
	"cmp"
	"context"
	"errors"
	"io"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/watch"
)

const (
	// leastBytes is what an answer gives at least if it counts as progress, and
	// maxTrickle how many in a row may give less: more would go on for ever.
	leastBytes = 4 << 10
	maxTrickle = 100

	// staleTries is how often the registry is asked again for an address that works,
	// if no byte of the blob was ever read.
	staleTries = 2
)

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
	tries   *tries
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
		err := b.r.each(b.ctx, true, func(ctx context.Context, p *Repository) (err error) {
			b.body, err = p.openBlob(ctx, b.d, b.off, &b.form)
			return explain("pull", p.name(b.d), err)
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
