package rules

import (
	"fmt"
	"maps"
	"slices"

	"github.com/BurntSushi/toml"
)

// conf is what of registries.conf matters here (containers-registries.conf(5)).
type conf struct {
	Registries []struct {
		Prefix   string `toml:"prefix"`
		Location string `toml:"location"`
		Insecure bool   `toml:"insecure"`
		Blocked  bool   `toml:"blocked"`
		Digests  bool   `toml:"mirror-by-digest-only"`
		Mirrors  []struct {
			Location string `toml:"location"`
			Insecure bool   `toml:"insecure"`
			From     string `toml:"pull-from-mirror"`
		} `toml:"mirror"`
	} `toml:"registry"`
}

// ParseNodes reads a registries.conf as the machine config operator writes it. A mirror for every kind
// of pull counts as one for pulls by tag and as one for pulls by digest.
func ParseNodes(data []byte) (*Nodes, error) {
	var c conf
	if err := toml.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("read registries.conf: %w", err)
	}
	n := &Nodes{index: map[string]int{}}
	for _, r := range c.Registries {
		scope := r.Prefix
		if scope == "" {
			scope = r.Location
		}
		if _, twice := n.index[scope]; twice || scope == "" {
			return nil, fmt.Errorf("read registries.conf: %q is there twice, or an entry has no location", scope)
		}
		e := n.entry(scope)
		e.insecure, e.blocked = r.Insecure, r.Blocked
		for _, tags := range []bool{false, true} {
			for _, m := range r.Mirrors {
				if by := m.From == "tag-only"; m.From == "digest-only" && tags || by && !tags || r.Digests && tags {
					continue
				}
				e.mirrors = append(e.mirrors, endpoint{m.Location, m.Insecure, tags})
			}
		}
	}
	return n, nil
}

// Insecure lists the scopes that are used without looking at certificates, sorted: of entries, and the
// places of mirrors.
func (n *Nodes) Insecure() []string {
	found := map[string]bool{}
	for _, r := range n.registries {
		if r.insecure {
			found[r.scope] = true
		}
		for _, m := range r.mirrors {
			if m.insecure {
				found[m.location] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Blocked lists the scopes that nodes do not pull from, sorted.
func (n *Nodes) Blocked() []string {
	found := map[string]bool{}
	for _, r := range n.registries {
		if r.blocked {
			found[r.scope] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Sources lists the scopes that have mirrors, in the order of the file.
func (n *Nodes) Sources() (list []string) {
	for _, r := range n.registries {
		if len(r.mirrors) > 0 {
			list = append(list, r.scope)
		}
	}
	return list
}

// Lacks says what of another configuration this one does not have, a line each: sources, and mirrors of
// a source.
func (n *Nodes) Lacks(other *Nodes) (list []string) {
	for _, r := range other.registries {
		if len(r.mirrors) == 0 {
			continue
		}
		i, ok := n.index[r.scope]
		if !ok {
			list = append(list, "no rule for "+r.scope)
			continue
		}
		for _, m := range r.mirrors {
			if !slices.ContainsFunc(n.registries[i].mirrors, func(have endpoint) bool { return have.location == m.location && have.tags == m.tags }) {
				kind := "digest"
				if m.tags {
					kind = "tag"
				}
				list = append(list, fmt.Sprintf("the rule for %s does not lead pulls by %s to %s", r.scope, kind, m.location))
			}
		}
	}
	return list
}

// Mirrors lists all places of mirrors, sorted.
func (n *Nodes) Mirrors() []string {
	found := map[string]bool{}
	for _, r := range n.registries {
		for _, m := range r.mirrors {
			found[m.location] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
