package emit

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
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

// TestHostedWords: what a hosted cluster cannot have is said, and not written: catalogs under the names
// of default ones, rules for tags, a HostedCluster in GitOps; and a node of each NodePool is checked.
func TestHostedWords(t *testing.T) {
	t.Parallel()
	for _, c := range matrix() {
		if c.topology != "External" {
			continue
		}
		input := c.input()
		input.Images = append(input.Images, emitImage{Origin: origin.Additional, Source: "quay.io/app/web:v1", Tags: []string{"v1"}, Platforms: []string{"linux/amd64"}})
		input.CatalogNames = map[string]string{"registry.redhat.io/redhat/redhat-operator-index:v4.16": "redhat-operators"}
		inv, given := input.parse(t)
		given.CA = []byte(testCA(t))
		files, notes, err := Emit(inv, given)
		must(t, err)
		text := string(fileOf(t, files, handover.FileApply).Body)
		inOrder(t, text, "Check a node", "Ready node of each NodePool", `hypershift\.openshift\.io/nodePool`, "diff registries.conf -", "a HostedCluster and its NodePools take none for tags", "`quay.io/app/web:v1`: use")
		if strings.Contains(text, "Hosted clusters before 4.15") || strings.Contains(text, "/etc/docker/certs.d") {
			t.Errorf("the page has what is of other clusters:\n%s", text)
		}
		if !strings.Contains(strings.Join(notes, "\n"), "is called satchel-redhat-operators, and not redhat-operators as was asked for") {
			t.Errorf("notes %q", notes)
		}
		fileOf(t, files, "catalogsource-satchel-redhat-operators.yaml")
		if top := string(fileOf(t, files, fileKustomization).Body); !strings.Contains(top, "what stands in the HostedCluster") {
			t.Errorf("the kustomization begins\n%s", top)
		}
		c.runs, c.next = "4.14.9", "4.15.3"
		if text := updatePage(t, c.input()); !strings.Contains(text, "Hosted clusters before 4.15 do not take that") {
			t.Errorf("before 4.15:\n%s", text)
		}
	}
	files, _, err := Emit(hostedOn(in("HostedCluster", "clusters", "east", "spec", object1{"infraID": "east-x7"})).parse(t))
	must(t, err)
	if top := string(fileOf(t, files, fileKustomization).Body); !strings.Contains(top, "what the HostedClusters of this cluster get") {
		t.Errorf("the kustomization of a management cluster begins\n%s", top)
	}
}
