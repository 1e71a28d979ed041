package cluster

import (
	"encoding/json"
	"maps"
	"strings"
)

// trimmed is an object without what nobody asks for: names of fields, what was applied last, and
// what its kind has much of. It is compact, with sorted keys.
func (k *known) trimmed(body []byte) (json.RawMessage, error) {
	var object map[string]any
	if err := json.Unmarshal(body, &object); err != nil {
		return nil, err
	}
	if meta, ok := object["metadata"].(map[string]any); ok {
		delete(meta, "managedFields")
		if notes, ok := meta["annotations"].(map[string]any); ok {
			delete(notes, "kubectl.kubernetes.io/last-applied-configuration")
		}
	}
	if k.trim != nil {
		k.trim(object)
	}
	return json.Marshal(object)
}

// only leaves the fields of an object that are named.
func only(object map[string]any, field string, names ...string) {
	inner, ok := object[field].(map[string]any)
	if !ok {
		return
	}
	left := map[string]any{}
	for _, name := range names {
		if v, ok := inner[name]; ok {
			left[name] = v
		}
	}
	object[field] = left
}

func trimNamespace(o map[string]any) {
	only(o, "metadata", "name", "labels", "resourceVersion")
	delete(o, "spec")
	delete(o, "status")
}

// trimNode leaves out the images that a node has, which are no use of them.
func trimNode(o map[string]any) {
	only(o, "spec", "unschedulable", "taints")
	only(o, "status", "nodeInfo", "conditions", "capacity", "allocatable")
}

func trimClusterOperator(o map[string]any) {
	only(o, "metadata", "name", "labels", "resourceVersion")
	only(o, "status", "conditions", "versions")
}

// trimCSV leaves what says which version it is, and what it demands of the cluster: of a
// ClusterServiceVersion almost all is descriptions and an icon.
func trimCSV(o map[string]any) {
	if meta, ok := o["metadata"].(map[string]any); ok {
		if notes, ok := meta["annotations"].(map[string]any); ok {
			maps.DeleteFunc(notes, func(name string, _ any) bool {
				return !strings.HasPrefix(name, "olm.") && !strings.HasPrefix(name, "operatorframework.io/")
			})
		}
	}
	only(o, "metadata", "name", "namespace", "labels", "annotations", "resourceVersion")
	only(o, "spec", "version", "replaces", "skips", "displayName", "minKubeVersion", "relatedImages")
	only(o, "status", "phase", "reason", "message")
}

// trimDeploymentConfig leaves which ImageStreams it follows.
func trimDeploymentConfig(o map[string]any) {
	only(o, "metadata", "name", "namespace", "labels", "resourceVersion")
	only(o, "spec", "triggers")
	delete(o, "status")
}

// trimBuildConfig leaves what a build begins with.
func trimBuildConfig(o map[string]any) {
	only(o, "metadata", "name", "namespace", "labels", "resourceVersion")
	only(o, "spec", "strategy", "source")
	spec, _ := o["spec"].(map[string]any)
	if spec == nil {
		return
	}
	only(spec, "source", "images")
	strategies, _ := spec["strategy"].(map[string]any)
	for name := range strategies {
		only(strategies, name, "from")
	}
	delete(o, "status")
}
