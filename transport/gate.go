package transport

import (
	"context"
	"sync"
	"time"
)

// noticeEvery is how often it is told that a host is waited for.
const noticeEvery = 10 * time.Second

// gate holds back the requests to a host that asked for time by Retry-After,
// so that all of them wait when one was told to.
type gate struct {
	mu    sync.Mutex
	until time.Time
	told  time.Time // when it was last told that this host is waited for
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

func (g *gate) shut(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(d); until.After(g.until) {
		g.until = until
	}
}

// pass waits until the gate is open.
func (g *gate) pass(ctx context.Context) error {
	for {
		g.mu.Lock()
		wait := time.Until(g.until)
		g.mu.Unlock()
		if wait <= 0 {
			return nil
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// tell reports whether it is time to tell again that this host is waited for.
func (g *gate) tell() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Since(g.told) < noticeEvery {
		return false
	}
	g.told = time.Now()
	return true
}

// again waits before the next try of what failed with err at the host; false
// means that there is none.
func (c *Client) again(ctx context.Context, t *tries, hostport string, err error) bool {
	wait, ok := t.next(ctx, err)
	if !ok {
		return false
	}
	if c.cfg.Waiting != nil && c.gate(hostport).tell() {
		c.cfg.Waiting(hostport, reason(err), wait)
	}
	return sleep(ctx, wait) == nil
}

// begin counts the tries of one thing.
func (c *Client) begin() *tries { return &tries{policy: c.retry} }
