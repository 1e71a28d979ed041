package main

import "sync"

// gate counts bytes and can hold them up at a mark, so that a process is killed
// there however fast the machine is.
type gate struct {
	mu      sync.Mutex
	count   int64
	mark    int64         // 0: none
	reached chan struct{} // closed at the mark
	opened  chan struct{} // closed when bytes may pass the mark
}

// hold sets a mark so many bytes from now. The channel is closed when it is reached.
func (g *gate) hold(bytes int64) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mark = g.count + bytes
	g.reached, g.opened = make(chan struct{}), make(chan struct{})
	return g.reached
}

// pass counts n bytes and waits while they are held up.
func (g *gate) pass(n int) {
	g.mu.Lock()
	before := g.count
	g.count += int64(n)
	held := g.mark > 0 && g.count >= g.mark
	if held && before < g.mark {
		close(g.reached)
	}
	opened := g.opened
	g.mu.Unlock()
	if held {
		<-opened
	}
}

// release takes the mark away.
func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mark > 0 {
		g.mark = 0
		close(g.opened)
	}
}

func (g *gate) total() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}
