package graph

import (
	"container/heap"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"
)

// NoPathError says that no updates lead from one release to another. Both are in
// the graph.
type NoPathError struct {
	From, To semver.Version
	// Reached is the highest release up to To that From leads to, Start the lowest
	// from From on that leads to To; each may be the end itself.
	Reached, Start semver.Version
	// Risky is a path with risks that were not accepted; there may be none.
	Risky []Hop
}

func (e *NoPathError) Error() string {
	if len(e.Risky) > 0 {
		return fmt.Sprintf("no update path leads from %s to %s without risks that were not accepted: %s", e.From, e.To, strings.Join(Names(e.Risky), ", "))
	}
	return fmt.Sprintf("no update path leads from %s to %s: updates from %s lead as far as %s, and those to %s begin at %s", e.From, e.To, e.From, e.Reached, e.To, e.Start)
}

// Names lists the names of the risks of some updates, each once, in order.
func Names(hops []Hop) []string {
	var list []string
	for _, h := range hops {
		for _, r := range h.Risks {
			list = append(list, r.Name)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Accepts reports whether every risk of an update is accepted.
func Accepts(accepted []string, h Hop) bool {
	return !slices.ContainsFunc(h.Risks, func(r Risk) bool { return !slices.Contains(accepted, r.Name) })
}

// Path gives the updates that lead from one release to another, both in the
// graph: of all paths whose risks are accepted one with the fewest conditional
// updates, of these the shortest, of these the one whose next release is always
// the highest. None leads from a release to itself. The error is a *[NoPathError].
func (g *Graph) Path(from, to semver.Version, accepted []string) ([]Hop, error) {
	path := g.path(from, to, 1<<32, func(h Hop) bool { return Accepts(accepted, h) })
	if path != nil || from.String() == to.String() {
		return path, nil
	}
	e := &NoPathError{From: from, To: to, Reached: from, Start: to, Risky: g.path(from, to, 1<<32, all)}
	forth, back := g.reach(from, false, accepted), g.reach(to, true, accepted)
	for i, n := range g.nodes {
		if forth[i] && n.Version.LE(to) && n.Version.GT(e.Reached) {
			e.Reached = n.Version
		}
		if back[i] && n.Version.GE(from) && n.Version.LT(e.Start) {
			e.Start = n.Version
		}
	}
	return nil, e
}

// Shortest gives a path of the fewest updates, of any risk; no path is nil.
func (g *Graph) Shortest(from, to semver.Version) []Hop { return g.path(from, to, 1, all) }

func all(Hop) bool { return true }

// path finds the path that costs least: one for each update, and more for each
// conditional one. It goes from the end to the start, and then back by the highest
// of the versions that are as near to the end.
func (g *Graph) path(from, to semver.Version, more int64, allowed func(Hop) bool) []Hop {
	start, ok := g.index[from.String()]
	end, both := g.index[to.String()]
	if !ok || !both {
		return nil
	}
	cost := func(a, b int) (int64, bool) {
		h := g.hop(a, b)
		if len(h.Risks) == 0 {
			return 1, true
		}
		return more, allowed(h)
	}
	away := g.distances(end, cost)
	var path []Hop
	for at := start; at != end; {
		next := -1
		for _, i := range keys(g.out[at]) { // in the order of versions: the last is the highest
			if c, ok := cost(at, i); ok && away[at] >= 0 && away[i] >= 0 && away[i]+c == away[at] {
				next = i
			}
		}
		if next < 0 {
			return nil
		}
		path = append(path, g.hop(at, next))
		at = next
	}
	return path
}

// distances gives for each node the least cost of getting to end, or -1
// (Dijkstra's algorithm).
func (g *Graph) distances(end int, cost func(a, b int) (int64, bool)) []int64 {
	away := make([]int64, len(g.nodes))
	for i := range away {
		away[i] = -1
	}
	todo := &queue{{end, 0}}
	for todo.Len() > 0 {
		at := heap.Pop(todo).(stop)
		if away[at.node] >= 0 {
			continue
		}
		away[at.node] = at.away
		for _, i := range g.in[at.node] {
			if c, ok := cost(i, at.node); ok && away[i] < 0 {
				heap.Push(todo, stop{i, at.away + c})
			}
		}
	}
	return away
}

// reach marks the nodes that a release leads to, or that lead to it.
func (g *Graph) reach(v semver.Version, back bool, accepted []string) []bool {
	seen := make([]bool, len(g.nodes))
	todo := []int{g.index[v.String()]}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[at] {
			continue
		}
		seen[at] = true
		if back {
			for _, i := range g.in[at] {
				if Accepts(accepted, g.hop(i, at)) {
					todo = append(todo, i)
				}
			}
			continue
		}
		for i := range g.out[at] {
			if Accepts(accepted, g.hop(at, i)) {
				todo = append(todo, i)
			}
		}
	}
	return seen
}

// stop is a node on the way, with what it costs from there to the end.
type stop struct {
	node int
	away int64
}

// queue is a heap of stops, the nearest first.
type queue []stop

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].away < q[j].away }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(stop)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
