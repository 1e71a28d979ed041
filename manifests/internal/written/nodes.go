package written

import (
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
)

// NodeRules is what nodes have once the files were applied.
type NodeRules struct {
	*rules.Nodes
	TOML    []byte   // registries.conf
	Scopes  []string // that have mirrors
	Differs []string // how registries.conf among the files is not what its objects give; none if it is
	Notes   []string // what is not known of it
	// Before is what they have until the commands of APPLY.md delete what they call superfluous; nil without files.
	Before *rules.Nodes
	// Refused and Allowed are the names of images by which policy.json refuses them, and those that it takes
	// alone, by registrySources of image.config; from the mirror too.
	Refused, Allowed []string
}

// Refuses is the entry of blockedRegistries by which nodes refuse a repository even from the mirror, or
// "allowedRegistries" where it is not among those; "" for none. OpenShift's own payload is never refused.
func (n *NodeRules) Refuses(repository string) string {
	if len(n.Refused) > 0 && len(n.Allowed) > 0 { // nodes take neither
		return ""
	}
	if i := slices.IndexFunc(n.Refused, func(scope string) bool { return rules.Within(repository, scope) }); i >= 0 {
		return n.Refused[i]
	}
	if len(n.Allowed) > 0 && !slices.ContainsFunc(n.Allowed, func(scope string) bool { return rules.Within(repository, scope) }) {
		return "allowedRegistries"
	}
	return ""
}

// NodesOf finds out what nodes have: by the objects among the files, and by those that the cluster has
// and nobody deletes. Either may be nil; without files the cluster's objects count alone.
func NodesOf(f *Files, state *cluster.State) (*NodeRules, error) {
	n := &NodeRules{}
	var objects []rules.Object
	var insecure, blocked []string
	known := false // what image.config says
	present, err := site.PresentRulesOf(state)
	if err != nil {
		return nil, err
	}
	if present != nil {
		objects = slices.Clone(present.Objects)
	}
	if one, ok := state.One("Image", "", "cluster"); ok {
		image, err := site.ParseImageConfig(state.Name, one.Body)
		if err != nil {
			return nil, err
		}
		insecure, blocked = image.Sources.Insecure, image.Sources.Blocked
		n.Refused, n.Allowed, known = image.Sources.Blocked, image.Sources.Allowed, true
	}
	if state != nil && present == nil {
		n.Notes = append(n.Notes, fmt.Sprintf("the rules that the cluster %s has now are not known: the files alone count", state.Name))
	}
	if f != nil {
		for _, o := range f.Rules { // applying one replaces what is there
			objects = slices.DeleteFunc(objects, func(have rules.Object) bool { return have.String() == o.String() })
			objects = append(objects, o)
		}
		insecure = with(insecure, f.insecure())
		if !known {
			blocked = f.blockedBy(objects)
			n.Refused = blocked
		}
	}
	if f != nil {
		n.Before = rules.Applied(objects, insecure, blocked)
		objects = slices.DeleteFunc(objects, func(o rules.Object) bool { return slices.Contains(f.Deletes, o.String()) && !f.has(o) })
	}
	n.Nodes = rules.Applied(objects, insecure, blocked)
	n.TOML, n.Scopes = n.Nodes.TOML(), n.Nodes.Sources()
	if f != nil {
		n.Differs = f.Nodes.Lacks(rules.Applied(withoutTags(objects), insecure, blocked))
	}
	return n, nil
}

// has reports whether the files have an object themselves.
func (f *Files) has(o rules.Object) bool {
	return slices.ContainsFunc(f.Rules, func(own rules.Object) bool { return own.String() == o.String() })
}

func with(list, more []string) []string {
	for _, one := range more {
		if !slices.Contains(list, one) {
			list = append(list, one)
		}
	}
	return list
}

// insecure are the scopes that nodes use without TLS, as registries.conf says it: no object among the
// files does, because APPLY.md has commands for that.
func (f *Files) insecure() []string { return f.Nodes.Insecure() }

// blockedBy are the scopes that nodes do not pull from, but for those that a rule blocks itself.
func (f *Files) blockedBy(objects []rules.Object) []string {
	return slices.DeleteFunc(f.Nodes.Blocked(), func(scope string) bool {
		return slices.ContainsFunc(objects, func(o rules.Object) bool { return slices.Contains(o.Never, scope) })
	})
}

// withoutTags leaves out rules for pulls by tag: registries.conf has them only where the cluster needs
// them.
func withoutTags(objects []rules.Object) []rules.Object {
	return slices.DeleteFunc(slices.Clone(objects), func(o rules.Object) bool { return !o.Digests() })
}
