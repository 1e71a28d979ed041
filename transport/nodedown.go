package transport

import (
	"cmp"
	"context"
	"errors"
	"net"
	"time"

	"github.com/satchel-airgap/satchel/transport/internal/watch"
)

// nodeStall is how long a registry may give nothing, unless it is said otherwise.
const nodeStall = time.Minute

// downFor is how long a registry that nobody could connect to is not asked again.
const downFor = 10 * time.Second

// nodeDown is a registry that could not be reached, all tries long.
type nodeDown struct {
	err   error     // of a connection that could not be made; nil: it is asked each time
	until time.Time // it is not asked before
}

// isDown reports whether a registry could not be reached before, and the error that is to be given without
// asking it once more.
func (n *Node) isDown(host string) (down bool, known error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.down[host]
	if d == nil || d.err == nil {
		return d != nil, nil
	}
	if now := time.Now(); now.After(d.until) { // this one asks, and the others do not wait for it
		d.until = now.Add(downFor)
		return true, nil
	}
	return true, d.err
}

// setDown notes how a registry answered; nil: it did.
func (n *Node) setDown(ctx context.Context, host string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case ctx.Err() != nil:
	case err == nil:
		delete(n.down, host)
	case noConnection(err):
		n.down[host] = &nodeDown{err, time.Now().Add(downFor)}
	case sortOf(err) == TroubleLost:
		n.down[host] = &nodeDown{}
	}
}

func sortOf(err error) Trouble {
	sort, _ := NodeTrouble(err)
	return sort
}

// noConnection reports whether there was no connection at all.
func noConnection(err error) bool {
	if _, unknown := errors.AsType[*net.DNSError](err); unknown {
		return true
	}
	op, is := errors.AsType[*net.OpError](err)
	return is && op.Op == "dial"
}

// stall is how long a registry may give nothing.
func (n *Node) stall() time.Duration { return cmp.Or(n.cfg.Stall, nodeStall) }

// watched does something that gives no bytes before it ends, such as reading a manifest.
func (n *Node) watched(ctx context.Context, do func(context.Context) error) error {
	w := watch.New(ctx)
	defer w.End()
	w.Expect(n.stall())
	return w.Cause(do(w.Context()))
}

// byProxy says of an error that it is one of the proxy of this host, where it is.
func (n *Node) byProxy(host string, err error) error {
	if err == nil {
		return nil
	}
	n.mu.Lock()
	proxied := n.proxied[host]
	n.mu.Unlock()
	if !proxied {
		return err
	}
	if op, is := errors.AsType[*net.OpError](err); is && op.Op == "proxyconnect" {
		return &placeError{host, TroubleProxy, "the proxy that the environment of this host names (HTTPS_PROXY) cannot be reached, so the registry was not asked", err}
	}
	if sort, words := NodeTrouble(err); sort == TroubleOther {
		return &placeError{host, TroubleProxy, "the proxy that the environment of this host names (HTTPS_PROXY) refuses, so the registry was not asked: " + words, err}
	}
	return err
}

// try does something a few times, where it may go better.
func (n *Node) try(ctx context.Context, host string, do func() error) error {
	tries := n.cfg.Tries
	if tries == 0 {
		tries = nodeTries
	}
	down, known := n.isDown(host)
	if known != nil {
		return known
	}
	if down {
		tries = 1
	}
	for i, pause := 1, nodePause; ; i, pause = i+1, 2*pause {
		err := n.byProxy(host, do())
		if err == nil || !mayPass(err) {
			n.setDown(ctx, host, nil)
			return err
		}
		if i >= tries {
			n.setDown(ctx, host, err)
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// lacking is the answer of a place that does not have what a reference names; nil where it was not asked.
func (n *Node) lacking(ref string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lacks[ref]
}

func (n *Node) setLacking(ref string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lacks[ref] = err
}
