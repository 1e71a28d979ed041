package transport

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// stallTimeout is how long a transfer may stand still before its connection
// counts as broken.
const stallTimeout = time.Minute

var errStalled = errors.New("nothing was transferred for too long")

// watch ends a request that stands still. A new one is off.
type watch struct {
	//lint:ignore containedctx it is the context of one request, which this ends
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	timer *time.Timer
	limit time.Duration // 0 when off
}

type watchKey struct{}

// watched gives the context for the request to watch.
func watched(ctx context.Context) *watch {
	w := &watch{}
	ctx, w.cancel = context.WithCancelCause(ctx)
	w.ctx = context.WithValue(ctx, watchKey{}, w)
	return w
}

// pausing stops the watch over a request while f has it wait.
func pausing(ctx context.Context, f func(context.Context) error) error {
	w, _ := ctx.Value(watchKey{}).(*watch)
	if w == nil {
		return f(ctx)
	}
	limit := w.off()
	err := f(ctx)
	if limit > 0 {
		w.expect(limit)
	}
	return err
}

// expect gives the request so much time for its next sign of life.
func (w *watch) expect(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit = d
	if w.timer == nil {
		w.timer = time.AfterFunc(d, func() { w.cancel(errStalled) })
		return
	}
	w.timer.Reset(d)
}

// off stops watching, and gives what was expected.
func (w *watch) off() (limit time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	limit, w.limit = w.limit, 0
	return limit
}

// end releases the request.
func (w *watch) end() {
	w.off()
	w.cancel(context.Canceled)
}

// cause puts the reason in the place of the cancelling that it caused.
func (w *watch) cause(err error) error {
	if err != nil && errors.Is(context.Cause(w.ctx), errStalled) {
		return errStalled
	}
	return err
}

// watchedBody is the body of an answer under watch, which ends with it. What it
// breaks with is a *[brokenError].
type watchedBody struct {
	rc    io.ReadCloser
	w     *watch
	limit time.Duration
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.w.expect(b.limit)
	n, err := b.rc.Read(p)
	b.w.off()
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case errors.Is(context.Cause(b.w.ctx), errStalled):
		return n, &brokenError{errStalled}
	}
	return n, broken(b.w.ctx, err)
}

func (b *watchedBody) Close() error {
	b.w.end()
	return b.rc.Close()
}
