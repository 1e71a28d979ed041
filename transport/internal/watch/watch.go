package watch

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// ErrStalled is the cause of a request that stood still.
var ErrStalled = errors.New("nothing was transferred for too long")

// Watch ends a request that stands still. A new one is off.
type Watch struct {
	//lint:ignore containedctx it is the context of one request, which this ends
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	timer *time.Timer
	limit time.Duration // 0 when off
}

type key struct{}

// New watches over a request, which is made with [Watch.Context].
func New(ctx context.Context) *Watch {
	w := &Watch{}
	ctx, w.cancel = context.WithCancelCause(ctx)
	w.ctx = context.WithValue(ctx, key{}, w)
	return w
}

// Context is for the request.
func (w *Watch) Context() context.Context { return w.ctx }

// Pausing stops the watch over a request while f has it wait.
func Pausing(ctx context.Context, f func(context.Context) error) error {
	w, _ := ctx.Value(key{}).(*Watch)
	if w == nil {
		return f(ctx)
	}
	limit := w.Off()
	err := f(ctx)
	if limit > 0 {
		w.Expect(limit)
	}
	return err
}

// Expect gives the request so much time for its next sign of life.
func (w *Watch) Expect(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit = d
	if w.timer == nil {
		w.timer = time.AfterFunc(d, func() { w.cancel(ErrStalled) })
		return
	}
	w.timer.Reset(d)
}

// Off stops watching, and gives what was expected.
func (w *Watch) Off() (limit time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	limit, w.limit = w.limit, 0
	return limit
}

// End releases the request.
func (w *Watch) End() {
	w.Off()
	w.cancel(context.Canceled)
}

// Cause puts the reason in the place of the cancelling that it caused.
func (w *Watch) Cause(err error) error {
	if err != nil && errors.Is(context.Cause(w.ctx), ErrStalled) {
		return ErrStalled
	}
	return err
}

// Body is the body of an answer under watch, which ends with it. Each read has limit to give
// something. What it breaks with is a *[BrokenError].
func (w *Watch) Body(rc io.ReadCloser, limit time.Duration) io.ReadCloser {
	return &body{rc, w, limit}
}

type body struct {
	rc    io.ReadCloser
	w     *Watch
	limit time.Duration
}

func (b *body) Read(p []byte) (int, error) {
	b.w.Expect(b.limit)
	n, err := b.rc.Read(p)
	b.w.Off()
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case errors.Is(context.Cause(b.w.ctx), ErrStalled):
		return n, &BrokenError{ErrStalled}
	}
	return n, Broken(b.w.ctx, err)
}

func (b *body) Close() error {
	b.w.End()
	return b.rc.Close()
}

// BrokenError is an answer whose connection ended, or stood still, before its content did.
type BrokenError struct{ Err error }

func (e *BrokenError) Error() string { return e.Err.Error() }
func (e *BrokenError) Unwrap() error { return e.Err }

// Broken marks what a connection ended with, unless it was the run that ended.
func Broken(ctx context.Context, err error) error {
	if cerr := ctx.Err(); cerr != nil {
		return cerr
	}
	return &BrokenError{err}
}
