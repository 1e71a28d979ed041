package transport

import (
	"context"
	"slices"
	"sync"
	"time"
)

// noticeEvery is how often a notice says that a host is waited for.
const noticeEvery = 10 * time.Second

// gate holds back the requests to a host that asked for time by Retry-After,
// so that all of them wait when one was asked to.
type gate struct {
	mu      sync.Mutex
	until   time.Time
	status  int       // of the answer that asked for time
	noticed time.Time // when the last notice was given
}

// gate gives the one gate of a host, host[:port] of a URL.
func (c *Client) gate(hostport string) *gate {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gates[hostport]
	if g == nil {
		g = &gate{}
		c.gates[hostport] = g
	}
	return g
}

func (g *gate) shut(d time.Duration, status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(d); until.After(g.until) {
		g.until, g.status = until, status
	}
}

// left is how long the gate stays shut; it is open if that is not above 0.
func (g *gate) left() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Until(g.until)
}

// ifOpen fails as the request did that shut the gate.
func (g *gate) ifOpen(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	left := time.Until(g.until)
	if left <= 0 {
		return nil
	}
	return &RegistryError{Status: g.status, after: left}
}

// pass waits until the gate is open.
func (g *gate) pass(ctx context.Context) error {
	for {
		wait := g.left()
		if wait <= 0 {
			return nil
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// anyOpen waits until the gate of one of the locations is open.
func (c *Client) anyOpen(ctx context.Context, locations []*Repository) error {
	var waits []time.Duration
	for _, p := range locations {
		if p.sender.blocked == nil {
			waits = append(waits, c.gate(p.location.Host()).left())
		}
	}
	if len(waits) == 0 || slices.Min(waits) <= 0 {
		return nil
	}
	return sleep(ctx, slices.Min(waits))
}

// noticeDue reports whether it is time for another notice that this host is waited for.
func (g *gate) noticeDue() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Since(g.noticed) < noticeEvery {
		return false
	}
	g.noticed = time.Now()
	return true
}

// again waits before the next try of what failed with err at the host; false
// means that there is none.
func (c *Client) again(ctx context.Context, t *tries, hostport string, err error) bool {
	wait, ok := t.next(ctx, err)
	if !ok {
		return false
	}
	if c.cfg.Waiting != nil && c.gate(hostport).noticeDue() {
		c.cfg.Waiting(hostport, reason(err), wait)
	}
	return sleep(ctx, wait) == nil
}

// begin counts the tries of one thing.
func (c *Client) begin() *tries { return &tries{policy: c.retry} }
