package sign

import "testing"

func TestMatches(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"alice", "alice", true}, {"alice", "Alice", false}, {"alice", "alic", false}, {"alice", "alicee", false},
		{"*", "", true}, {"*", "x", true}, {"?", "", false}, {"?", "x", true}, {"?", "xy", false},
		{"*@a", "x@a", true}, {"*@a", "@a", true}, {"*@a", "x@ab", false}, {"a*b*c", "abc", true}, {"a*b*c", "axxbyyc", true},
		{"a*b*c", "axxbyy", false}, {"**a", "bba", true}, {"a**", "a", true}, {"*a?", "aab", true}, {"*ab*ab", "abab", true}, {"*ab*ab", "aab", false},
		{"?", "*", false}, {"*", "*", true}, {"a?", "a*", false}, {"a?", "a?", true}, // as patterns that stand for names
	}
	for _, tt := range tests {
		if got := matches(tt.pattern, tt.name); got != tt.want {
			t.Errorf("matches(%q, %q) = %t", tt.pattern, tt.name, got)
		}
	}
}

// TestShares: which lists of principals may mean the same person.
func TestShares(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b string
		want bool
	}{
		{"alice", "alice", true}, {"alice", "bob", false}, {"alice,bob", "carol,bob", true}, {"alice,bob", "carol,dave", false},
		{"*", "alice", true}, {"*@a", "alice@b", false}, {"*@a", "alice@a", true}, {"*@a,!alice@a", "alice@a", false},
		{"*@a,!alice@a", "alice@a,bob@a", true}, {"*@a", "*@b", false}, {"*@a", "x*", true}, {"a*", "b*", false}, {"*a*", "*b*", true},
		{"?", "ab", false}, {"?b", "a?", true}, {"*@a,!*", "x@a", false}, {"*,!x@*", "x@*", false}, {"x?", "x", false},
	}
	for _, tt := range tests {
		a, ok := parseList(tt.a)
		b, fine := parseList(tt.b)
		if !ok || !fine || a.shares(b) != tt.want || b.shares(a) != tt.want {
			t.Errorf("%q and %q: %t, %t", tt.a, tt.b, a.shares(b), b.shares(a))
		}
	}
}
