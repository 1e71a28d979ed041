package emit

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/sigstore"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/internal/update"
	"github.com/satchel-airgap/satchel/manifests/octest"
	"github.com/satchel-airgap/satchel/oci"
)

// withGraph is a release, its graph, a catalog, and the authority of the mirror.
func withGraph(t *testing.T) (*oci.Inventory, site.Site) {
	t.Helper()
	inv := &oci.Inventory{Images: []oci.Image{
		emitImage{Origin: "release", Source: "quay.io/openshift-release-dev/ocp-release:4.18.3-multi", Path: "openshift/release-images", Tags: []string{"4.18.3-multi"}}.image(t),
		emitImage{Origin: "release", Source: "graph-data.local/openshift/graph-image:latest", Tags: []string{"latest"}, Platforms: []string{"linux/amd64"}}.image(t),
		emitImage{Origin: "catalog", Source: "registry.redhat.io/redhat/redhat-operator-index:v4.18", Tags: []string{"v4.18"}, Platforms: []string{"linux/amd64"}}.image(t),
		emitImage{Origin: "operator", Source: "registry.redhat.io/openshift-update-service/bundle@" + digest.FromString("bundle").String(), Platforms: []string{"linux/amd64"}}.image(t),
	}}
	inv.Images[1].Built = true
	return inv, site.Site{Mirror: oci.Mirror{Host: "mirror.example:5000", Namespace: "ocp"}, CA: []byte(testCA(t))}
}

// TestUpdateService: the service reads the releases and the graph by digest where nodes pull them,
// and its operator is installed where the bundle brings it and the cluster lacks it.
func TestUpdateService(t *testing.T) {
	t.Parallel()
	inv, given := withGraph(t)
	inv.Images[3].Reasons = []oci.Reason{{Kind: "operator", Name: update.UpdatePackage + " 5.0.3", Catalog: inv.Images[2].Configured().String()}}
	files, _, err := Emit(inv, given)
	must(t, err)
	checkObjects(t, files)
	has := map[string]string{}
	for _, f := range files {
		has[f.Name] = string(f.Body)
	}
	for name, want := range map[string]string{
		update.FileUpdateService:      "graphDataImage: mirror.example:5000/ocp/openshift/graph-image@" + inv.Images[1].Root.Digest.String() + "\n  releases: mirror.example:5000/ocp/openshift/release-images\n  replicas: 2\n",
		update.FileUpdateSubscription: "source: redhat-operators\n",
		update.FileUpdateNamespace:    "name: openshift-update-service\n",
		handover.FileCA:               "updateservice-registry: |\n",
		handover.FileApply:            "oc apply -f " + update.FileUpdateNamespace,
	} {
		if !strings.Contains(has[name], want) {
			t.Errorf("%s lacks %q:\n%s", name, want, has[name])
		}
	}

	// A second OperatorGroup would stop the operators of the namespace.
	c := octest.New(t, 18, "apiVersion: operators.coreos.com/v1\nkind: OperatorGroup\nmetadata: {name: theirs, namespace: openshift-update-service}\n")
	pasted(t, c, files, handover.FileApply)
	if log := c.Log(); slices.Contains(log, "created OperatorGroup openshift-update-service/satchel") || !slices.Contains(log, "created Subscription openshift-update-service/"+update.UpdatePackage) {
		t.Errorf("the namespace has an OperatorGroup: %q", log)
	}

	// The cluster has it all.
	object := func(kind, group, namespace, name, body string) cluster.Object {
		return cluster.Object{APIVersion: group, Kind: kind, Namespace: namespace, Name: name, Body: json.RawMessage(body)}
	}
	var theirs update.UpdateService
	must(t, json.Unmarshal([]byte(`{"spec":{"graphDataImage":"mirror.example:5000/ocp/openshift/graph-image@`+inv.Images[1].Root.Digest.String()+`","releases":"mirror.example:5000/ocp/openshift/release-images","replicas":1}}`), &theirs))
	body, err := json.Marshal(theirs.Spec)
	must(t, err)
	given.Cluster = cluster.NewState("c", []cluster.Object{
		object("UpdateService", update.UpdateGroup, "updates", "company", `{"metadata":{"name":"company","namespace":"updates","labels":{"app.kubernetes.io/managed-by":"satchel"}},"spec":`+string(body)+`,"status":{"policyEngineURI":"https://updates.example"}}`),
		object("ClusterServiceVersion", "operators.coreos.com/v1alpha1", "updates", "update-service-operator.v5.0.3", `{}`),
		object("ClusterVersion", "config.openshift.io/v1", "", "version", `{"spec":{"channel":"company","upstream":"https://updates.example/api/upgrades_info/v1/graph"}}`),
		object("Infrastructure", "config.openshift.io/v1", "", "cluster", `{"status":{"controlPlaneTopology":"SingleReplica"}}`),
	})
	files, _, err = Emit(inv, given)
	must(t, err)
	for _, f := range files {
		switch f.Name {
		case update.FileUpdateSubscription:
			t.Errorf("the operator is installed, and %s is written", f.Name)
		case update.FileUpdateService:
			if !strings.Contains(string(f.Body), "name: company\n  namespace: updates\n") || !strings.Contains(string(f.Body), "replicas: 1\n") {
				t.Errorf("the cluster's own object is not updated:\n%s", f.Body)
			}
		case handover.FileApply:
			if strings.Contains(string(f.Body), update.FileUpdateService) || !strings.Contains(string(f.Body), "the update service") {
				t.Errorf("nothing is to be done:\n%s", f.Body)
			}
		}
	}
}

// TestUpdateServiceOfOthers: one that satchel did not make is taken over only with a word, and is kept
// before, so that the way back creates it again; satchel's own is not, in any week.
func TestUpdateServiceOfOthers(t *testing.T) {
	t.Parallel()
	for labels, theirs := range map[string]bool{`{}`: true, `{"app.kubernetes.io/managed-by":"satchel"}`: false} {
		inv, given := withGraph(t)
		one := cluster.Object{Kind: "UpdateService", Namespace: "updates", Name: "company", Body: json.RawMessage(`{"metadata":{"labels":` + labels + `},"spec":{"releases":"other.example/releases"}}`)}
		must(t, json.Unmarshal([]byte(labels), &one.Labels))
		given.Cluster = cluster.NewState("c", []cluster.Object{one})
		files, _, err := Emit(inv, given)
		must(t, err)
		page, back := string(fileOf(t, files, handover.FileApply).Body), string(fileOf(t, files, handover.FileRestore).Body)
		if strings.Contains(page, "which satchel did not make") != theirs || strings.Contains(page, "keep updateservice-company.yaml oc get updateservice/company -n updates -o yaml &&\noc apply") != theirs || !strings.Contains(back, "oc delete updateservice -n updates -l "+kube.Mine+"\nfor f in restore/before/updateservice-*.yaml") {
			t.Errorf("labels %s:\n%s\n%s", labels, page, back)
		}
	}
}

// TestUpdateServiceStops: without the last manifest of a payload's index the service would fail
// for all releases, so that it is not written.
func TestUpdateServiceStops(t *testing.T) {
	t.Parallel()
	last, other := digest.FromString("last"), digest.FromString("other")
	for name, tc := range map[string]struct {
		omitted []digest.Digest
		facts   []documents.PayloadFacts
		stops   bool
	}{
		"whole":                     {nil, nil, false},
		"another one is missing":    {[]digest.Digest{other}, []documents.PayloadFacts{{Last: last}}, false},
		"the last one is missing":   {[]digest.Digest{other, last}, []documents.PayloadFacts{{Last: last}}, true},
		"nothing is said of a last": {[]digest.Digest{other}, nil, true},
	} {
		inv, given := withGraph(t)
		inv.Images[0].Root.MediaType, inv.Images[0].Platforms = oci.MediaTypeIndex, []string{"linux/amd64"}
		inv.Images[0].Omitted = slices.Sorted(slices.Values(tc.omitted))
		for i := range tc.facts {
			tc.facts[i].Payload = inv.Images[0].Root.Digest
		}
		given.Payloads = tc.facts
		files, _, err := Emit(inv, given)
		must(t, err)
		written, said := false, false
		for _, f := range files {
			written = written || f.Name == update.FileUpdateService
			said = said || f.Name == handover.FileApply && strings.Contains(string(f.Body), "No UpdateService is written: the release 4.18.3-multi")
		}
		if written == tc.stops || said != tc.stops {
			t.Errorf("%s: written %v, said %v", name, written, said)
		}
	}
}

// TestUpdateServiceTrust: the service reads the mirror by TLS, and trusts what its own key has.
func TestUpdateServiceTrust(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*site.Site)
		said   string
		stops  bool
	}{
		"authorities given": {func(*site.Site) {}, "configmap-registry-ca.yaml has them", false},
		"none given":        {func(s *site.Site) { s.CA = nil }, "**No certificate authority was given.** If", false},
		"the key is there": {func(s *site.Site) {
			s.CA, s.PresentCA = nil, &site.RegistryCA{Name: "company", Data: map[string]string{handover.UpdateServiceKey: "x"}}
		}, "", false},
		"plain HTTP": {func(s *site.Site) { s.CA, s.PlainHTTP = nil, true }, "No UpdateService is written: mirror.example:5000 speaks plain HTTP", true},
	} {
		inv, given := withGraph(t)
		tc.change(&given)
		files, _, err := Emit(inv, given)
		must(t, err)
		page := string(fileOf(t, files, handover.FileApply).Body)
		if lacksFile(files, update.FileUpdateService) != tc.stops || !strings.Contains(page, tc.said) || tc.said == "" && (strings.Contains(page, "configmap-registry-ca.yaml has them") || strings.Contains(page, "authority was given.** If")) {
			t.Errorf("%s:\n%s", name, page)
		}
	}
}

// TestUpdateServiceWithout: without its operator, or for a release that nodes refuse, no UpdateService
// is written and no block of it is printed; where it is not known whether the operator is there, no
// sync waits for it, and the commands stop before they change nodes.
func TestUpdateServiceWithout(t *testing.T) {
	t.Parallel()
	const stop = "The update service: stop"
	csvs := func(names ...string) *cluster.State {
		var list []cluster.Object
		for _, name := range names {
			list = append(list, cluster.Object{APIVersion: "operators.coreos.com/v1alpha1", Kind: "ClusterServiceVersion", Namespace: "ns", Name: name, Body: json.RawMessage(`{}`)})
		}
		return cluster.NewState("c", list, "ClusterServiceVersion")
	}
	for name, tc := range map[string]struct {
		cluster         *cluster.State
		unsigned        bool
		written, synced bool
		want            []string
	}{
		"installed":  {csvs("update-service-operator.v5.0.3"), false, true, true, []string{"oc apply -f " + update.FileUpdateService}},
		"not there":  {csvs(), false, false, false, []string{stop, "does not have the OpenShift Update Service operator", "!oc apply -f " + update.FileUpdateService, "!router-ca.crt"}},
		"not known":  {nil, false, true, false, []string{"must be in the cluster already", "oc get crd updateservices.updateservice.operator.openshift.io &&\noc apply -f " + update.FileUpdateService, "oc get updateservice satchel -n openshift-update-service &&\noc get configmap default-ingress-cert"}},
		"not signed": {csvs("update-service-operator.v5.0.3"), true, false, false, []string{stop, "nodes would refuse images of 4.18.3-multi", "!oc apply -f " + update.FileUpdateService}},
	} {
		inv, given := withGraph(t)
		given.Cluster = tc.cluster
		if tc.unsigned {
			given.Unsigned = []sigstore.Unsigned{{Image: inv.Images[0], Manifest: inv.Images[0].Root.Digest, Policy: "ClusterImagePolicy openshift", Err: sigstore.ErrNone}}
		}
		files, _, err := Emit(inv, given)
		must(t, err)
		written := slices.ContainsFunc(files, func(f handover.File) bool { return f.Name == update.FileUpdateService })
		synced := strings.Contains(string(fileOf(t, files, "kustomization.yaml").Body), update.FileUpdateService)
		if written != tc.written || synced != tc.synced {
			t.Errorf("%s: written %v, synced %v", name, written, synced)
		}
		order(t, string(fileOf(t, files, handover.FileApply).Body), tc.want...)
	}
}

// TestUpdateOperatorCatalog: the operator comes from the plain catalog, never from one for an earlier
// version, and the page says why where no catalog for now has it.
func TestUpdateOperatorCatalog(t *testing.T) {
	t.Parallel()
	const later = `{"kind":"CatalogSource","metadata":{"name":"redhat-operators","namespace":"openshift-marketplace"},"spec":{"image":"other.example/x:v4.19"}}`
	for name, c := range map[string]struct {
		runs    string
		objects []string
		source  string
		stops   string
	}{
		"not known":           {"", nil, "redhat-operators", ""},
		"the one that runs":   {"4.18.3", nil, "redhat-operators", ""},
		"the one before":      {"4.17.3", nil, "redhat-operators", ""},
		"only later ones":     {"4.16.3", nil, "", "only a catalog for after the update has it"},
		"only earlier ones":   {"4.19.3", nil, "", "of this bundle only catalogs that were left out have it"},
		"a later one present": {"4.19.3", []string{later}, "", "(`oc get packagemanifests -n openshift-marketplace -l catalog=redhat-operators | grep cincinnati-operator`)"},
	} {
		inv, given := withGraph(t)
		older := emitImage{Origin: "catalog", Source: "registry.redhat.io/redhat/redhat-operator-index:v4.17", Tags: []string{"v4.17"}, Platforms: []string{"linux/amd64"}}.image(t)
		inv.Images = append(inv.Images, older)
		for _, catalog := range []oci.Image{older, inv.Images[2]} {
			inv.Images[3].Reasons = append(inv.Images[3].Reasons, oci.Reason{Kind: "operator", Name: update.UpdatePackage + " 5.0.3", Catalog: catalog.Configured().String()})
		}
		if c.runs != "" {
			given.Cluster = clusterOf(t, c.runs, []string{"ClusterServiceVersion", "CatalogSource"}, c.objects...)
		}
		files, _, err := Emit(inv, given)
		must(t, err)
		has := map[string]string{}
		for _, f := range files {
			has[f.Name] = string(f.Body)
		}
		if got := has[update.FileUpdateSubscription]; c.source == "" && got != "" || c.source != "" && !strings.Contains(got, "source: "+c.source+"\n") {
			t.Errorf("%s: the Subscription is %q, want the source %q", name, got, c.source)
		}
		if !strings.Contains(has[handover.FileApply], c.stops) {
			t.Errorf("%s: no %q in:\n%s", name, c.stops, has[handover.FileApply])
		}
	}
}
