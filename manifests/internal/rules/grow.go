package rules

import (
	"cmp"
	"maps"
	"slices"
)

// State is what applying the new rules does to an object of the cluster.
type State int

// The states. Those from Superfluous on are of objects that are not written.
const (
	New State = iota
	Grows
	Same
	Superfluous // everything in it is in the objects that are written
	ByTag       // as Superfluous, but pulls by tag need it
	Needed      // it has something of its own
	Internal    // it leads to the cluster's internal release registry
)

// Grown is an object that is to be applied.
type Grown struct {
	Object
	State    State
	Sources  int // that are new in it
	Mirrors  int // that are new for sources that it had
	Ordered  int // sources whose mirrors get another order
	Policies int // sources that get another policy
}

// Other is an object that the cluster has and that is not written.
type Other struct {
	Object
	State State
	Own   Rule // Needed: an example of what only it has; without mirrors, where it alone keeps nodes from the source
}

// Growth is what becomes of the rules of a cluster.
type Growth struct {
	Ours      []Grown // those for pulls by digest, then those by tag, each by group and number
	Others    []Other // sorted
	Repeated  []Repeated
	Conflicts []Conflict
	Forced    []Forced       // sources that did not get the policy that was asked for
	Refused   []Forced       // sources that got no rule, because of another object's policy
	Broken    []Forced       // sources for which the cluster's own objects have both policies
	Internal  []InternalRule // rules that lead to the cluster's internal release registry
}

// grower adds rules to what a cluster has.
type grower struct {
	present []Object // sorted
	room    Room
	digests *growing
	tags    *growing          // nil: objects for pulls by tag are not written
	nodes   *Nodes            // what nodes have now
	ours    map[string]policy // of the sources of the objects that are written
	theirs  map[string]policy // and of all others
	refused []Forced
}

// Grow adds rules to the objects that a cluster has. An object keeps everything that
// it has: a source stays where it is, and a new one goes to the first object of its group
// with room, else to a new one. Rules of objects that earlier versions named by a hash, of this
// program's objects of the other kind, and of those that a mirroring tool wrote for this mirror,
// are added too, so that those objects can go. Where a new rule would hide a wider one, it gets
// its mirrors, after its own; if the wider one is also for pulls by tag, and leads to the same
// place, the new one is left out. tags are rules for pulls by tag, which there are only beside
// ImageDigestMirrorSets.
func Grow(present []Object, digests, tags []Group, room Room) *Growth {
	g := &grower{present: slices.Clone(present), room: room}
	slices.SortStableFunc(g.present, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	g.digests = newGrowing(g.present, room.Kind, room)
	if room.Kind == DigestMirrors {
		g.tags = newGrowing(g.present, TagMirrors, room)
	}
	g.nodes = Applied(g.present, nil, nil)
	g.ours, g.theirs = policiesOf(g.present, g.written), policiesOf(g.present, func(o Object) bool { return !g.written(o) })
	for _, side := range g.sides() {
		for _, o := range g.present {
			if side.taken(o) {
				for _, r := range sortedRules(o.Rules) {
					if !g.refuses(r) {
						side.put(o.Group, r, afterOurs)
					}
				}
			}
		}
	}
	g.addGroups(g.digests, digests)
	if g.tags != nil {
		g.addGroups(g.tags, tags)
	}
	internal := g.internal()
	repeated := g.repeat()
	for _, side := range g.sides() {
		side.arrange()
	}
	forced := g.policies()
	return &Growth{Ours: g.grown(), Others: g.others(), Repeated: repeated, Conflicts: g.conflicts(), Forced: forced, Refused: g.refused, Broken: Broken(g.present), Internal: internal}
}

func (g *grower) sides() []*growing {
	if g.tags == nil {
		return []*growing{g.digests}
	}
	return []*growing{g.digests, g.tags}
}

// written reports whether an object of the cluster is one that is written again.
func (g *grower) written(o Object) bool {
	return o.is(g.room.Kind) || g.tags != nil && o.is(TagMirrors)
}

// addGroups adds the rules of a bundle, but for those that would only hide mirrors for tags.
func (g *grower) addGroups(to *growing, groups []Group) {
	type wanted struct {
		group string
		rule  Rule
	}
	var covered []wanted
	for _, group := range groups {
		for _, r := range group.Rules {
			switch {
			case g.room.Closed[r.Source] || g.refuses(r):
			case g.covers(r):
				covered = append(covered, wanted{group.Name, r})
			default:
				to.put(group.Name, r, afterOurs)
			}
		}
	}
	for again := len(covered) > 0; again; { // one that was added may hide the wide one from another
		again = false
		nodes := Applied(to.objects(), nil, nil)
		covered = slices.DeleteFunc(covered, func(w wanted) bool {
			if len(without(w.rule.Mirrors, nodes.pulled(w.rule.Source, to.kind == TagMirrors))) == 0 {
				return false
			}
			to.put(w.group, w.rule, afterOurs)
			again = true
			return true
		})
	}
}

// covers reports whether a wide rule of our objects leads a source to its places, and the
// cluster has mirrors for tags under the same scope.
func (g *grower) covers(r Rule) bool {
	wide, ok := g.nodes.find(r.Source)
	if !ok || wide.scope == r.Source || !slices.ContainsFunc(wide.mirrors, func(m endpoint) bool { return m.tags }) {
		return false
	}
	var places []string
	for _, m := range g.digests.mirrors(wide.scope) {
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

// grown compares what is to be applied with what is there.
func (g *grower) grown() (list []Grown) {
	for _, side := range g.sides() {
		for _, o := range side.ours {
			is := Grown{Object: *o, State: New}
			i := slices.IndexFunc(g.present, func(p Object) bool { return p.Kind == o.Kind && p.Name == o.Name })
			had := map[string][]string{}
			var never []string
			if i >= 0 {
				is.State, had, never = Same, mirrorsOf(g.present[i]), g.present[i].Never
			}
			for _, r := range o.Rules {
				before, ok := had[r.Source]
				more := len(without(r.Mirrors, before))
				switch {
				case !ok:
					is.Sources++
				case more > 0:
					is.Mirrors += more
				case !slices.Equal(before, r.Mirrors):
					is.Ordered++
				}
				if ok && slices.Contains(never, r.Source) != slices.Contains(o.Never, r.Source) {
					is.Policies++
				}
			}
			if is.State == Same && is.Sources+is.Mirrors+is.Ordered+is.Policies > 0 {
				is.State = Grows
			}
			list = append(list, is)
		}
	}
	return list
}

// others says of the objects that are not written whether they are needed.
func (g *grower) others() (list []Other) {
	digests, tags := g.digests.have(), map[string][]string{}
	if g.tags != nil {
		tags = g.tags.have()
	}
	blocked := map[string]bool{}
	for _, side := range g.sides() {
		for _, o := range side.ours {
			for _, source := range o.Never {
				blocked[source] = true
			}
		}
	}
	for _, o := range g.present {
		if g.written(o) {
			continue
		}
		is := Other{Object: o, State: Superfluous}
		have := digests
		if !o.Digests() && o.within(tags) {
			have = tags
		}
		alone := slices.IndexFunc(o.Never, func(source string) bool { return !blocked[source] })
		switch {
		case o.internal():
			is.State = Internal
		case !o.within(have):
			is.State = Needed
			for _, r := range sortedRules(o.Rules) {
				if own := without(r.Mirrors, have[r.Source]); len(own) > 0 {
					is.Own = Rule{r.Source, own[:1]}
					break
				}
			}
		case alone >= 0:
			is.State, is.Own = Needed, Rule{Source: o.Never[alone]}
		case !o.Digests() && !o.within(tags):
			is.State = ByTag
		}
		list = append(list, is)
	}
	return list
}

// have gives the mirrors of each source of our objects of a kind.
func (g *growing) have() map[string][]string {
	have := map[string][]string{}
	for _, source := range g.sources() {
		have[source] = g.mirrors(source)
	}
	return have
}

// allSources lists the sources of our objects of all kinds, sorted.
func (g *grower) allSources() []string {
	all := map[string]bool{}
	for _, side := range g.sides() {
		for source := range side.by {
			all[source] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
