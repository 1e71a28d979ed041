package layers

import "fmt"

// mark says what a layer has at a path. That there is one at all hides whatever
// is no directory at that path in lower layers.
type mark uint8

const (
	isDir  mark = 1 << iota // a directory, by an entry of its own or of something in it
	isFile                  // something that is no directory
	cut                     // hides what lower layers have below the path
)

// maxKnown bounds what is remembered of paths, in bytes; each costs its length
// and costOfPath, about what a map needs for it.
const (
	maxKnown   = 8 << 20
	costOfPath = 64
)

// known is what the layers read so far say about paths at, below and above a directory.
type known struct {
	dir   string
	upper map[string]mark // of the layers above the one at hand
	here  map[string]mark // of the layer at hand, which hides nothing of itself
	cost  int
}

func newKnown(dir string) *known {
	return &known{dir: dir, upper: map[string]mark{}, here: map[string]mark{}}
}

// matters reports whether what stands at p decides about files at or below the directory.
func (k *known) matters(p string) bool { return p == k.dir || below(p, k.dir) || below(k.dir, p) }

// buried reports whether upper layers hide everything that this one has below a
// directory around p.
func (k *known) buried(p string) bool {
	for p != "" {
		p = parent(p)
		if k.upper[p]&cut != 0 {
			return true
		}
	}
	return false
}

// add remembers what the layer at hand has at p, and that p lies in directories.
func (k *known) add(p string, m mark) error {
	if k.matters(p) {
		if err := k.set(p, m); err != nil {
			return err
		}
	}
	for p != "" {
		p = parent(p)
		if k.here[p]&isFile != 0 {
			return fmt.Errorf("%q is a file and a directory at once", p)
		}
		if k.here[p]&isDir != 0 {
			return nil // and all around it
		}
		if k.matters(p) {
			if err := k.set(p, isDir); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *known) set(p string, m mark) error {
	before, ok := k.here[p]
	if (m|before)&isFile != 0 && (m|before)&isDir != 0 {
		return fmt.Errorf("%q is a file and a directory at once", p)
	}
	if !ok {
		if k.cost += len(p) + costOfPath; k.cost > maxKnown {
			return fmt.Errorf("there are more paths than can be remembered in %d MiB", maxKnown>>20)
		}
	}
	k.here[p] = before | m
	return nil
}

// next ends the layer at hand. It reports whether lower layers can have anything
// that is not hidden.
func (k *known) next() bool {
	for p, m := range k.here {
		k.upper[p] |= m
	}
	clear(k.here)
	return k.upper[k.dir]&cut == 0 && !k.buried(k.dir)
}
