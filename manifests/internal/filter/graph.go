package filter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"
	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

// maxEdges bounds the updates of one channel. The largest channels that were seen
// have some hundred entries, each of which may update all the others.
const maxEdges = 1 << 22

// graph is a channel: which entry updates which.
type graph struct {
	entries  []declcfg.ChannelEntry
	versions []version // of the entries
	up, down [][]int   // the entries that update each, and that each updates; sorted
}

// newGraph reads a channel. skipRange updates from lower versions only: higher
// versions in the range are ignored.
func newGraph(c *declcfg.Channel, versions map[string]version) (*graph, error) {
	n := len(c.Entries)
	g := &graph{entries: c.Entries, versions: make([]version, n), up: make([][]int, n), down: make([][]int, n)}
	place := map[string]int{}
	for i, e := range c.Entries {
		v := versions[e.Name]
		if _, ok := place[e.Name]; ok {
			return nil, fmt.Errorf("it has the entry %q twice", e.Name)
		}
		place[e.Name], g.versions[i] = i, v
	}
	edges := 0
	for to, e := range c.Entries {
		from := g.updates(place, to, e)
		if edges += len(from); edges > maxEdges {
			return nil, fmt.Errorf("its %d entries have more than %d updates", n, maxEdges)
		}
		g.down[to] = from
		for _, i := range from {
			g.up[i] = append(g.up[i], to)
		}
	}
	return g, nil
}

// updates lists what the entry at to updates. A skipRange that is not
// valid updates nothing, as on a cluster.
func (g *graph) updates(place map[string]int, to int, e declcfg.ChannelEntry) []int {
	var from []int
	for _, name := range append([]string{e.Replaces}, e.Skips...) {
		if i, ok := place[name]; ok && i != to {
			from = append(from, i)
		}
	}
	if in, err := semver.ParseRange(e.SkipRange); err == nil && e.SkipRange != "" {
		for i, v := range g.versions {
			if v.compare(g.versions[to]) < 0 && in(v.Version) {
				from = append(from, i)
			}
		}
	}
	slices.Sort(from)
	return slices.Compact(from)
}

// head is the entry that none replaces or skips (operator-registry, alpha/model,
// Channel.Head); of several, which operator-registry refuses, the highest.
func (g *graph) head() (int, error) {
	set := map[int]bool{}
	for _, i := range heads(g.entries) {
		set[i] = true
	}
	if len(set) == 0 {
		return 0, fmt.Errorf("it has no head: each of its %d entries is replaced or skipped by another", len(g.entries))
	}
	return g.order(set)[0], nil
}

func heads(entries []declcfg.ChannelEntry) []int {
	updated := map[string]bool{}
	for _, e := range entries {
		for _, name := range append([]string{e.Replaces}, e.Skips...) {
			updated[name] = updated[name] || name != ""
		}
	}
	var list []int
	for i, e := range entries {
		if !updated[e.Name] {
			list = append(list, i)
		}
	}
	return list
}

// order lists entries from the highest version down.
func (g *graph) order(set map[int]bool) []int {
	var list []int
	for i, in := range set {
		if in {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b int) int {
		if c := g.versions[b].compare(g.versions[a]); c != 0 {
			return c
		}
		return strings.Compare(g.entries[b].Name, g.entries[a].Name)
	})
	return list
}

// reach gives what edges lead to from one entry, itself too, within a set; nil is
// every entry.
func (g *graph) reach(from int, edges [][]int, within map[int]bool) map[int]bool {
	seen, todo := map[int]bool{from: true}, []int{from}
	for len(todo) > 0 {
		i := todo[0]
		todo = todo[1:]
		for _, k := range edges[i] {
			if !seen[k] && (within == nil || within[k]) {
				seen[k] = true
				todo = append(todo, k)
			}
		}
	}
	return seen
}

// top is the highest of the wanted entries, or the wanted entry that updates lead to
// from it: updates do not always lead to a higher version.
func (g *graph) top(wanted []int) int {
	top, visited := wanted[0], map[int]bool{wanted[0]: true}
	for {
		above := g.reach(top, g.up, nil)
		i := slices.IndexFunc(wanted, func(i int) bool { return above[i] && !visited[i] })
		if i < 0 {
			return top
		}
		top = wanted[i]
		visited[top] = true
	}
}
