package needed

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Needs is what clusters need. Lists are sorted, with each thing once.
type Needs struct {
	Running   []imageset.Running
	Installed []imageset.Installed
	Uses      []Use    // images of pods and owners, without those of catalogs
	Notes     []string // what is not known, or left out, a line each
}

// Use is an image that a cluster uses.
type Use struct {
	cluster.ImageUse
	Cluster string
}

// Of gathers what some clusters need.
func Of(list []*cluster.State) *Needs {
	n := &Needs{}
	for _, s := range list {
		from := sourcesOf(s)
		n.Running = append(n.Running, running(s, from)...)
		n.Installed = append(n.Installed, installed(s, from)...)
		n.Uses = append(n.Uses, uses(s, from)...)
		if len(running(s, from)) == 0 {
			n.Notes = append(n.Notes, fmt.Sprintf("cluster %s: it is not known which release it runs: neither its ClusterVersion nor the pod of its version operator was read", text.Printable(s.Name)))
		}
		n.Notes = append(n.Notes, unknownOperators(s)...)
	}
	slices.SortStableFunc(n.Running, func(a, b imageset.Running) int { return cmp.Compare(a.Ref.String(), b.Ref.String()) })
	n.Running = merged(n.Running)
	slices.SortFunc(n.Installed, compareInstalled)
	n.Installed = together(n.Installed)
	return n
}

// together is a list of what is installed, each once, with all objects that ask for it.
func together(list []imageset.Installed) (out []imageset.Installed) {
	same := func(a, b imageset.Installed) bool {
		a.Cluster, b.Cluster, a.Image, b.Image, a.By, b.By = "", "", "", "", "", ""
		a.Mirrored, b.Mirrored = false, false
		return a == b
	}
	for _, one := range list {
		if i := len(out) - 1; i >= 0 && same(out[i], one) {
			if len(out[i].By) < 200 {
				out[i].By += ", " + one.By
			}
			continue
		}
		out = append(out, one)
	}
	return out
}

// olmV1 is the first version that has ClusterExtensions.
var olmV1 = semver.Version{Major: 4, Minor: 18}

// unknownOperators says that a cluster may have more installed than was read.
func unknownOperators(s *cluster.State) []string {
	var kinds []string
	if !s.Known("Subscription") {
		kinds = append(kinds, "Subscriptions")
	}
	if v, ok := s.Running(); !s.Known("ClusterExtension") && (ok && v.GTE(olmV1) || s.Seen("ClusterExtension")) {
		kinds = append(kinds, "ClusterExtensions")
	}
	name := text.Printable(s.Name)
	switch {
	case len(kinds) == 0:
		return nil
	case !s.Seen("Subscription") && !s.Seen("ClusterExtension"):
		return []string{fmt.Sprintf("cluster %s: it is not known which operators it has installed: no %s were read", name, strings.Join(kinds, " or "))}
	}
	return []string{fmt.Sprintf("cluster %s: it is not known whether it has installed other operators: %s were not read of all namespaces", name, strings.Join(kinds, " and "))}
}

// merged is a list of releases, each with all clusters that run it.
func merged(list []imageset.Running) (out []imageset.Running) {
	for _, r := range list {
		if i := len(out) - 1; i >= 0 && out[i].Ref == r.Ref {
			if !strings.Contains(out[i].Why, r.Why) {
				out[i].Why += ", " + r.Why
			}
			continue
		}
		out = append(out, r)
	}
	return out
}

func compareInstalled(a, b imageset.Installed) int {
	return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Catalog, b.Catalog), cmp.Compare(a.Channel, b.Channel),
		cmp.Compare(a.Bundle, b.Bundle), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Cluster, b.Cluster))
}

// UnknownError says that nobody knows which releases clusters run, or what their applications run.
type UnknownError struct {
	Clusters []Unknown
}

// Unknown is a cluster of which the release, or not all pods and owners of pods, are known.
type Unknown struct {
	Name       string
	Namespaces []string // that pods were read of
	Kinds      []string // that were not read of all namespaces
	Release    bool     // it is the release, and nothing else
}

// Applications gives a *[UnknownError] if for some cluster the release is not known, because its
// ClusterVersion could not be read, or not all that runs images, or would.
func Applications(list []*cluster.State) error {
	var e UnknownError
	for _, s := range list {
		if !s.Applications() {
			e.Clusters = append(e.Clusters, Unknown{Name: s.Name, Namespaces: s.Namespaces(), Kinds: s.UnknownWorkloads()})
		} else if _, known := s.Running(); !known && !s.Known("ClusterVersion") && len(running(s, sourcesOf(s))) == 0 {
			e.Clusters = append(e.Clusters, Unknown{Name: s.Name, Release: true})
		}
	}
	if len(e.Clusters) == 0 {
		return nil
	}
	return &e
}

func (e *UnknownError) Error() string {
	var list, parts []string
	for _, c := range e.Clusters {
		if c.Release {
			parts = append(parts, text.ASCII(fmt.Sprintf("cluster %s: it is not known which release it runs", c.Name)))
			continue
		}
		seen := "no pods were read"
		switch {
		case !slices.Contains(c.Kinds, "Pod"):
			seen = "not read of all namespaces were " + text.Some(c.Kinds, 10)
		case len(c.Namespaces) > 0:
			seen = fmt.Sprintf("pods were read of %s, %s, and nothing says that there are no others", text.Count(len(c.Namespaces), "namespace", "namespaces"), text.Some(c.Namespaces, 10))
		}
		list = append(list, text.ASCII(fmt.Sprintf("cluster %s: %s", c.Name, seen)))
	}
	if len(list) > 0 {
		parts = slices.Insert(parts, 0, "applications unknown: "+strings.Join(list, "; "))
	}
	return strings.Join(parts, "; ")
}

// Hint says what to do now.
func (e *UnknownError) Hint() string {
	return "a must-gather has the namespaces of the platform alone: give the output of satchel cluster-query too, or run its line again as a user who may read what is missing"
}

// Permanent reports that the same files say the same.
func (e *UnknownError) Permanent() bool { return true }
