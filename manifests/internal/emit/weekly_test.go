package emit

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/internal/trust"
)

// asked are the kinds that a query always asks for.
var asked = []string{"ConfigMap", "Image", "OperatorHub", "Proxy", "ClusterVersion", "CatalogSource", "ClusterCatalog", "ClusterExtension", "Subscription", "ImageContentSourcePolicy", "ImageDigestMirrorSet", "ImageTagMirrorSet", "MachineOSConfig", "MachineConfiguration"}

// weekState is a cluster that has objects, in YAML.
func weekState(t testing.TB, objects ...string) *cluster.State {
	t.Helper()
	var list []cluster.Object
	for _, o := range objects {
		body, err := yaml.YAMLToJSON([]byte(o))
		must(t, err)
		list = append(list, objectIn(t, string(body)))
	}
	return cluster.NewState("c", list, asked...)
}

// applied gives the objects of files that a cluster has once they were applied.
func appliedObjects(files []handover.File) (list []string) {
	for _, f := range files {
		if strings.HasSuffix(f.Name, ".yaml") && !strings.Contains(f.Name, "/") && strings.Contains(string(f.Body), "kind: ") && f.Mode == handover.ModePublic {
			list = append(list, string(f.Body))
		}
	}
	return list
}

const (
	connectedImage = "apiVersion: config.openshift.io/v1\nkind: Image\nmetadata: {name: cluster}\nspec: {additionalTrustedCA: {name: ''}}\n"
	connectedHub   = "apiVersion: config.openshift.io/v1\nkind: OperatorHub\nmetadata: {name: cluster}\nspec: {}\n"
	connectedProxy = "apiVersion: config.openshift.io/v1\nkind: Proxy\nmetadata: {name: cluster}\nspec: {noProxy: a.example}\n"
	connectedCV    = "apiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version}\nspec: {channel: stable-4.16}\nstatus: {desired: {version: 4.16.3}, history: [{state: Completed, version: 4.16.3, image: 'q.example/r@sha256:3333333333333333333333333333333333333333333333333333333333333333'}]}\n"
	companyCatalog = "apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\nmetadata: {name: company, namespace: openshift-marketplace, resourceVersion: '7'}\nspec: {sourceType: grpc, image: 'registry.example/company/catalog:v1'}\n"

	ourImage = "apiVersion: config.openshift.io/v1\nkind: Image\nmetadata: {name: cluster}\nspec: {additionalTrustedCA: {name: registry-config}}\n"
	ourHub   = "apiVersion: config.openshift.io/v1\nkind: OperatorHub\nmetadata: {name: cluster}\nspec: {disableAllDefaultSources: true}\n"
)

// weekOf is one week's input.
func weekOf(t testing.TB) emitInput {
	return emitInput{Mirror: "m.example:5000/ocp", CA: testCA(t), Images: []emitImage{
		{Origin: origin.Catalog, Source: "registry.redhat.io/redhat/redhat-operator-index:v4.16"},
		{Origin: origin.Catalog, Source: "registry.example/company/catalog:v2"},
		{Origin: origin.Operator, Source: "q.example/team/tool:1"},
	}, CatalogNames: map[string]string{"registry.example/company/catalog:v2": "company"}}
}

// emitOn gives the files for a cluster.
func emitOn(t *testing.T, in emitInput, s *cluster.State) []handover.File {
	t.Helper()
	inv, given := in.parse(t)
	given.Cluster = s
	files, _, err := Emit(inv, given)
	must(t, err)
	checkCommands(t, files)
	return files
}

func lacksFile(files []handover.File, name string) bool {
	return !slices.ContainsFunc(files, func(f handover.File) bool { return f.Name == name })
}

// TestWeekly: in the second week, what satchel made in the first one is its own, what stands needs
// nothing, and the way back goes to where the cluster was before the first.
func TestWeekly(t *testing.T) {
	t.Parallel()
	in := weekOf(t)
	first := emitOn(t, in, weekState(t, connectedImage, connectedHub, connectedProxy, connectedCV, companyCatalog))
	apply := commands(t, first, handover.FileApply)
	inOrder(t, apply, "oc create -f satchel-before.yaml", "oc create -f configmap-registry-ca.yaml", "oc patch image.config")
	var kept kube.ConfigMap
	must(t, yaml.UnmarshalStrict(fileOf(t, first, handover.FileBefore).Body, &kept))
	for key, want := range map[string]string{handover.KeyTrustedCA: "", handover.KeyDefaultsOff: "", handover.KeyNoProxy: "a.example", handover.KeyChannel: "stable-4.16", handover.KeyInsecure: ""} {
		if got, ok := kept.Data[key]; !ok || got != want {
			t.Errorf("before has %s %q, want %q", key, got, want)
		}
	}
	inOrder(t, apply, "keep catalogsource-company.yaml oc get catalogsource/company -n openshift-marketplace -o yaml", "oc apply -f catalogsource-company.yaml")

	second := emitOn(t, in, weekState(t, append(appliedObjects(first), ourImage, ourHub, connectedProxy, connectedCV)...))
	page := string(fileOf(t, second, handover.FileApply).Body)
	head, _, _ := strings.Cut(page, "## 1.")
	inOrder(t, head, "Nothing to do: ", "the copy of what the cluster was before satchel", "the mirror's certificate authorities")
	for _, no := range []string{"registry-config", "satchel-before.yaml"} {
		if strings.Contains(commands(t, second, handover.FileApply), no) {
			t.Errorf("in the second week, the page has %s:\n%s", no, page)
		}
	}
	if !lacksFile(second, handover.FileBefore) {
		t.Error("what the cluster is in the second week would be kept as before")
	}
}

// TestWeeklyWithoutCopy: where an earlier version of satchel saved nothing in the cluster, its own
// objects are known by their names and content.
func TestWeeklyWithoutCopy(t *testing.T) {
	t.Parallel()
	in := weekOf(t)
	in.CatalogNames = nil
	files := emitOn(t, in, weekState(t, ourImage, ourHub, connectedProxy, connectedCV, companyCatalog,
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: registry-config, namespace: openshift-config}\ndata: {m.example..5000: "+quoted(testCA(t))+"}\n",
		"apiVersion: operator.openshift.io/v1alpha1\nkind: ImageContentSourcePolicy\nmetadata: {name: satchel-generic-48b8b7b04356}\nspec: {repositoryDigestMirrors: [{source: q.example/team/tool, mirrors: ['m.example:5000/ocp/team/tool']}]}\n",
		"apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\nmetadata: {name: redhat-operators, namespace: openshift-marketplace}\nspec: {sourceType: grpc, image: 'm.example:5000/ocp/redhat/redhat-operator-index@sha256:1111111111111111111111111111111111111111111111111111111111111111'}\n"))
	var kept kube.ConfigMap
	must(t, yaml.UnmarshalStrict(fileOf(t, files, handover.FileBefore).Body, &kept))
	if kept.Data[handover.KeyTrustedCA] != "" || kept.Data[handover.KeyDefaultsOff] != "" {
		t.Errorf("satchel's own objects count as before: %v", kept.Data)
	}
	if page := string(fileOf(t, files, handover.FileRestore).Body); !strings.Contains(page, "If satchel made them, delete them too:\n\n- `redhat-operators`: ") || strings.Contains(commands(t, files, handover.FileRestore), "redhat-operators") {
		t.Errorf("a catalog without a label is no question:\n%s", page)
	}
	// Another registry in the ConfigMap is somebody else's: it stays, and stays named.
	other := emitOn(t, in, weekState(t, ourImage, ourHub, connectedProxy, connectedCV, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: registry-config, namespace: openshift-config}\ndata: {other.example: x}\n"))
	must(t, yaml.UnmarshalStrict(fileOf(t, other, handover.FileBefore).Body, &kept))
	if kept.Data[handover.KeyTrustedCA] != trust.RegistryCAName {
		t.Errorf("somebody else's authorities go: %v", kept.Data)
	}
}

// TestNoLonger: what nothing uses is listed, and only what satchel made.
func TestNoLonger(t *testing.T) {
	t.Parallel()
	const digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	source := func(name, image, label string) string {
		return "apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\nmetadata: {name: " + name + ", namespace: openshift-marketplace, labels: {app.kubernetes.io/managed-by: " + label + "}}\nspec: {sourceType: grpc, image: '" + image + "@" + digest + "'}\n"
	}
	signature := func(hex, label string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: sha256-" + strings.Repeat(hex, 64) + ", namespace: openshift-config-managed, labels: {app.kubernetes.io/managed-by: " + label + "}}\nbinaryData: {}\n"
	}
	objects := []string{
		source("redhat-operators-v4-15", "m.example:5000/ocp/redhat/redhat-operator-index", kube.Satchel),
		source("redhat-operators", "m.example:5000/ocp/redhat/redhat-operator-index", kube.Satchel),
		source("used", "m.example:5000/ocp/redhat/redhat-operator-index", kube.Satchel),
		source("other-week", "m.example:5000/ocp/some/catalog", kube.Satchel),
		source("strangers", "registry.example/redhat/redhat-operator-index", "helm"),
		"apiVersion: operators.coreos.com/v1alpha1\nkind: Subscription\nmetadata: {name: s, namespace: team}\nspec: {source: used, sourceNamespace: openshift-marketplace}\n",
		"apiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version}\nspec: {}\nstatus: {desired: {image: 'q.example/r@sha256:" + strings.Repeat("4", 64) + "'}, history: [{state: Completed, image: 'q.example/r@sha256:" + strings.Repeat("4", 64) + "'}, {state: Completed, image: 'q.example/r@sha256:" + strings.Repeat("3", 64) + "'}, {state: Completed, image: 'q.example/r@sha256:" + strings.Repeat("2", 64) + "'}]}\n",
		signature("5", kube.Satchel), signature("4", kube.Satchel), signature("3", kube.Satchel), signature("2", "oc"),
	}
	files := emitOn(t, weekOf(t), weekState(t, objects...))
	apply := commands(t, files, handover.FileApply)
	inOrder(t, apply, "oc delete catalogsource redhat-operators-v4-15 -n openshift-marketplace", "oc delete catalogsource used -n openshift-marketplace", "oc delete configmap -n openshift-config-managed --ignore-not-found sha256-"+strings.Repeat("3", 64)+"\n")
	page := string(fileOf(t, files, handover.FileApply).Body)
	if !strings.Contains(page, "`oc delete catalogsource -n openshift-marketplace other-week`") || strings.Contains(page, "marketplace used`") || strings.Contains(page, "marketplace strangers") {
		t.Errorf("what is listed is not what is not used:\n%s", page)
	}
	// Nothing is known of Subscriptions: nothing is listed.
	if page := string(fileOf(t, emitOn(t, weekOf(t), cluster.NewState("c", nil, "CatalogSource")), handover.FileApply).Body); strings.Contains(page, "nothing needs any more") {
		t.Errorf("listed without facts:\n%s", page)
	}
}

// TestCut: the chapter of the cut is a page of its own, and is not asked for again.
func TestCut(t *testing.T) {
	t.Parallel()
	in := weekOf(t)
	files := emitOn(t, in, weekState(t, connectedImage))
	if page := string(fileOf(t, files, handover.FileApply).Body); !strings.Contains(page, "follow CUT.md") || strings.Contains(page, "Disconnect the cluster") {
		t.Errorf("APPLY.md says of the cut:\n%s", page)
	}
	inOrder(t, commands(t, files, handover.FileCut), `oc patch configmap satchel-before -n openshift-config --type=merge -p '{"data":{"cut":"true"}}'`)
	files = emitOn(t, in, weekState(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: satchel-before, namespace: openshift-config}\ndata: {cut: 'true'}\n"))
	if page := string(fileOf(t, files, handover.FileApply).Body); strings.Contains(page, "## The cut") || !strings.Contains(page, "the cut (") {
		t.Errorf("APPLY.md says of the cut, after it:\n%s", page)
	}
}

// TestCutWithoutRelease: the cut stops where the release that runs is not in the mirror; nodes pull
// that one as a test.
func TestCutWithoutRelease(t *testing.T) {
	t.Parallel()
	runs := digest.FromString("runs")
	cv := `{"apiVersion":"config.openshift.io/v1","kind":"ClusterVersion","metadata":{"name":"version"},"status":{"desired":{"version":"4.22.1","image":"quay.io/openshift-release-dev/ocp-release@` + runs.String() + `"},"history":[{"state":"Completed","version":"4.22.1"}]}}`
	carried := payloads("4.20.3-x86_64")
	runsToo := append(payloads("4.22.1-x86_64"), carried...)
	runsToo[0].Source += "@" + runs.String()
	for name, c := range map[string]struct {
		images []emitImage
		asked  map[digest.Digest]bool
		want   string
	}{
		"carried":    {runsToo, nil, ""},
		"of earlier": {carried, map[digest.Digest]bool{runs: true}, ""},
		"nowhere":    {carried, map[digest.Digest]bool{runs: false}, "the release that the cluster runs, 4.22.1 (" + runs.String() + "), is not in the mirror"},
		"not asked":  {carried, nil, "this bundle does not have the release that the cluster runs, 4.22.1"},
	} {
		files, notes := pagesOf(t, emitInput{Mirror: "m.example", Images: c.images}, func(s *site.Site) {
			s.Cluster, s.RunningInMirror = clusterOf(t, "", nil, cv), c.asked
		})
		cut := files[handover.FileCut]
		if c.want == "" && strings.Contains(cut+notes, "the release that the cluster runs") || !strings.Contains(notes, c.want) || c.want != "" && !strings.Contains(cut, "**Stop: "+c.want) {
			t.Errorf("%s: notes %s\n%s", name, notes, cut)
		}
		if !strings.Contains(cut, `crictl pull m.example/openshift/release-images@"${RELEASE#*@}" `) {
			t.Errorf("%s: nodes pull another release:\n%s", name, cut)
		}
	}
}

// TestHostedAuthorities: a hosted cluster takes them from the management cluster alone.
func TestHostedAuthorities(t *testing.T) {
	t.Parallel()
	inv, given := weekOf(t).parse(t)
	given.PlainHTTP = true
	given.Cluster = weekState(t, connectedImage, "apiVersion: config.openshift.io/v1\nkind: Infrastructure\nmetadata: {name: cluster}\nstatus: {controlPlaneTopology: External}\n")
	files, _, err := Emit(inv, given)
	must(t, err)
	inOrder(t, string(fileOf(t, files, handover.FileApply).Body), "spec.additionalTrustBundle", "registrySources.insecureRegistries", "drain every node", "oc patch hostedcluster")
	if apply := commands(t, files, handover.FileApply); strings.Contains(apply, "oc patch image.config") || strings.Contains(apply, handover.FileCAPatch) {
		t.Errorf("the hosted cluster's own objects are changed:\n%s", apply)
	}
	if safe, drains := checkGitOps(t, files); safe["Image cluster"] != nil || drains["Image cluster"] != nil {
		t.Error("GitOps changes the hosted cluster's image.config")
	}
}
