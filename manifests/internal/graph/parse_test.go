package graph

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/blang/semver/v4"
)

func digestOf(n int) string { return fmt.Sprintf("sha256:%064x", n) }

// made writes a graph: nodes, edges as "A>B", and conditional ones as "A>B RISK,RISK".
func made(t *testing.T, nodes string, edges ...string) []byte {
	t.Helper()
	type pair struct {
		From string `json:"from"`
		To   string `json:"to"`
	}
	type group struct {
		Edges []pair `json:"edges"`
		Risks []Risk `json:"risks"`
	}
	out := struct {
		Version     int                 `json:"version"`
		Nodes       []map[string]string `json:"nodes"`
		Edges       [][2]int            `json:"edges"`
		Conditional []group             `json:"conditionalEdges"`
	}{Version: 1, Edges: [][2]int{}}
	at := map[string]int{}
	for i, v := range strings.Fields(nodes) {
		at[v] = i
		n := 0
		for _, c := range v {
			n = n*31 + int(c)
		}
		out.Nodes = append(out.Nodes, map[string]string{"version": v, "payload": "quay.io/ocp/rel@" + digestOf(n)})
	}
	for _, e := range edges {
		ends, risks, conditional := strings.Cut(e, " ")
		from, to, _ := strings.Cut(ends, ">")
		if !conditional {
			out.Edges = append(out.Edges, [2]int{at[from], at[to]})
			continue
		}
		g := group{Edges: []pair{{from, to}}}
		for _, name := range strings.Split(risks, ",") {
			g.Risks = append(g.Risks, Risk{name, "about " + name, "https://example.com/" + name})
		}
		out.Conditional = append(out.Conditional, g)
	}
	body, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func parsed(t *testing.T, nodes string, edges ...string) *Graph {
	t.Helper()
	g, err := Parse(made(t, nodes, edges...))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func names(nodes []Node) string {
	var list []string
	for _, n := range nodes {
		list = append(list, n.Version.String())
	}
	return strings.Join(list, " ")
}

func TestParse(t *testing.T) {
	t.Parallel()
	g := parsed(t, "4.2.0 4.1.10 4.1.9 4.2.0-rc.1", "4.1.9>4.2.0", "4.1.9>4.1.10 B,A", "4.1.8>4.2.0 A")
	if got := names(g.Nodes()); got != "4.1.9 4.1.10 4.2.0-rc.1 4.2.0" {
		t.Errorf("nodes %s", got)
	}
	hops := g.Conditional(g.Nodes())
	if len(hops) != 1 || strings.Join(Names(hops), " ") != "A B" || hops[0].From.String() != "4.1.9" || hops[0].Risks[0].URL != "https://example.com/A" {
		t.Errorf("conditional edges %+v", hops)
	}
	if got := names(g.Range(semver.MustParse("4.1.10"), semver.MustParse("4.2.0-rc.1"))); got != "4.1.10 4.2.0-rc.1" {
		t.Errorf("range %s", got)
	}
	for v, want := range map[string]string{"4.1.9": "[4.1.10]", "4.1.11": "[4.1.10 4.2.0-rc.1]", "5.0.0": "[4.2.0]", "4.1.10": "[4.1.9 4.2.0-rc.1]"} {
		if got := fmt.Sprint(g.Near(semver.MustParse(v))); got != want {
			t.Errorf("near %s: %s", v, got)
		}
	}
	if g, err := Parse([]byte(`{"nodes":[],"edges":[],"conditionalEdges":null,"more":1}`)); err != nil || len(g.Nodes()) != 0 {
		t.Errorf("an empty graph: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	node := func(version, payload string) string {
		return fmt.Sprintf(`{"version":%q,"payload":%q}`, version, payload)
	}
	one := node("4.1.0", "a.io/b/c@"+digestOf(1))
	graph := func(nodes, edges, more string) string {
		return `{"version":1,"nodes":[` + nodes + `],"edges":[` + edges + `]` + more + `}`
	}
	risky := func(edges, risks string) string {
		return graph(one, "", `,"conditionalEdges":[{"edges":[`+edges+`],"risks":[`+risks+`]}]`)
	}
	tests := []struct{ name, in, want string }{
		{"not JSON", "<html>", "it is not valid JSON of an update graph: invalid character '<' looking for beginning of value"},
		{"empty", "", "it is not valid JSON of an update graph: unexpected end of JSON input"},
		{"cut", graph(one, "", "")[:40], "it is not valid JSON of an update graph: unexpected end of JSON input"},
		{"another object", `{"kind":"invalid_params"}`, "it is no update graph: it has no nodes or no edges"},
		{"newer", `{"version":2,"nodes":[],"edges":[]}`, "it has version 2 of the format; known is 1"},
		{"nodes", `{"nodes":{},"edges":[]}`, "its nodes are no list"},
		{"version", graph(node("4.1", "a.io/b/c@"+digestOf(1)), "", ""), `number 0 of its nodes: its version "4.1" is not a semantic version`},
		{"tag", graph(one+","+node("4.1.1", "a.io/b/c:v1"), "", ""), "number 1 of its nodes: the payload of 4.1.1, a.io/b/c:v1, is named by a tag, which could move, and not by digest"},
		{"no payload", graph(node("4.1.1", ""), "", ""), `number 0 of its nodes: the payload of 4.1.1: image reference "": invalid reference format`},
		{"two payloads", graph(one+","+node("4.1.0", "a.io/b/c@"+digestOf(2)), "", ""), "release 4.1.0 has two payloads, a.io/b/c@" + digestOf(1) + " and a.io/b/c@" + digestOf(2)},
		{"edge", graph(one, "[0,1]", ""), "number 0 of its edges: it leads from node 0 to node 1; there are 1"},
		{"negative", graph(one, "[0,0],[-1,0]", ""), "number 1 of its edges: it leads from node -1 to node 0; there are 1"},
		{"edge of three", graph(one, "[0,0,0]", ""), "number 0 of its edges: it joins 3 nodes, not two"},
		{"no risks", risky(`{"from":"4.1.0","to":"4.1.0"}`, ""), "number 0 of its conditional edges: it has no risks"},
		{"no name", risky("", `{"message":"x"}`), "number 0 of its conditional edges: number 0 of its risks: it has no name, or is too long"},
		{"end", risky(`{"from":"x","to":"4.1.0"}`, `{"name":"A"}`), `number 0 of its conditional edges: number 0 of its edges: its end "x" is not a semantic version`},
		{"too many", graph(strings.TrimSuffix(strings.Repeat(one+",", maxNodes+1), ","), "", ""), "it has more than 16384 nodes"},
		{"too many edges", graph(one, strings.TrimSuffix(strings.Repeat("[0,0],", maxEdges+1), ","), ""), "it has more than 524288 edges"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := Parse([]byte(tc.in)); err == nil || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"nodes":[{"version":"4.1.0","payload":"a.io/b/c@` + digestOf(1) + `"}],"edges":[[0,0]],"conditionalEdges":[{"edges":[{"from":"4.1.0","to":"4.1.0"}],"risks":[{"name":"A"}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		g, err := Parse(body)
		if err != nil || len(g.Nodes()) == 0 {
			return
		}
		low, high := g.Nodes()[0].Version, g.Nodes()[len(g.Nodes())-1].Version
		hops, err := g.Path(low, high, nil)
		if err == nil && low.String() != high.String() && (len(hops) == 0 || hops[len(hops)-1].To.String() != high.String()) {
			t.Errorf("the path %v does not end at %s", hops, high)
		}
	})
}

func TestUnion(t *testing.T) {
	t.Parallel()
	a := parsed(t, "4.1.0 4.1.1", "4.1.0>4.1.1 A")
	b := parsed(t, "4.1.1 4.2.0", "4.1.1>4.2.0")
	c := parsed(t, "4.1.0 4.1.1", "4.1.0>4.1.1")
	u, err := Union(a, b)
	if err != nil || names(u.Nodes()) != "4.1.0 4.1.1 4.2.0" || len(u.Conditional(u.Nodes())) != 1 {
		t.Errorf("union %s, %v", names(u.Nodes()), err)
	}
	if u, err = Union(a, b, c); err != nil || len(u.Conditional(u.Nodes())) != 0 {
		t.Errorf("an edge without conditions does not go before one with: %+v, %v", u.Conditional(u.Nodes()), err)
	}
	other, err := Parse([]byte(`{"nodes":[{"version":"4.1.1","payload":"a.io/b/c@` + digestOf(3) + `"}],"edges":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Union(a, other); err == nil || !strings.HasPrefix(err.Error(), "release 4.1.1 has two payloads, ") {
		t.Errorf("two payloads: %v", err)
	}
}
