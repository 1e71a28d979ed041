package rules

import (
	"slices"
	"strings"
)

// Repeated says that a rule would hide a wider one from nodes.
type Repeated struct {
	Source  string   // of the narrow rule
	Wide    string   // source of the wide one
	Objects []string // that have the wide one, for pulls by digest
	Mirrors []string // that the narrow rule has got from it
	ByTag   []string // the same for pulls by tag
	Tags    []string // objects that have the wide one for pulls by tag, which was not repeated
	Never   bool     // nodes never ask the wide source itself, which was not repeated
}

// Conflict says that another object sends pulls from a source elsewhere first.
type Conflict struct {
	Source string
	Object string   // that has another first mirror
	Order  []string // in which nodes ask, once the new rules are there
}

// InternalRule is a rule of the cluster that leads to its internal release registry.
type InternalRule struct {
	Object string
	Rule
	Hidden []string // sources of our rules within it: they have its mirrors first
}

// internalRegistry reports whether a mirror is the registry that the machine config operator runs on
// control plane nodes (github.com/openshift/machine-config-operator, "iriRegistryPort").
func internalRegistry(mirror string) bool {
	host, _, _ := strings.Cut(mirror, "/")
	return strings.HasSuffix(host, ":22625")
}

// internal reports whether an object leads to the cluster's internal release registry.
func (o Object) internal() bool {
	return slices.ContainsFunc(o.Rules, func(r Rule) bool { return slices.ContainsFunc(r.Mirrors, internalRegistry) })
}

// internal puts the cluster's internal release registry first, where our rules are for the same
// images, and lists its rules.
func (g *grower) internal() (list []InternalRule) {
	for _, o := range g.present {
		if g.written(o) {
			continue
		}
		for _, r := range sortedRules(o.Rules) {
			if !slices.ContainsFunc(r.Mirrors, internalRegistry) {
				continue
			}
			rule := InternalRule{Object: o.String(), Rule: r}
			for _, side := range g.sides() {
				if o.Digests() != (side.kind != TagMirrors) {
					continue
				}
				for _, source := range side.sources() {
					if !Within(source, r.Source) || g.room.Closed[source] {
						continue
					}
					var first []string
					for _, m := range r.Mirrors {
						if internalRegistry(m) {
							first = append(first, m+beyond(source, r.Source))
						}
					}
					side.put(Generic, Rule{source, first}, atFront)
					rule.Hidden = append(rule.Hidden, source)
				}
			}
			list = append(list, rule)
		}
	}
	return list
}

// repeat gives narrow rules the mirrors of the wide ones that they hide. If some other
// object has the narrow source too, its owner wants it so.
func (g *grower) repeat() (list []Repeated) {
	foreign := slices.DeleteFunc(slices.Clone(g.present), func(o Object) bool { return o.Ours() })
	theirs := Applied(foreign, nil, nil)
	for _, source := range g.allSources() {
		nodes := g.nodes
		if _, is := nodes.index[source]; is {
			nodes = theirs
		}
		wide, ok := nodes.find(source)
		if !ok || wide.scope == source || g.room.Closed[source] {
			continue
		}
		r := Repeated{Source: source, Wide: wide.scope, Never: wide.blocked && g.tags == nil}
		r.Mirrors = g.repeatIn(g.digests, source, wide.under(source, false))
		byTag := wide.under(source, true)
		if g.tags != nil {
			r.ByTag = g.repeatIn(g.tags, source, byTag)
			byTag = nil
		}
		for _, o := range g.present {
			switch has := slices.ContainsFunc(o.Rules, func(r Rule) bool { return r.Source == wide.scope }); {
			case has && (o.Digests() || len(r.ByTag) > 0):
				r.Objects = append(r.Objects, o.String())
			case has && len(byTag) > 0:
				r.Tags = append(r.Tags, o.String())
			}
		}
		if len(r.Mirrors)+len(r.ByTag)+len(r.Tags) > 0 || r.Never {
			list = append(list, r)
		}
	}
	return list
}

// repeatIn adds mirrors after those that a source has, and gives those that are new.
func (g *grower) repeatIn(to *growing, source string, mirrors []string) []string {
	more := without(mirrors, to.mirrors(source))
	if len(more) > 0 {
		to.put(Generic, Rule{source, mirrors}, atEnd)
	}
	return more
}

// under are the mirrors that the entry has for a source within it, for pulls by tag or by digest.
func (r *registry) under(source string, tags bool) (list []string) {
	for _, m := range r.mirrors {
		if m.tags == tags {
			list = append(list, m.location+beyond(source, r.scope))
		}
	}
	return list
}

// conflicts lists sources that another object sends elsewhere first.
func (g *grower) conflicts() (list []Conflict) {
	var objects []Object
	for _, o := range g.present {
		if !g.written(o) {
			objects = append(objects, o)
		}
	}
	for _, side := range g.sides() {
		objects = append(objects, side.objects()...)
	}
	nodes := Applied(objects, nil, nil)
	for _, o := range g.present {
		if o.Ours() || !o.Digests() {
			continue
		}
		for _, r := range sortedRules(o.Rules) {
			if ours := g.digests.mirrors(r.Source); len(ours) > 0 && len(r.Mirrors) > 0 && r.Mirrors[0] != ours[0] {
				list = append(list, Conflict{r.Source, o.String(), nodes.Pull(r.Source)})
			}
		}
	}
	return list
}

// objects are our objects of a kind, as they are now.
func (g *growing) objects() (list []Object) {
	for _, o := range g.ours {
		list = append(list, *o)
	}
	return list
}
