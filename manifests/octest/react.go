package octest

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// defaults are the CatalogSources that the marketplace operator keeps.
var defaults = []string{"redhat-operators", "certified-operators", "redhat-marketplace", "community-operators"}

const ownedByMarketplace = "marketplace-operator"

// react does what the cluster's operators do after a change.
func (c *Cluster) react(o *unstructured.Unstructured) {
	switch o.GetKind() {
	case "OperatorHub":
		c.marketplace(o)
	case "ClusterVersion":
		c.update(o)
	}
}

// marketplace creates and deletes the default catalogs (operator-marketplace).
func (c *Cluster) marketplace(hub *unstructured.Unstructured) {
	off, _, _ := unstructured.NestedBool(hub.Object, "spec", "disableAllDefaultSources")
	sources, _, _ := unstructured.NestedSlice(hub.Object, "spec", "sources")
	for _, name := range defaults {
		disabled := off
		for _, s := range sources {
			if one, is := s.(map[string]any); is && one["name"] == name {
				disabled, _ = one["disabled"].(bool)
			}
		}
		key := Key{"CatalogSource", "openshift-marketplace", name}
		have, is := c.objects[key]
		owned := is && have.GetAnnotations()["operatorframework.io/managed-by"] == ownedByMarketplace
		switch {
		case disabled && owned:
			delete(c.objects, key)
			c.log = append(c.log, "by the marketplace: deleted "+key.String())
		case !disabled && !owned:
			c.objects[key] = defaultSource(name)
			c.log = append(c.log, "by the marketplace: created "+key.String())
		}
	}
}

func defaultSource(name string) *unstructured.Unstructured {
	body, err := yaml.YAMLToJSON(fmt.Appendf(nil, `
apiVersion: operators.coreos.com/v1alpha1
kind: CatalogSource
metadata:
  name: %s
  namespace: openshift-marketplace
  annotations: {operatorframework.io/managed-by: %s}
spec: {sourceType: grpc, image: "registry.redhat.io/redhat/%[1]s:latest"}
`, name, ownedByMarketplace))
	if err != nil {
		panic(err)
	}
	o, err := parse(body)
	if err != nil {
		panic(err)
	}
	return o
}

// update installs what is wanted at once, as the cluster version operator does in an hour.
func (c *Cluster) update(cv *unstructured.Unstructured) {
	image, _, _ := unstructured.NestedString(cv.Object, "spec", "desiredUpdate", "image")
	version, known := c.Releases[image]
	if now, _, _ := unstructured.NestedString(cv.Object, "status", "desired", "image"); !known || now == image {
		return
	}
	history, _, _ := unstructured.NestedSlice(cv.Object, "status", "history")
	one := map[string]any{"state": "Completed", "version": version, "image": image}
	if unstructured.SetNestedMap(cv.Object, map[string]any{"version": version, "image": image}, "status", "desired") != nil ||
		unstructured.SetNestedSlice(cv.Object, append([]any{one}, history...), "status", "history") != nil {
		panic("a ClusterVersion has fields of another type")
	}
	c.log = append(c.log, "updated to "+version)
}
