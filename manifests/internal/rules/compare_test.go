package rules

import (
	"slices"
	"strings"
	"testing"
)

// TestDifferences: each way in which a node's file can differ is said, with whether images fail by it.
func TestDifferences(t *testing.T) {
	t.Parallel()
	const rule = "[[registry]]\nlocation = \"q.io/a\"\n%s[[registry.mirror]]\nlocation = \"m.example/a\"\npull-from-mirror = \"digest-only\"\n"
	want := strings.Replace(rule, "%s", "", 1)
	second := "[[registry.mirror]]\nlocation = \"n.example/a\"\npull-from-mirror = \"digest-only\"\n"
	for name, tc := range map[string]struct {
		node, want string
		says       []string // ! before what fails
	}{
		"the same":          {want, want, nil},
		"another spelling":  {"[[registry]]\nprefix = \"q.io/a\"\nlocation = \"q.io/a\"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = \"m.example/a\"\n", want, nil},
		"no rule":           {"", want, []string{"!q.io/a: the node has no rule for it, and they lead to m.example/a"}},
		"a mirror less":     {want, want + second, []string{"!q.io/a: the node does not have the mirror n.example/a (by digest)"}},
		"a mirror more":     {want + second, want, []string{"q.io/a: the node has the mirror n.example/a (by digest), which they do not have"}},
		"another order":     {strings.Replace(rule, "%s", second, 1), want + second, []string{"q.io/a: the node tries the mirrors in another order: n.example/a (by digest), m.example/a (by digest)"}},
		"for tags alone":    {strings.Replace(want, "digest-only", "tag-only", 1), want, []string{"!q.io/a: the node does not have the mirror m.example/a (by digest)", "q.io/a: the node has the mirror m.example/a (by tag), which they do not have"}},
		"blocked":           {strings.Replace(rule, "%s", "blocked = true\n", 1), want, []string{"q.io/a: the node does not ask it itself, and they allow that"}},
		"not blocked":       {want, strings.Replace(rule, "%s", "blocked = true\n", 1), []string{"q.io/a: the node may ask it itself, and they forbid that"}},
		"insecure":          {want, strings.Replace(want, "pull-from", "insecure = true\npull-from", 1), []string{"!q.io/a: whether the certificate of m.example/a is checked is not as they have it"}},
		"it hides a rule":   {want + "[[registry]]\nlocation = \"q.io/a/b\"\n", want, []string{"!q.io/a/b: the node has an entry for it without a mirror, which counts in place of the rule for q.io/a"}},
		"one of its own":    {want + "[[registry]]\nlocation = \"q.io/b\"\n[[registry.mirror]]\nlocation = \"x.example/b\"\n", want, []string{"q.io/b: only the node has a rule for it: x.example/b"}},
		"it blocks another": {want + "[[registry]]\nlocation = \"docker.io\"\nblocked = true\n", want, []string{"docker.io: only the node has an entry for it, to block it"}},
		"it blocks":         {want + "[[registry]]\nlocation = \"m.example\"\nblocked = true\n", want, []string{"!m.example: only the node has an entry for it, to block it"}},
		"it is not there":   {want, want + "[[registry]]\nlocation = \"m.example\"\ninsecure = true\n", []string{"m.example: the node has no entry for it, and they use it without looking at certificates"}},
	} {
		node, err := ParseNodes([]byte(tc.node))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		is, err := ParseNodes([]byte(tc.want))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, d := range node.Differences(is, "they") {
			line := d.Scope + ": " + d.Wrong
			if d.Fails {
				line = "!" + line
			}
			got = append(got, line)
		}
		slices.Sort(got)
		slices.Sort(tc.says)
		if !slices.Equal(got, tc.says) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(tc.says, "\n"))
		}
	}
}
