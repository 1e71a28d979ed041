package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/satchel-airgap/satchel/oci"
)

// patience is how long a client may take nothing before others take its place.
const patience = time.Second

// A blob is read for one turn: then its place goes to who waits. A turn ends with the first frame
// that comes to turnBytes, because a frame that was given in part is read and decoded once more;
// but with a client that is slow to take a frame nobody waits.
const (
	turnBytes = 2 << 20
	turnTime  = 2 * time.Second
)

// smallBlob is the size up to which blobs also get the places that are kept for them.
const smallBlob = 4 << 20

// gate lets so many read at a time. Each of them holds decoded frames in memory. The next turn is
// that of the client whose last one is longest ago, however many blobs it asks for; large blobs
// leave some places to small ones.
type gate struct {
	mu            sync.Mutex
	places, large int // of all blobs, and those that large ones may have
	inside        map[*content]bool
	insideLarge   int
	queue         []*waiter
	turns         uint64            // that there were
	last          map[string]uint64 // turn, by client
}

// mostClients is how many clients' turns are remembered.
const mostClients = 4096

// waiter is one who waits for a place.
type waiter struct {
	c  *content
	in chan struct{} // is closed when it has one
}

func newGate(places, large int) *gate {
	return &gate{places: places, large: large, inside: map[*content]bool{}, last: map[string]uint64{}}
}

// enter waits for a place. Where none is free, one whose client takes nothing loses its own.
func (g *gate) enter(ctx context.Context, c *content) error {
	w := &waiter{c: c, in: make(chan struct{})}
	g.mu.Lock()
	g.queue = append(g.queue, w)
	g.admit()
	g.mu.Unlock()
	for {
		select {
		case <-w.in:
			return nil
		default:
		}
		g.evict()
		select {
		case <-w.in:
			return nil
		case <-ctx.Done():
			g.cancel(w)
			return ctx.Err()
		case <-time.After(patience / 20):
		}
	}
}

// admit gives free places to those who wait. The caller holds g.mu.
func (g *gate) admit() {
	for {
		next := -1
		for i, w := range g.queue {
			if g.fits(w.c) && (next < 0 || g.last[w.c.client] < g.last[g.queue[next].c.client]) {
				next = i
			}
		}
		if next < 0 {
			return
		}
		w := g.queue[next]
		g.queue = slices.Delete(g.queue, next, next+1)
		g.inside[w.c] = true
		if w.c.isLarge() {
			g.insideLarge++
		}
		if len(g.last) >= mostClients {
			clear(g.last)
		}
		g.turns++
		g.last[w.c.client] = g.turns
		close(w.in)
	}
}

// fits reports whether there is a place for c. The caller holds g.mu.
func (g *gate) fits(c *content) bool {
	return len(g.inside) < g.places && (!c.isLarge() || g.insideLarge < g.large)
}

// cancel ends the waiting of one who may have got a place meanwhile.
func (g *gate) cancel(w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue = slices.DeleteFunc(g.queue, func(x *waiter) bool { return x == w })
	g.remove(w.c)
}

// waiting reports whether somebody waits for a place.
func (g *gate) waiting() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.queue) > 0
}

// evict takes the place of somebody who waits for a client.
func (g *gate) evict() {
	g.mu.Lock()
	list := slices.Collect(maps.Keys(g.inside))
	g.mu.Unlock()
	for _, c := range list {
		if c.giveUp() {
			return
		}
	}
}

func (g *gate) leave(c *content) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.remove(c)
}

// remove frees the place of one who has it. The caller holds g.mu.
func (g *gate) remove(c *content) {
	if !g.inside[c] {
		return
	}
	delete(g.inside, c)
	if c.isLarge() {
		g.insideLarge--
	}
	g.admit()
}

// content is a blob for http.ServeContent: it is opened where it is read, and only then. Read
// from its first byte on, it is verified: wrong content never comes to its end.
type content struct {
	//lint:ignore containedctx io.Reader takes no context
	ctx    context.Context
	gate   *gate
	client string // its address
	src    oci.Source
	d      oci.Descriptor

	mu     sync.Mutex // parts of several are read by a goroutine of ServeContent, which may outlive the answer
	off    int64      // of the next read
	in     io.ReadCloser
	at     int64     // in gives this byte next
	taken  int       // bytes of this turn
	framed time.Time // the client has been given bytes of this frame
	last   time.Time
	check  *oci.Verifier // of what was read from the first byte on; nil: it was read from elsewhere too
	err    error         // of the first read that failed
}

func newContent(ctx context.Context, g *gate, client string, src oci.Source, d oci.Descriptor) *content {
	return &content{ctx: ctx, gate: g, client: client, src: src, d: d, check: oci.NewVerifier(d)}
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
	if c.off == c.d.Size || c.turnEnds(n) && c.gate.waiting() {
		c.stop()
	}
	return n, nil
}

// turnEnds reports whether others are due, after n more bytes.
func (c *content) turnEnds(n int) bool {
	c.taken += n
	if c.framed.IsZero() {
		c.framed = c.last
	}
	if decoded(c.in) == 0 {
		c.framed = time.Time{}
		return c.taken >= turnBytes
	}
	return c.last.Sub(c.framed) >= turnTime
}

// decoded is how many bytes a reader of a bundle gives without reading the drive.
func decoded(r io.Reader) int {
	if b, ok := r.(interface{ Decoded() int }); ok {
		return b.Decoded()
	}
	return 0
}

func (c *content) isLarge() bool { return c.d.Size > smallBlob }

// read gives bytes that are right as far as that is known: at least one, and all if p has room.
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
		c.in, c.at, c.taken, c.framed = in, c.off, 0, time.Time{}
	}
	least := 1
	if c.off+int64(len(p)) == c.d.Size { // what is small is known to be right before any of it is given
		least = len(p)
	}
	n, err := io.ReadAtLeast(c.in, p, least)
	if n < least {
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
