package emit

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/sigstore"
	"github.com/satchel-airgap/satchel/oci"
)

// matrixCluster is one of the clusters that golden pages are held for.
type matrixCluster struct {
	name       string // of the golden file
	runs, next string // versions
	topology   string
	platform   string
	rules      []object1
	more       []object1 // other objects that it has
	policies   []string  // ClusterImagePolicies of the next release, as JSON
	unsigned   bool      // one image of the next release lacks the signature that these demand
}

// rule is an object with rules in one of the shapes that tools write.
func rule(kind, name, field, source, mirror string) object1 {
	group := map[string]string{"ImageContentSourcePolicy": "operator.openshift.io/v1alpha1"}[kind]
	if group == "" {
		group = "config.openshift.io/v1"
	}
	return object1{"apiVersion": group, "kind": kind, "metadata": object1{"name": name},
		"spec": object1{field: []object1{{"source": source, "mirrors": []string{mirror}}}}}
}

func matrix() (list []matrixCluster) {
	const release, art, mirror = "quay.io/openshift-release-dev/ocp-release", "quay.io/openshift-release-dev", "mirror.example:5000/ocp"
	icsp := func(name, source, to string) object1 {
		return rule("ImageContentSourcePolicy", name, "repositoryDigestMirrors", source, to)
	}
	idms := func(name, source, to string) object1 {
		return rule("ImageDigestMirrorSet", name, "imageDigestMirrors", source, to)
	}
	itms := func(name, source, to string) object1 {
		return rule("ImageTagMirrorSet", name, "imageTagMirrors", source, to)
	}
	shapes := map[int][]object1{
		12: {icsp("release-0", release, mirror+"/openshift/release-images")},      // oc-mirror v1
		14: {idms("idms-release-0", release, mirror+"/openshift/release-images")}, // oc-mirror v2
		15: {icsp("company", "quay.io", "cache.example/quay")},                    // a wider source, by hand
		16: {idms("idms-release-0", release, mirror+"/openshift/release-images"), itms("itms-generic-0", "docker.io/library", mirror+"/library")},
		17: {icsp("satchel-release", release, mirror+"/openshift/release-images")},                                          // satchel's, of an earlier bundle
		18: {icsp("company", art, "cache.example/openshift"), idms("company-too", "registry.example/a", "cache.example/a")}, // both families
		20: {idms("first", release, "other.example/openshift/release-images")},                                              // another mirror first
	}
	for minor := 12; minor <= 22; minor++ {
		c := matrixCluster{name: fmt.Sprintf("4.%d", minor), runs: fmt.Sprintf("4.%d.9", minor), next: fmt.Sprintf("4.%d.3", minor+1), topology: "HighlyAvailable", platform: "BareMetal", rules: shapes[minor]}
		switch minor {
		case 13, 21:
			c.platform = "VSphere"
		case 18:
			c.platform = "AWS"
		case 19:
			c.topology = "SingleReplica"
		}
		list = append(list, c)
	}
	list = append(list, matrixCluster{name: "4.16-hosted", runs: "4.16.9", next: "4.17.3", topology: "External", platform: "BareMetal"},
		matrixCluster{name: "okd-4.19", runs: "4.19.0-okd-scos.9", next: "4.20.0-okd-scos.3", topology: "HighlyAvailable", platform: "BareMetal"},
		matrixCluster{name: "4.14-eus", runs: "4.14.9", next: "4.16.3", topology: "HighlyAvailable", platform: "BareMetal"})
	return append(list, sites()...)
}

// sites are clusters that their sites have changed, or that demand signatures.
func sites() []matrixCluster {
	of := func(name, runs, next string) matrixCluster {
		return matrixCluster{name: name, runs: runs, next: next, topology: "HighlyAvailable", platform: "BareMetal"}
	}
	policy := func(scopes string) string {
		return `{"apiVersion":"config.openshift.io/v1","kind":"ClusterImagePolicy","metadata":{"name":"openshift"},"spec":{"scopes":[` + scopes + `]}}`
	}
	unsigned, signed := of("4.21-unsigned", "4.21.9", "4.22.3"), of("4.20-signed", "4.20.9", "4.21.3")
	unsigned.policies, unsigned.unsigned = []string{policy(`"quay.io/openshift-release-dev/ocp-release","quay.io/openshift-release-dev/ocp-v4.0-art-dev"`)}, true
	signed.policies = []string{policy(`"quay.io/openshift-release-dev/ocp-release"`)}
	pools, proxy, automatic := of("4.19-pools", "4.19.5", "4.20.3"), of("4.16-proxy", "4.16.9", "4.17.3"), of("4.17-automatic", "4.17.9", "4.18.3")
	pools.more = []object1{
		in("MachineConfigPool", "", "infra", "spec", object1{"paused": true}), in("MachineConfigPool", "", "gpu"),
		in("MachineOSConfig", "", "gpu", "spec", object1{"machineConfigPool": object1{"name": "gpu"}}),
		in("MachineConfiguration", "", "cluster", "spec", object1{"nodeDisruptionPolicy": object1{"files": []object1{{"path": handover.NodeRegistries, "actions": []object1{{"type": "Drain"}, {"type": "Restart", "restart": object1{"serviceName": "crio.service"}}}}}}}),
	}
	fields := object1{"httpProxy": "http://proxy.example:3128", "httpsProxy": "http://proxy.example:3128", "noProxy": ".corp.example"}
	proxy.more = []object1{in("Proxy", "", "cluster", "spec", fields, "status", object1{"httpProxy": fields["httpProxy"], "httpsProxy": fields["httpsProxy"], "noProxy": ".cluster.local,.corp.example,.svc,10.0.0.0/16"})}
	automatic.more = []object1{
		in("Subscription", "openshift-logging", "cluster-logging", "spec", object1{"name": "cluster-logging", "channel": "stable-6.1", "source": "redhat-operators", "sourceNamespace": "openshift-marketplace", "installPlanApproval": "Automatic"}, "status", object1{"installedCSV": "cluster-logging.v6.1.0"}),
		in("ClusterServiceVersion", "openshift-logging", "cluster-logging.v6.1.0", "metadata", object1{"name": "cluster-logging.v6.1.0", "namespace": "openshift-logging", "annotations": object1{"olm.properties": `[{"type":"olm.maxOpenShiftVersion","value":"4.17"}]`}}, "spec", object1{"version": "6.1.0"}),
	}
	return []matrixCluster{signed, unsigned, pools, proxy, automatic}
}

// okd reports whether it is a cluster of OKD.
func (c matrixCluster) okd() bool { return strings.Contains(c.runs, "okd") }

// input is a small bundle for the cluster: its release and the next ones, and a catalog for each.
func (c matrixCluster) input() emitInput {
	tags := []string{c.runs + "-x86_64", c.next + "-x86_64"}
	facts := []emitFacts{{Tag: tags[1], From: []string{c.runs}}}
	if c.name == "4.14-eus" {
		tags = append(tags, "4.15.5-x86_64")
		facts = []emitFacts{{Tag: "4.15.5-x86_64", From: []string{c.runs}, Gates: map[string]string{"ack-4.15-kube-1.29-api-removals-in-4.16": "Kubernetes 1.29 removes APIs."}}, {Tag: tags[1], From: []string{"4.15.5"}}}
	}
	images := payloads(tags...)
	release, components, catalog := "quay.io/openshift-release-dev/ocp-release", "quay.io/openshift-release-dev/ocp-v4.0-art-dev", "redhat-operator-index"
	if c.okd() {
		release, components, catalog = "quay.io/okd/scos-release", "quay.io/okd/scos-content", "community-operator-index"
		for i, tag := range tags { // a tag of OKD has no architecture
			images[i].Source = release + ":" + strings.TrimSuffix(tag, "-x86_64")
		}
	}
	images = append(images, emitImage{Origin: origin.Release, Source: components + ":cli", Path: origin.PathComponents, Tags: []string{tags[0] + "-cli"}})
	for _, tag := range []string{c.runs, c.next} {
		images = append(images, emitImage{Origin: origin.Catalog, Source: "registry.redhat.io/redhat/" + catalog + ":v" + minorTag(tag)})
	}
	running := object1{"version": c.runs, "image": release + "@sha256:" + strings.Repeat("5", 64)}
	cluster := []object1{
		in("ClusterVersion", "", "version", "spec", object1{"clusterID": "256f375f-6920-44f0-8c16-f71bb5fc7be6", "channel": "stable"},
			"status", object1{"desired": running, "history": []object1{{"state": "Completed", "version": c.runs, "image": running["image"]}}}),
		in("Infrastructure", "", "cluster", "status", object1{"controlPlaneTopology": c.topology, "infrastructureTopology": c.topology, "platformStatus": object1{"type": c.platform}}),
		in("Node", "", "node-a", "status", object1{"nodeInfo": object1{"architecture": "amd64"}}),
		in("OperatorHub", "", "cluster"), in("Image", "", "cluster"),
		in("ConfigMap", "openshift-config-managed", "admin-gates", "data", object1{"ack-" + minorTag(c.runs) + "-kube-api-removals": "Kubernetes removes APIs."}),
	}
	if !slices.ContainsFunc(c.more, func(o object1) bool { return o["kind"] == "Proxy" }) {
		cluster = append(cluster, in("Proxy", "", "cluster"))
	}
	if len(c.policies) > 0 {
		facts[0].Policies = c.policies
	}
	asked := []string{"ImageContentSourcePolicy", "ImageDigestMirrorSet", "ImageTagMirrorSet", "CatalogSource", "Subscription", "ClusterServiceVersion", "UpdateService", "MachineConfigPool"}
	if c.topology != "External" {
		cluster = append(cluster, in("MachineConfigPool", "", "master"), in("MachineConfigPool", "", "worker"))
	}
	return emitInput{Mirror: "mirror.example:5000/ocp", Images: images, Facts: facts, Cluster: slices.Concat(cluster, c.rules, c.more), Asked: asked}
}

// minorTag is MAJOR.MINOR of a version.
func minorTag(version string) string {
	var major, minor int
	_, _ = fmt.Sscanf(version, "%d.%d", &major, &minor) // the test's own versions
	return fmt.Sprintf("%d.%d", major, minor)
}

// goldenPages are the pages that are held, and how their golden files end.
var goldenPages = map[string]string{handover.FileApply: ".md", handover.FileCut: ".cut.md", handover.FileRestore: ".restore.md"}

// TestGoldenMatrix holds the pages of each version, and of OKD, against testdata/matrix; -update writes
// them again.
func TestGoldenMatrix(t *testing.T) {
	t.Parallel()
	for _, c := range matrix() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inv, given := c.input().parse(t)
			given.CA = []byte(testCA(t))
			if c.unsigned {
				of := []oci.Reason{{Kind: origin.KindRelease, Name: c.next + " x86_64"}}
				inv.Images[1].Reasons, inv.Images[2].Reasons = of, of // the next payload, and a component
				img := inv.Images[2]
				given.Unsigned = []sigstore.Unsigned{{Image: img, Manifest: img.Root.Digest, Policy: "ClusterImagePolicy openshift", When: "with " + c.next, Stages: []semver.Version{semver.MustParse(c.next)}, Err: sigstore.ErrNone}}
			}
			files, _, err := Emit(inv, given)
			must(t, err)
			checkCommands(t, files)
			checkObjects(t, files)
			for name, end := range goldenPages {
				c.holdPage(t, fileOf(t, files, name).Body, end)
			}
			page := string(fileOf(t, files, handover.FileApply).Body)
			order(t, page, "!--force ")
			if c.topology == "External" {
				order(t, page, "!oc wait mcp", "!oc get mcp", "!very pool ", "very NodePool must be")
			}
			if c.okd() {
				order(t, page, "!igstore", "!openshift-release-dev", "!redhat-operator-index", "quay.io/okd/scos-release@sha256:", "`community-operators` is `mirror.example:5000/ocp/redhat/community-operator-index@")
			}
		})
	}
}

// holdPage compares a page with its golden file, or writes that again.
func (c matrixCluster) holdPage(t *testing.T, got []byte, end string) {
	t.Helper()
	file := filepath.Join("testdata/matrix", c.name+end)
	if *rewrite {
		must(t, os.WriteFile(file, got, 0o644))
		return
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if string(got) != string(want) {
		t.Errorf("%s: other output; see the difference with -update and git diff\n%s", file, firstDifference(want, got))
	}
}
