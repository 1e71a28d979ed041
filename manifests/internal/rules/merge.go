package rules

import (
	"maps"
	"slices"
)

// merged puts the mirrors that several rules have for one source in one order, as
// runtime-utils does ("mergedMirrors" and its sorting): each rule's own order holds
// if no two contradict each other, and what no rule decides goes by name. The source
// itself may be among the mirrors; where it would be last, it is left out.
func merged(source string, lists [][]string) []string {
	g := graph{}
	for _, list := range lists {
		if !slices.Contains(list, source) {
			list = append(slices.Clone(list), source)
		}
		for i := 0; i+1 < len(list); i++ {
			g.add(list[i], list[i+1])
		}
	}
	all := g.sorted()
	if n := len(all); n > 0 && all[n-1] == source {
		all = all[:n-1]
	}
	return all
}

// graph has, for each name, which must come before it and which after.
type graph map[string]*names

type names struct{ before, after map[string]bool }

func (g graph) node(name string) *names {
	if g[name] == nil {
		g[name] = &names{map[string]bool{}, map[string]bool{}}
	}
	return g[name]
}

func (g graph) add(first, then string) {
	g.node(first).after[then] = true
	g.node(then).before[first] = true
}

// sorted takes always the name that has been free for longest; in a circle the first
// one that is left. It uses the graph up.
func (g graph) sorted() (list []string) {
	all := slices.Sorted(maps.Keys(g))
	var free []string
	for _, name := range all {
		if len(g[name].before) == 0 {
			free = append(free, name)
		}
	}
	used := map[string]bool{}
	for len(free) > 0 || len(all) > 0 {
		var name string
		if len(free) > 0 {
			name, free = free[0], free[1:]
		} else if name, all = all[0], all[1:]; used[name] {
			continue
		}
		used[name] = true
		list = append(list, name)
		for _, next := range slices.Sorted(maps.Keys(g[name].after)) {
			before := g[next].before
			delete(before, name)
			if len(before) == 0 && !used[next] {
				free = append(free, next)
			}
		}
	}
	return list
}
