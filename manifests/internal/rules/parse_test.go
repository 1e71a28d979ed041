package rules

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// TestParseNodes: what is written is read as it was, and what another file lacks is said.
func TestParseNodes(t *testing.T) {
	t.Parallel()
	objects := []Object{
		idms("x", to("q.example/a", "m:5000/ns/a", "n/a"), to("*.wide.example", "m:5000/wide")), never(idms("y", to("q.example/b", "m:5000/ns/b"))),
		itms("z", to("q.example/a", "m:5000/tags/a")),
	}
	n := Applied(objects, []string{"m:5000"}, []string{"bad.example"})
	read, err := ParseNodes(n.TOML())
	if err != nil || !bytes.Equal(read.TOML(), n.TOML()) {
		t.Fatalf("%v\n%s\n%s", err, n.TOML(), read.TOML())
	}
	if got := read.Insecure(); !slices.Equal(got, []string{"m:5000", "m:5000/ns/a", "m:5000/ns/b", "m:5000/tags/a", "m:5000/wide"}) {
		t.Errorf("insecure %q", got)
	}
	if got := read.Blocked(); !slices.Equal(got, []string{"bad.example", "q.example/b"}) {
		t.Errorf("blocked %q", got)
	}
	if got := read.Mirrors(); len(got) != 5 || len(read.Sources()) != 3 {
		t.Errorf("mirrors %q, sources %q", got, read.Sources())
	}
	less := Applied([]Object{idms("x", to("q.example/a", "m:5000/ns/a"))}, nil, nil)
	want := []string{"no rule for *.wide.example", "the rule for q.example/a does not lead pulls by digest to n/a", "the rule for q.example/a does not lead pulls by tag to m:5000/tags/a", "no rule for q.example/b"}
	if got := less.Lacks(n); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		t.Errorf("it lacks\n%s", strings.Join(got, "\n"))
	}
	if got := n.Lacks(less); len(got) > 0 {
		t.Errorf("it lacks %q", got)
	}
	both, err := ParseNodes([]byte("[[registry]]\nlocation='q.example/a'\nmirror-by-digest-only=true\n[[registry.mirror]]\nlocation='m/a'\n[[registry]]\nprefix='q.example/b'\nlocation='q.example/b'\n[[registry.mirror]]\nlocation='m/b'\n"))
	if err != nil || len(both.PullTag("q.example/a")) != 1 || len(both.Pull("q.example/a")) != 2 || len(both.PullTag("q.example/b")) != 2 {
		t.Errorf("%v: %+v", err, both)
	}
	for _, bad := range []string{"[[registry]\n", "[[registry]]\ninsecure=true\n", "[[registry]]\nlocation='a'\n[[registry]]\nlocation='a'\n"} {
		if _, err := ParseNodes([]byte(bad)); err == nil {
			t.Errorf("read %q", bad)
		}
	}
}
