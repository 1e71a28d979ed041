package catalogdiff

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Compare says what comes and what goes where after takes the place of before.
func Compare(before, after *Index) (*Changes, error) {
	c := &Changes{}
	for _, d := range before.doubts {
		c.Doubts = append(c.Doubts, "now: "+d)
	}
	for _, d := range after.doubts {
		c.Doubts = append(c.Doubts, "new: "+d)
	}
	old, now := before.lines(), after.lines()
	a, err := old.next()
	b, berr := now.next()
	for err == nil && berr == nil && (a != nil || b != nil) {
		switch {
		case b == nil || a != nil && a.Name < b.Name:
			c.whole(a, StateGone)
			a, err = old.next()
		case a == nil || b.Name < a.Name:
			c.whole(b, StateNew)
			b, berr = now.next()
		default:
			c.both(a, b)
			a, err = old.next()
			b, berr = now.next()
		}
	}
	if err := errors.Join(err, berr); err != nil {
		return nil, fmt.Errorf("read the index of a catalog: %w", err)
	}
	return c, nil
}

// lines reads an index, one package at a time.
type lines struct{ dec *json.Decoder }

func (x *Index) lines() lines {
	return lines{json.NewDecoder(io.NewSectionReader(x.f, 0, x.size))}
}

// next gives the next package; nil after the last.
func (l lines) next() (*packageLine, error) {
	var p packageLine
	err := l.dec.Decode(&p)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	return &p, err
}

// whole adds a package that only one catalog has.
func (c *Changes) whole(l *packageLine, state State) {
	p := Package{Name: l.Name, State: state}
	for i := range l.Channels {
		p.Channels = append(p.Channels, wholeChannel(&l.Channels[i], state))
	}
	if state == StateNew {
		p.Deprecated = l.Deprecated
	}
	c.add(p)
}

func wholeChannel(l *channelLine, state State) Channel {
	if state == StateNew {
		return Channel{Name: l.Name, State: state, Come: l.Versions}
	}
	return Channel{Name: l.Name, State: state, Go: l.Versions}
}

// both adds what is not the same of a package that both catalogs have.
func (c *Changes) both(a, b *packageLine) {
	p := Package{Name: a.Name, State: StateChanged, DefaultChannel: moved(a.Default, b.Default)}
	names := func(l *packageLine) (list []string) {
		for _, ch := range l.Channels {
			list = append(list, ch.Name)
		}
		return list
	}
	for _, name := range union(names(a), names(b)) {
		x, y := a.channel(name), b.channel(name)
		switch {
		case y == nil:
			p.Channels = append(p.Channels, wholeChannel(x, StateGone))
		case x == nil:
			p.Channels = append(p.Channels, wholeChannel(y, StateNew))
		default:
			ch := Channel{Name: name, State: StateChanged, Head: moved(x.Head, y.Head), Come: without(y.Versions, x.Versions), Go: without(x.Versions, y.Versions)}
			if ch.Head != nil || len(ch.Come)+len(ch.Go) > 0 {
				p.Channels = append(p.Channels, ch)
			}
		}
	}
	p.Deprecated, p.Undeprecated = notIn(b.Deprecated, a.Deprecated), notIn(a.Deprecated, b.Deprecated)
	p.Rebuilt = rebuilt(a.Bundles, b.Bundles)
	if p.DefaultChannel != nil || len(p.Channels)+len(p.Deprecated)+len(p.Undeprecated)+len(p.Rebuilt) > 0 {
		c.add(p)
	}
}

// add takes a package, and counts what comes and goes with it.
func (c *Changes) add(p Package) {
	come, gone := map[string]bool{}, map[string]bool{}
	for _, ch := range p.Channels {
		switch ch.State {
		case StateNew:
			c.Come.Channels++
		case StateGone:
			c.Go.Channels++
		}
		for _, v := range ch.Come {
			come[v.Bundle] = true
		}
		for _, v := range ch.Go {
			gone[v.Bundle] = true
		}
	}
	switch p.State {
	case StateNew:
		c.Come.Packages++
	case StateGone:
		c.Go.Packages++
	}
	c.Come.Versions += len(come)
	c.Go.Versions += len(gone)
	c.Packages = append(c.Packages, p)
}

func (l *packageLine) channel(name string) *channelLine {
	i, ok := slices.BinarySearchFunc(l.Channels, name, func(c channelLine, name string) int { return strings.Compare(c.Name, name) })
	if !ok {
		return nil
	}
	return &l.Channels[i]
}

func moved(from, to string) *Move {
	if from == to {
		return nil
	}
	return &Move{from, to}
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// without lists the versions of a that b does not have.
func without(a, b []Version) (list []Version) {
	has := map[string]bool{}
	for _, v := range b {
		has[v.Bundle] = true
	}
	for _, v := range a {
		if !has[v.Bundle] {
			list = append(list, v)
		}
	}
	return list
}

func notIn(a, b []string) (list []string) {
	for _, s := range a {
		if _, ok := slices.BinarySearch(b, s); !ok {
			list = append(list, s)
		}
	}
	return list
}

// rebuilt lists the bundles that both have, with other images.
func rebuilt(a, b []bundleLine) (list []string) {
	images := map[string]string{}
	for _, x := range a {
		images[x.Name] = x.Image
	}
	for _, x := range b {
		if image, ok := images[x.Name]; ok && image != x.Image {
			list = append(list, x.Name)
		}
	}
	return list
}
