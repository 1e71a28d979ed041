package filter

import (
	"slices"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

// faultOf says why operator-registry, the oldest or the newest, refuses the updates of a
// channel; "" if neither does.
func faultOf(entries []declcfg.ChannelEntry) string {
	list, at := heads(entries), indexes(entries)
	switch len(list) {
	case 0:
		return "it has no head"
	case 1:
	default:
		return "it has several heads"
	}
	if _, stranded := chain(entries, at, list[0]); len(stranded) > 0 {
		var names []string
		for _, k := range stranded {
			names = append(names, entries[k].Name)
		}
		slices.Sort(names)
		return "stranded: " + some(names)
	}
	for _, r := range oldest {
		if r.channel == nil {
			continue
		}
		if why := r.channel(entries, at, list[0]); why != "" {
			return why
		}
	}
	return ""
}

func indexes(entries []declcfg.ChannelEntry) map[string]int {
	at := map[string]int{}
	for k, e := range entries {
		at[e.Name] = k
	}
	return at
}

// circle follows replaces from one entry on, as opm 1.26 does: cur closes a circle; -1 if
// nothing does. skipped is the first on the way whose replaces another skips, or -1.
func circle(entries []declcfg.ChannelEntry, at map[string]int, first int) (cur, skipped int) {
	skips, seen := skippedIn(entries), map[int]bool{}
	skipped = -1
	for cur = first; ; {
		seen[cur] = true
		next, ok := at[entries[cur].Replaces]
		if !ok {
			return -1, skipped
		}
		if skipped < 0 && skips[entries[cur].Replaces] {
			skipped = cur
		}
		if seen[next] {
			return cur, skipped
		}
		cur = next
	}
}

func skippedIn(entries []declcfg.ChannelEntry) map[string]bool {
	skipped := map[string]bool{}
	for _, e := range entries {
		for _, name := range e.Skips {
			skipped[name] = true
		}
	}
	return skipped
}

// cutCircles takes circles out of the chain. Where it leads to an entry that is skipped,
// to skip that is the same update; else the one that leads back is none.
func cutCircles(entries []declcfg.ChannelEntry, at map[string]int, first int) {
	for {
		cur, skipped := circle(entries, at, first)
		if cur < 0 {
			return
		}
		if skipped >= 0 {
			e := &entries[skipped]
			if !slices.Contains(e.Skips, e.Replaces) {
				e.Skips = append(e.Skips, e.Replaces)
			}
			cur = skipped
		}
		entries[cur].Replaces = ""
	}
}
