package emit

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/operatorhub"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
)

// isGitOps reports whether a file is of the kustomizations, which have tests of their own.
func isGitOps(name string) bool {
	return name == fileKustomization || strings.HasPrefix(name, dirGitOps+"/") && !strings.HasPrefix(name, "gitops/secrets/") || strings.HasPrefix(name, dirDrains+"/")
}

// resources reads a kustomization strictly, and gives its objects by "KIND NAME", in its order.
func resources(t *testing.T, files []handover.File, name string) (order []string, objects map[string]map[string]any) {
	t.Helper()
	var k struct {
		APIVersion string   `json:"apiVersion"`
		Kind       string   `json:"kind"`
		Resources  []string `json:"resources"`
	}
	must(t, yaml.UnmarshalStrict(fileOf(t, files, name).Body, &k))
	if k.APIVersion != "kustomize.config.k8s.io/v1beta1" || k.Kind != "Kustomization" || k.Resources == nil {
		t.Errorf("%s is %+v", name, k)
	}
	dir := name[:strings.LastIndex(name, "/")+1]
	objects = map[string]map[string]any{}
	for _, r := range k.Resources {
		if strings.Contains(r, "..") || strings.HasPrefix(r, "/") {
			t.Errorf("%s names %s, which kustomize does not load", name, r)
		}
		body := fileOf(t, files, dir+r).Body
		var o map[string]any
		must(t, yaml.UnmarshalStrict(body, &o))
		id := fmt.Sprint(o["kind"], " ", desired{body: o}.name())
		if objects[id] != nil {
			t.Errorf("%s has %s twice", name, id)
		}
		order, objects[id] = append(order, id), o
	}
	return order, objects
}

func annotationsOf(o map[string]any) map[string]any {
	meta, _ := o["metadata"].(map[string]any)
	a, _ := meta["annotations"].(map[string]any)
	return a
}

// checkGitOps: each object is in one place, keeps itself, and comes after what it needs.
func checkGitOps(t *testing.T, files []handover.File) (safe, drains map[string]map[string]any) {
	t.Helper()
	order, safe := resources(t, files, fileKustomization)
	drains = map[string]map[string]any{}
	if !lacksFile(files, dirDrains+"/"+fileKustomization) {
		_, drains = resources(t, files, dirDrains+"/"+fileKustomization)
	}
	last := 0
	for _, id := range order {
		wave, err := strconv.Atoi(fmt.Sprint(annotationsOf(safe[id])[syncWave]))
		if err != nil || wave < last {
			t.Errorf("%s has the wave %d, after %d: %v", id, wave, last, err)
		}
		last = wave
	}
	for _, list := range []map[string]map[string]any{safe, drains} {
		for id, o := range list {
			options := strings.Split(fmt.Sprint(annotationsOf(o)[syncOptions]), ",")
			for _, want := range []string{"Prune=false", "Delete=false", "ServerSideApply=true"} {
				if !slices.Contains(options, want) {
					t.Errorf("%s has the options %q", id, options)
				}
			}
			if strings.HasPrefix(id, "Secret ") || safe[id] != nil && drains[id] != nil {
				t.Errorf("%s is in the wrong place, or in two", id)
			}
		}
	}
	return safe, drains
}

const proxied = "apiVersion: config.openshift.io/v1\nkind: Proxy\nmetadata: {name: cluster}\nspec: {httpsProxy: 'http://p.example:3128', noProxy: a.example}\n"

// TestGitOps: the kustomization has the fields of the cluster's own objects that satchel sets and
// no others; what drains or reboots nodes is apart.
func TestGitOps(t *testing.T) {
	t.Parallel()
	in := weekOf(t)
	company := strings.Replace(connectedImage, "name: ''", "name: company", 1)
	files := emitOn(t, in, weekState(t, company, connectedHub, proxied, connectedCV, companyCatalog, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: company, namespace: openshift-config}\ndata: {other.example: x}\n"))
	safe, drains := checkGitOps(t, files)
	for id, want := range map[string]string{
		"Image cluster":       "map[additionalTrustedCA:map[name:company]]",
		"OperatorHub cluster": "map[disableAllDefaultSources:true]",
	} {
		if got := fmt.Sprint(safe[id]["spec"]); got != want {
			t.Errorf("%s sets %s, want %s", id, got, want)
		}
	}
	if data, _ := safe["ConfigMap company"]["data"].(map[string]any); len(data) != 1 || data["m.example..5000"] != testCA(t) {
		t.Errorf("the ConfigMap of others gets %v", data)
	}
	if got := fmt.Sprint(drains["Proxy cluster"]["spec"]); got != "map[noProxy:a.example,m.example]" || len(drains) != 1 {
		t.Errorf("what drains is %v", drains)
	}
	for _, id := range []string{"CatalogSource redhat-operators", "CatalogSource company", "ImageContentSourcePolicy satchel-operator-1"} {
		if safe[id] == nil {
			t.Errorf("%s is not there: %v", id, safe)
		}
	}
	// Without facts, what could take something away is left out.
	files = emitOn(t, in, nil)
	safe, _ = checkGitOps(t, files)
	for name, want := range map[string]string{fileKustomization: "Before the first sync, do step 1 of APPLY.md", handover.FileApply: "step 1 of this page comes first in both cases"} {
		if !strings.Contains(string(fileOf(t, files, name).Body), want) {
			t.Errorf("%s does not say %q", name, want)
		}
	}
	if safe["Image cluster"] != nil || safe["ConfigMap registry-config"] != nil || !strings.Contains(string(fileOf(t, files, fileKustomization).Body), "was not given") {
		t.Errorf("image.config is not known, and gets %v", safe["Image cluster"])
	}
}

// TestGitOpsPlainHTTP: image.config is in one place, with all that satchel sets of it.
func TestGitOpsPlainHTTP(t *testing.T) {
	t.Parallel()
	in := weekOf(t)
	for _, listed := range []string{"[other.example]", "[other.example, 'm.example:5000']"} {
		inv, given := in.parse(t)
		given.PlainHTTP = true
		given.Cluster = weekState(t, strings.Replace(connectedImage, "{additionalTrustedCA", "{registrySources: {insecureRegistries: "+listed+"}, additionalTrustedCA", 1))
		files, _, err := Emit(inv, given)
		must(t, err)
		safe, drains := checkGitOps(t, files)
		if got := fmt.Sprint(drains["Image cluster"]["spec"]); safe["Image cluster"] != nil || got != "map[additionalTrustedCA:map[name:registry-config] registrySources:map[insecureRegistries:[other.example m.example:5000]]]" {
			t.Errorf("listed %s: image.config gets %s", listed, got)
		}
	}
}

// TestGitOpsDrainsApart: rules of which the page says that they drain, or of which too little is
// known, are beside what a person syncs.
func TestGitOpsDrainsApart(t *testing.T) {
	t.Parallel()
	const none = "apiVersion: config.openshift.io/v1\nkind: Image\nmetadata: {name: cluster}\nspec: {}\n"
	const listed = "apiVersion: config.openshift.io/v1\nkind: Image\nmetadata: {name: cluster}\nspec: {registrySources: {insecureRegistries: [x.example]}}\n"
	const byTag = "apiVersion: config.openshift.io/v1\nkind: ImageTagMirrorSet\nmetadata: {name: company}\nspec: {imageTagMirrors: [{source: q.example, mirrors: [cache.example/q]}]}\n"
	runs := func(v string) string { return strings.ReplaceAll(connectedCV, "4.16.3", v) }
	for name, c := range map[string]struct {
		api     site.MirrorAPI
		objects []string // nil: nothing is known
		said    string   // what the page says of the rules
		apart   bool
	}{
		"first rules":              {site.MirrorICSP, []string{runs("4.16.3"), none}, "no drain and no reboot", false},
		"nothing known":            {site.MirrorICSP, nil, "4.7 drains every node", true},
		"version not known":        {site.MirrorICSP, []string{none}, "4.7 drains every node", true},
		"4.6":                      {site.MirrorICSP, []string{runs("4.6.3"), none}, "applying these rules drains and reboots every node", true},
		"4.7":                      {site.MirrorICSP, []string{runs("4.7.3"), none}, "applying these rules drains every node", true},
		"4.9, insecure registries": {site.MirrorICSP, []string{runs("4.9.3"), listed}, "this may be one of them", true},
		"4.9":                      {site.MirrorICSP, []string{runs("4.9.3"), none}, "no drain and no reboot", false},
		"a wider rule for tags":    {site.MirrorIDMS, []string{runs("4.16.3"), none, byTag}, "applying these rules drains every node", true},
	} {
		in := weekOf(t)
		in.MirrorAPI = c.api
		var state *cluster.State
		if c.objects != nil {
			state = weekState(t, c.objects...)
		}
		files := emitOn(t, in, state)
		if page := string(fileOf(t, files, handover.FileApply).Body); !strings.Contains(page, c.said) {
			t.Errorf("%s: the page does not say %q", name, c.said)
		}
		safe, apart := checkGitOps(t, files)
		for id := range safe {
			if rulesID(id) && c.apart {
				t.Errorf("%s: %s syncs by itself", name, id)
			}
		}
		if n := slices.ContainsFunc(slices.Collect(maps.Keys(apart)), rulesID); n != c.apart {
			t.Errorf("%s: apart are %v", name, slices.Sorted(maps.Keys(apart)))
		}
		if head := string(fileOf(t, files, fileKustomization).Body); strings.Contains(head, "Sync drains/ first") != (len(apart) > 0) {
			t.Errorf("%s: the kustomization begins with %s", name, head)
		}
		// Once the cluster has them, they change nothing.
		if c.objects == nil {
			continue
		}
		safe, _ = checkGitOps(t, emitOn(t, in, weekState(t, append(appliedObjects(files), c.objects...)...)))
		if !slices.ContainsFunc(slices.Collect(maps.Keys(safe)), rulesID) {
			t.Errorf("%s: in the second week, no rules are left to sync by itself: %v", name, slices.Sorted(maps.Keys(safe)))
		}
	}
}

// TestGitOpsTags: rules for tags, which not every cluster needs, are apart, and nothing waits for them.
func TestGitOpsTags(t *testing.T) {
	t.Parallel()
	in := weekOf(t)
	in.MirrorAPI = site.MirrorIDMS
	in.Images = append(in.Images, emitImage{Origin: origin.Additional, Source: "t.example/app:1", Tags: []string{"1"}, Platforms: []string{"linux/amd64"}})
	files := emitOn(t, in, weekState(t, connectedCV, connectedImage))
	_, apart := checkGitOps(t, files)
	head, other := string(fileOf(t, files, fileKustomization).Body), string(fileOf(t, files, dirDrains+"/"+fileKustomization).Body)
	if len(apart) != 1 || apart["ImageTagMirrorSet satchel-generic-1"] == nil || strings.Contains(head, "Sync drains/ first") || !strings.Contains(other, "only for clusters whose pods name images by tag") {
		t.Errorf("apart are %v\n%s\n%s", slices.Sorted(maps.Keys(apart)), head, other)
	}
}

// rulesID reports whether an object has rules.
func rulesID(id string) bool {
	kind, _, _ := strings.Cut(id, " ")
	return slices.Contains(handover.RuleKinds, rules.Kind(kind))
}

// TestGitOpsReceipts: rules that are known from receipts alone would replace what an object has.
func TestGitOpsReceipts(t *testing.T) {
	t.Parallel()
	in := weekOf(t)
	in.ClusterVersion, in.EarlierImages = "4.16.3", in.Images[2:]
	inv, given := in.parse(t)
	files, _, err := Emit(inv, given)
	must(t, err)
	if safe, apart := checkGitOps(t, files); safe["ImageContentSourcePolicy satchel-operator-1"] != nil || apart["ImageContentSourcePolicy satchel-operator-1"] == nil {
		t.Errorf("rules replace others by themselves: %v", slices.Sorted(maps.Keys(safe)))
	}
}

// TestGitOpsKeepsFields: server-side apply takes away what was set before and is not set now, so a
// run that was given less sets the same.
func TestGitOpsKeepsFields(t *testing.T) {
	t.Parallel()
	in := weekOf(t)
	in.CA = ""
	authorities := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: registry-config, namespace: openshift-config, labels: {app.kubernetes.io/managed-by: satchel}}\ndata: {m.example..5000: a, updateservice-registry: b, other.example: c}\n"
	image := strings.Replace(ourImage, "{additionalTrustedCA", "{registrySources: {insecureRegistries: [x.example, 'm.example:5000']}, additionalTrustedCA", 1)
	service := "apiVersion: updateservice.operator.openshift.io/v1\nkind: UpdateService\nmetadata: {name: satchel, namespace: openshift-update-service, annotations: {argocd.argoproj.io/sync-wave: '1', argocd.argoproj.io/tracking-id: x}, labels: {app.kubernetes.io/managed-by: satchel, app.kubernetes.io/instance: x}}\nspec: {graphDataImage: g, releases: r, replicas: 2}\n"
	sub := "apiVersion: operators.coreos.com/v1alpha1\nkind: Subscription\nmetadata: {name: cincinnati-operator, namespace: openshift-update-service, labels: {app.kubernetes.io/managed-by: satchel}}\nspec: {name: cincinnati-operator, source: redhat-operators, sourceNamespace: openshift-marketplace, channel: v1}\n"
	charts := "apiVersion: helm.openshift.io/v1beta1\nkind: HelmChartRepository\nmetadata: {name: openshift-helm-charts}\nspec: {disabled: true, connectionConfig: {url: 'https://charts.openshift.io'}}\n"
	kept := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: satchel-before, namespace: openshift-config}\ndata: {default-catalogs-off: '', insecure-registries: '[\"x.example\"]', trusted-ca: ''}\n"
	in.Images = in.Images[2:]
	in.CatalogNames = nil
	files := emitOn(t, in, weekState(t, kept, authorities, image, service, sub, charts, ourHub, connectedCV))
	safe, apart := checkGitOps(t, files)
	if got := fmt.Sprint(safe["ConfigMap registry-config"]["data"]); got != "map[m.example..5000:a other.example:c updateservice-registry:b]" {
		t.Errorf("the ConfigMap keeps %s", got)
	}
	if got := fmt.Sprint(apart["Image cluster"]["spec"]); got != "map[additionalTrustedCA:map[name:registry-config] registrySources:map[insecureRegistries:[x.example m.example:5000]]]" {
		t.Errorf("image.config keeps %s", got)
	}
	for id, want := range map[string]string{
		"UpdateService satchel": "map[graphDataImage:g releases:r replicas:2]", "OperatorGroup satchel": "map[targetNamespaces:[openshift-update-service]]", "Namespace openshift-update-service": "<nil>",
		"Subscription cincinnati-operator":          "map[name:cincinnati-operator source:redhat-operators sourceNamespace:openshift-marketplace]",
		"HelmChartRepository openshift-helm-charts": "map[disabled:true]",
	} {
		if o, ok := safe[id]; !ok || fmt.Sprint(o["spec"]) != want {
			t.Errorf("%s is %v", id, o)
		}
	}
	if body := string(fileOf(t, files, dirGitOps+"/updateservice-satchel.yaml").Body); strings.Contains(body, "tracking-id") || strings.Contains(body, "instance: x") || !strings.Contains(body, fmt.Sprintf("sync-wave: %q", fmt.Sprint(waveService))) {
		t.Errorf("what Argo CD wrote stays:\n%s", body)
	}
	// The company's own ConfigMap: only what satchel may have put there.
	in.CA = testCA(t)
	company := strings.Replace(strings.Replace(authorities, "registry-config", "company", 1), "managed-by: satchel", "managed-by: x", 1)
	safe, _ = checkGitOps(t, emitOn(t, in, weekState(t, company, strings.Replace(connectedImage, "name: ''", "name: company", 1), connectedCV)))
	if data, _ := safe["ConfigMap company"]["data"].(map[string]any); len(data) != 2 || data["updateservice-registry"] != "b" || data["m.example..5000"] != testCA(t) {
		t.Errorf("the ConfigMap of others gets %v", data)
	}
}

// TestGitOpsIsWhole: a week with less in its bundle has the same desired state.
func TestGitOpsIsWhole(t *testing.T) {
	t.Parallel()
	in := weekOf(t)
	first := emitOn(t, in, weekState(t, connectedImage, connectedHub, connectedProxy, connectedCV, companyCatalog))
	before, _ := checkGitOps(t, first)
	in.Images = in.Images[2:]
	in.Images[0] = emitImage{Origin: origin.Additional, Source: "q.example/team/new:1"}
	in.CatalogNames = nil
	second := emitOn(t, in, weekState(t, append(appliedObjects(first), ourImage, ourHub, connectedProxy, connectedCV)...))
	after, _ := checkGitOps(t, second)
	for id, o := range before {
		if after[id] == nil {
			t.Errorf("%s is not in the second week's kustomization", id)
		} else if !handover.Holds(after[id]["spec"], o["spec"]) && !strings.HasPrefix(id, "ImageContentSourcePolicy") {
			t.Errorf("%s was %v and is %v", id, o["spec"], after[id]["spec"])
		}
	}
}

// TestGitOpsSignatures: the signatures of earlier weeks stay whole in the desired state.
func TestGitOpsSignatures(t *testing.T) {
	t.Parallel()
	kept := handover.Clean(cluster.Object{Body: []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"sha256-x","namespace":"openshift-config-managed","resourceVersion":"7"},"binaryData":{"sha256-x-1":"eA=="},"data":{"a":"b"}}`)})
	if !strings.Contains(kept, "sha256-x-1: eA==") || !strings.Contains(kept, "a: b") || strings.Contains(kept, "resourceVersion") {
		t.Errorf("of a ConfigMap this is kept:\n%s", kept)
	}
}

// TestFleet: the policies have the same objects, one wave after the other.
func TestFleet(t *testing.T) {
	t.Parallel()
	files := emitOn(t, weekOf(t), weekState(t, connectedImage, connectedHub, proxied, connectedCV))
	safe, _ := checkGitOps(t, files)
	_, fleet := resources(t, files, dirFleet+"/"+fileKustomization)
	found, last := 0, ""
	var bound placementBinding
	must(t, yaml.UnmarshalStrict(fileOf(t, files, dirFleet+"/placementbinding.yaml").Body, &bound))
	for _, s := range bound.Subjects {
		var p acmPolicy
		must(t, yaml.UnmarshalStrict(fileOf(t, files, dirFleet+"/"+s.Name+".yaml").Body, &p))
		if fleet["Policy "+s.Name] == nil || len(p.Metadata.Name+p.Metadata.Namespace) > 61 {
			t.Errorf("the policy %s is not in the kustomization, or its name is too long", s.Name)
		}
		if len(p.Spec.Dependencies) > 0 && p.Spec.Dependencies[0].Name != last || last != "" && len(p.Spec.Dependencies) == 0 {
			t.Errorf("%s comes after %+v", s.Name, p.Spec.Dependencies)
		}
		last = s.Name
		for _, o := range p.Spec.PolicyTemplates[0].ObjectDefinition.Spec.ObjectTemplates {
			id := fmt.Sprint(o.ObjectDefinition["kind"], " ", desired{body: o.ObjectDefinition}.name())
			if found++; safe[id] == nil || o.ComplianceType != "musthave" || annotationsOf(o.ObjectDefinition)[syncWave] != nil {
				t.Errorf("%s has %s, %s", s.Name, id, o.ComplianceType)
			}
		}
	}
	if found != len(safe) {
		t.Errorf("the policies have %d objects of %d", found, len(safe))
	}
	if !lacksFile(emitOn(t, emitInput{Mirror: handover.PlaceholderHost, Images: manyImages(1)}, cluster.NewState("c", nil)), fileKustomization) {
		t.Error("a kustomization was written for no mirror")
	}
}

// TestFleetNames: two mirrors, or two clusters, have policies, bindings and labels of their own on
// one hub, the same ones each week, and names that the hub takes.
func TestFleetNames(t *testing.T) {
	t.Parallel()
	seen := map[string]string{} // name and kind, or label -> whose
	for _, c := range []struct{ name, mirror, cluster string }{
		{"a", "m.example:5000/ocp", "1"}, {"b", "m.example:5000/ocp", "2"}, {"c", "m.example:5000/ocp2", "1"}, {"a", "m.example:5000/ocp", "1"},
		{"d", strings.Repeat("long-name.", 12) + "example/ocp", "1"}, {"e", strings.Repeat("long-name.", 12) + "example/ocp", "2"},
	} {
		in := weekOf(t)
		in.Mirror = c.mirror
		files := emitOn(t, in, weekState(t, strings.Replace(connectedCV, "{channel", "{clusterID: '"+c.cluster+"', channel", 1), connectedImage, connectedHub))
		_, fleet := resources(t, files, dirFleet+"/"+fileKustomization)
		var place placement
		must(t, yaml.UnmarshalStrict(fileOf(t, files, dirFleet+"/placement.yaml").Body, &place))
		value := place.Spec.Predicates[0].RequiredClusterSelector.LabelSelector.MatchLabels[fleetLabel]
		if !operatorhub.LabelPattern().MatchString(value) || len(value) > 63 || !strings.Contains(string(fileOf(t, files, dirFleet+"/"+fileKustomization).Body), fleetLabel+"="+value) {
			t.Errorf("%s: %q is not the value of a label, or the kustomization does not say it", c.name, value)
		}
		ids := []string{value}
		for id := range fleet {
			kind, name, _ := strings.Cut(id, " ")
			if kind == "Namespace" || kind == "ManagedClusterSetBinding" { // these are for all
				continue
			}
			if ids = append(ids, id); len(name) > 63 || !operatorhub.LabelPattern().MatchString(name) {
				t.Errorf("%s: a hub takes no %s", c.name, id)
			}
		}
		for _, id := range ids {
			if of, ok := seen[id]; ok && of != c.name {
				t.Errorf("%s is of %s and of %s", id, of, c.name)
			}
			seen[id] = c.name
		}
	}
}
