package main

import (
	"encoding/base64"
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
metadata: {name: node-a, labels: {node-role.kubernetes.io/master: "", kubernetes.io/os: linux}}
status: {conditions: [{type: Ready, status: "True"}]}
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
kind: Subscription
metadata: {name: acme, namespace: acme}
spec: {name: acme, channel: stable, source: redhat-operators, sourceNamespace: openshift-marketplace}
status: {installedCSV: acme.v1.0.0}
`

// weekOf is one bundle's images: a release, a catalog, and what they need.
func weekOf(t *testing.T, version string, extra ...string) *oci.Inventory {
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

// runPage executes the commands of a page, and gives those of oc that failed.
func runPage(t *testing.T, c *octest.Cluster, dir, page string) (failed []string) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(dir, page))
	if err != nil {
		t.Fatal(err)
	}
	before := len(c.Failed())
	c.Page(t, dir, body)
	return c.Failed()[before:]
}

// writeFiles puts what Emit gives into a directory, and keeps what a person saved there.
func writeFiles(t *testing.T, dir string, files []manifests.File) {
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

// clusterCA is an authority, made for tests.
const clusterCA = `-----BEGIN CERTIFICATE-----
MIIBezCCASGgAwIBAgIBATAKBggqhkjOPQQDAjAkMSIwIAYDVQQDExlNaXJyb3Ig
Q0EsIG1hZGUgZm9yIHRlc3RzMCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAw
MDAwWjAkMSIwIAYDVQQDExlNaXJyb3IgQ0EsIG1hZGUgZm9yIHRlc3RzMFkwEwYH
KoZIzj0CAQYIKoZIzj0DAQcDQgAEqgoWJW1PPue3C/RV7wb64aBa0NrPzdkmPJrG
Fhabwqf/0/j3iFRlvIxVhpSdQWTJet6RkkZPqU7s82OGodPxA6NCMEAwDgYDVR0P
AQH/BAQDAgIEMA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0OBBYEFLr/RP7YdRbgBjvN
9c9FZ9WDdKLXMAoGCCqGSM49BAMCA0gAMEUCICnSajUAL3QaZnAy9FjaJTcqW6CN
/wRyn8cNyYk8fdbIAiEAgPgHdU2QWq8UKI+iMgDgtAdHsmHIqtEDqghRUphFLd0=
-----END CERTIFICATE-----
`

// emitFor writes the files for a cluster as it is now.
func emitFor(t *testing.T, c *octest.Cluster, dir string, inv *oci.Inventory) {
	t.Helper()
	mirror, err := oci.ParseMirror("mirror.example:5000/ocp")
	if err != nil {
		t.Fatal(err)
	}
	if b := c.Page(t, dir, []byte("```\n"+manifests.ClusterQuery("cluster.yaml")+"\n```\n"))[0]; b.Err != nil {
		t.Fatalf("the query: %v: %s", b.Err, b.Output)
	}
	answer, err := os.Open(filepath.Join(dir, "cluster.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Close()
	now, err := manifests.ReadCluster("site", answer)
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := manifests.ParsePullSecret("nodes", []byte(`{"auths":{"mirror.example:5000":{"auth":"bm9kZTpwdWxs"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	files, _, err := manifests.Emit(inv, manifests.Site{Mirror: mirror, Cluster: now, CA: []byte(clusterCA), Credential: &manifests.Credential{Username: "push", Password: "push"}, NodeSecret: nodes})
	if err != nil {
		t.Fatal(err)
	}
	writeFiles(t, dir, files)
}

// checkPullSecretStaysCut follows the step of the pull secret once more, after the cut: the
// mirror's entry is there, and that of Insights does not come back.
func checkPullSecretStaysCut(t *testing.T, c *octest.Cluster, dir string) {
	t.Helper()
	key := octest.Key{Kind: "Secret", Namespace: "openshift-config", Name: "pull-secret"}
	const want = `{"auths":{"quay.io":{"auth":"YTpi"},"mirror.example:5000":{"auth":"bm9kZTpwdWxs"}}}` + "\n"
	_, step, found := strings.Cut(string(readFile(t, filepath.Join(dir, "APPLY.md"))), ". Pull secret\n")
	step, _, _ = strings.Cut(step, "\n## ")
	for _, blocks := range []string{"", step} {
		c.Page(t, dir, []byte(blocks))
		if now := c.Snapshot()[key]; !found || !strings.Contains(now, base64.StdEncoding.EncodeToString([]byte(want))) {
			t.Errorf("after the cut, the pull secret is\n%s", now)
		}
	}
}

// TestThreeWeeks applies three weeks' files as APPLY.md says, cuts the cluster off, then goes back
// as restore says: nothing of others is touched, a week without changes changes nothing, rules only
// grow, and at the end the cluster is what it was.
func TestThreeWeeks(t *testing.T) {
	t.Parallel()
	c := octest.New(t, 16, connected)
	before := c.Snapshot()
	dir := t.TempDir()
	rules := octest.Key{Kind: "ImageContentSourcePolicy", Name: "satchel-generic-1"}
	for i, extra := range [][]string{{"quay.io/acme/one"}, {"quay.io/acme/one"}, {"quay.io/acme/two", "quay.io/acme/three"}} {
		done := len(c.Log())
		emitFor(t, c, dir, weekOf(t, "4.16.3", extra...))
		for _, f := range runPage(t, c, dir, "APPLY.md") {
			t.Errorf("week %d: %s", i+1, f)
		}
		changes := c.Log()[done:]
		if i == 1 && len(changes) > 0 {
			t.Errorf("nothing is new in week 2, and this was changed: %q", changes)
		}
		if i == 2 && !slices.Contains(changes, "configured "+rules.String()) {
			t.Errorf("week 3 did not add its rules: %q", changes)
		}
	}
	for _, source := range []string{"one", "two", "three"} {
		if !strings.Contains(c.Snapshot()[rules], "source: quay.io/acme/"+source+"\n") {
			t.Errorf("the rules lost quay.io/acme/%s: %s", source, c.Snapshot()[rules])
		}
	}
	sameObjects(t, before, c.Snapshot(), "company-cache", "company-catalog", "acme", "admin-acks", "admin-gates")
	for _, f := range runPage(t, c, dir, "CUT.md") {
		t.Error(f)
	}
	checkPullSecretStaysCut(t, c, dir)
	for _, f := range runPage(t, c, dir, "restore/README.md") {
		t.Error(f)
	}
	after := c.Snapshot()
	var names []string
	for key := range before {
		if key.Kind != "ClusterVersion" { // an update is not undone
			names = append(names, key.Name)
		}
	}
	if cv := after[octest.Key{Kind: "ClusterVersion", Name: "version"}]; !strings.Contains(cv, "channel: stable-4.16\n") || strings.Contains(cv, "upstream:") {
		t.Errorf("the cluster asks for updates elsewhere than before:\n%s", cv)
	}
	sameObjects(t, before, after, names...)
	for key, left := range after {
		if _, was := before[key]; !was {
			t.Errorf("the way back leaves %s:\n%s", key, left)
		}
	}
}

// sameObjects compares objects of these names, as they were and as they are.
func sameObjects(t *testing.T, was, is map[octest.Key]string, names ...string) {
	t.Helper()
	for key, body := range was {
		if slices.Contains(names, key.Name) && is[key] != body {
			t.Errorf("%s is another one. It was:\n%s\nIt is:\n%s", key, body, is[key])
		}
	}
}
