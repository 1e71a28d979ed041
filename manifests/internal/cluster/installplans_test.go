package cluster

import (
	"strings"
	"testing"
	"testing/fstest"
)

// TestAside: what the query does not ask for is read where a must-gather has it, without what is large in it.
func TestAside(t *testing.T) {
	t.Parallel()
	file := func(body string) *fstest.MapFile { return &fstest.MapFile{Data: []byte("---\n" + body)} }
	s, err := ReadDir("one", fstest.MapFS{
		"version": {Data: []byte("openshift/must-gather\n4.16\n")},
		"cluster-scoped-resources/apiserver.openshift.io/apirequestcounts/a.v1beta1.x.yaml": file("{apiVersion: apiserver.openshift.io/v1, kind: APIRequestCount, metadata: {name: a.v1beta1.x}, status: {removedInRelease: '1.30', last24h: [{byNode: [{byUser: [{username: u, userAgent: t, requestCount: 2}, {username: none, userAgent: t, requestCount: 0}]}]}, {byNode: [{byUser: [{username: u, userAgent: t, requestCount: 2}]}]}]}}"),
		"cluster-scoped-resources/apiserver.openshift.io/apirequestcounts/pods.v1.yaml":     file("{apiVersion: apiserver.openshift.io/v1, kind: APIRequestCount, metadata: {name: pods.v1}, status: {requestCount: 9}}"),
		"cluster-scoped-resources/operators.coreos.com/olmconfigs/cluster.yaml":             file("{apiVersion: operators.coreos.com/v1, kind: OLMConfig, metadata: {name: cluster}}"),
		"namespaces/ops/operators.coreos.com/installplans/install-a.yaml":                   file("{apiVersion: operators.coreos.com/v1alpha1, kind: InstallPlan, metadata: {name: install-a, namespace: ops}, spec: {clusterServiceVersionNames: [p.v2]}, status: {phase: RequiresApproval, plan: [{resource: {manifest: 'q.io/large@sha256:" + strings.Repeat("1", 64) + "'}}]}}"),
		"namespaces/ops/operators.coreos.com/installplans/install-b.yaml":                   file("{apiVersion: operators.coreos.com/v1alpha1, kind: InstallPlan, metadata: {name: install-b, namespace: ops}, spec: {clusterServiceVersionNames: [p.v1]}, status: {phase: Complete}}"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !s.Known("APIRequestCount") || !s.Known("InstallPlan") {
		t.Error("a must-gather has all of them")
	}
	apis, plans := s.Of("APIRequestCount"), s.Of("InstallPlan")
	if len(apis) != 1 || strings.Count(string(apis[0].Body), "username") != 1 || !strings.Contains(string(apis[0].Body), `"requestCount":4`) {
		t.Errorf("%s", apis)
	}
	if len(plans) != 1 || strings.Contains(string(plans[0].Body), "large") || len(s.Use.Digests) > 0 {
		t.Errorf("%+v, %v", plans, s.Use.Digests)
	}
	if list := s.InstallPlans(); len(list) != 1 || list[0].Phase != PlanWaits || list[0].Bundles[0] != "p.v2" {
		t.Errorf("%+v", list)
	}
}
