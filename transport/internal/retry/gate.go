package retry

import (
	"context"
	"sync"
	"time"
)

// noticeEvery is how often a notice says that a host is waited for.
const noticeEvery = 10 * time.Second

// Gate holds back the requests to a host that asked for time by Retry-After,
// so that all of them wait when one was asked to.
type Gate struct {
	mu      sync.Mutex
	until   time.Time
	status  int       // of the answer that asked for time
	noticed time.Time // when the last notice was given
}

// Shut shuts the gate for a time, which the answer with this status asked for.
func (g *Gate) Shut(d time.Duration, status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(d); until.After(g.until) {
		g.until, g.status = until, status
	}
}

// Left is how long the gate stays shut; it is open if that is not above 0.
func (g *Gate) Left() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Until(g.until)
}

// Status is that of the answer that asked for time, and how long the gate stays shut.
func (g *Gate) Status() (status int, left time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.status, time.Until(g.until)
}

// Pass waits until the gate is open.
func (g *Gate) Pass(ctx context.Context) error {
	for {
		wait := g.Left()
		if wait <= 0 {
			return nil
		}
		if err := Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// NoticeDue reports whether it is time for another notice that this host is waited for.
func (g *Gate) NoticeDue() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Since(g.noticed) < noticeEvery {
		return false
	}
	g.noticed = time.Now()
	return true
}
