package rules

import "slices"

// Forced is a source whose policy other objects decide: the machine config operator applies no
// change of rules at all while two objects have different policies for one source, or while nodes
// must not ask a source that is one of its own mirrors (pkg/controller/container-runtime-config,
// "validateRegistriesConfScopes").
type Forced struct {
	Source string
	Object string // that has the source; "" where the source is among its own mirrors
	Never  bool   // the policy that the source has got
}

// policy is that of one source in objects.
type policy struct{ never, allow string } // an object that has it, "" for none

// policiesOf gives the policy of each source of objects. An ImageContentSourcePolicy allows.
func policiesOf(objects []Object, of func(Object) bool) map[string]policy {
	all := map[string]policy{}
	for _, o := range objects {
		if !of(o) {
			continue
		}
		for _, r := range o.Rules {
			p := all[r.Source]
			if o.Kind != ContentSource && slices.Contains(o.Never, r.Source) {
				p.never = o.String()
			} else {
				p.allow = o.String()
			}
			all[r.Source] = p
		}
	}
	return all
}

// Broken lists sources for which a cluster with these objects has both policies.
func Broken(objects []Object) (list []Forced) {
	all := policiesOf(objects, func(Object) bool { return true })
	for _, o := range objects {
		for _, r := range sortedRules(o.Rules) {
			if p := all[r.Source]; p.never == o.String() && p.allow != "" {
				list = append(list, Forced{r.Source, p.allow, true})
			}
		}
	}
	return list
}

// refuses reports whether a source can have no rule of ours, because another object keeps nodes
// from it, which an ImageContentSourcePolicy cannot. Where that object does not lead to all the
// places, it is remembered.
func (g *grower) refuses(r Rule) bool {
	if g.room.Kind != ContentSource {
		return false
	}
	p := g.theirs[r.Source]
	if p.never == "" {
		return false
	}
	if len(without(r.Mirrors, g.nodes.Pull(r.Source))) > 0 {
		g.refused = append(g.refused, Forced{r.Source, p.never, true})
	}
	return true
}

// policies decides for each source of our objects whether nodes may ask it, and lists those that
// do not get what was asked for.
func (g *grower) policies() (forced []Forced) {
	if g.room.Kind == ContentSource {
		return nil
	}
	want := g.room.Policy == Never
	if g.room.Policy == Keep {
		for _, p := range g.ours {
			want = want || p.never != ""
		}
	}
	for _, source := range g.allSources() {
		never, p := want, g.theirs[source]
		why := Forced{Source: source}
		if wide, ok := g.nodes.find(source); ok && wide.scope != source && wide.blocked {
			never = true // what the wide rule says of it
		}
		if g.room.Closed[source] {
			never = g.ours[source].never != ""
		}
		switch {
		case p.never != "":
			why.Object, never = p.never, true
		case p.allow != "":
			why.Object, never = p.allow, false
		}
		if never && g.hasItself(source) {
			never, why.Object = false, ""
		}
		if never {
			g.block(source)
		}
		if never != want && (want || g.room.Policy == Allow) && !g.room.Closed[source] {
			why.Never = never
			forced = append(forced, why)
		}
	}
	return forced
}

// hasItself reports whether a source is among its own mirrors.
func (g *grower) hasItself(source string) bool {
	return slices.ContainsFunc(g.sides(), func(side *growing) bool { return slices.Contains(side.mirrors(source), source) })
}

// block has nodes never ask a source of our objects.
func (g *grower) block(source string) {
	for _, side := range g.sides() {
		for _, o := range side.by[source] {
			o.Never = append(o.Never, source)
		}
	}
}
