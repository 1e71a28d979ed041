package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci/text"
)

// Difference is something that one configuration of nodes has otherwise than another one.
type Difference struct {
	Scope string // of the entry
	Wrong string // in words
	Fails bool   // a node with it does not get images that it is to get
	// Blocks: it is that the node blocks the scope. Rules do not mend that.
	Blocks bool
}

// Differences says how a node's configuration differs from the one that it is to have, sorted by scope.
// from says in words where that one is from, such as "the cluster's objects".
func (n *Nodes) Differences(want *Nodes, from string) (list []Difference) {
	add := func(scope string, fails bool, format string, args ...any) {
		i, ok := n.index[scope]
		j, known := want.index[scope]
		blocks := ok && n.registries[i].blocked && !(known && want.registries[j].blocked)
		list = append(list, Difference{scope, fmt.Sprintf(format, args...), fails, blocks})
	}
	for _, w := range want.registries {
		i, ok := n.index[w.scope]
		switch {
		case ok:
			n.registries[i].differs(w, from, add)
		case len(w.mirrors) > 0:
			add(w.scope, true, "the node has no rule for it, and %s lead to %s", from, text.Some(w.places(), 3))
		default:
			add(w.scope, false, "the node has no entry for it, and %s %s", from, w.flags())
		}
	}
	for _, r := range n.registries {
		if _, ok := want.index[r.scope]; !ok {
			r.alone(want, add)
		}
	}
	slices.SortStableFunc(list, func(a, b Difference) int { return cmp.Compare(a.Scope, b.Scope) })
	return list
}

// differs compares an entry with the one that is wanted.
func (r registry) differs(w registry, from string, add func(string, bool, string, ...any)) {
	lacks, more := w.not(r), r.not(w)
	if len(lacks) > 0 {
		add(w.scope, true, "the node does not have the mirror %s", text.And(lacks))
	}
	if len(more) > 0 {
		add(w.scope, false, "the node has the mirror %s, which %s do not have", text.And(more), from)
	}
	if len(lacks)+len(more) == 0 && !slices.Equal(w.not(registry{}), r.not(registry{})) {
		add(w.scope, false, "the node tries the mirrors in another order: %s", strings.Join(r.not(registry{}), ", "))
	}
	switch {
	case r.blocked && !w.blocked:
		add(w.scope, len(r.mirrors) == 0, "the node does not ask it itself, and %s allow that", from)
	case w.blocked && !r.blocked:
		add(w.scope, false, "the node may ask it itself, and %s forbid that", from)
	}
	if r.insecure != w.insecure {
		add(w.scope, w.insecure, "whether its certificate is checked is not as %s have it", from)
	}
	for _, m := range w.mirrors {
		i := slices.IndexFunc(r.mirrors, func(have endpoint) bool { return have.location == m.location && have.tags == m.tags })
		if i >= 0 && r.mirrors[i].insecure != m.insecure {
			add(w.scope, m.insecure, "whether the certificate of %s is checked is not as %s have it", m.location, from)
		}
	}
}

// alone says what an entry does that only the node has.
func (r registry) alone(want *Nodes, add func(string, bool, string, ...any)) {
	wide, within := want.find(r.scope)
	switch {
	case within && len(wide.mirrors) > 0 && len(r.mirrors) == 0:
		add(r.scope, true, "the node has an entry for it without a mirror, which counts in place of the rule for %s", wide.scope)
	case within && len(wide.mirrors) > 0:
		add(r.scope, false, "the node has a rule of its own for it, which counts in place of the one for %s: %s", wide.scope, text.Some(r.places(), 3))
	case len(r.mirrors) > 0:
		add(r.scope, false, "only the node has a rule for it: %s", text.Some(r.places(), 3))
	default:
		add(r.scope, r.blocked && want.needs(r.scope), "only the node has an entry for it, to %s", r.flags())
	}
}

// needs reports whether rules lead to, or from, a place within a scope that is blocked; a host without a port
// stands for all its ports.
func (n *Nodes) needs(scope string) bool {
	within := func(name string) bool { return Within(name, scope) || strings.HasPrefix(name, scope+":") }
	return slices.ContainsFunc(n.registries, func(r registry) bool {
		return len(r.mirrors) > 0 && within(r.scope) || slices.ContainsFunc(r.places(), within)
	})
}

func (r registry) places() (list []string) {
	for _, m := range r.mirrors {
		if !slices.Contains(list, m.location) {
			list = append(list, m.location)
		}
	}
	return list
}

// not lists the mirrors that another entry does not have, with the pulls that they are for.
func (r registry) not(other registry) (list []string) {
	for _, m := range r.mirrors {
		if slices.ContainsFunc(other.mirrors, func(o endpoint) bool { return o.location == m.location && o.tags == m.tags }) {
			continue
		}
		kind := "digest"
		if m.tags {
			kind = "tag"
		}
		list = append(list, m.location+" (by "+kind+")")
	}
	return list
}

func (r registry) flags() string {
	var does []string
	if r.blocked {
		does = append(does, "block it")
	}
	if r.insecure {
		does = append(does, "use it without looking at certificates")
	}
	if len(does) == 0 {
		return "say nothing of it"
	}
	return text.And(does)
}
