package updatepath

import (
	"slices"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
)

// Release is one that a bundle carries.
type Release struct {
	Version semver.Version
	// Graph has the updates to it by update graphs, and the risks of each; nil: no graph is known.
	Graph []Edge
	// Previous are the versions that update to it, by the release itself; nil: not known.
	Previous []string
}

// Edge is an update from a version.
type Edge struct {
	From  semver.Version
	Risks []string // names
}

// Step is one update of a path.
type Step struct {
	From  semver.Version // zero: not known
	To    semver.Version
	Risks []string // names, in the order of the graph
	// Unasked says that the release alone names the update: there are graphs, and none knows of it.
	Unasked bool
}

// Minor reports whether the step leads to another minor version.
func (s Step) Minor() bool { return MinorOf(s.From) != MinorOf(s.To) }

// costs of a step: a known problem is worth a detour, but not one whose problems nobody knows.
const (
	costStep    = 1
	costRisky   = 1 << 20
	costUnasked = 1 << 30
)

// Find gives the updates from the running release to the newest of list that they lead to, and
// the newer ones that none leads to. An update is one only where a graph or the release says so.
// Of several ways it takes one with the fewest risks, of these the shortest, of these the one
// whose next release is always the highest.
func Find(running semver.Version, list []Release) (steps []Step, apart []semver.Version) {
	g := newWays(running, list)
	for end := len(g.at) - 1; end > 0; end-- {
		if steps := g.to(end); steps != nil {
			return steps, apart
		}
		apart = append([]semver.Version{g.at[end].Version}, apart...)
	}
	return nil, apart
}

// ways are the running release, and those that are newer, by version.
type ways struct {
	at    []Release
	known map[string]bool // to the graphs
}

func newWays(running semver.Version, list []Release) *ways {
	g := &ways{known: map[string]bool{}}
	for _, r := range list {
		if origin.CompareReleases(r.Version, running) > 0 && !slices.ContainsFunc(g.at, func(o Release) bool { return o.Version.EQ(r.Version) }) {
			g.at = append(g.at, r)
		}
		for _, e := range r.Graph {
			g.known[e.From.String()], g.known[r.Version.String()] = true, true
		}
	}
	slices.SortFunc(g.at, func(a, b Release) int { return origin.CompareReleases(a.Version, b.Version) })
	g.at = append([]Release{{Version: running}}, g.at...)
	return g
}

// step gives an update, and what it costs; 0 for one that is none.
func (g *ways) step(from, to int) (Step, int64) {
	a, b := g.at[from].Version, g.at[to]
	s := Step{From: a, To: b.Version}
	if s.Minor() && !Follows(MinorOf(a), MinorOf(b.Version)) {
		return s, 0
	}
	if len(b.Graph) > 0 && g.known[a.String()] {
		i := slices.IndexFunc(b.Graph, func(e Edge) bool { return e.From.EQ(a) })
		switch {
		case i < 0:
			return s, 0
		case len(b.Graph[i].Risks) > 0:
			s.Risks = b.Graph[i].Risks
			return s, costRisky
		}
		return s, costStep
	}
	switch {
	case !slices.Contains(b.Previous, a.String()):
		return s, 0
	case len(g.known) > 0:
		s.Unasked = true
		return s, costUnasked
	}
	return s, costStep
}

// to finds the cheapest way to one release; nil for none.
func (g *ways) to(end int) []Step {
	away := make([]int64, end+1) // what is left to pay from each; 0 for no way, but at the end
	for at := end - 1; at >= 0; at-- {
		for next := at + 1; next <= end; next++ {
			if _, cost := g.step(at, next); cost > 0 && (next == end || away[next] > 0) && (away[at] == 0 || cost+away[next] < away[at]) {
				away[at] = cost + away[next]
			}
		}
	}
	var steps []Step
	for at := 0; at != end; {
		found := false
		for next := end; next > at && !found; next-- {
			s, cost := g.step(at, next)
			if found = cost > 0 && (next == end || away[next] > 0) && cost+away[next] == away[at]; found {
				steps, at = append(steps, s), next
			}
		}
		if !found {
			return nil
		}
	}
	return steps
}
