package operatorhub

import "github.com/satchel-airgap/satchel/manifests/internal/handover"

// PodConfig is how the pod of a catalog runs: as those of the default catalogs do
// (operator-marketplace, defaults/). What a CatalogSource can say grew with the versions:
//
//	4.10 nodeSelector, tolerations, priorityClassName (operator-marketplace #457, openshift-docs #57699)
//	4.12 securityContextConfig (openshift-docs #56109)
//	4.15 extractContent (operator-marketplace #540, openshift/release #50339)
func (h *Hub) PodConfig(c CatalogObject) map[string]any {
	m, known := h.Minor()
	if c.After != (handover.Minor{}) {
		m = c.After
	}
	has := func(of4 uint64) bool { return !known || m.Compare(handover.Minor{Major: 4, Minor: of4}) >= 0 }
	config := map[string]any{}
	if has(10) && !h.Hosted() { // hosted clusters have no nodes for control planes
		config["nodeSelector"] = map[string]any{"node-role.kubernetes.io/master": "", "kubernetes.io/os": "linux"}
		config["priorityClassName"] = "system-cluster-critical"
		config["tolerations"] = []any{
			map[string]any{"key": "node-role.kubernetes.io/master", "operator": "Exists", "effect": "NoSchedule"},
			map[string]any{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 120},
			map[string]any{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 120},
		}
	}
	if has(12) {
		config["securityContextConfig"] = "restricted"
	}
	// The cluster's own opm serves what is where the images of Red Hat have it. A filtered catalog
	// is served by the opm in its image, as its cache was built for that.
	if _, isDefault := handover.DefaultCatalogs[c.Image.Source.Name()]; known && has(15) && isDefault && !c.Image.Built {
		if of, ok := handover.IndexMinor(c.Image); ok && of.Compare(handover.Minor{Major: 4, Minor: 15}) >= 0 {
			config["extractContent"] = map[string]any{"cacheDir": "/tmp/cache", "catalogDir": "/configs"}
		}
	}
	return config
}
