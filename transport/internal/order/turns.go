package order

import "sync"

// Turns has each manifest stored once in a repository, apart from its tags, however many
// images have it: docker-registry 2.8 writes in place what it is sent again, and
// refuses an index that names it meanwhile.
type Turns struct {
	mu sync.Mutex
	of map[string]*Turn
}

// Turn is held while one manifest is stored.
type Turn struct {
	sync.Mutex
	Stored bool // it was, once
}

// Take waits for the turn of a manifest by its full name; the caller unlocks.
func (t *Turns) Take(name string) *Turn {
	t.mu.Lock()
	if t.of == nil {
		t.of = map[string]*Turn{}
	}
	one := t.of[name]
	if one == nil {
		one = &Turn{}
		t.of[name] = one
	}
	t.mu.Unlock()
	one.Lock()
	return one
}
