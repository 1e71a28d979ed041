package retry

import (
	"context"
	"math"
	"math/rand/v2"
	"time"
)

// Longest is the longest pause between two tries, but for a quarter by which it varies.
const Longest = time.Minute

const (
	firstPause = time.Second
	outage     = 75 * time.Second // more than the minute that is promised
)

// Policy says how often something is tried again, and after how long.
type Policy struct {
	Times    int           // tries after the first
	Delay    time.Duration // between tries; 0: First, then doubling up to Longest
	First    time.Duration
	Patience time.Duration // how long an outage is waited for at least, however many tries that takes
}

// New is the policy for a number of tries after the first, and the time between them; 0 is one
// that doubles, and an outage of a minute is then waited for.
func New(times int, delay time.Duration) Policy {
	p := Policy{Times: max(0, times), Delay: delay, First: firstPause}
	if p.Delay == 0 {
		p.Patience = outage
	}
	return p
}

// Failure is what counts of an error.
type Failure struct {
	Transient bool          // it may go better next time
	Expired   bool          // a credential was good before: it is fetched again, once
	Lost      bool          // what was begun is lost: it begins again as often as is tried, however long an outage
	Internal  bool          // the host failed at this, and may do everything else
	After     time.Duration // what the host asked to wait, 0 for nothing
}

// Tries counts what failed in a row.
type Tries struct {
	Policy
	n       int
	since   time.Time // the first failure in a row
	renewed bool      // a token was fetched again
}

// Next gives how long to wait before trying again what failed, and
// whether to.
func (t *Tries) Next(ctx context.Context, f Failure) (time.Duration, bool) {
	switch {
	case ctx.Err() != nil || t.Times == 0 || OnlyOnce(ctx) || !f.Transient:
		return 0, false
	case f.Expired && t.renewed || f.Lost && t.n >= t.Times, f.Internal && t.n >= triesWithin(ctx):
		return 0, false
	}
	t.renewed = t.renewed || f.Expired
	if t.n++; t.n == 1 {
		t.since = time.Now()
	}
	left := t.Patience - time.Since(t.since)
	if t.n > t.Times && left <= 0 {
		return 0, false
	}
	if f.After > 0 {
		return f.After, true
	}
	wait := t.pause()
	if t.n > t.Times {
		wait = min(wait, left)
	}
	return wait, true
}

// pause doubles from try to try, and varies by a quarter so that requests that
// failed together do not come back together.
func (t *Tries) pause() time.Duration {
	if t.Delay > 0 {
		return t.Delay
	}
	wait := t.First
	for i := 1; i < t.n && wait < Longest; i++ {
		wait *= 2
	}
	wait = min(wait, Longest)
	return wait*3/4 + rand.N(wait/2+1)
}

// Moved notes that the try which failed got somewhere: what is wrong now has
// only started. It stops helping when the tries are used up, so that what breaks
// every time ends.
func (t *Tries) Moved() {
	if t.n <= t.Times {
		t.since = time.Now()
	}
}

// briefTries is how often what a host failed at is tried again where it is not to be waited for.
const briefTries = 2

type briefKey struct{}

// Briefly makes a context in which what the host failed at ([Failure].Internal) is soon given up.
func Briefly(ctx context.Context) context.Context { return within(ctx, briefTries) }

// Hastily is Briefly without any other try.
func Hastily(ctx context.Context) context.Context { return within(ctx, 0) }

func within(ctx context.Context, tries int) context.Context {
	return context.WithValue(ctx, briefKey{}, min(tries, triesWithin(ctx)))
}

// triesWithin is how often what a host failed at is tried again in a context.
func triesWithin(ctx context.Context) int {
	if n, ok := ctx.Value(briefKey{}).(int); ok {
		return n
	}
	return math.MaxInt
}

type onceKey struct{}

// Once makes a context in which nothing is tried again, nor waited for at a gate.
func Once(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

// OnlyOnce reports whether it is such a context.
func OnlyOnce(ctx context.Context) bool { return ctx.Value(onceKey{}) != nil }

// Sleep waits, but not beyond the end of ctx.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
