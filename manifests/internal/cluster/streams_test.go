package cluster

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

const owners = `
apiVersion: image.openshift.io/v1
kind: ImageStream
metadata: {name: nodejs, namespace: openshift, labels: {samples.operator.openshift.io/managed: "true"}}
spec:
  tags:
  - {name: "18", from: {kind: DockerImage, name: "registry.redhat.io/ubi8/nodejs-18:latest"}}
  - {name: latest, from: {kind: ImageStreamTag, name: "18"}}
  - {name: loop, from: {kind: ImageStreamTag, name: loop}}
status:
  dockerImageRepository: image-registry.openshift-image-registry.svc:5000/openshift/nodejs
  tags:
  - tag: "18"
    items:
    - {dockerImageReference: "registry.redhat.io/ubi8/nodejs-18@DIGEST2", image: "DIGEST2"}
    - {dockerImageReference: "registry.redhat.io/ubi8/nodejs-18@DIGEST1", image: "DIGEST1"}
---
apiVersion: image.openshift.io/v1
kind: ImageStream
metadata: {name: app, namespace: shop}
status:
  dockerImageRepository: image-registry.openshift-image-registry.svc:5000/shop/app
  publicDockerImageRepository: registry.apps.example/shop/app
  tags:
  - tag: latest
    items: [{dockerImageReference: "image-registry.openshift-image-registry.svc:5000/shop/app@DIGEST3", image: "DIGEST3"}]
---
apiVersion: build.openshift.io/v1
kind: BuildConfig
metadata: {name: build, namespace: shop}
spec:
  strategy: {type: Source, sourceStrategy: {from: {kind: ImageStreamTag, name: "nodejs:latest", namespace: openshift}}}
  source:
    dockerfile: |
      ARG BASE=x
      FROM --platform=linux/amd64 registry.access.redhat.com/ubi9:9.4 AS first
      FROM $BASE
      FROM scratch
      from first
    images: [{from: {kind: DockerImage, name: "quay.io/tools/git:1"}}]
---
apiVersion: build.openshift.io/v1
kind: BuildConfig
metadata: {name: unknown, namespace: shop}
spec: {strategy: {dockerStrategy: {from: {kind: ImageStreamTag, name: "gone:1"}}}}
---
apiVersion: apps.openshift.io/v1
kind: DeploymentConfig
metadata: {name: dc, namespace: shop}
spec: {triggers: [{type: ConfigChange}], template: {spec: {containers: [{name: own, image: "registry.apps.example/shop/app@DIGEST3"}, {name: not-yet, image: " "}, {name: imported, image: "image-registry.openshift-image-registry.svc:5000/openshift/nodejs@DIGEST1"}]}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: cron, namespace: shop}
spec: {jobTemplate: {spec: {template: {spec: {initContainers: [{name: i, image: "quay.io/cron/init:1"}], containers: [{name: c, image: "quay.io/cron/job:1"}]}}}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: done, namespace: shop}
spec: {template: {spec: {containers: [{name: c, image: "quay.io/job/done:1"}]}}}
status: {completionTime: x, conditions: [{type: Complete, status: "True"}]}
---
apiVersion: cdi.kubevirt.io/v1beta1
kind: DataImportCron
metadata: {name: fedora, namespace: vms}
spec: {template: {spec: {source: {registry: {url: "docker://quay.io/containerdisks/fedora:latest"}}}}}
---
apiVersion: cdi.kubevirt.io/v1beta1
kind: DataVolume
metadata: {name: http, namespace: vms}
spec: {source: {http: {url: "https://example/disk.img"}}}
---
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: vm, namespace: vms}
spec: {runStrategy: Halted, dataVolumeTemplates: [{spec: {source: {registry: {url: "docker://quay.io/disks/data:1"}}}}], template: {spec: {volumes: [{name: root, containerDisk: {image: "quay.io/disks/root:1"}}, {name: x, dataVolume: {name: y}}]}}}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: fn, namespace: shop}
spec: {template: {spec: {containers: [{image: "quay.io/fn/zero:1"}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: plain, namespace: shop}
spec: {template: {spec: {containers: [{image: "quay.io/no/service:1"}]}}}
---
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: t, namespace: shop}
spec: {steps: [{name: s, image: "quay.io/task/step:1"}], sidecars: [{name: d, image: "quay.io/task/sidecar:1"}]}
`

// TestImages finds what owners would run: the image that an ImageStream imports in place of its name,
// and what no other registry than the cluster's own has.
func TestImages(t *testing.T) {
	t.Parallel()
	in := strings.NewReplacer("DIGEST1", hexDigest("1"), "DIGEST2", hexDigest("2"), "DIGEST3", hexDigest("3")).Replace(owners)
	s, err := Read("x", strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	short := strings.NewReplacer(hexDigest("1"), "1", hexDigest("2"), "2", hexDigest("3"), "3", "image-registry.openshift-image-registry.svc:5000", "own").Replace
	var got []string
	for _, u := range s.Images {
		line := fmt.Sprintf("%s %s/%s %s = %s [%s]", u.Kind, u.Namespace, u.Name, short(u.Image), short(u.ID), short(u.Stream))
		for flag, is := range map[string]bool{" ended": u.Ended, " sample": u.Sample, " internal": u.Internal} {
			if is {
				line += flag
			}
		}
		got = append(got, line)
	}
	want := []string{
		"ImageStream openshift/nodejs registry.redhat.io/ubi8/nodejs-18:latest = registry.redhat.io/ubi8/nodejs-18@2 [openshift/nodejs:18] sample",
		"ImageStream openshift/nodejs registry.redhat.io/ubi8/nodejs-18:latest = registry.redhat.io/ubi8/nodejs-18@2 [openshift/nodejs:latest] sample",
		"ImageStream openshift/nodejs  =  [openshift/nodejs:loop] sample",
		"BuildConfig shop/build registry.redhat.io/ubi8/nodejs-18:latest = registry.redhat.io/ubi8/nodejs-18@2 [openshift/nodejs:latest]",
		"BuildConfig shop/build registry.access.redhat.com/ubi9:9.4 =  []",
		"BuildConfig shop/build quay.io/tools/git:1 =  []",
		"BuildConfig shop/unknown  =  [shop/gone:1]",
		"CronJob shop/cron quay.io/cron/init:1 =  []",
		"CronJob shop/cron quay.io/cron/job:1 =  []",
		"DeploymentConfig shop/dc registry.apps.example/shop/app@3 =  [shop/app@3] internal",
		"DeploymentConfig shop/dc registry.redhat.io/ubi8/nodejs-18@1 = registry.redhat.io/ubi8/nodejs-18@1 [openshift/nodejs@1]",
		"ImageStream shop/app own/shop/app@3 = own/shop/app@3 [shop/app:latest] internal",
		"Job shop/done quay.io/job/done:1 =  [] ended",
		"Service shop/fn quay.io/fn/zero:1 =  []",
		"Task shop/t quay.io/task/sidecar:1 =  []",
		"Task shop/t quay.io/task/step:1 =  []",
		"DataImportCron vms/fedora quay.io/containerdisks/fedora:latest =  []",
		"VirtualMachine vms/vm quay.io/disks/data:1 =  []",
		"VirtualMachine vms/vm quay.io/disks/root:1 =  []",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(s.Of("BuildConfig")) != 2 || strings.Contains(string(s.Of("BuildConfig")[0].Body), "dockerfile") {
		t.Errorf("BuildConfigs %v", s.Of("BuildConfig"))
	}
}

// TestRealStreams reads real ImageStreams.
func TestRealStreams(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("../../../../shared/data/cluster/imagestreams/nodejs/nodejs-rhel.json")
	if err != nil {
		t.Skipf("the real ImageStreams are not there: %v", err)
	}
	s, err := Read("x", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range s.Images {
		if !strings.HasPrefix(u.Image, "registry.redhat.io/") {
			t.Errorf("%+v", u)
		}
	}
	if len(s.Images) < 3 {
		t.Errorf("%d tags", len(s.Images))
	}
}
