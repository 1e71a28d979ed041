package filter

import (
	"fmt"
	"slices"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

// keep gives the entries of a channel that has those wanted and the connectors
// between them, in the order of the catalog. left names the wanted from which no
// update leads to the highest of them, in the channel as it is either.
func (g *graph) keep(wanted map[int]bool) (kept []declcfg.ChannelEntry, left []string, err error) {
	list := g.order(wanted)
	if len(list) == 0 {
		return nil, nil, nil
	}
	top := g.top(list)
	below := g.reach(top, g.down, nil)
	var stay []int
	for _, i := range list {
		if below[i] {
			stay = append(stay, i)
		} else {
			left = append(left, g.entries[i].Name)
		}
	}
	in := g.connect(top, stay)
	var places []int
	for i := range g.entries {
		if in[i] {
			e := g.entries[i]
			e.Skips = slices.Clone(e.Skips)
			kept, places = append(kept, e), append(places, i)
		}
	}
	return kept, left, g.link(top, kept, places)
}

// connect adds to the entries that stay the connectors without which some of them
// have no updates to top: none is there that could be left out.
func (g *graph) connect(top int, stay []int) map[int]bool {
	in := map[int]bool{}
	for _, i := range stay {
		in[i] = true
	}
	next := g.shortest(top, in)
	added := map[int]bool{}
	for _, i := range stay {
		for ; i != top; i = next[i] {
			added[i] = !in[i]
		}
	}
	for i, is := range added {
		in[i] = in[i] || is
	}
	connectors := g.order(added)
	for _, i := range slices.Backward(connectors) {
		in[i] = false
		below := g.reach(top, g.down, in)
		if slices.ContainsFunc(stay, func(k int) bool { return !below[k] }) {
			in[i] = true
		}
	}
	return in
}

// shortest gives of each entry the next on the way to top that has the fewest
// entries besides those that are in.
func (g *graph) shortest(top int, in map[int]bool) []int {
	next, cost := make([]int, len(g.entries)), make([]int, len(g.entries))
	for i := range cost {
		cost[i] = len(g.entries) + 1
	}
	cost[top] = 0
	now, later := []int{top}, []int(nil)
	for level := 0; len(now)+len(later) > 0; {
		if len(now) == 0 {
			now, later, level = later, nil, level+1
		}
		i := now[0]
		if now = now[1:]; cost[i] != level {
			continue
		}
		for _, k := range g.down[i] {
			switch step := level + 1; {
			case in[k] && level < cost[k]:
				cost[k], next[k] = level, i
				now = append(now, k)
			case !in[k] && step < cost[k]:
				cost[k], next[k] = step, i
				later = append(later, k)
			}
		}
	}
	return next
}

// link makes one chain of entries that are left of a channel, as the model wants
// it: from top, by replaces, to all that are not skipped. Where the entry that one
// replaced is left out, it replaces, or else skips, another that it updates.
func (g *graph) link(top int, kept []declcfg.ChannelEntry, places []int) error {
	at := map[string]int{} // in kept
	for k, e := range kept {
		at[e.Name] = k
	}
	first := slices.Index(places, top)
	for {
		tail, stranded := chain(kept, at, first)
		if len(stranded) == 0 {
			break
		}
		if _, there := at[kept[tail].Replaces]; !there {
			if s := g.highest(stranded, places, places[tail]); s >= 0 {
				kept[tail].Replaces = kept[s].Name
				continue
			}
		}
		for _, s := range stranded {
			for k, p := range places {
				if slices.Contains(g.up[places[s]], p) {
					kept[k].Skips = append(kept[k].Skips, kept[s].Name)
					break
				}
			}
		}
		break
	}
	if h := heads(kept); len(h) != 1 || h[0] != first {
		return fmt.Errorf("its updates go in a circle around %s, so that no part of it can be cut out; ask for the whole channel with full: true", g.entries[top].Name)
	}
	return nil
}

// chain follows replaces from one entry to the last, and gives those besides that
// are not skipped, as the model does.
func chain(kept []declcfg.ChannelEntry, at map[string]int, first int) (tail int, stranded []int) {
	skipped, seen := map[string]bool{}, map[int]bool{first: true}
	for _, e := range kept {
		for _, name := range e.Skips {
			skipped[name] = true
		}
	}
	for tail = first; ; {
		next, ok := at[kept[tail].Replaces]
		if !ok || skipped[kept[tail].Replaces] || seen[next] {
			break
		}
		tail, seen[next] = next, true
	}
	for k, e := range kept {
		if !seen[k] && !skipped[e.Name] {
			stranded = append(stranded, k)
		}
	}
	return tail, stranded
}

// highest gives which of the stranded that the entry at to updates has the highest
// version; -1 if there is none.
func (g *graph) highest(stranded, places []int, to int) int {
	best := -1
	for _, s := range stranded {
		if !slices.Contains(g.down[to], places[s]) {
			continue
		}
		if best < 0 || g.versions[places[s]].compare(g.versions[places[best]]) > 0 {
			best = s
		}
	}
	return best
}
