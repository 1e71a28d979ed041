package transport

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// stuck gives some bytes, tells, and then waits for the end of its context.
type stuck struct {
	//lint:ignore containedctx io.Reader takes no context
	ctx    context.Context
	r      io.Reader
	left   int
	begun  chan<- struct{}
	closed *atomic.Int32
}

func (s *stuck) Read(p []byte) (int, error) {
	if s.left == 0 {
		s.begun <- struct{}{}
		<-s.ctx.Done()
		return 0, s.ctx.Err()
	}
	n, err := s.r.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}

func (s *stuck) Close() error {
	s.closed.Add(1)
	return nil
}

func TestCancelLeavesNothing(t *testing.T) {
	reg, c := registrytest.Start(t), insecure(t) // no proxy: its goroutines would be counted
	before := runtime.NumGoroutine()
	cancelInFlight(t, c, reg.Host)
	c.Close()
	waitGoroutines(t, before)
}

func TestCancelCancelsUploads(t *testing.T) {
	proxy, c := proxied(t)
	cancelInFlight(t, c, proxy.Host)
	if n := proxy.Count("DELETE upload"); n != 3 {
		t.Errorf("%d uploads were cancelled, want 3", n)
	}
}

func TestCancelledBeforeTheFirst(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	content, d := oneBlob("127.0.0.1:1", 10<<10)
	if err := mirrorAt(insecure(t), "127.0.0.1:1", 1).Blobs(ctx, content, slices.Values([]Delivery{d})); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// cancelInFlight ends the run while three of six blobs are half uploaded.
func cancelInFlight(t *testing.T, c *Client, host string) {
	t.Helper()
	content := ocitest.New(7)
	var work []Delivery
	for range 6 {
		work = append(work, Delivery{Blob: content.Layer(1<<20, ocitest.LayerGzip), Repos: []oci.Ref{{Registry: host, Repository: "mirror/one"}}})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun := make(chan struct{}, len(work))
	var opened, closed atomic.Int32
	src := oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		rc, err := content.Open(ctx, d, off)
		if err != nil {
			return nil, err
		}
		opened.Add(1)
		return &stuck{ctx: ctx, r: rc, left: 512 << 10, begun: begun, closed: &closed}, nil
	})
	done := make(chan error, 1)
	go func() { done <- mirrorAt(c, host, 3).Blobs(ctx, src, slices.Values(work)) }()
	for range 3 {
		<-begun
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if opened.Load() != 3 || closed.Load() != 3 {
		t.Errorf("%d sources opened, %d closed, want 3", opened.Load(), closed.Load())
	}
	for _, d := range work {
		if has(t, c, d.Repos[0], d.Blob) {
			t.Errorf("%s was committed", d.Blob.Digest)
		}
	}
}

// waitGoroutines waits for goroutines that are on their way out.
func waitGoroutines(t *testing.T, before int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}
