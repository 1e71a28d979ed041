package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/satchel-airgap/satchel/oci"
)

// patience is how long a client may take nothing before others take its place.
const patience = time.Second

// gate lets so many read at a time. Each of them holds decoded frames in memory.
type gate struct {
	places chan struct{}
	mu     sync.Mutex
	inside map[*content]bool
}

func newGate(places int) *gate {
	return &gate{places: make(chan struct{}, places), inside: map[*content]bool{}}
}

// enter waits for a place. Where none is free, one whose client takes nothing loses its own.
func (g *gate) enter(ctx context.Context, c *content) error {
	wait := time.Duration(0)
	for {
		select {
		case g.places <- struct{}{}:
			g.mu.Lock()
			defer g.mu.Unlock()
			g.inside[c] = true
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
			g.evict()
			wait = patience / 20
		}
	}
}

// evict takes the place of somebody who waits for a client.
func (g *gate) evict() {
	g.mu.Lock()
	var list []*content
	for c := range g.inside {
		list = append(list, c)
	}
	g.mu.Unlock()
	for _, c := range list {
		if c.giveUp() {
			return
		}
	}
}

func (g *gate) leave(c *content) {
	g.mu.Lock()
	delete(g.inside, c)
	g.mu.Unlock()
	<-g.places
}

// content is a blob for http.ServeContent: it is opened where it is read, and only then. Read
// from its first byte on, it is verified: wrong content never comes to its end.
type content struct {
	//lint:ignore containedctx io.Reader takes no context
	ctx  context.Context
	gate *gate
	src  oci.Source
	d    oci.Descriptor

	mu    sync.Mutex // parts of several are read by a goroutine of ServeContent, which may outlive the answer
	off   int64      // of the next read
	in    io.ReadCloser
	at    int64 // in gives this byte next
	last  time.Time
	check *oci.Verifier // of what was read from the first byte on; nil: it was read from elsewhere too
	err   error         // of the first read that failed
}

func newContent(ctx context.Context, g *gate, src oci.Source, d oci.Descriptor) *content {
	return &content{ctx: ctx, gate: g, src: src, d: d, check: oci.NewVerifier(d)}
}

// Seek implements io.Seeker. Nothing is read.
func (c *content) Seek(off int64, whence int) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		off += c.off
	case io.SeekEnd:
		off += c.d.Size
	}
	if off < 0 {
		return 0, fmt.Errorf("seek to %d", off)
	}
	c.off = off
	return off, nil
}

func (c *content) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	if c.off >= c.d.Size {
		return 0, io.EOF
	}
	n, err := c.read(p[:min(int64(len(p)), c.d.Size-c.off)])
	c.last = time.Now()
	if err != nil {
		c.err = err
		c.stop()
		return 0, err
	}
	return n, nil
}

// read gives bytes that are right as far as that is known: at least one.
func (c *content) read(p []byte) (int, error) {
	if c.in != nil && c.at != c.off {
		c.stop()
	}
	if c.in == nil {
		if err := c.gate.enter(c.ctx, c); err != nil {
			return 0, err
		}
		in, err := c.src.Open(c.ctx, c.d, c.off)
		if err != nil {
			c.gate.leave(c)
			return 0, err
		}
		c.in, c.at = in, c.off
	}
	n, err := io.ReadAtLeast(c.in, p, 1)
	if n == 0 {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	if c.check != nil && c.check.Written() != c.off {
		c.check = nil
	}
	c.off, c.at = c.off+int64(n), c.at+int64(n)
	if c.check == nil {
		return n, nil
	}
	if _, err := c.check.Write(p[:n]); err != nil {
		return 0, err
	}
	if c.off == c.d.Size {
		if err := c.check.Close(); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// stop frees what a read holds. The caller holds c.mu.
func (c *content) stop() {
	if c.in == nil {
		return
	}
	_ = c.in.Close() // it was only read
	c.in = nil
	c.gate.leave(c)
}

// giveUp frees what the read holds if the client takes nothing.
func (c *content) giveUp() bool {
	if !c.mu.TryLock() {
		return false // it reads
	}
	defer c.mu.Unlock()
	if c.in == nil || time.Since(c.last) < patience {
		return false
	}
	c.stop()
	return true
}

// close ends all reading and gives the error of the read that failed.
func (c *content) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop()
	err := c.err
	if c.err == nil {
		c.err = io.ErrClosedPipe
	}
	return err
}
