package pullsecret

import (
	"bytes"
	"slices"
	"strings"
)

// ParsePresent is [Parse] for what a cluster has: that may name no registry.
func ParsePresent(data []byte) (*Secret, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	root, f := parseJSON(data)
	if f != nil || len(data) > MaxSize {
		return Parse(data)
	}
	auths, ok := root.get("auths")
	if !ok || auths.kind != kindObject || len(auths.members) > 0 {
		return Parse(data)
	}
	s := &Secret{}
	for _, m := range root.members {
		if m.key != "auths" {
			s.rest = append(s.rest, cutPart(data, m))
		}
	}
	return s, nil
}

// Edit is what is to become of a pull secret. Its parts are done in the order of the fields.
type Edit struct {
	Add        *Secret // every entry of it is to be there, with its credential
	AddMissing *Secret // those for which there is no credential yet, not for a wider path either
	Remove     []string
	// Restore has entries as they were, and Hosts names those that are to be so again: one
	// that it lacks goes.
	Restore *Secret
	Hosts   []string
}

// Changes are the registries of which entries differ, by name, sorted.
type Changes struct {
	Added, Changed, Removed, Kept []string
	// Narrower are kept entries for parts of what was to be added: they are used first there.
	Narrower []string
}

// None reports whether nothing differs.
func (c Changes) None() bool { return len(c.Added)+len(c.Changed)+len(c.Removed) == 0 }

// Edit returns s as it is to be, and what is different. An entry that has the right credential
// stays as it was written.
func (s *Secret) Edit(e Edit) (*Secret, Changes) {
	to := &Secret{auths: slices.Clone(s.auths), rest: s.rest}
	var wanted []part
	if e.Add != nil {
		wanted = append(wanted, e.Add.auths...)
	}
	for _, p := range wanted {
		to.set(p)
	}
	if e.AddMissing != nil {
		for _, p := range e.AddMissing.auths {
			if _, has := to.Covers(normal(p.name)); !has {
				to.set(p)
			}
		}
		wanted = append(wanted, e.AddMissing.auths...)
	}
	for _, host := range e.Remove {
		to, _ = to.WithoutHost(normal(host))
	}
	if e.Restore != nil {
		for _, host := range e.Hosts {
			to.restore(e.Restore, normal(host))
		}
	}
	c := s.compare(to)
	for _, p := range wanted {
		c.Narrower = append(c.Narrower, to.narrower(normal(p.name), wanted)...)
	}
	slices.Sort(c.Narrower)
	c.Narrower = slices.Compact(c.Narrower)
	return to, c
}

// find is the index of the entry for a registry, -1 for none.
func (s *Secret) find(name string) int {
	return slices.IndexFunc(s.auths, func(p part) bool { return normal(p.name) == name })
}

// set makes sure that there is an entry. Those for it and its paths that have no credential are
// removed: they would be used first.
func (s *Secret) set(p part) {
	name := normal(p.name)
	s.auths = slices.DeleteFunc(s.auths, func(old part) bool {
		return old.empty && strings.HasPrefix(normal(old.name)+"/", name+"/")
	})
	switch i := s.find(name); {
	case i < 0:
		s.auths = append(s.auths, p)
	case !s.auths[i].same(p):
		s.auths[i] = p
	}
}

// Has reports whether there is an entry for a registry itself, HOST[:PORT].
func (s *Secret) Has(registry string) bool { return s.find(normal(registry)) >= 0 }

// restore makes the entry of a registry what it is in another pull secret.
func (s *Secret) restore(from *Secret, name string) {
	i := from.find(name)
	if i < 0 {
		s.auths = slices.DeleteFunc(s.auths, func(p part) bool { return normal(p.name) == name })
		return
	}
	if at := s.find(name); at >= 0 {
		s.auths[at] = from.auths[i]
		return
	}
	s.auths = append(s.auths, from.auths[i])
}

// same reports whether an entry has the credential of another, in a form that nodes read if that has one.
func (p part) same(other part) bool {
	if p.login == "" && other.login == "" {
		return p.empty && other.empty || bytes.Equal(p.raw, other.raw)
	}
	return p.login == other.login && (!p.split || other.split)
}

// compare says how another pull secret differs.
func (s *Secret) compare(to *Secret) (c Changes) {
	for _, p := range to.auths {
		switch i := s.find(normal(p.name)); {
		case i < 0:
			c.Added = append(c.Added, p.name)
		case !s.auths[i].same(p):
			c.Changed = append(c.Changed, p.name)
		default:
			c.Kept = append(c.Kept, p.name)
		}
	}
	for _, p := range s.auths {
		if to.find(normal(p.name)) < 0 {
			c.Removed = append(c.Removed, p.name)
		}
	}
	for _, list := range [][]string{c.Added, c.Changed, c.Removed, c.Kept} {
		slices.Sort(list)
	}
	return c
}

// narrower lists the entries below a registry or path that are not among those wanted.
func (s *Secret) narrower(name string, wanted []part) (list []string) {
	for _, p := range s.auths {
		own := slices.ContainsFunc(wanted, func(w part) bool { return normal(w.name) == normal(p.name) })
		if !own && !p.empty && strings.HasPrefix(normal(p.name), name+"/") {
			list = append(list, p.name)
		}
	}
	return list
}

// Names are the registries that have an entry, as they are written.
func (s *Secret) Names() (list []string) {
	for _, p := range s.auths {
		list = append(list, p.name)
	}
	return list
}

// Login gives the user name and password of an entry, by its name as [Secret.Covers] returns
// it; not ok where it has a token in place of them.
func (s *Secret) Login(entry string) (username, password string, ok bool) {
	i := slices.IndexFunc(s.auths, func(p part) bool { return p.name == entry })
	if i < 0 {
		return "", "", false
	}
	return strings.Cut(s.auths[i].login, ":")
}
