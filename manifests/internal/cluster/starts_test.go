package cluster

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

const startObjects = `---
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {nodeInfo: {architecture: amd64}}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {nodeInfo: {architecture: arm64}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {spec: {imagePullSecrets: [{name: vendor}], containers: [{name: c, image: 'q.io/shop/web:1', imagePullPolicy: Always}]}}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: night-29, namespace: shop, ownerReferences: [{kind: CronJob, name: night, controller: true}]}, spec: {template: {spec: {containers: [{name: c, image: 'q.io/shop/night:1'}]}}}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: night, namespace: shop}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: 'q.io/shop/night:1'}]}}}}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: done, namespace: shop}, spec: {template: {spec: {containers: [{name: c, image: 'q.io/shop/done:1'}]}}}, status: {completionTime: x}}
---
{apiVersion: build.openshift.io/v1, kind: BuildConfig, metadata: {name: b, namespace: shop}, spec: {strategy: {dockerStrategy: {from: {kind: DockerImage, name: 'q.io/base:1'}}}}}
---
{apiVersion: kubevirt.io/v1, kind: VirtualMachine, metadata: {name: vm, namespace: shop}, spec: {template: {spec: {volumes: [{name: disk, containerDisk: {image: 'q.io/disks/fedora:40', imagePullPolicy: IfNotPresent}}]}}}}
`

func startPod(name, meta, spec, status string) string {
	return fmt.Sprintf("---\n{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: shop%s}, spec: {%s}, status: {%s}}\n", name, meta, spec, status)
}

// TestStarts: each container is there once for each workload, with its topmost owner and what decides
// whether a node pulls again; what has ended, or no node pulls, is not.
func TestStarts(t *testing.T) {
	t.Parallel()
	const web = ", labels: {pod-template-hash: 5d9}, ownerReferences: [{kind: Other, name: x}, {kind: ReplicaSet, name: web-5d9, controller: true}]"
	containers := func(node string) string {
		return "nodeName: " + node + ", imagePullSecrets: [{name: default-dockercfg-x7zq1}, {name: vendor}], containers: [{name: c, image: 'q.io/shop/web:1', imagePullPolicy: Always}]"
	}
	const status = "phase: Running, containerStatuses: [{name: c, image: x, imageID: 'q.io/shop/web@sha256:1111111111111111111111111111111111111111111111111111111111111111'}]"
	in := startObjects +
		startPod("web-5d9-b", web, containers("n2"), status) + startPod("web-5d9-a", web, containers("n1"), status) +
		startPod("ended", web, containers("n1"), "phase: Succeeded") +
		startPod("etcd-n1", ", annotations: {kubernetes.io/config.mirror: x}, ownerReferences: [{kind: Node, name: n1, controller: true}]", "nodeName: n1, initContainers: [{name: i, image: 'q.io/etcd:1'}], containers: [{name: e, image: 'q.io/etcd:1', imagePullPolicy: IfNotPresent}], ephemeralContainers: [{name: d, image: 'q.io/tools:1'}]", "phase: Running") +
		startPod("night-29-x", ", ownerReferences: [{kind: Job, name: night-29, controller: true}]", "containers: [{name: c, image: 'q.io/shop/night:1'}]", "phase: Pending") +
		startPod("dc-1-x", ", annotations: {openshift.io/deployment-config.name: dc}, ownerReferences: [{kind: ReplicationController, name: dc-1, controller: true}]", "nodeSelector: {kubernetes.io/arch: s390x}, containers: [{name: c, image: 'image-registry.openshift-image-registry.svc:5000/shop/dc@sha256:2222222222222222222222222222222222222222222222222222222222222222'}], volumes: [{name: model, image: {reference: 'q.io/models/m:1', pullPolicy: Always}}]", "phase: Running") +
		startPod("alone", "", "containers: [{name: c, image: ' '}, {name: d, image: busybox}]", "phase: Running")
	s, err := Read("one", strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range s.Starts {
		id, _, _ := strings.Cut(s.ID, "@")
		got = append(got, fmt.Sprintf("%s %s pod=%s/%d %s %s id=%s %s secrets=%s archs=%s static=%t internal=%t", s.From, s.Workload(), s.Pod, s.Pods, s.Container, s.Image, id, s.Pull, s.Secrets, s.Archs, s.Static, s.Internal))
	}
	want := []string{
		"CronJob shop/cronjob/night pod=/0 c q.io/shop/night:1 id=  secrets= archs= static=false internal=false",
		"Job shop/cronjob/night pod=/0 c q.io/shop/night:1 id=  secrets= archs= static=false internal=false",
		"Pod shop/cronjob/night pod=night-29-x/1 c q.io/shop/night:1 id=  secrets= archs= static=false internal=false",
		"Deployment shop/deployment/web pod=/0 c q.io/shop/web:1 id= Always secrets=vendor archs= static=false internal=false",
		"Pod shop/deployment/web pod=web-5d9-a/2 c q.io/shop/web:1 id=q.io/shop/web Always secrets=vendor archs=amd64,arm64 static=false internal=false",
		"Pod shop/deploymentconfig/dc pod=dc-1-x/1 c image-registry.openshift-image-registry.svc:5000/shop/dc@sha256:2222222222222222222222222222222222222222222222222222222222222222 id=  secrets= archs=s390x static=false internal=true",
		"Pod shop/deploymentconfig/dc pod=dc-1-x/1 volume model q.io/models/m:1 id= Always secrets= archs=s390x static=false internal=false",
		"Pod shop/pod/alone pod=alone/1 d busybox id=  secrets= archs= static=false internal=false",
		"Pod shop/pod/etcd-n1 pod=etcd-n1/1 e q.io/etcd:1 id= IfNotPresent secrets= archs=amd64 static=true internal=false",
		"Pod shop/pod/etcd-n1 pod=etcd-n1/1 i q.io/etcd:1 id=  secrets= archs=amd64 static=true internal=false",
		"VirtualMachine shop/virtualmachine/vm pod=/0 volume disk q.io/disks/fedora:40 id= IfNotPresent secrets= archs= static=false internal=false",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestStartsJoin: of two readings of one cluster nothing counts twice, and what the newer has whole
// counts alone.
func TestStartsJoin(t *testing.T) {
	t.Parallel()
	pod := func(name string, revision int) string {
		return fmt.Sprintf("{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: shop, resourceVersion: '%d'}, spec: {containers: [{name: c, image: 'q.io/%[1]s:1'}]}}", name, revision)
	}
	read := func(body string) *State {
		s, err := Read("one", strings.NewReader("---\n"+body))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, tc := range []struct {
		whole bool
		want  int
	}{{false, 3}, {true, 2}} {
		newer, older := read(pod("a", 9)+"\n---\n"+pod("b", 8)), read(pod("a", 3)+"\n---\n"+pod("gone", 2))
		newer.whole["Pod"] = tc.whole
		older.Join(newer)
		if len(older.Starts) != tc.want {
			t.Errorf("whole %v: %d containers, want %d: %v", tc.whole, len(older.Starts), tc.want, older.Starts)
		}
	}
}

// TestStartsBounded: a cluster with more containers than are kept is read, and says so.
func TestStartsBounded(t *testing.T) {
	t.Parallel()
	g := gather("one")
	g.startBytes = maxStartBytes + 1
	if err := g.read("f", place{}, strings.NewReader(startPod("p", "", "containers: [{name: c, image: 'q.io/a:1'}]", ""))); err != nil {
		t.Fatal(err)
	}
	s, err := g.end()
	if err != nil || s.StartsLeft != 1 || len(s.Starts) != 0 || !strings.Contains(strings.Join(s.Notes(), "\n"), "1 container is beyond") {
		t.Errorf("%v, %d, %q", err, s.StartsLeft, s.Notes())
	}
}

// TestReadPodDir reads the pods of a real Insights archive.
func TestReadPodDir(t *testing.T) {
	t.Parallel()
	const dir = "../../../../shared/data/cluster/insights-archive"
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the data of real clusters is not there: %v", err)
	}
	s, err := ReadPodDir("one", os.DirFS(dir), "insights-archive")
	if err != nil {
		t.Fatal(err)
	}
	owners := map[string]bool{}
	for _, one := range s.Starts {
		owners[one.Workload()] = true
	}
	for _, want := range []string{"openshift-monitoring/statefulset/prometheus-k8s", "openshift-ingress/deployment/router-default", "openshift-insights/deployment/insights-operator"} {
		if !owners[want] {
			t.Errorf("%s is not among %v", want, owners)
		}
	}
	if s.Applications() {
		t.Error("what applications run is known")
	}
}
