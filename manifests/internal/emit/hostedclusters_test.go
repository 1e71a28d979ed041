package emit

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
)

// hostedOn is a management cluster with a hosted cluster.
func hostedOn(cluster ...object1) emitInput {
	return emitInput{Images: payloads("4.16.3-x86_64", "4.16.9-x86_64"), ClusterVersion: "4.16.9", Facts: []emitFacts{{Tag: "4.16.9-x86_64", From: []string{"4.16.3"}}},
		Cluster: append(cluster, in("ClusterVersion", "", "version", "spec", object1{"clusterID": "256f375f-6920-44f0-8c16-f71bb5fc7be6"}))}.withMirror()
}

// TestHostsOthers: the page of a management cluster has a step for each of its hosted clusters,
// which says what it runs and changes nothing without a word about nodes.
func TestHostsOthers(t *testing.T) {
	t.Parallel()
	input := hostedOn(
		in("HostedCluster", "clusters", "east", "spec", object1{"infraID": "east-x7", "olmCatalogPlacement": "guest", "pullSecret": object1{"name": "east-pull"}, "release": object1{"image": "quay.io/openshift-release-dev/ocp-release:4.16.3-x86_64"},
			"imageContentSources": []object1{{"source": "docker.io/library", "mirrors": []string{"cache.example/library"}}}},
			"status", object1{"version": object1{"history": []object1{{"state": "Completed", "version": "4.16.3"}}}}),
		in("NodePool", "clusters", "east-1", "spec", object1{"clusterName": "east", "management": object1{"upgradeType": "Replace"}}, "status", object1{"version": "4.16.3"}),
		in("HostedCluster", "clusters", "west`", "spec", object1{}),
	)
	files, _, err := Emit(input.parse(t))
	must(t, err)
	checkCommands(t, files)
	text := string(fileOf(t, files, handover.FileApply).Body)
	inOrder(t, text, "Hosted cluster clusters/east", "It runs 4.16.3", "ocp-release:4.16.3-x86_64", "brings it to 4.16.9", "`east-1` (4.16.3, upgradeType Replace)", "`guest`", "lacks rules for 1 source",
		"change nothing", "NAME=east &&\nSPACE=clusters", "oc create configmap satchel-before-east-x7", "NAME=east\nSPACE=clusters", "`east-pull`", "drain every node of every NodePool", "oc patch hostedcluster", "Hosted cluster clusters/west'", "version is not known")
	if list := string(fileOf(t, files, handover.FileHostedRules).Body); !strings.HasPrefix(list, "quay.io/openshift-release-dev/ocp-release m.example/") {
		t.Errorf("the rules for hosted clusters are\n%s", list)
	}
	alone := hostedOn()
	if text := updatePage(t, alone); strings.Contains(text, "osted cluster") {
		t.Errorf("a cluster that hosts none:\n%s", text)
	}
}

// TestHostedKeepsOff: what a hosted cluster refuses or sets back is neither on its pages nor in its
// desired state: signatures, catalogs of OLM v1, its OperatorHub, its ClusterVersion.
func TestHostedKeepsOff(t *testing.T) {
	t.Parallel()
	for _, c := range matrix() {
		if c.topology != "External" {
			continue
		}
		c.runs, c.next = "4.19.9", "4.20.3"
		input := c.input()
		input.Signatures = []emitSignature{{Of: input.Images[1].Source, Number: 1, Message: "signed"}}
		files, _, err := Emit(input.parse(t))
		must(t, err)
		checkCommands(t, files)
		for _, f := range files {
			for _, not := range []string{"kind: ClusterCatalog", "release-signature-", "oc adm upgrade", "kind: ImageContentSourcePolicy", "kind: ImageDigestMirrorSet", "oc patch clusterversion", "oc patch image.config", "oc patch proxy.config"} {
				if strings.Contains(string(f.Body), not) && !strings.Contains(f.Name, "before") {
					t.Errorf("%s has %s", f.Name, not)
				}
			}
			if isGitOps(f.Name) && strings.Contains(string(f.Body), "kind: OperatorHub") {
				t.Errorf("%s changes the OperatorHub", f.Name)
			}
		}
	}
}
