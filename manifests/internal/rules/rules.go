package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// Rule sends pulls by digest from a source repository to mirrors, in this order.
type Rule struct {
	Source  string   // HOST[:PORT]/REPOSITORY
	Mirrors []string // the same; sorted, at least one
}

// Group is the rules of images that are carried for the same reason.
type Group struct {
	Name  string // "release", "operator" or "generic"
	Rules []Rule // sorted by source
}

// Names of the groups. The first one that has images of a source repository gets its rule.
const (
	Release  = "release"
	Operator = "operator"
	Generic  = "generic"
)

func groupOf(o oci.Origin) string {
	switch o {
	case origin.Release:
		return Release
	case origin.Catalog, origin.Operator:
		return Operator
	}
	return Generic
}

// SourcePlace is a repository whose images are carried, and one of the mirror that has them.
type SourcePlace struct {
	Source, Place string       // HOST[:PORT]/REPOSITORY
	Origins       []oci.Origin // of the images; they decide the group
}

// Of gives the rules for every image of the inventory, signatures and other
// referrers too. A built image needs none: nobody asks its source for it.
func Of(inv *oci.Inventory, mirror oci.Mirror) []Group {
	var list []SourcePlace
	for _, img := range inv.Images {
		if !img.Built {
			list = append(list, SourcePlace{img.Source.Name(), mirror.Repo(img).Name(), []oci.Origin{img.Origin}})
		}
	}
	return For(list)
}

// For gives the rules that lead from sources to their places. A source that is its own place
// needs none, nor does a catalog of a directory, which no registry has. Groups without rules are
// left out.
func For(list []SourcePlace) []Group {
	places := map[string]map[string]bool{} // source -> mirrors
	wanted := map[string]map[string]bool{} // group -> sources
	for _, p := range list {
		if host, _, _ := strings.Cut(p.Source, "/"); p.Source == p.Place || host == origin.LocalCatalogs {
			continue
		}
		add(places, p.Source, p.Place)
		for _, o := range p.Origins {
			add(wanted, groupOf(o), p.Source)
		}
		if len(p.Origins) == 0 {
			add(wanted, Generic, p.Source)
		}
	}
	var groups []Group
	taken := map[string]bool{}
	for _, name := range []string{Release, Operator, Generic} {
		g := Group{Name: name}
		for _, source := range slices.Sorted(maps.Keys(wanted[name])) {
			if !taken[source] {
				taken[source] = true
				g.Rules = append(g.Rules, Rule{source, slices.Sorted(maps.Keys(places[source]))})
			}
		}
		if len(g.Rules) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

func add(m map[string]map[string]bool, key, item string) {
	if m[key] == nil {
		m[key] = map[string]bool{}
	}
	m[key][item] = true
}

// Set is the rules of one object of the cluster.
type Set struct {
	Group string
	Rules []Rule
}

// Name depends only on the rules: equal rules have the same name, and different
// ones never replace each other.
func (s Set) Name() string {
	h := sha256.New()
	for _, r := range s.Rules {
		fmt.Fprintf(h, "%s\n", r.Source)
		for _, m := range r.Mirrors {
			fmt.Fprintf(h, "\t%s\n", m)
		}
	}
	return "satchel-" + s.Group + "-" + hex.EncodeToString(h.Sum(nil))[:12]
}

// MaxBytes is what one object may have at most, as YAML and as JSON: "oc apply"
// keeps a copy in an annotation, and those have 256 KiB together
// (k8s.io/apimachinery, TotalAnnotationSizeLimitB). oc-mirror and oc split there.
const MaxBytes = 250_000

// Split cuts the group in the order of its rules. size gives the bytes that a
// rule takes, base those of an object without any.
func (g Group) Split(base int, size func(Rule) int) []Set {
	var sets []Set
	room := 0
	for _, r := range g.Rules {
		n := size(r)
		if n > room || len(sets) == 0 {
			sets = append(sets, Set{Group: g.Name})
			room = MaxBytes - base
		}
		last := &sets[len(sets)-1]
		last.Rules = append(last.Rules, r)
		room -= n
	}
	return sets
}
