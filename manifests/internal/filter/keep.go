package filter

import (
	"fmt"
	"maps"
	"slices"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

// kept is what is kept of a channel.
type kept struct {
	entries []declcfg.ChannelEntry // in the order of the catalog
	// left are wanted, and no update leads from them to the head of the channel.
	left []string
	// joint is not wanted, and joins those that are; -1 for none.
	joint int
}

// keep gives the entries of a channel that has those wanted and the connectors
// between them.
func (g *graph) keep(wanted map[int]bool) (k kept, err error) {
	k.joint = -1
	list := g.order(wanted)
	if len(list) == 0 {
		return k, nil
	}
	top := g.summit(list)
	if !wanted[top] {
		k.joint = top
	}
	below := g.reach(top, g.down, nil)
	var stay []int
	for _, i := range list {
		if below[i] {
			stay = append(stay, i)
		} else {
			k.left = append(k.left, g.entries[i].Name)
		}
	}
	in := g.connect(top, stay)
	in[top] = true
	var places []int
	for i := range g.entries {
		if in[i] {
			e := g.entries[i]
			e.Skips = slices.Clone(e.Skips)
			k.entries, places = append(k.entries, e), append(places, i)
		}
	}
	return k, g.link(top, k.entries, places)
}

// summit is the entry that becomes the head: the highest that is wanted, if all are
// updated to it from which the channel leads to its head; or else the lowest that they
// are all updated to.
func (g *graph) summit(wanted []int) int {
	top := g.top(wanted)
	head, err := g.head()
	if err != nil {
		return top
	}
	below, alive := g.reach(top, g.down, nil), g.reach(head, g.down, nil)
	var apart []int
	if !alive[top] {
		below = map[int]bool{}
	}
	for _, i := range wanted {
		if alive[i] && !below[i] {
			apart = append(apart, i)
		}
	}
	if len(apart) == 0 {
		return top
	}
	if alive[top] {
		apart = append(apart, top)
	}
	common := g.reach(apart[0], g.up, nil)
	for _, i := range apart[1:] {
		above := g.reach(i, g.up, nil)
		maps.DeleteFunc(common, func(k int, _ bool) bool { return !above[k] })
	}
	list := g.order(common) // the head is one
	return list[len(list)-1]
}

// connect adds the connectors that the kept entries need to be updated to top, and no
// others.
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

// link makes one chain of the entries that are left of a channel, as the model requires:
// from top, by replaces, to all that are not skipped. Where the entry that one replaced
// is left out, it replaces, or else skips, another that it updates.
func (g *graph) link(top int, kept []declcfg.ChannelEntry, places []int) error {
	at, first := indexes(kept), slices.Index(places, top)
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
		return fmt.Errorf("its updates go in a circle around %s, so that no part of it can be cut out; only the whole catalog can be carried", g.entries[top].Name)
	}
	cutCircles(kept, at, first)
	return nil
}

// chain follows replaces from one entry to the last, and gives those besides that
// are not skipped, as the model does.
func chain(kept []declcfg.ChannelEntry, at map[string]int, first int) (tail int, stranded []int) {
	skipped, seen := skippedIn(kept), map[int]bool{first: true}
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
