package sign

import (
	"slices"
	"strings"
)

// matches reports whether a pattern of * and ? fits the whole of s, as match_pattern of
// OpenSSH has it: in bytes, capitals differ.
func matches(pattern, s string) bool {
	star, from := -1, 0 // the last *, and where in s what follows it is tried
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' && s[i] != '*' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// list is a comma-separated list of patterns, some of which may be negated by !.
type list struct{ yes, no []string }

func parseList(s string) (l list, ok bool) {
	for _, p := range strings.Split(s, ",") {
		name, negated := strings.CutPrefix(p, "!")
		if name == "" || strings.HasPrefix(name, "!") {
			return list{}, false
		}
		if negated {
			l.no = append(l.no, name)
		} else {
			l.yes = append(l.yes, name)
		}
	}
	return l, true
}

// has reports whether a name is of the list: a negated pattern that fits decides.
func (l list) has(name string) bool {
	fits := func(p string) bool { return matches(p, name) }
	return !slices.ContainsFunc(l.no, fits) && slices.ContainsFunc(l.yes, fits)
}

// open gives the patterns of the list that a negated one does not take away as a whole. In
// what [matches] is given as a name, a * is only fitted by a *.
func (l list) open() []string {
	return slices.DeleteFunc(slices.Clone(l.yes), l.denies)
}

// denies reports whether a negated pattern takes away all names that fit another pattern.
func (l list) denies(pattern string) bool {
	return slices.ContainsFunc(l.no, func(no string) bool { return matches(no, pattern) })
}

// shares reports whether one name may be of both lists.
func (l list) shares(m list) bool {
	for _, p := range l.open() {
		for _, q := range m.open() {
			if meet(p, q) && !m.denies(p) && !l.denies(q) {
				return true
			}
		}
	}
	return false
}

// meet reports whether some name fits both patterns.
func meet(p, q string) bool {
	row := make([]bool, len(q)+1) // of p's end: does p[i:] meet q[j:]
	row[len(q)] = true
	for j := len(q) - 1; j >= 0; j-- {
		row[j] = row[j+1] && q[j] == '*'
	}
	for i := len(p) - 1; i >= 0; i-- {
		next := make([]bool, len(q)+1)
		next[len(q)] = row[len(q)] && p[i] == '*'
		for j := len(q) - 1; j >= 0; j-- {
			switch {
			case p[i] == '*':
				next[j] = row[j] || next[j+1]
			case q[j] == '*':
				next[j] = next[j+1] || row[j]
			default:
				next[j] = row[j+1] && (p[i] == q[j] || p[i] == '?' || q[j] == '?')
			}
		}
		row = next
	}
	return row[0]
}
