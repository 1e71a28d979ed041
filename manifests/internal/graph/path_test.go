package graph

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/blang/semver/v4"
)

// way writes a path as "A B C".
func way(from string, hops []Hop) string {
	for _, h := range hops {
		from += " " + h.To.String()
	}
	return from
}

func TestPath(t *testing.T) {
	t.Parallel()
	const nodes = "1.0.0 1.0.1 1.0.2 1.0.3 1.1.0 1.1.1 1.2.0"
	tests := []struct {
		name, from, to string
		accepted       []string
		edges          []string
		want           string
	}{
		{"itself", "1.0.0", "1.0.0", nil, nil, "1.0.0"},
		{"direct", "1.0.0", "1.2.0", nil, []string{"1.0.0>1.1.0", "1.1.0>1.2.0", "1.0.0>1.2.0"}, "1.0.0 1.2.0"},
		{"the higher one between", "1.0.0", "1.2.0", nil, []string{"1.0.0>1.1.0", "1.1.0>1.2.0", "1.0.0>1.0.3", "1.0.3>1.2.0", "1.0.0>1.1.1"}, "1.0.0 1.1.0 1.2.0"},
		{"a detour without risks", "1.0.0", "1.2.0", []string{"A"}, []string{"1.0.0>1.2.0 A", "1.0.0>1.0.1", "1.0.1>1.0.2", "1.0.2>1.2.0"}, "1.0.0 1.0.1 1.0.2 1.2.0"},
		{"an accepted risk", "1.0.0", "1.2.0", []string{"B", "A"}, []string{"1.0.0>1.2.0 A,B", "1.0.0>1.0.1"}, "1.0.0 1.2.0"},
		{"the fewest risky updates", "1.0.0", "1.2.0", []string{"A"}, []string{"1.0.0>1.0.1 A", "1.0.1>1.2.0 A", "1.0.0>1.0.2", "1.0.2>1.0.3", "1.0.3>1.2.0 A"}, "1.0.0 1.0.2 1.0.3 1.2.0"},
		{"one risk of two", "1.0.0", "1.2.0", []string{"A"}, []string{"1.0.0>1.2.0 A,B"}, "no update path leads from 1.0.0 to 1.2.0 without risks that were not accepted: A, B"},
		{"not backwards", "1.0.0", "1.2.0", nil, []string{"1.2.0>1.0.0", "1.0.0>1.0.3", "1.1.0>1.2.0", "1.1.1>1.2.0"}, "no update path leads from 1.0.0 to 1.2.0: updates from 1.0.0 lead as far as 1.0.3, and those to 1.2.0 begin at 1.1.0"},
		{"a circle", "1.0.0", "1.2.0", nil, []string{"1.0.0>1.0.1", "1.0.1>1.0.0"}, "no update path leads from 1.0.0 to 1.2.0: updates from 1.0.0 lead as far as 1.0.1, and those to 1.2.0 begin at 1.2.0"},
		{"the lesser of two circles", "1.0.0", "1.2.0", nil, []string{"1.0.0>1.0.1", "1.0.1>1.0.0", "1.0.1>1.2.0"}, "1.0.0 1.0.1 1.2.0"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			g := parsed(t, nodes, tc.edges...)
			hops, err := g.Path(semver.MustParse(tc.from), semver.MustParse(tc.to), tc.accepted)
			got := way(tc.from, hops)
			var none *NoPathError
			if errors.As(err, &none) {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// plainGraph is a graph read again, without code of the package.
type plainGraph struct {
	Nodes            []struct{ Version string }
	Edges            [][2]int
	ConditionalEdges []struct {
		Edges []struct{ From, To string }
		Risks []struct{ Name string }
	}
}

// allowed lists the edges that may be taken, by where they begin. Of one that
// has conditions in two places both must be met.
func (p plainGraph) allowed(accepted []string) map[string]map[string]bool {
	out, refused := map[string]map[string]bool{}, map[struct{ From, To string }]bool{}
	add := func(from, to string) {
		if out[from] == nil {
			out[from] = map[string]bool{}
		}
		out[from][to] = true
	}
	for _, c := range p.ConditionalEdges {
		ok := true
		for _, r := range c.Risks {
			ok = ok && slices.Contains(accepted, r.Name)
		}
		for _, e := range c.Edges {
			if ok && !refused[e] {
				add(e.From, e.To)
			} else {
				refused[e] = true
				delete(out[e.From], e.To)
			}
		}
	}
	for _, e := range p.Edges {
		add(p.Nodes[e[0]].Version, p.Nodes[e[1]].Version)
	}
	return out
}

// away counts the updates to each version that can be reached from one.
func away(edges map[string]map[string]bool, from string, known func(string) bool) map[string]int {
	dist := map[string]int{from: 0}
	for todo := []string{from}; len(todo) > 0; todo = todo[1:] {
		for to := range edges[todo[0]] {
			if _, seen := dist[to]; !seen && known(to) {
				dist[to] = dist[todo[0]] + 1
				todo = append(todo, to)
			}
		}
	}
	return dist
}

// TestRealPaths walks the graphs that are at hand from about a dozen versions,
// when soaking from all, to all others, and holds each path against a walk of its
// own over the file's edges.
func TestRealPaths(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../../shared/data/release/graph/*.json")
	if err != nil || len(files) == 0 {
		t.Skipf("the graphs of other projects are not here: %v", err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var plain plainGraph
		g, perr := Parse(body)
		if err := json.Unmarshal(body, &plain); err != nil || perr != nil || len(plain.Nodes) != len(g.Nodes()) {
			t.Fatalf("%s: %v, %v", file, err, perr)
		}
		var risks []string
		for _, c := range plain.ConditionalEdges {
			for _, r := range c.Risks {
				risks = append(risks, r.Name)
			}
		}
		slices.Sort(risks)
		risks = slices.Compact(risks)
		paths, none, step := 0, 0, max(1, len(g.Nodes())/12)
		if os.Getenv("SATCHEL_SOAK") != "" {
			step = 1
		}
		for _, accepted := range [][]string{nil, risks, risks[:len(risks)/2]} {
			p, n := comparePaths(t, g, plain, accepted, step)
			paths, none = paths+p, none+n
		}
		t.Logf("%s: %d releases, %d risks, %d paths, %d pairs without", filepath.Base(file), len(g.Nodes()), len(risks), paths, none)
		if paths == 0 || none == 0 {
			t.Errorf("%s shows nothing", file)
		}
	}
}

func comparePaths(t *testing.T, g *Graph, plain plainGraph, accepted []string, step int) (paths, none int) {
	t.Helper()
	edges, safe := plain.allowed(accepted), plain.allowed(nil)
	known := func(v string) bool {
		return slices.ContainsFunc(plain.Nodes, func(n struct{ Version string }) bool { return n.Version == v })
	}
	for i, from := range g.Nodes() {
		if i%step != 0 {
			continue
		}
		dist, sure := away(edges, from.Version.String(), known), away(safe, from.Version.String(), known)
		for _, to := range g.Nodes() {
			hops, err := g.Path(from.Version, to.Version, accepted)
			want, reached := dist[to.Version.String()]
			if (err == nil) != reached {
				t.Fatalf("from %s to %s: %v, a walk says %v", from.Version, to.Version, err, reached)
			}
			if err != nil {
				none++
				continue
			}
			paths++
			risky := 0
			for i, at := 0, from.Version.String(); i < len(hops); i, at = i+1, hops[i].To.String() {
				if hops[i].From.String() != at || !edges[at][hops[i].To.String()] {
					t.Fatalf("from %s to %s: the update from %s to %s is not allowed", from.Version, to.Version, hops[i].From, hops[i].To)
				}
				if !safe[at][hops[i].To.String()] {
					risky++
				}
			}
			if len(hops) > 0 && hops[len(hops)-1].To.String() != to.Version.String() {
				t.Fatalf("from %s to %s: %s", from.Version, to.Version, way(from.Version.String(), hops))
			}
			if n, ok := sure[to.Version.String()]; ok && (risky > 0 || len(hops) != n) || !ok && (risky == 0 || len(hops) < want) {
				t.Fatalf("from %s to %s: %d updates, %d of them risky, where %d will do", from.Version, to.Version, len(hops), risky, n)
			}
		}
	}
	return paths, none
}

// TestRandomPaths does the same over graphs made at random, and shuffles each:
// neither the order of a file nor the run may change a path.
func TestRandomPaths(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(51, 4))
	for range 100 {
		n := 2 + rnd.IntN(9)
		var versions, edges []string
		for i := range n {
			versions = append(versions, semver.Version{Major: 4, Minor: uint64(i / 4), Patch: uint64(i % 4)}.String())
		}
		for range rnd.IntN(3 * n) {
			e := versions[rnd.IntN(n)] + ">" + versions[rnd.IntN(n)]
			if rnd.IntN(3) == 0 {
				e += " " + []string{"A", "B", "A,B"}[rnd.IntN(3)]
			}
			edges = append(edges, e)
		}
		body := made(t, strings.Join(versions, " "), edges...)
		var plain plainGraph
		if err := json.Unmarshal(body, &plain); err != nil {
			t.Fatal(err)
		}
		g := parsed(t, strings.Join(versions, " "), edges...)
		rnd.Shuffle(n, func(i, j int) { versions[i], versions[j] = versions[j], versions[i] })
		rnd.Shuffle(len(edges), func(i, j int) { edges[i], edges[j] = edges[j], edges[i] })
		other := parsed(t, strings.Join(versions, " "), edges...)
		for _, accepted := range [][]string{nil, {"A"}, {"B", "A"}} {
			comparePaths(t, g, plain, accepted, 1)
			for _, from := range g.Nodes() {
				for _, to := range g.Nodes() {
					a, aerr := g.Path(from.Version, to.Version, accepted)
					b, berr := other.Path(from.Version, to.Version, accepted)
					if !reflect.DeepEqual(a, b) || !reflect.DeepEqual(aerr, berr) {
						t.Fatalf("from %s to %s: %v, %v, then %v, %v", from.Version, to.Version, a, aerr, b, berr)
					}
				}
			}
		}
	}
}
