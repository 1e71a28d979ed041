package emit

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
)

// change is what applying an object, or a merge patch, does to the cluster.
type change int

const (
	unknown change = iota // the cluster was not asked for objects of the kind
	added                 // the cluster has no such object
	changed               // it has one with another value in a field that is set here
	same                  // every field that is set here has that value there
)

// present gives an object that the cluster has; namespace is "" for those of the whole cluster.
func (e *emission) present(kind, namespace, name string) (cluster.Object, bool) {
	return e.site.Cluster.One(kind, namespace, name)
}

// change compares an object or a merge patch with what the cluster has under the name.
func (e *emission) change(object any, kind, namespace, name string) change {
	one, ok := e.present(kind, namespace, name)
	switch {
	case !ok && e.site.Cluster.Known(kind):
		return added
	case !ok:
		return unknown
	}
	ours, err := json.Marshal(object)
	if err != nil {
		return unknown
	}
	var set, has any
	if json.Unmarshal(ours, &set) != nil || json.Unmarshal(one.Body, &has) != nil {
		return unknown
	}
	if within, ok := set.(map[string]any); ok { // a patch has neither, and versions of an API name one object
		delete(within, "apiVersion")
		delete(within, "kind")
	}
	if !holds(has, set) {
		return changed
	}
	return same
}

// holds reports whether a value has everything that another one sets. Lists are replaced
// whole, so they are as long; null takes a field away.
func holds(has, set any) bool {
	switch set := set.(type) {
	case nil:
		return has == nil
	case map[string]any:
		m, ok := has.(map[string]any)
		if !ok {
			return len(set) == 0 && has == nil
		}
		for key, want := range set {
			if !holds(m[key], want) {
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
			if !holds(list[i], set[i]) {
				return false
			}
		}
		return true
	}
	return has == set
}

// fillPresent takes from the cluster's objects what was not given by hand.
func (e *emission) fillPresent() {
	e.presentFromCluster()
	const from = "the cluster"
	if one, ok := e.present("Image", "", "cluster"); ok && e.site.PresentImage == nil {
		img, err := ParseImageConfig(from, one.Body)
		if err != nil {
			e.note("the cluster's image.config cannot be read, and counts as not known: %v", err)
		} else {
			e.site.PresentImage = img
		}
	}
	img := e.site.PresentImage
	if img == nil || e.site.PresentCA != nil {
		return
	}
	name := cmp.Or(img.TrustedCA, registryCAName)
	one, ok := e.present("ConfigMap", "openshift-config", name)
	if !ok {
		return
	}
	ca, err := ParseRegistryCA(from, one.Body)
	if err != nil {
		e.note("the cluster's ConfigMap %s cannot be read, and counts as not known: %v", name, err)
		return
	}
	e.site.PresentCA = ca
}

// ours reports whether satchel made an object: by its label.
func ours(o cluster.Object) bool { return o.Labels[kube.ManagedBy] == kube.Satchel }

// ruleKinds are the kinds of objects with rules.
var ruleKinds = []rules.Kind{rules.ContentSource, rules.DigestMirrors, rules.TagMirrors}

// applied reports whether the cluster is known to have rules that satchel wrote.
func (e *emission) applied() bool {
	if r := e.site.PresentRules; r != nil && slices.ContainsFunc(r.Objects, func(o rules.Object) bool { return o.Tool == rules.Satchel }) {
		return true
	}
	for _, kind := range ruleKinds {
		for _, o := range e.site.Cluster.Of(string(kind)) {
			if ours(o) || strings.HasPrefix(o.Name, "satchel-") {
				return true
			}
		}
	}
	return false
}

// clean is an object as it can be created again, without what the API server writes.
func clean(o cluster.Object) string {
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
