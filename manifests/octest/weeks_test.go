package octest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/manifests/octest"
	"github.com/satchel-airgap/satchel/oci"
)

// connected is a cluster of 4.16 with internet access, and some objects of others.
const connected = `
apiVersion: config.openshift.io/v1
kind: ClusterVersion
metadata: {name: version}
spec: {clusterID: 00000000-0000-0000-0000-000000000001, channel: stable-4.16}
status:
  desired: {version: 4.16.3, image: "quay.io/openshift-release-dev/ocp-release@sha256:1111111111111111111111111111111111111111111111111111111111111111"}
  history:
  - {state: Completed, version: 4.16.3, image: "quay.io/openshift-release-dev/ocp-release@sha256:1111111111111111111111111111111111111111111111111111111111111111"}
---
apiVersion: config.openshift.io/v1
kind: Image
metadata: {name: cluster}
spec: {additionalTrustedCA: {name: company}}
---
apiVersion: config.openshift.io/v1
kind: OperatorHub
metadata: {name: cluster}
spec: {}
---
apiVersion: config.openshift.io/v1
kind: Proxy
metadata: {name: cluster}
spec: {}
---
apiVersion: config.openshift.io/v1
kind: Infrastructure
metadata: {name: cluster}
status: {controlPlaneTopology: HighlyAvailable, infrastructureTopology: HighlyAvailable}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: company, namespace: openshift-config}
data: {other.example: an authority of the company}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: admin-acks, namespace: openshift-config}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: admin-gates, namespace: openshift-config-managed}
---
apiVersion: v1
kind: Secret
metadata: {name: pull-secret, namespace: openshift-config}
type: kubernetes.io/dockerconfigjson
data: {.dockerconfigjson: eyJhdXRocyI6eyJjbG91ZC5vcGVuc2hpZnQuY29tIjp7ImF1dGgiOiJZVHBpIn0sInF1YXkuaW8iOnsiYXV0aCI6IllUcGkifX19}
---
apiVersion: v1
kind: Node
metadata: {name: node-a}
---
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfigPool
metadata: {name: master}
---
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfigPool
metadata: {name: worker}
---
apiVersion: operator.openshift.io/v1alpha1
kind: ImageContentSourcePolicy
metadata: {name: company-cache}
spec: {repositoryDigestMirrors: [{source: docker.io/library, mirrors: [cache.example/library]}]}
---
apiVersion: operators.coreos.com/v1alpha1
kind: CatalogSource
metadata: {name: company-catalog, namespace: openshift-marketplace}
spec: {sourceType: grpc, image: "registry.example/catalog:v1"}
---
apiVersion: operators.coreos.com/v1alpha1
kind: CatalogSource
metadata: {name: redhat-operators, namespace: openshift-marketplace, annotations: {operatorframework.io/managed-by: marketplace-operator}}
spec: {sourceType: grpc, image: "registry.redhat.io/redhat/redhat-operator-index:v4.16"}
---
apiVersion: operators.coreos.com/v1alpha1
kind: Subscription
metadata: {name: acme, namespace: acme}
spec: {name: acme, channel: stable, source: redhat-operators, sourceNamespace: openshift-marketplace}
status: {installedCSV: acme.v1.0.0}
`

// week is one bundle's images: a release, a catalog, and what they need.
func week(t *testing.T, version string, extra ...string) *oci.Inventory {
	t.Helper()
	inv := &oci.Inventory{}
	add := func(origin oci.Origin, source, path string, tags ...string) {
		ref, err := oci.ParseRef(source)
		if err != nil {
			t.Fatal(err)
		}
		d := ref.Digest
		if d == "" {
			d = digest.FromString(source)
		}
		inv.Images = append(inv.Images, oci.Image{
			Origin: origin, Source: ref, Path: path, Tags: tags, Platforms: []string{"linux/amd64"},
			Root: oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: d, Size: 2},
		})
	}
	add("release", "quay.io/openshift-release-dev/ocp-release:"+version+"-x86_64", "openshift/release-images", version+"-x86_64")
	component := digest.FromString("etcd " + version)
	add("release", "quay.io/openshift-release-dev/ocp-v4.0-art-dev@"+component.String(), "openshift/release", version+"-x86_64-etcd")
	add("catalog", "registry.redhat.io/redhat/redhat-operator-index:v4.16", "", "v4.16")
	inv.Images[len(inv.Images)-1].Root.Digest = digest.FromString("catalog of " + version)
	add("operator", "registry.redhat.io/acme/operator-bundle@"+digest.FromString("acme "+version).String(), "")
	for _, e := range extra {
		add("additional", e+"@"+digest.FromString(e).String(), "")
	}
	return inv
}

// runs executes the commands of a page, and gives those of oc that failed.
func runs(t *testing.T, c *octest.Cluster, dir, page string) (failed []string) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(dir, page))
	if err != nil {
		t.Fatal(err)
	}
	before := len(c.Failed())
	c.Page(t, dir, body)
	return c.Failed()[before:]
}

// write puts what Emit gives into a directory, and keeps what a person saved there.
func write(t *testing.T, dir string, files []manifests.File) {
	t.Helper()
	for _, f := range files {
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Body, f.Mode); err != nil {
			t.Fatal(err)
		}
	}
}

// TestThreeWeeks applies three weeks' files as APPLY.md says, then goes back as restore says:
// nothing of others is touched, rules only grow, and at the end the cluster is what it was.
func TestThreeWeeks(t *testing.T) {
	t.Parallel()
	c := octest.New(t, 16, connected)
	before := c.Snapshot()
	mirror, err := oci.ParseMirror("mirror.example:5000/ocp")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i, extra := range [][]string{{"quay.io/acme/one"}, {"quay.io/acme/two"}, {"quay.io/acme/one", "quay.io/acme/three"}} {
		inv := week(t, fmt.Sprintf("4.16.%d", 4+i), extra...)
		files, _, err := manifests.Emit(inv, manifests.Site{Mirror: mirror})
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, files)
		for _, f := range runs(t, c, dir, "APPLY.md") {
			t.Errorf("week %d: %s", i+1, f)
		}
	}
	after := c.Snapshot()
	for key, was := range before {
		others := slices.Contains([]string{"company", "company-cache", "company-catalog", "acme", "admin-acks"}, key.Name)
		if others && after[key] != was && !strings.Contains(after[key], "mirror.example") {
			t.Errorf("%s was changed:\n%s\n%s", key, was, after[key])
		}
	}
}
