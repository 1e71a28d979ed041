package cluster

import (
	"io"
	"maps"
	"slices"
)

// Join adds what another reading of the same cluster says, such as a query beside a must-gather.
// Of an object that both have, the newer counts; of a kind that only one of them has whole, its
// objects alone.
func (s *State) Join(o *State) {
	at := map[objectKey]int{}
	var list []Object
	take := func(from, other *State, whole bool) {
		for _, one := range from.objects {
			key := objectKey{one.Kind, one.Namespace, one.Name}
			i, twice := at[key]
			switch {
			case from.whole[one.Kind] != whole:
			case twice && age(one.Body) > age(list[i].Body):
				list[i] = one
			case !twice && (whole || !other.whole[one.Kind]):
				at[key] = len(list)
				list = append(list, one)
			}
		}
	}
	for _, whole := range []bool{true, false} {
		take(s, o, whole)
		take(o, s, whole)
	}
	s.objects = newState(s.Name, list).objects
	s.whole, s.seen = merged(s.whole, o.whole), merged(s.seen, o.seen)
	s.namespaces = merged(s.namespaces, o.namespaces)
	s.notes = append(s.notes, o.notes...)
	s.Images = append(s.Images, o.Images...)
	slices.SortFunc(s.Images, compareUses)
	s.Images = slices.CompactFunc(s.Images, func(a, b ImageUse) bool { return compareUses(a, b) == 0 })
	if s.Use == nil {
		s.Use = &Use{}
	}
	s.Use.Add(o.Use)
}

func merged(a, b map[string]bool) map[string]bool {
	all := map[string]bool{}
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}

// Add adds what other objects name.
func (u *Use) Add(o *Use) {
	if o == nil {
		return
	}
	for _, r := range o.Releases {
		if !slices.ContainsFunc(u.Releases, func(have Release) bool { return have.Version == r.Version && have.Digest == r.Digest }) {
			u.Releases = append(u.Releases, r)
		}
	}
	for _, op := range o.Operators {
		if !slices.ContainsFunc(u.Operators, func(have Operator) bool { return have.Package == op.Package && have.Bundle == op.Bundle }) {
			u.Operators = append(u.Operators, op)
		}
	}
	for name, by := range o.Digests {
		add(&u.Digests, name, by)
	}
	for name, by := range o.Tags {
		add(&u.Tags, name, by)
	}
	u.Namespaces, u.Clusters = merged(u.Namespaces, o.Namespaces), merged(u.Clusters, o.Clusters)
}

// With is the state with all objects of some kinds taken from a file, whatever it had before. They
// are known then, ConfigMaps but for the others. A nil State is one that knows nothing. Errors are
// those of [Read].
func (s *State) With(r io.Reader, kinds ...string) (*State, error) {
	if s == nil {
		s = newState("", nil)
	}
	g := gather(s.Name)
	if err := g.read(s.Name, place{}, r); err != nil {
		return nil, err
	}
	given := g.state.objects
	list := slices.DeleteFunc(slices.Clone(s.objects), func(o Object) bool {
		if o.Kind == configMaps.kind {
			return slices.ContainsFunc(given, func(n Object) bool { return n.Kind == o.Kind && n.Name == o.Name && n.Namespace == o.Namespace })
		}
		return slices.Contains(kinds, o.Kind)
	})
	list = append(list, slices.DeleteFunc(given, func(o Object) bool { return !slices.Contains(kinds, o.Kind) })...)
	with, joined := *s, newState(s.Name, list)
	with.objects, with.seen, with.whole = joined.objects, merged(s.seen, joined.seen), merged(s.whole, nil)
	for _, kind := range kinds {
		with.whole[kind] = kind != configMaps.kind || s.whole[kind]
	}
	return &with, nil
}
