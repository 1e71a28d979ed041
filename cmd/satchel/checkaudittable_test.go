package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/manifests"
)

// TestAuditSummary: what would not start again is summed up by namespace, and what the cluster's own registry passes
// through is told from what it has.
func TestAuditSummary(t *testing.T) {
	t.Parallel()
	w := &manifests.WorkloadReport{Containers: 9, Images: 4, Internal: 2, Through: 1}
	for i, space := range []string{"a", "b", "b", "c", "d", "e", "f", "g"} {
		w.Findings = append(w.Findings, manifests.Workload{Namespace: space, Image: fmt.Sprint("q.io/x:", i%2)})
	}
	var b strings.Builder
	p := &printer{w: &b}
	printAudit(p, &check.Audit{Name: "one", Workloads: w, Followed: 3, Operators: []manifests.OperatorLack{{Kind: "Subscription"}, {Kind: "CatalogSource"}}}, view{})
	for _, want := range []string{
		"which are not pulled from outside\n             1 container more is pulled through",
		"would fail   8 containers of 2 images, in 7 namespaces: b 2, a 1, c 1, d 1, e 1, f 1, and 1 more\n",
		"operators    2 of 3 get what they follow\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
