package graph

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/oci"
)

// Node is a release.
type Node struct {
	Version semver.Version
	Payload oci.Ref // only by digest
	// Channels are those that it is in, as its server says; there may be none.
	Channels []string
	Advisory string // where it is described, an address; may be empty
}

// Risk is why an edge is conditional.
type Risk struct {
	Name    string `json:"name"`
	Message string `json:"message"`
	URL     string `json:"url"`
}

// Hop is an update from one release to another.
type Hop struct {
	From, To semver.Version
	Risks    []Risk // by name; none for an edge without conditions
}

// Graph is an update graph. Its nodes are in the order of their versions.
type Graph struct {
	nodes []Node
	index map[string]int
	out   []map[int][]Risk // by node: where its edges lead, with their risks
	in    [][]int          // by node: where edges to it come from
}

// edge joins two versions.
type edge struct {
	from, to string
	risks    []Risk
}

// build makes a graph. Edges to what is no node are left out; that are the
// conditional ones of a channel that some releases are not in any more.
func build(nodes []Node, edges []edge) (*Graph, error) {
	slices.SortFunc(nodes, func(a, b Node) int { return compare(a.Version, b.Version) })
	g := &Graph{index: map[string]int{}}
	for _, n := range nodes {
		i, ok := g.index[n.Version.String()]
		if ok && g.nodes[i].Payload.Digest != n.Payload.Digest {
			return nil, fmt.Errorf("release %s has two payloads, %s and %s", n.Version, g.nodes[i].Payload, n.Payload)
		}
		if !ok {
			g.index[n.Version.String()] = len(g.nodes)
			g.nodes = append(g.nodes, n)
		}
	}
	g.out, g.in = make([]map[int][]Risk, len(g.nodes)), make([][]int, len(g.nodes))
	for _, e := range edges {
		from, known := g.index[e.from]
		to, both := g.index[e.to]
		if known && both && from != to {
			g.join(from, to, e.risks)
		}
	}
	return g, nil
}

// join adds an edge. One without risks goes before one with; the risks of two that
// have some are added up.
func (g *Graph) join(from, to int, risks []Risk) {
	if g.out[from] == nil {
		g.out[from] = map[int][]Risk{}
	}
	old, ok := g.out[from][to]
	switch {
	case !ok:
		g.in[to] = append(g.in[to], from)
	case len(old) == 0 || len(risks) == 0:
		risks = nil
	default:
		risks = distinct(append(slices.Clone(old), risks...))
	}
	g.out[from][to] = risks // edges share their lists, which nothing changes
}

// distinct sorts risks, each once, in place.
func distinct(risks []Risk) []Risk {
	slices.SortFunc(risks, func(a, b Risk) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Message, b.Message), cmp.Compare(a.URL, b.URL))
	})
	return slices.Compact(risks)
}

// Union puts graphs together. A release with another payload in one of them is
// an error.
func Union(graphs ...*Graph) (*Graph, error) {
	var nodes []Node
	var edges []edge
	for _, g := range graphs {
		nodes = append(nodes, g.nodes...)
		for from, to := range g.out {
			for _, i := range keys(to) {
				edges = append(edges, edge{g.nodes[from].Version.String(), g.nodes[i].Version.String(), to[i]})
			}
		}
	}
	return build(nodes, edges)
}

// keys lists the nodes that edges lead to, in order.
func keys(to map[int][]Risk) []int {
	list := make([]int, 0, len(to))
	for i := range to {
		list = append(list, i)
	}
	slices.Sort(list)
	return list
}

// Nodes lists the releases by version, the lowest first. It must not be changed.
func (g *Graph) Nodes() []Node { return g.nodes }

// Find gives the release of a version.
func (g *Graph) Find(v semver.Version) (Node, bool) {
	i, ok := g.index[v.String()]
	if !ok {
		return Node{}, false
	}
	return g.nodes[i], true
}

// Near lists the releases next to a version, at most one below and one above.
func (g *Graph) Near(v semver.Version) []semver.Version {
	var list []semver.Version
	i, _ := slices.BinarySearchFunc(g.nodes, v, func(n Node, v semver.Version) int { return compare(n.Version, v) })
	if i > 0 {
		list = append(list, g.nodes[i-1].Version)
	}
	if i < len(g.nodes) && g.nodes[i].Version.String() == v.String() {
		i++
	}
	if i < len(g.nodes) {
		list = append(list, g.nodes[i].Version)
	}
	return list
}

// Range lists the releases from one version to another, both included.
func (g *Graph) Range(low, high semver.Version) []Node {
	var list []Node
	for _, n := range g.nodes {
		if n.Version.GE(low) && n.Version.LE(high) {
			list = append(list, n)
		}
	}
	return list
}

// Conditional lists the updates among some releases that have risks.
func (g *Graph) Conditional(among []Node) []Hop {
	in := map[string]bool{}
	for _, n := range among {
		in[n.Version.String()] = true
	}
	var list []Hop
	for from, to := range g.out {
		for _, i := range keys(to) {
			if len(to[i]) > 0 && in[g.nodes[from].Version.String()] && in[g.nodes[i].Version.String()] {
				list = append(list, g.hop(from, i))
			}
		}
	}
	return list
}

// Into lists the updates to a release, by version.
func (g *Graph) Into(v semver.Version) []Hop {
	to, ok := g.index[v.String()]
	if !ok {
		return nil
	}
	var list []Hop
	for _, from := range slices.Sorted(slices.Values(g.in[to])) {
		list = append(list, g.hop(from, to))
	}
	return list
}

func (g *Graph) hop(from, to int) Hop {
	return Hop{g.nodes[from].Version, g.nodes[to].Version, g.out[from][to]}
}

// compare is the order of versions, in which build metadata counts last.
func compare(a, b semver.Version) int {
	return cmp.Or(a.Compare(b), cmp.Compare(a.String(), b.String()))
}
