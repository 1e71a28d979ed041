package transport

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/satchel-airgap/satchel/transport/internal/retry"
	"github.com/satchel-airgap/satchel/transport/internal/watch"
)

const longestLook = 15 * time.Second // between two looks for what is absent

// patience is one wait that several looks share: where a mirror drops everything, one look waits
// to the end, and not each of thousands. With nil, a look does not wait.
type patience struct{ over atomic.Bool }

// until looks for something until it is there, or once if the wait is over.
func (p *patience) until(ctx context.Context, r *Repository, there func() (bool, error)) (bool, error) {
	if p == nil || p.over.Load() {
		return there()
	}
	ok, err := r.patiently(ctx, there)
	if err == nil && !ok {
		p.over.Store(true)
	}
	return ok, err
}

// patiently looks until something is there: stores that are consistent later, and caches
// of an absence, need time. It waits as long as for an outage, and gives up then.
func (r *Repository) patiently(ctx context.Context, there func() (bool, error)) (bool, error) {
	c, host := r.sender.client, r.location.Host()
	for t := c.begin(); ; {
		ok, err := there()
		if ok || err != nil {
			return ok, err
		}
		wait, again := t.Next(ctx, failureOf(watch.ErrStalled))
		if !again {
			return false, ctx.Err()
		}
		wait = min(wait, longestLook)
		if c.cfg.Waiting != nil && c.gate(host).NoticeDue() {
			c.cfg.Waiting(host, "what was pushed is not available there yet", wait)
		}
		if err := retry.Sleep(ctx, wait); err != nil {
			return false, err
		}
	}
}
