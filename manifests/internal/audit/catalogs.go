package audit

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/catalogdiff"
	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/oci"
)

// Catalog is one that an object of the cluster serves after the cut.
type Catalog struct {
	Kind            string // CatalogSource or ClusterCatalog
	Namespace, Name string
	Labels          map[string]string // of a ClusterCatalog
	Priority        int               // of a ClusterCatalog: the highest counts where several have a package
	Image           string            // as the object names it
	Gone            bool              // nothing serves it after the cut
	Why             string            // for which nothing serves it; "": no rule leads to a mirror for its image
	Unsure          bool              // a part of it could not be read
	Err             error             // it cannot be read, so nothing is known of it
	Packages        map[string]*Package
}

// String is the object as oc takes it.
func (c *Catalog) String() string {
	if c.Namespace == "" {
		return c.Kind + " " + c.Name
	}
	return c.Kind + " " + c.Namespace + "/" + c.Name
}

// away says why nothing serves a catalog.
func (c *Catalog) away() string {
	if c.Why != "" {
		return c.Why
	}
	return "no rule leads to a mirror for " + c.Image
}

// Package is what a catalog has of an operator.
type Package struct {
	Default    string // the default channel
	Channels   []Channel
	Deprecated []catalogdiff.Deprecation
}

// Channel is one of a package.
type Channel struct {
	Name string
	Head string // the bundle that nothing updates; "" where there are several
	// Entries are the bundles that it has. Where Heads is set they are not all.
	Entries []Entry
	Heads   bool
	// Paths says that it is known which bundle updates which.
	Paths bool
}

// Entry is a bundle in a channel, and what it updates.
type Entry struct {
	Name, Version string
	Replaces      string
	Skips         []string
	SkipRange     string
}

// ReadCatalog reads a catalog from its image: the packages that are wanted. sure says that all of it could be
// read. Errors are those of [catalogdiff.Contents].
func ReadCatalog(ctx context.Context, name string, src oci.Source, root oci.Descriptor, wanted func(p *catalog.Package) bool) (all map[string]*Package, sure bool, err error) {
	all = map[string]*Package{}
	sure, err = catalogdiff.Contents(ctx, name, src, root, func(p *catalog.Package, deprecated func() ([]catalogdiff.Deprecation, error)) (err error) {
		if !wanted(p) {
			return nil
		}
		all[p.Name] = packageOf(p)
		all[p.Name].Deprecated, err = deprecated()
		return err
	})
	return all, sure, err
}

func packageOf(p *catalog.Package) *Package {
	to := &Package{Default: p.DefaultChannel}
	for i := range p.Channels {
		ch := Channel{Name: p.Channels[i].Name, Paths: true}
		ch.Head, _ = p.Channels[i].Head() // "" where it has none
		for _, e := range p.Channels[i].Entries {
			one := Entry{Name: e.Name, Replaces: e.Replaces, Skips: e.Skips, SkipRange: e.SkipRange}
			if b := p.Bundle(e.Name); b != nil {
				one.Version = b.Version
				ch.Entries = append(ch.Entries, one)
			}
		}
		to.Channels = append(to.Channels, ch)
	}
	return to
}

// CarriedCatalog gives the packages of a catalog by what a bundle says of it.
func CarriedCatalog(c documents.CatalogContents) map[string]*Package {
	all := map[string]*Package{}
	for _, p := range c.Packages {
		to := &Package{Default: p.DefaultChannel}
		for _, ch := range p.Channels {
			one := Channel{Name: ch.Name, Head: ch.Head, Heads: c.Heads()}
			for _, v := range ch.Versions {
				one.Entries = append(one.Entries, Entry{Name: v.Bundle, Version: v.Version})
			}
			to.Channels = append(to.Channels, one)
		}
		all[p.Name] = to
	}
	return all
}

// channel finds one by its name; nil for none.
func (p *Package) channel(name string) *Channel {
	i := slices.IndexFunc(p.Channels, func(c Channel) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &p.Channels[i]
}

// names lists the channels.
func (p *Package) names() (list []string) {
	for _, c := range p.Channels {
		list = append(list, c.Name)
	}
	return list
}

// has reports whether the channel has a bundle.
func (c *Channel) has(bundle string) bool {
	return slices.ContainsFunc(c.Entries, func(e Entry) bool { return e.Name == bundle })
}

// leads reports whether updates lead from an installed bundle to the head of the channel, as OLM looks
// for them: an entry updates what it replaces or skips, and what is older and in its skipRange. The
// installed bundle itself need not be there.
func (c *Channel) leads(bundle, version string) bool {
	if c.Head == bundle {
		return true
	}
	versions := map[string]string{bundle: version}
	for _, e := range c.Entries {
		if e.Version != "" {
			versions[e.Name] = e.Version
		}
	}
	seen, todo := map[string]bool{bundle: true}, []string{bundle}
	for len(todo) > 0 {
		from := todo[0]
		todo = todo[1:]
		for _, e := range c.Entries {
			if seen[e.Name] || !e.updates(from, versions[from]) {
				continue
			}
			if e.Name == c.Head {
				return true
			}
			seen[e.Name] = true
			todo = append(todo, e.Name)
		}
	}
	return false
}

// updates reports whether an entry updates a bundle of a version.
func (e *Entry) updates(bundle, version string) bool {
	if e.Replaces == bundle || slices.Contains(e.Skips, bundle) {
		return true
	}
	if e.SkipRange == "" || version == "" {
		return false
	}
	in, err := semver.ParseRange(e.SkipRange)
	from, wrong := semver.Parse(version)
	to, unknown := semver.Parse(e.Version)
	return err == nil && wrong == nil && unknown == nil && in(from) && from.LT(to)
}

// Catalogs lists those that objects of a cluster serve now, without their packages. A ClusterCatalog that is
// Unavailable serves nothing.
func Catalogs(state *cluster.State) (list []Catalog) {
	for _, o := range state.Of("CatalogSource") {
		var in struct {
			Spec struct {
				Image string `json:"image"`
			} `json:"spec"`
		}
		if json.Unmarshal(o.Body, &in) == nil {
			list = append(list, Catalog{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, Image: in.Spec.Image})
		}
	}
	for _, o := range state.Of("ClusterCatalog") {
		var in struct {
			Spec struct {
				Mode     string `json:"availabilityMode"`
				Priority int    `json:"priority"`
				Source   struct {
					Image struct {
						Ref string `json:"ref"`
					} `json:"image"`
				} `json:"source"`
			} `json:"spec"`
		}
		if json.Unmarshal(o.Body, &in) == nil && in.Spec.Mode != "Unavailable" {
			list = append(list, Catalog{Kind: o.Kind, Name: o.Name, Labels: o.Labels, Priority: in.Spec.Priority, Image: in.Spec.Source.Image.Ref})
		}
	}
	return list
}
