package transport

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"net/url"
	"time"

	"github.com/satchel-airgap/satchel/transport/internal/watch"
)

// nodeStall is how long a registry may give nothing, unless it is said otherwise.
const nodeStall = time.Minute

// longestWait is how long containers/image waits where a registry has too many requests, backoffMaxDelay there.
const longestWait = time.Minute

// downFor is how long a registry that nobody could connect to is not asked again.
const downFor = 10 * time.Second

// outageProbes is how often it is looked, at most for downFor, whether a registry that nobody could connect to
// comes back: a pod of it was replaced, say.
const outageProbes = 3

// nodeDown is a registry that could not be reached, all tries long.
type nodeDown struct {
	err     error         // of a connection that could not be made; nil: it is asked each time
	until   time.Time     // it is not asked before
	probing chan struct{} // closed when it is known whether it comes back; nil: it is known
}

// isDown gives a registry that could not be reached before, nil for any other, and the error that is to be given
// without asking it once more. It waits as long as it is looked whether the registry comes back.
func (n *Node) isDown(ctx context.Context, host string) (down *nodeDown, known error) {
	n.outage(ctx, host)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d := n.down[host]
	if d == nil || d.err == nil {
		return d, nil
	}
	if now := time.Now(); now.After(d.until) { // this one asks, and the others do not wait for it
		d.until = now.Add(downFor)
		return d, nil
	}
	return d, d.err
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
		n.down[host] = &nodeDown{err: err, until: time.Now().Add(downFor)}
	case sortOf(err) == TroubleLost:
		n.down[host] = &nodeDown{}
	}
}

// outage waits for the end of probes of a registry, where there are some, and reports whether it came back.
func (n *Node) outage(ctx context.Context, host string) (back bool) {
	n.mu.Lock()
	d := n.down[host]
	n.mu.Unlock()
	if d == nil || d.probing == nil {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-d.probing:
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.down[host] == nil
}

// outlast is for who could not connect to a registry: one at a time looks whether it comes back, and the
// others wait for that.
func (n *Node) outlast(ctx context.Context, host string, err error, do func() error) error {
	n.mu.Lock()
	if d := n.down[host]; d != nil && d.probing != nil {
		n.mu.Unlock()
		if n.outage(ctx, host) {
			return n.byProxy(host, do())
		}
		return err
	}
	probing := make(chan struct{})
	n.down[host] = &nodeDown{err: err, probing: probing}
	n.mu.Unlock()
	defer close(probing)
	began := time.Now()
	for i := 1; i <= outageProbes && time.Since(began) < downFor && noConnection(err); i++ {
		if waitFor(ctx, time.Duration(i)*time.Second) != nil {
			break
		}
		err = n.byProxy(host, do())
	}
	n.mu.Lock()
	delete(n.down, host)
	n.mu.Unlock()
	n.setDown(ctx, host, err)
	return cmp.Or(ctx.Err(), err)
}

func waitFor(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
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
	return w.Cause(do(n.signs(w)))
}

// signs is the context of a watch for several requests, each of which is a sign of life: those for the pages of a
// list, say. After each answer containers/image may wait as long as a busy registry asks for.
func (n *Node) signs(w *watch.Watch) context.Context {
	return httptrace.WithClientTrace(w.Context(), &httptrace.ClientTrace{
		GetConn:              func(string) { w.Expect(n.stall()) },
		GotFirstResponseByte: func() { w.Expect(n.stall() + longestWait) },
	})
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
	// Where there was no tunnel, net/http gives what the proxy answered as an error that has no other in it. What an
	// answer of the registry was made to is no error of the request.
	request, is := errors.AsType[*url.Error](err)
	if sort, words := NodeTrouble(err); sort == TroubleOther && is && errors.Unwrap(request.Err) == nil {
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
	down, known := n.isDown(ctx, host)
	if known != nil {
		return known
	}
	outlasts := tries > 1 && (down == nil || down.err == nil) // else that was done
	if down != nil {
		tries = 1
	}
	for i, pause := 1, nodePause; ; i, pause = i+1, 2*pause {
		err := n.byProxy(host, do())
		if err == nil || !mayPass(err) {
			n.setDown(ctx, host, nil)
			return err
		}
		if i >= tries {
			if outlasts && noConnection(err) {
				return n.outlast(ctx, host, err, do)
			}
			n.setDown(ctx, host, err)
			return err
		}
		if err := waitFor(ctx, pause); err != nil {
			return err
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
