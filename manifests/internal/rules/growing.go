package rules

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// growing is the objects of this program of one kind, while rules are added.
type growing struct {
	kind Kind
	room Room
	ours []*Object            // by group and number
	by   map[string][]*Object // source -> those that have it, in that order
	used map[*Object]int      // bytes
}

func newGrowing(present []Object, kind Kind, room Room) *growing {
	g := &growing{kind: kind, room: room, by: map[string][]*Object{}, used: map[*Object]int{}}
	for _, o := range present {
		if !o.is(kind) {
			continue
		}
		own := Object{Kind: kind, Name: o.Name, Tool: Satchel, Group: GroupNamed(o.Name)}
		had := mirrorsOf(o)
		for _, source := range slices.Sorted(maps.Keys(had)) {
			if len(had[source]) > 0 { // else it leads nowhere, and is no rule for nodes
				own.Rules = append(own.Rules, Rule{source, had[source]})
			}
		}
		g.add(&own)
	}
	return g
}

// add takes an object among ours.
func (g *growing) add(o *Object) {
	g.ours = append(g.ours, o)
	slices.SortFunc(g.ours, compareOurs)
	g.used[o] = g.room.Base
	for _, r := range o.Rules {
		g.used[o] += g.room.Size(r)
		g.by[r.Source] = append(g.by[r.Source], o)
		slices.SortFunc(g.by[r.Source], compareOurs)
	}
}

func compareOurs(a, b *Object) int {
	order := []string{Release, Operator, Generic}
	return cmp.Or(cmp.Compare(slices.Index(order, a.Group), slices.Index(order, b.Group)), cmp.Compare(a.Number(), b.Number()))
}

// taken reports whether the rules of an object become ours: those that this program wrote under
// other names or as the other kind for the same pulls, and for pulls by digest those of mirroring
// tools that lead only to this mirror.
func (g *growing) taken(o Object) bool {
	if o.Digests() != (g.kind != TagMirrors) || o.is(g.kind) {
		return false
	}
	if o.Ours() {
		return true
	}
	if o.Tool == "" || !o.Digests() || len(o.Never) > 0 {
		return false
	}
	return !slices.ContainsFunc(o.Rules, func(r Rule) bool {
		return slices.ContainsFunc(r.Mirrors, func(m string) bool { return g.room.place(m) < 0 })
	})
}

// where says where among the mirrors of a source new ones go.
type where int

const (
	afterOurs where = iota // before all others
	atEnd
	atFront
)

// put adds what is missing of a rule.
func (g *growing) put(group string, r Rule, at where) {
	if r.Mirrors = without(r.Mirrors, g.mirrors(r.Source)); len(r.Mirrors) == 0 {
		return
	}
	for _, o := range g.by[r.Source] {
		i, _ := find(o, r.Source)
		next := Rule{r.Source, g.joined(o.Rules[i].Mirrors, r.Mirrors, at)}
		if more := g.room.Size(next) - g.room.Size(o.Rules[i]); g.used[o]+more <= MaxBytes {
			o.Rules[i] = next
			g.used[o] += more
			return
		}
	}
	if have := g.by[r.Source]; len(have) > 0 { // none of these has room
		group = have[0].Group
		switch at { // their order holds only within a rule
		case atEnd:
			r.Mirrors = slices.Concat(g.mirrors(r.Source), r.Mirrors)
		case atFront:
			r.Mirrors = slices.Concat(r.Mirrors, g.mirrors(r.Source))
		}
	}
	g.place(group, r)
}

// place puts a rule into the first object of the group that has room and not its source.
func (g *growing) place(group string, r Rule) {
	numbers, size := map[int]bool{}, g.room.Size(r)
	for _, o := range g.ours {
		if o.Group != group {
			continue
		}
		numbers[o.Number()] = true
		if g.used[o]+size <= MaxBytes && !slices.Contains(g.by[r.Source], o) {
			i, _ := find(o, r.Source)
			o.Rules = slices.Insert(o.Rules, i, r)
			g.used[o] += size
			g.by[r.Source] = append(g.by[r.Source], o)
			slices.SortFunc(g.by[r.Source], compareOurs)
			return
		}
	}
	n := 1
	for numbers[n] {
		n++
	}
	g.add(&Object{Kind: g.kind, Name: FixedName(group, n), Tool: Satchel, Group: group, Rules: []Rule{r}})
}

// joined adds mirrors behind the last one of this mirror, at the end, or at the front.
func (g *growing) joined(have, more []string, at where) []string {
	i := len(have)
	switch at {
	case atFront:
		i = 0
	case afterOurs:
		for i > 0 && g.room.place(have[i-1]) < 0 {
			i--
		}
	}
	return slices.Insert(slices.Clone(have), i, more...)
}

// arrange brings what each rule has in the places of this mirror into the order of these. What
// else it has stays where it is.
func (g *growing) arrange() {
	for _, o := range g.ours {
		for i, r := range o.Rules {
			o.Rules[i].Mirrors = g.room.arranged(r.Mirrors)
		}
	}
}

// mirrors lists what our objects have for a source.
func (g *growing) mirrors(source string) (list []string) {
	for _, o := range g.by[source] {
		if i, ok := find(o, source); ok {
			list = append(list, without(o.Rules[i].Mirrors, list)...)
		}
	}
	return list
}

// find gives the place of a source's rule in one of our objects, where it is or belongs.
func find(o *Object, source string) (int, bool) {
	return slices.BinarySearchFunc(o.Rules, source, func(r Rule, s string) int { return cmp.Compare(r.Source, s) })
}

// sources lists the sources of our objects, sorted.
func (g *growing) sources() []string { return slices.Sorted(maps.Keys(g.by)) }

// mirrorsOf gives the mirrors of each source of an object, each once.
func mirrorsOf(o Object) map[string][]string {
	list := map[string][]string{}
	for _, r := range o.Rules {
		list[r.Source] = append(list[r.Source], without(r.Mirrors, list[r.Source])...)
	}
	return list
}

func sortedRules(list []Rule) []Rule {
	return slices.SortedStableFunc(slices.Values(list), func(a, b Rule) int { return strings.Compare(a.Source, b.Source) })
}
