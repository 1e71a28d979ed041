package handover

import (
	"encoding/json"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
)

// Change is what applying an object, or a merge patch, does to the cluster.
type Change int

const (
	Unknown Change = iota // the cluster was not asked for objects of the kind
	Added                 // the cluster has no such object
	Changed               // it has one with another value in a field that is set here
	Same                  // every field that is set here has that value there
)

// Present gives an object that the cluster has; namespace is "" for those of the whole cluster.
func (h *Handover) Present(kind, namespace, name string) (cluster.Object, bool) {
	return h.Site.Cluster.One(kind, namespace, name)
}

// Change compares an object or a merge patch with what the cluster has under the name.
func (h *Handover) Change(object any, kind, namespace, name string) Change {
	one, ok := h.Present(kind, namespace, name)
	switch {
	case !ok && h.Site.Cluster.Known(kind):
		return Added
	case !ok:
		return Unknown
	}
	ours, err := json.Marshal(object)
	if err != nil {
		return Unknown
	}
	var set, has any
	if json.Unmarshal(ours, &set) != nil || json.Unmarshal(one.Body, &has) != nil {
		return Unknown
	}
	if within, ok := set.(map[string]any); ok { // a patch has neither, and versions of an API name one object
		delete(within, "apiVersion")
		delete(within, "kind")
	}
	if !Holds(has, set) {
		return Changed
	}
	return Same
}

// Holds reports whether a value has everything that another one sets. Lists are replaced
// whole, so they are as long; null takes a field away.
func Holds(has, set any) bool {
	switch set := set.(type) {
	case nil:
		return has == nil
	case map[string]any:
		m, ok := has.(map[string]any)
		if !ok {
			return len(set) == 0 && has == nil
		}
		for key, want := range set {
			if !Holds(m[key], want) {
				return false
			}
		}
		return true
	case []any:
		list, ok := has.([]any)
		if !ok || len(list) != len(set) {
			return len(set) == 0 && has == nil
		}
		for i := range set {
			if !Holds(list[i], set[i]) {
				return false
			}
		}
		return true
	}
	return has == set
}

// Ours reports whether satchel made an object: by its label.
func Ours(o cluster.Object) bool { return o.Labels[kube.ManagedBy] == kube.Satchel }

// RuleKinds are the kinds of objects with rules.
var RuleKinds = []rules.Kind{rules.ContentSource, rules.DigestMirrors, rules.TagMirrors}

// Clean is an object as it can be created again, without what the API server writes.
func Clean(o cluster.Object) string {
	var all struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name        string            `json:"name"`
			Namespace   string            `json:"namespace,omitempty"`
			Labels      map[string]string `json:"labels,omitempty"`
			Annotations map[string]string `json:"annotations,omitempty"`
		} `json:"metadata"`
		Spec       map[string]any    `json:"spec,omitempty"`
		Data       map[string]string `json:"data,omitempty"`
		BinaryData map[string]string `json:"binaryData,omitempty"`
	}
	if json.Unmarshal(o.Body, &all) != nil {
		return ""
	}
	delete(all.Metadata.Annotations, "kubectl.kubernetes.io/last-applied-configuration")
	text, err := yaml.Marshal(all)
	if err != nil {
		return ""
	}
	return string(text)
}
