package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/manifests/octest"
	"github.com/satchel-airgap/satchel/oci"
)

// hosted are a hosted cluster and its management cluster in one: the pages have commands for both.
const hosted = `
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
kind: Infrastructure
metadata: {name: cluster}
status: {controlPlaneTopology: External, infrastructureTopology: HighlyAvailable, infrastructureName: hosted-x7k2p}
---
apiVersion: config.openshift.io/v1
kind: Image
metadata: {name: cluster}
spec: {}
---
apiVersion: config.openshift.io/v1
kind: OperatorHub
metadata: {name: cluster}
spec: {}
---
apiVersion: config.openshift.io/v1
kind: Proxy
metadata: {name: cluster}
spec: {httpsProxy: "http://p:1", noProxy: a.example}
---
apiVersion: v1
kind: Node
metadata: {name: node-a}
---
apiVersion: operators.coreos.com/v1alpha1
kind: Subscription
metadata: {name: acme, namespace: acme}
spec: {name: acme, channel: stable, source: redhat-operators, sourceNamespace: openshift-marketplace}
status: {installedCSV: acme.v1.0.0}
---
apiVersion: hypershift.openshift.io/v1beta1
kind: HostedCluster
metadata: {name: east, namespace: clusters}
spec:
  clusterID: 00000000-0000-0000-0000-000000000001
  infraID: hosted-x7k2p
  channel: stable-4.16
  olmCatalogPlacement: management
  pullSecret: {name: east-pull}
  additionalTrustBundle: {name: company}
  configuration: {proxy: {httpsProxy: "http://p:1", noProxy: a.example}}
  imageContentSources:
  - {source: docker.io/library, mirrors: [cache.example/library]}
  - {source: quay.io/openshift-release-dev/ocp-release, mirrors: [cache.example/release]}
  release: {image: "quay.io/openshift-release-dev/ocp-release@sha256:1111111111111111111111111111111111111111111111111111111111111111"}
status: {version: {history: [{state: Completed, version: 4.16.3}]}}
---
apiVersion: hypershift.openshift.io/v1beta1
kind: HostedCluster
metadata: {name: west, namespace: clusters}
spec: {clusterID: 00000000-0000-0000-0000-000000000002, infraID: hosted-other, additionalTrustBundle: {name: company}}
---
apiVersion: hypershift.openshift.io/v1beta1
kind: NodePool
metadata: {name: east-1, namespace: clusters}
spec: {clusterName: east}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: company, namespace: clusters}
data: {ca-bundle.crt: an authority of the company}
---
apiVersion: v1
kind: Secret
metadata: {name: east-pull, namespace: clusters}
type: kubernetes.io/dockerconfigjson
data: {.dockerconfigjson: eyJhdXRocyI6eyJjbG91ZC5vcGVuc2hpZnQuY29tIjp7ImF1dGgiOiJZVHBpIn0sInF1YXkuaW8iOnsiYXV0aCI6IllUcGkifX19}
`

// TestHostedOutputs: an output directory for hosted clusters is satchel's own in the next week too.
func TestHostedOutputs(t *testing.T) {
	t.Parallel()
	mirror, err := oci.ParseMirror("mirror.example:5000/ocp")
	if err != nil {
		t.Fatal(err)
	}
	c, err := manifests.ReadCluster("site", strings.NewReader(hosted))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "out")
	for _, extra := range []string{"quay.io/acme/one", "quay.io/acme/two"} {
		files, _, err := manifests.Emit(weekOf(t, "4.16.3", extra), manifests.Site{Mirror: mirror, Cluster: c, CA: []byte(clusterCA)})
		if err != nil {
			t.Fatal(err)
		}
		out, err := outdir.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := out.Write(files); err != nil {
			t.Fatal(err)
		}
		if rules, err := os.ReadFile(filepath.Join(dir, "hostedcluster", "rules.txt")); err != nil || !strings.Contains(string(rules), extra) {
			t.Errorf("rules of hosted clusters: %v\n%s", err, rules)
		}
	}
}

// TestHostedWeeks follows the pages of a hosted cluster for two weeks, and back: its HostedCluster
// keeps all that others wrote, gets what its nodes need at once, and is in the end what it was.
func TestHostedWeeks(t *testing.T) {
	t.Parallel()
	c := octest.New(t, 16, hosted)
	before := c.Snapshot()
	dir := t.TempDir()
	east := octest.Key{Kind: "HostedCluster", Namespace: "clusters", Name: "east"}
	for i, extra := range [][]string{{"quay.io/acme/one"}, {"quay.io/acme/one"}, {"quay.io/acme/two"}} {
		done := len(c.Log())
		emitFor(t, c, dir, weekOf(t, "4.16.3", extra...))
		for _, f := range runPage(t, c, dir, "APPLY.md") {
			t.Errorf("week %d: %s", i+1, f)
		}
		if changes := c.Log()[done:]; i == 1 && len(changes) > 0 {
			t.Errorf("nothing is new in week 2, and this was changed: %q", changes)
		}
	}
	now := c.Snapshot()
	for _, want := range []string{
		"- mirrors:\n    - cache.example/library\n    source: docker.io/library",
		"- mirrors:\n    - cache.example/release\n    - mirror.example:5000/ocp/openshift/release-images\n    source: quay.io/openshift-release-dev/ocp-release\n",
		"source: quay.io/acme/one\n", "source: quay.io/acme/two\n", "disableAllDefaultSources: true", "noProxy: a.example,mirror.example\n",
	} {
		if !strings.Contains(now[east], want) {
			t.Errorf("the HostedCluster lacks %q:\n%s", want, now[east])
		}
	}
	trusts := 0
	for key, body := range now {
		if key.Kind == "ConfigMap" && strings.HasPrefix(key.Name, "satchel-trust-") {
			trusts++
			if !strings.Contains(body, "an authority of the company") || !strings.Contains(body, "BEGIN CERTIFICATE") || !strings.Contains(now[east], key.Name) {
				t.Errorf("the authorities are\n%s", body)
			}
		}
	}
	if trusts != 1 || !strings.Contains(now[octest.Key{Kind: "Subscription", Namespace: "acme", Name: "acme"}], "source: satchel-redhat-operators\n") {
		t.Errorf("%d ConfigMaps of authorities, and the Subscription is\n%s", trusts, now[octest.Key{Kind: "Subscription", Namespace: "acme", Name: "acme"}])
	}
	sameObjects(t, before, now, "west", "company", "east-1")
	for _, page := range []string{"CUT.md", "restore/README.md"} {
		for _, f := range runPage(t, c, dir, page) {
			t.Errorf("%s: %s", page, f)
		}
	}
	var names []string
	for key := range before {
		names = append(names, key.Name)
	}
	after := c.Snapshot()
	sameObjects(t, before, after, names...)
	for key := range after {
		if _, was := before[key]; !was && !slices.Contains([]string{"clusters", "openshift-config"}, key.Namespace) {
			t.Errorf("%s is left", key)
		}
	}
}
