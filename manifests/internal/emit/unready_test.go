package emit

import (
	"fmt"
	"testing"
)

// TestUnready: an update that is under way, and pools, operators and nodes that are not as they
// should be, stop the first step.
func TestUnready(t *testing.T) {
	t.Parallel()
	with := func(kind, name, condition, status string, more ...any) object1 {
		return in(kind, "", name, append(more, "status", object1{"conditions": []object1{{"type": condition, "status": status, "message": "Working [on] it"}}})...)
	}
	many := make([]object1, 20)
	for i := range many {
		many[i] = with("Node", fmt.Sprintf("n%02d", i), "Ready", "Unknown")
	}
	for name, c := range map[string]struct {
		objects []object1
		want    []string
	}{
		"an update":              {[]object1{with("ClusterVersion", "version", "Progressing", "True")}, []string{"- an update of the cluster is under way: Working \\[on] it\n"}},
		"a degraded pool":        {[]object1{with("MachineConfigPool", "worker", "Degraded", "True")}, []string{"- the pool worker is degraded: "}},
		"a pool that waits":      {[]object1{with("MachineConfigPool", "worker", "Updated", "False")}, []string{"- nodes of the pool worker do not have its configuration yet"}},
		"a pool that is paused":  {[]object1{with("MachineConfigPool", "worker", "Updated", "False", "spec", object1{"paused": true})}, []string{"!**Stop: when the state"}},
		"operators":              {[]object1{with("ClusterOperator", "dns", "Degraded", "True"), with("ClusterOperator", "etcd", "Available", "False")}, []string{"- the cluster operator dns is degraded: ", "- the cluster operator etcd is not available: "}},
		"many nodes":             {many, []string{"- the node n11 is not ready", "- and 8 more\n", "!n12 is"}},
		"all as it should be":    {[]object1{with("ClusterVersion", "version", "Progressing", "False"), with("MachineConfigPool", "worker", "Updated", "True"), with("Node", "n1", "Ready", "True")}, []string{"!**Stop: when the state"}},
		"what is said elsewhere": {[]object1{with("ClusterVersion", "version", "Upgradeable", "False")}, []string{"!**Stop: when the state"}},
	} {
		page := updatePage(t, emitInput{Images: payloads("4.16.9-x86_64"), ClusterVersion: "4.16.9", Cluster: c.objects})
		order(t, page, c.want...)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}
