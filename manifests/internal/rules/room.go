package rules

import (
	"cmp"
	"slices"
)

// Room says what is written, and how objects are filled.
type Room struct {
	Kind   Kind           // for pulls by digest
	Places []string       // of the mirror, HOST[:PORT][/NAMESPACE], in the order in which nodes ask them
	Base   int            // bytes of an object without rules
	Size   func(Rule) int // at least the bytes that a rule takes
	Policy Policy
	// Closed are sources whose rules stay as they are in the cluster: none is added, and none taken away.
	Closed map[string]bool
}

// Policy says whether nodes may ask a source itself when its mirrors do not have an image.
type Policy string

// The policies. By Keep, sources get the policy that this program's other sources have.
const (
	Keep  Policy = ""
	Allow Policy = "AllowContactingSource"
	Never Policy = "NeverContactSource"
)

// place gives the number of the place that a mirror lies in, -1 for none.
func (r Room) place(mirror string) int {
	best := -1
	for i, p := range r.Places {
		if Within(mirror, p) && (best < 0 || len(p) > len(r.Places[best])) {
			best = i
		}
	}
	return best
}

// arranged is a list of mirrors with those in the places in the order of these.
func (r Room) arranged(mirrors []string) []string {
	if len(r.Places) < 2 {
		return mirrors
	}
	var at []int
	var ours []string
	for i, m := range mirrors {
		if r.place(m) >= 0 {
			at, ours = append(at, i), append(ours, m)
		}
	}
	slices.SortStableFunc(ours, func(a, b string) int { return cmp.Compare(r.place(a), r.place(b)) })
	mirrors = slices.Clone(mirrors)
	for i, m := range ours {
		mirrors[at[i]] = m
	}
	return mirrors
}

// Arranged gives groups with the mirrors of each rule in the order of the places.
func (r Room) Arranged(groups []Group) []Group {
	if len(r.Places) < 2 {
		return groups
	}
	groups = slices.Clone(groups)
	for i, g := range groups {
		groups[i].Rules = slices.Clone(g.Rules)
		for k, rule := range g.Rules {
			groups[i].Rules[k].Mirrors = r.arranged(rule.Mirrors)
		}
	}
	return groups
}
