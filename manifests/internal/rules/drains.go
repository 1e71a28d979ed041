package rules

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
)

// Drain is a reason why a change of rules drains nodes.
type Drain struct {
	Source string
	Why    string // what happens to its rule, in words
}

// Drains lists why nodes are drained when they get this configuration in place of another one,
// sorted by source; none if they are not. It follows the machine config operator, 4.8 and later
// (pkg/daemon/drain.go, "isSafeContainerRegistryConfChanges"), except that mirrors for pulls by
// tag which go always count.
func (n *Nodes) Drains(from *Nodes) (list []Drain) {
	add := func(source, why string) { list = append(list, Drain{source, why}) }
	for _, scope := range slices.Sorted(maps.Keys(from.index)) {
		if _, ok := n.index[scope]; !ok {
			add(scope, "its rule goes")
		}
	}
	for _, r := range n.registries {
		i, ok := from.index[r.scope]
		switch {
		case !ok && len(r.mirrors) == 0:
			add(r.scope, "it is blocked, or used without TLS, from now on")
		case !ok && r.tagged():
			add(r.scope, "it gets mirrors for pulls by tag")
		case ok && !reflect.DeepEqual(r, from.registries[i]):
			if why := r.unsafe(from.registries[i]); why != "" {
				add(r.scope, why)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Drain) int { return cmp.Compare(a.Source, b.Source) })
	return list
}

func (r registry) tagged() bool {
	return slices.ContainsFunc(r.mirrors, func(m endpoint) bool { return m.tags })
}

// unsafe says why a change of one registry's entry drains nodes, "" if it does not.
func (r registry) unsafe(old registry) string {
	switch {
	case old.blocked && !r.blocked:
		return "nodes may ask it itself again"
	case !old.blocked && r.blocked:
		return "nodes may no longer ask it itself"
	case old.insecure != r.insecure:
		return "whether TLS is needed changes"
	}
	for _, m := range old.mirrors {
		if !slices.ContainsFunc(r.mirrors, func(now endpoint) bool { return now.location == m.location && now.tags == m.tags }) {
			return "it loses a mirror"
		}
	}
	for _, m := range r.mirrors { // the operator compares with the first mirror of that location
		i := slices.IndexFunc(old.mirrors, func(was endpoint) bool { return was.location == m.location })
		if m.tags && (i < 0 || !old.mirrors[i].tags) {
			if slices.ContainsFunc(old.mirrors, func(was endpoint) bool { return was == m }) {
				return "it has mirrors for pulls by tag, and changes"
			}
			return "it gets mirrors for pulls by tag"
		}
	}
	return ""
}
