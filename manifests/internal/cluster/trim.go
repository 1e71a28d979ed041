package cluster

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
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

// trimInstallPlan leaves what an InstallPlan is to install, and whether it waits or failed; of one that is
// done, nothing. It has a copy of all that it creates.
func trimInstallPlan(o map[string]any) {
	only(o, "metadata", "name", "namespace", "labels", "resourceVersion")
	only(o, "status", "phase", "conditions", "catalogSources", "message")
	if status, ok := o["status"].(map[string]any); ok && status["phase"] == "Complete" {
		delete(o, "spec")
		delete(o, "status")
	}
}

// mostAPIUsers is how many users of an API are kept: the API server itself counts ten of a node and hour.
const mostAPIUsers = 30

// trimAPIRequestCount leaves who used an API in the last 24 hours, each user once, in the place of an hour and a
// node; of an API that stays, nothing (openshift/api, apiserver/v1).
func trimAPIRequestCount(o map[string]any) {
	only(o, "metadata", "name", "resourceVersion")
	delete(o, "spec")
	status, _ := o["status"].(map[string]any)
	removed, _ := status["removedInRelease"].(string)
	delete(o, "status")
	if removed == "" {
		return
	}
	counts := map[[2]string]float64{}
	for _, hour := range within(status, "last24h") { // the current hour is one of them
		for _, node := range within(hour, "byNode") {
			for _, user := range within(node, "byUser") {
				u, _ := user.(map[string]any)
				name, _ := u["username"].(string)
				agent, _ := u["userAgent"].(string)
				if n, _ := u["requestCount"].(float64); n > 0 && len(name)+len(agent) <= maxName {
					counts[[2]string{name, agent}] += n
				}
			}
		}
	}
	users := []any{}
	for _, u := range slices.SortedFunc(maps.Keys(counts), func(a, b [2]string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), slices.Compare(a[:], b[:]))
	}) {
		if len(users) < mostAPIUsers {
			users = append(users, map[string]any{"username": u[0], "userAgent": u[1], "requestCount": counts[u]})
		}
	}
	o["status"] = map[string]any{"removedInRelease": removed, "requestCount": status["requestCount"],
		"last24h": []any{map[string]any{"byNode": []any{map[string]any{"byUser": users}}}}}
}

// within lists what a field of an object has.
func within(value any, field string) []any {
	object, _ := value.(map[string]any)
	list, _ := object[field].([]any)
	return list
}

// trimmedAway reports whether nothing is left of an object.
func trimmedAway(body []byte) bool {
	var o struct {
		Spec   json.RawMessage `json:"spec"`
		Status json.RawMessage `json:"status"`
	}
	return json.Unmarshal(body, &o) == nil && o.Spec == nil && o.Status == nil
}
