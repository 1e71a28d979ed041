package operator

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/filter"
	"github.com/satchel-airgap/satchel/oci/text"
)

// operator is a bundle that another may require.
type operator struct {
	filter.Candidate
	bundle, release string
	requires        []string
	catalog         *selection
	chosen          bool
	inDefault       bool // an entry of its package's default channel
}

func (o *operator) String() string { return o.Package + " " + o.Version }

// learn keeps what the bundles of a package provide and require: of those that are
// chosen, and of all where others are to be added. Bundles in no channel cannot be
// installed.
func (s *selection) learn(p *catalog.Package, chosen map[string]bool) {
	there, inDefault := map[string]bool{}, map[string]bool{}
	for _, c := range p.Channels {
		for _, e := range c.Entries {
			there[e.Name] = true
			inDefault[e.Name] = inDefault[e.Name] || c.Name == p.DefaultChannel
		}
	}
	for _, b := range p.Bundles {
		if there[b.Name] && b.Fault == "" && (s.learnAll || chosen[b.Name]) {
			s.all = append(s.all, operator{filter.Candidate{Package: p.Name, Version: b.Version, Provides: b.Provides},
				b.Name, b.Release, b.Requires, s, chosen[b.Name], inDefault[b.Name]})
		}
	}
}

// requirements finds what chosen bundles require, each requirement once.
type requirements struct {
	all   []*operator
	todo  []*operator // chosen bundles whose requirements were not looked at
	done  map[string]bool
	used  map[*selection]map[string]bool // packages of which a bundle is chosen
	notes []string
	lacks string // the note on a requirement that nothing meets
}

const (
	lacksProvider = "which nothing in the catalogs of the configuration provides; add the catalog that has it"
	lacksChoice   = "which is not carried: choose it too, or have dependencies added, if a catalog of the configuration has it"

	maxLacks = 20 // requirements that are reported
)

// require gives the bundles that those chosen require and that are not chosen yet,
// with all that these require, by catalog and package; and a note for each
// requirement that no bundle meets. Of the bundles that meet one, those of the same
// catalog come first, then those of packages that are chosen, then the package's
// name, its default channel and last the highest version decide.
func require(list []*selection, lacks string) (map[*selection]map[string][]string, []string) {
	r := &requirements{done: map[string]bool{}, used: map[*selection]map[string]bool{}, lacks: lacks}
	for _, s := range list {
		r.used[s] = map[string]bool{}
		for i := range s.all {
			o := &s.all[i]
			if r.all = append(r.all, o); o.chosen {
				r.todo = append(r.todo, o)
				r.used[s][o.Package] = true
			}
		}
	}
	more := map[*selection]map[string][]string{}
	for len(r.todo) > 0 {
		by := r.todo[0]
		r.todo = r.todo[1:]
		for _, one := range by.requires {
			o := r.resolve(by, one)
			if o == nil {
				continue
			}
			if more[o.catalog] == nil {
				more[o.catalog] = map[string][]string{}
			}
			more[o.catalog][o.Package] = append(more[o.catalog][o.Package], o.bundle)
			o.chosen, r.used[o.catalog][o.Package] = true, true
			r.todo = append(r.todo, o)
		}
	}
	if n := len(r.notes) - maxLacks; n > 0 {
		r.notes = append(r.notes[:maxLacks], fmt.Sprintf("operators require %d more things that are not carried", n))
	}
	return more, r.notes
}

// resolve gives the bundle to add for one requirement; nil if there is none to add.
func (r *requirements) resolve(by *operator, requirement string) *operator {
	if r.done[requirement] {
		return nil
	}
	r.done[requirement] = true
	q, err := filter.ParseRequirement(requirement)
	if err != nil {
		r.note(by, fmt.Sprintf("what it requires cannot be looked for: %v", err))
		return nil
	}
	var best *operator
	for _, o := range r.all {
		switch {
		case !q.Met(&o.Candidate):
		case o.chosen:
			return nil
		case best == nil || r.compare(by, o, best) < 0:
			best = o
		}
	}
	if best == nil {
		r.note(by, fmt.Sprintf("it requires %s, %s", q, r.lacks))
	}
	return best
}

func (r *requirements) note(by *operator, what string) {
	r.notes = append(r.notes, text.ASCII(fmt.Sprintf("%s: operator %s: %s", by.catalog.what, by, what)))
}

// compare orders bundles that meet a requirement of by, the one to take first.
func (r *requirements) compare(by, a, b *operator) int {
	first := func(is func(*operator) bool) int {
		switch {
		case is(a) == is(b):
			return 0
		case is(a):
			return -1
		}
		return 1
	}
	c := cmp.Or(
		first(func(o *operator) bool { return o.catalog == by.catalog }),
		cmp.Compare(a.catalog.place, b.catalog.place),
		first(func(o *operator) bool { return r.used[o.catalog][o.Package] }),
		cmp.Compare(a.Package, b.Package),
		first(func(o *operator) bool { return o.inDefault }))
	switch {
	case c != 0:
		return c
	case filter.Higher(a.Version, a.release, b.Version, b.release):
		return -1
	case filter.Higher(b.Version, b.release, a.Version, a.release):
		return 1
	}
	return cmp.Compare(a.bundle, b.bundle)
}

// add joins what is required to what else is requested, and reports whether it is more.
func add(also []map[string][]string, more map[*selection]map[string][]string) bool {
	added := false
	for s, packages := range more {
		if also[s.place] == nil {
			also[s.place] = map[string][]string{}
		}
		for name, bundles := range packages {
			for _, b := range bundles {
				if !slices.Contains(also[s.place][name], b) {
					also[s.place][name], added = append(also[s.place][name], b), true
				}
			}
			slices.Sort(also[s.place][name])
		}
	}
	return added
}
