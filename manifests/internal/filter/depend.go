package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/blang/semver/v4"
	"github.com/operator-framework/operator-registry/alpha/property"
)

// maxNested bounds constraints within constraints.
const maxNested = 32

// Candidate is a bundle that may be what another requires.
type Candidate struct {
	Package  string
	Version  string   // a semantic version
	Provides []string // APIs, each as the JSON of an olm.gvk property
}

// Requirement is what a bundle needs of one other bundle.
type Requirement struct {
	text string
	met  func(*Candidate) bool
}

// String says in words what is required.
func (r *Requirement) String() string { return r.text }

// Met reports whether a bundle is what is required.
func (r *Requirement) Met(c *Candidate) bool { return r.met(c) }

// constraint is an olm.constraint (operator-framework, "Dependency Resolution").
// A compound is about one bundle.
type constraint struct {
	Message string                    `json:"failureMessage"`
	GVK     *property.GVKRequired     `json:"gvk"`
	Package *property.PackageRequired `json:"package"`
	All     *compound                 `json:"all"`
	Any     *compound                 `json:"any"`
	Not     *compound                 `json:"not"`
}

type compound struct {
	Constraints []constraint `json:"constraints"`
}

// ParseRequirement reads a property, as JSON with type and value, that says what a
// bundle requires: olm.gvk.required, olm.package.required or olm.constraint. One
// that cannot be decided here, as an expression of CEL, is an error.
func ParseRequirement(text string) (*Requirement, error) {
	var p property.Property
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return nil, err
	}
	var c constraint
	var err error
	switch p.Type {
	case property.TypeGVKRequired:
		err = json.Unmarshal(p.Value, &c.GVK)
	case property.TypePackageRequired:
		err = json.Unmarshal(p.Value, &c.Package)
	case property.TypeConstraint:
		err = json.Unmarshal(p.Value, &c)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Type, err)
	}
	return c.requirement(0)
}

func (c *constraint) requirement(depth int) (*Requirement, error) {
	switch {
	case depth > maxNested:
		return nil, fmt.Errorf("its constraints are more than %d deep", maxNested)
	case c.GVK != nil:
		return gvk(c.GVK)
	case c.Package != nil:
		return pkg(c.Package)
	case c.All != nil:
		return c.All.join(depth, "%s", " and ", func(met bool) bool { return !met }, false)
	case c.Any != nil:
		return c.Any.join(depth, "%s", " or ", func(met bool) bool { return met }, true)
	case c.Not != nil:
		return c.Not.join(depth, "not (%s)", " or ", func(met bool) bool { return met }, false)
	}
	return nil, errors.New("its olm.constraint is of a kind that only a cluster can decide")
}

// join combines several constraints: the first whose result satisfies stops decides, and
// the combined result is then.
func (c *compound) join(depth int, format, word string, stops func(bool) bool, then bool) (*Requirement, error) {
	var list []*Requirement
	var texts []string
	for i := range c.Constraints {
		r, err := c.Constraints[i].requirement(depth + 1)
		if err != nil {
			return nil, err
		}
		list, texts = append(list, r), append(texts, r.text)
	}
	if len(list) == 0 {
		return nil, errors.New("its olm.constraint is empty")
	}
	return &Requirement{fmt.Sprintf(format, strings.Join(texts, word)), func(b *Candidate) bool {
		for _, r := range list {
			if stops(r.met(b)) {
				return then
			}
		}
		return !then
	}}, nil
}

func gvk(g *property.GVKRequired) (*Requirement, error) {
	text, err := json.Marshal(property.GVK(*g))
	if err != nil {
		return nil, err
	}
	return &Requirement{fmt.Sprintf("the API %s/%s %s", g.Group, g.Version, g.Kind), func(b *Candidate) bool {
		for _, p := range b.Provides {
			if p == string(text) {
				return true
			}
		}
		return false
	}}, nil
}

func pkg(p *property.PackageRequired) (*Requirement, error) {
	in, err := semver.ParseRange(p.VersionRange)
	if err != nil {
		return nil, fmt.Errorf("package %.100q: version range %.100q: %w", p.PackageName, p.VersionRange, err)
	}
	return &Requirement{fmt.Sprintf("package %s %s", p.PackageName, p.VersionRange), func(b *Candidate) bool {
		if b.Package != p.PackageName {
			return false
		}
		v, err := semver.Parse(b.Version)
		return err == nil && in(v)
	}}, nil
}

// Higher reports whether version a with its release is higher than b.
func Higher(a, aRelease, b, bRelease string) bool {
	x, y := parse(a, aRelease), parse(b, bRelease)
	return x.compare(y) > 0
}

func parse(v, release string) version {
	out := version{}
	out.Version, _ = semver.Parse(v) // package catalog has parsed both
	if release != "" {
		r, _ := semver.Parse("0.0.0-" + release)
		out.release = r.Pre
	}
	return out
}
