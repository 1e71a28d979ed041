package cluster

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/satchel-airgap/satchel/oci/text"
)

// Join adds what another reading of the same cluster says, such as a query beside a must-gather.
// Of a kind that both have whole, the objects of the newer reading alone count; of one that only one
// of them has whole, its objects alone; of other objects that both have, the newer.
func (s *State) Join(o *State) {
	newer, older := s, o
	if o.revision > s.revision {
		newer, older = o, s
	}
	at := map[objectKey]int{}
	var list []Object
	take := func(from, other *State, whole bool) {
		for _, one := range from.objects {
			key := objectKey{one.Kind, one.Namespace, one.Name}
			i, twice := at[key]
			switch {
			case from.whole[one.Kind] != whole, whole && from == older && newer.whole[one.Kind]:
			case twice && age(one.Body) > age(list[i].Body):
				list[i] = one
			case !twice && (whole || !other.whole[one.Kind]):
				at[key] = len(list)
				list = append(list, one)
			}
		}
	}
	for _, whole := range []bool{true, false} {
		take(newer, older, whole)
		take(older, newer, whole)
	}
	s.notes = append(s.notes, o.notes...)
	if cv := "ClusterVersion"; s.whole[cv] && o.whole[cv] && newer.revision != older.revision {
		s.notes = append(s.notes, fmt.Sprintf("%s and %s are of one cluster (ID %s): %s was written later, and of what both have, it alone counts", s.Name, o.Name, text.ASCII(s.ID()), newer.Name))
	}
	if s.revision == 0 && o.revision == 0 && s.wholeToo(o) {
		s.undated = []string{s.Name, o.Name}
		s.notes = append(s.notes, fmt.Sprintf("%s and %s are of one cluster, and nothing says which was written later (no object has a resourceVersion): of what both have, %s alone counts", s.Name, o.Name, newer.Name))
	}
	s.joinImages(newer, older)
	s.joinStarts(newer, older)
	if newer.whole["Pod"] {
		s.namespaces = newer.namespaces
	} else {
		s.namespaces = merged(s.namespaces, o.namespaces)
	}
	unserved := maps.Clone(newer.unserved)
	for kind := range older.unserved {
		if !newer.whole[kind] {
			unserved[kind] = true
		}
	}
	s.revision, s.unserved = newer.revision, unserved
	s.objects = newState(s.Name, list).objects
	s.whole, s.seen = merged(s.whole, o.whole), merged(s.seen, o.seen)
	if s.Use == nil {
		s.Use = &Use{}
	}
	s.Use.Add(o.Use) // all of both: prune deletes what nothing names
}

// wholeToo reports whether two readings have all objects of one kind.
func (s *State) wholeToo(o *State) bool {
	for kind := range s.whole {
		if s.whole[kind] && o.whole[kind] {
			return true
		}
	}
	return false
}

// Undated names two readings that were joined, of which nothing says which was written later; nil for none.
// What counts then depends on the order in which they were named.
func (s *State) Undated() []string {
	if s == nil {
		return nil
	}
	return s.undated
}

// joinImages takes the images of two readings, of kinds that the newer has whole its own alone.
func (s *State) joinImages(newer, older *State) {
	left := slices.DeleteFunc(slices.Clone(older.Images), func(u ImageUse) bool { return newer.whole[u.Kind] })
	s.Images = append(slices.Clone(newer.Images), left...)
	slices.SortFunc(s.Images, compareUses)
	s.Images = slices.CompactFunc(s.Images, func(a, b ImageUse) bool { return compareUses(a, b) == 0 })
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
