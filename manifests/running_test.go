package manifests

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

const empty = asktest.Head + "mirror: {}\n"

// runs is a cluster whose version operator runs from a payload, with a pod of an application.
func runs(t *testing.T, name, payload, image string) *Cluster {
	t.Helper()
	s, err := ReadCluster(name, strings.NewReader("kind: ClusterVersion\napiVersion: config.openshift.io/v1\nmetadata: {name: version}\nstatus: {history: [{state: Completed, version: 4.18.1, image: '"+payload+"'}]}\n---\n"+
		"kind: Pod\napiVersion: v1\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: web, image: '"+image+"'}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestRunningRelease carries the releases that clusters run, whole, once, and with what the
// configuration asks for.
func TestRunningRelease(t *testing.T) {
	t.Parallel()
	m := asktest.NewRegistry()
	parts := m.Components("etcd-1", "dns-2")
	payload := m.PutPayload(t, "4.18.1", "amd64", parts)
	at := m.At("quay.io/ocp/rel@"+payload.Digest.String(), payload)
	app := m.At("quay.io/app/web:v1", m.Image(true, m.Base))
	for name, tc := range map[string]struct {
		config   string
		clusters []*Cluster
		running  bool // as the pods show it
		images   int
		why      string
	}{
		"a cluster":              {empty, []*Cluster{runs(t, "east", at, app)}, false, 4, "runs in cluster east"},
		"two clusters":           {empty, []*Cluster{runs(t, "east", at, app), runs(t, "west", at, app)}, false, 4, "runs in cluster east, cluster west"},
		"the configuration's":    {asktest.Head + "mirror: {platform: {release: '" + at + "'}}\n", []*Cluster{runs(t, "east", at, app)}, false, 4, ""},
		"other platforms":        {asktest.Head + "mirror: {platform: {platforms: [{os: linux, architecture: s390x}]}}\n", []*Cluster{runs(t, "east", at, app)}, false, 4, "runs in cluster east"},
		"pods alone":             {empty, nil, true, 3, "runs in pod openshift-cluster-version/cluster-version-operator-1 cluster-version-operator"},
		"pods beside a cluster":  {empty, []*Cluster{runs(t, "east", at, app)}, true, 4, "runs in cluster east"},
		"nothing of the cluster": {empty, []*Cluster{runs(t, "east", "not a name", app)}, false, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			x := Extra{IgnoreReleaseSignature: true}
			if tc.running {
				x.PodFiles = []string{podsFile(t, podListOf("openshift-cluster-version/cluster-version-operator-1 cluster-version-operator "+at))}
			}
			cfg, err := Load(Request{Name: "f.yaml", Data: []byte(tc.config), Extra: x, Clusters: tc.clusters})
			if err != nil {
				t.Fatal(err)
			}
			inv, err := Resolve(t.Context(), cfg, m)
			if err != nil {
				t.Fatal(err)
			}
			if len(inv.Images) != tc.images {
				t.Errorf("%d images: %v", len(inv.Images), inv.Images)
			}
			if tc.why == "" {
				return
			}
			i := slices.IndexFunc(inv.Images, func(i oci.Image) bool { return i.Root.Digest == payload.Digest })
			if i < 0 || !strings.Contains(strings.Join(oci.Words(inv.Images[i].Reasons), "; "), tc.why) || !slices.Contains(inv.Images[i].Tags, "4.18.1-x86_64") {
				t.Errorf("%+v", inv.Images)
			}
		})
	}
}

// TestRunningReleaseUnsigned demands a signature of what a cluster runs, as of any release.
func TestRunningReleaseUnsigned(t *testing.T) {
	t.Parallel()
	m := asktest.NewRegistry()
	m.Published = map[string][]byte{}
	payload := m.PutPayload(t, "4.18.1", "amd64", m.Components("etcd-1"))
	at := m.At("quay.io/ocp/rel@"+payload.Digest.String(), payload)
	cfg, err := Load(Request{Name: "f.yaml", Data: []byte(empty), Clusters: []*Cluster{runs(t, "east", at, "quay.io/a:v1")}})
	if err != nil {
		t.Fatal(err)
	}
	var unsigned *SignatureError
	if _, err := Resolve(t.Context(), cfg, m); !errors.As(err, &unsigned) {
		t.Errorf("got %v", err)
	}
	lost := runs(t, "east", "quay.io/gone@"+hexOf("a"), at)
	if cfg, err = Load(Request{Name: "f.yaml", Data: []byte(empty), Clusters: []*Cluster{lost}, Extra: Extra{IgnoreReleaseSignature: true}}); err != nil {
		t.Fatal(err)
	}
	inv, err := Resolve(t.Context(), cfg, m)
	gaps, ok := oci.Gaps(err)
	if !ok || len(gaps) != 1 || len(inv.Images) != 1 {
		t.Fatalf("got %v", err)
	}
	if whole := origin.Wholes(*gaps[0]); len(whole) != 1 || whole[0].Kind != origin.KindRelease {
		t.Errorf("got %+v", whole)
	}
}

// podListOf writes a pod as oc does: "NAMESPACE/POD CONTAINER IMAGE".
func podListOf(line string) string {
	f := strings.Fields(line)
	ns, name, _ := strings.Cut(f[0], "/")
	return `{"kind":"List","items":[{"kind":"Pod","metadata":{"name":"` + name + `","namespace":"` + ns + `"},"spec":{"containers":[{"name":"` + f[1] + `","image":"` + f[2] + `"}]}}]}`
}

func podsFile(t *testing.T, list string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pods.json")
	if err := os.WriteFile(name, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
