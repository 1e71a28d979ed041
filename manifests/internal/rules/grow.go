package rules

import (
	"cmp"
	"slices"
)

// Room says how objects are filled.
type Room struct {
	Place string         // the mirror, HOST[:PORT][/NAMESPACE]: its rules stand first for a source
	Base  int            // bytes of an object without rules
	Size  func(Rule) int // at least the bytes that a rule takes
}

// State is what applying the new rules does to an object of the cluster.
type State int

// The states. The last three are those of objects that are not written.
const (
	New State = iota
	Grows
	Same
	Superfluous // every source and mirror is in the objects that are written
	ByTag       // as Superfluous, but pulls by tag need it
	Needed      // it has something of its own
)

// Grown is an object that is to be applied.
type Grown struct {
	Object
	State   State
	Sources int // that are new in it
	Mirrors int // that are new for sources that it had
}

// Other is an object that the cluster has and that is not written.
type Other struct {
	Object
	State State
	Own   Rule // Needed: an example of what only it has; without mirrors, where it alone keeps nodes from the source
}

// Repeated says that a rule would hide a wider one from nodes.
type Repeated struct {
	Source  string   // of the narrow rule
	Wide    string   // source of the wide one
	Objects []string // that have the wide one, for pulls by digest
	Mirrors []string // that the narrow rule has got from it
	Tags    []string // objects that have the wide one for pulls by tag, which cannot be repeated
	Never   bool     // nodes never ask the wide source itself, which cannot be repeated
}

// Conflict says that another object sends pulls from a source elsewhere first.
type Conflict struct {
	Source string
	Object string   // that has another first mirror
	Order  []string // in which nodes ask, once the new rules are there
}

// Growth is what becomes of the rules of a cluster.
type Growth struct {
	Ours      []Grown // by group and number
	Others    []Other // sorted
	Repeated  []Repeated
	Conflicts []Conflict
}

// Grow adds rules to the objects that a cluster has. An object keeps everything that
// it has: a source stays where it is, and a new one goes to the first object of its group
// with room, else to a new one. Rules of objects that earlier versions named by a hash, and of
// those that a mirroring tool wrote for this mirror, are added too, so that those objects can
// go. Where a new rule would hide a wider one, it gets its mirrors, after its own; if the wider
// one is also for pulls by tag, and leads to the same place, the new one is left out.
func Grow(present []Object, groups []Group, room Room) *Growth {
	present = slices.Clone(present)
	slices.SortStableFunc(present, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	g := newGrowing(present, room)
	for _, o := range present {
		if o.Number() == 0 && g.taken(o) {
			for _, r := range sortedRules(o.Rules) {
				g.put(o.Group, r, false)
			}
		}
	}
	g.addGroups(present, groups)
	repeated := g.repeat(present)
	return &Growth{Ours: g.grown(present), Others: g.others(present), Repeated: repeated, Conflicts: g.conflicts(present)}
}

// addGroups adds the rules of a bundle, but for those that would only hide mirrors for tags.
func (g *growing) addGroups(present []Object, groups []Group) {
	type wanted struct {
		group string
		rule  Rule
	}
	var covered []wanted
	nodes := Applied(present, nil, nil)
	for _, group := range groups {
		for _, r := range group.Rules {
			if g.covers(nodes, r) {
				covered = append(covered, wanted{group.Name, r})
			} else {
				g.put(group.Name, r, false)
			}
		}
	}
	for again := len(covered) > 0; again; { // one that was added may hide the wide one from another
		again = false
		var ours []Object
		for _, o := range g.ours {
			ours = append(ours, *o)
		}
		nodes = Applied(ours, nil, nil)
		covered = slices.DeleteFunc(covered, func(w wanted) bool {
			if len(without(w.rule.Mirrors, nodes.Pull(w.rule.Source))) == 0 {
				return false
			}
			g.put(w.group, w.rule, false)
			again = true
			return true
		})
	}
}

// covers reports whether a wide rule of our objects leads a source to its places, and the
// cluster has mirrors for tags under the same scope.
func (g *growing) covers(nodes *Nodes, r Rule) bool {
	wide, ok := nodes.find(r.Source)
	if !ok || wide.scope == r.Source || !slices.ContainsFunc(wide.mirrors, func(m endpoint) bool { return m.tags }) {
		return false
	}
	var places []string
	for _, m := range g.mirrors(wide.scope) {
		places = append(places, m+beyond(r.Source, wide.scope))
	}
	return len(without(r.Mirrors, places)) == 0
}

// Objects are the objects of the cluster once the growth was applied.
func (g *Growth) Objects() []Object {
	var list []Object
	for _, o := range g.Others {
		list = append(list, o.Object)
	}
	for _, o := range g.Ours {
		list = append(list, o.Object)
	}
	return list
}

// Left are the objects once those of a state were deleted too.
func (g *Growth) Left(deleted func(Other) bool) []Object {
	rest := *g
	rest.Others = slices.DeleteFunc(slices.Clone(g.Others), deleted)
	return rest.Objects()
}

// repeat gives narrow rules the mirrors of the wide ones that they hide. If some other
// object has the narrow source too, its owner wants it so.
func (g *growing) repeat(present []Object) (list []Repeated) {
	foreign := slices.DeleteFunc(slices.Clone(present), func(o Object) bool { return !o.foreign() })
	all, theirs := Applied(present, nil, nil), Applied(foreign, nil, nil)
	for _, source := range g.sources() {
		nodes := all
		if _, is := all.index[source]; is {
			nodes = theirs
		}
		wide, ok := nodes.find(source)
		if !ok || wide.scope == source {
			continue
		}
		r := Repeated{Source: source, Wide: wide.scope, Never: wide.blocked}
		var mirrors []string
		for _, m := range wide.mirrors {
			if !m.tags {
				mirrors = append(mirrors, m.location+beyond(source, wide.scope))
			}
		}
		r.Mirrors = without(mirrors, g.mirrors(source))
		for _, o := range present {
			switch has := slices.ContainsFunc(o.Rules, func(r Rule) bool { return r.Source == wide.scope }); {
			case has && o.Digests():
				r.Objects = append(r.Objects, o.String())
			case has:
				r.Tags = append(r.Tags, o.String())
			}
		}
		if len(r.Mirrors) > 0 {
			g.put(Generic, Rule{source, mirrors}, true)
		}
		if len(r.Mirrors)+len(r.Tags) > 0 || r.Never {
			list = append(list, r)
		}
	}
	return list
}

// grown compares what is to be applied with what is there.
func (g *growing) grown(present []Object) (list []Grown) {
	for _, o := range g.ours {
		is := Grown{Object: *o, State: New}
		i := slices.IndexFunc(present, func(p Object) bool { return p.Number() > 0 && p.Name == o.Name })
		had := map[string][]string{}
		if i >= 0 {
			is.State, had = Same, mirrorsOf(present[i])
		}
		for _, r := range o.Rules {
			switch before, ok := had[r.Source]; {
			case !ok:
				is.Sources++
			case !slices.Equal(before, r.Mirrors):
				is.Mirrors += len(without(r.Mirrors, before))
			}
		}
		if is.State == Same && is.Sources+is.Mirrors > 0 {
			is.State = Grows
		}
		list = append(list, is)
	}
	return list
}

// others says of the objects that are not written whether they are needed.
func (g *growing) others(present []Object) (list []Other) {
	have := map[string][]string{}
	for _, source := range g.sources() {
		have[source] = g.mirrors(source)
	}
	for _, o := range present {
		if o.Number() > 0 {
			continue
		}
		is := Other{Object: o, State: Superfluous}
		switch {
		case !o.within(have):
			is.State = Needed
			for _, r := range sortedRules(o.Rules) {
				if own := without(r.Mirrors, have[r.Source]); len(own) > 0 {
					is.Own = Rule{r.Source, own[:1]}
					break
				}
			}
		case len(o.Never) > 0:
			is.State, is.Own = Needed, Rule{Source: o.Never[0]}
		case !o.Digests():
			is.State = ByTag
		}
		list = append(list, is)
	}
	return list
}

// conflicts lists sources that another object sends elsewhere first.
func (g *growing) conflicts(present []Object) (list []Conflict) {
	var objects []Object
	for _, o := range present {
		if o.Number() == 0 {
			objects = append(objects, o)
		}
	}
	for _, o := range g.ours {
		objects = append(objects, *o)
	}
	nodes := Applied(objects, nil, nil)
	for _, o := range present {
		if !o.foreign() || !o.Digests() {
			continue
		}
		for _, r := range sortedRules(o.Rules) {
			if ours := g.mirrors(r.Source); len(ours) > 0 && len(r.Mirrors) > 0 && r.Mirrors[0] != ours[0] {
				list = append(list, Conflict{r.Source, o.String(), nodes.Pull(r.Source)})
			}
		}
	}
	return list
}
