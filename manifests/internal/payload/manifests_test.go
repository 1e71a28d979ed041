package payload

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

const (
	gates  = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: admin-gates, namespace: openshift-config-managed}\ndata:\n  ack-4.19-a-in-4.20: |-\n    Something goes.\n"
	policy = "apiVersion: config.openshift.io/v1\nkind: ClusterImagePolicy\nmetadata: {name: %s, annotations: {%s}}\nspec: {scopes: [quay.io/x]}\n"
)

func facts(t *testing.T, index bool, layers ...[]ocitest.File) (string, error) {
	t.Helper()
	c := ocitest.New(1)
	var list []oci.Descriptor
	for _, files := range layers {
		d, err := c.Files(ocitest.LayerGzip, files...)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, d)
	}
	image := c.Image(true, list...)
	if index {
		image = c.Index(true, image)
	}
	f, err := Manifests(t.Context(), c, image)
	if err != nil {
		return "", err
	}
	var lines []string
	for name, text := range f.Gates {
		lines = append(lines, name+": "+text)
	}
	for _, p := range f.Policies {
		lines = append(lines, fmt.Sprint(p.Name, p.FeatureSets, strings.Contains(string(p.Body), `"scopes":["quay.io/x"]`)))
	}
	return strings.Join(lines, "\n"), nil
}

func TestManifests(t *testing.T) {
	t.Parallel()
	file := func(name, body string) ocitest.File { return ocitest.File{Name: name, Body: []byte(body)} }
	one := fmt.Sprintf(policy, "openshift", "")
	tests := []struct {
		name   string
		layers [][]ocitest.File // the lowest first
		want   string
	}{
		{"nothing", [][]ocitest.File{{file("release-manifests/release-metadata", "{}")}}, ""},
		{"gates of the version operator, in a lower layer", [][]ocitest.File{
			{file("manifests/0000_01_gates.yaml", gates)},
			{file("release-manifests/image-references", "{}"), file("release-manifests/0000_90_p.yaml", one)},
		}, "ack-4.19-a-in-4.20: Something goes.\nopenshift[] true"},
		{"several objects, and templates", [][]ocitest.File{
			{file("manifests/a.yaml", "image: {{.ReleaseImage}} # admin-gates\n---\n"+gates)},
			{file("release-manifests/p.yml", "---\n"+fmt.Sprintf(policy, "b", `release.openshift.io/feature-set: "DevPreviewNoUpgrade, TechPreviewNoUpgrade"`)+"---\n"+fmt.Sprintf(policy, "a", ""))},
		}, "ack-4.19-a-in-4.20: Something goes.\na[] true\nb[DevPreviewNoUpgrade TechPreviewNoUpgrade] true"},
		{"JSON", [][]ocitest.File{{file("release-manifests/p.json", `{"kind":"ClusterImagePolicy","metadata":{"name":"j"},"spec":{"scopes":["quay.io/x"]}}`)}}, "j[] true"},
		{"others that look like them", [][]ocitest.File{{
			file("release-manifests/p.txt", one), file("release-manifests/sub.yaml", strings.Replace(gates, "openshift-config-managed", "elsewhere", 1)),
			file("release-manifests/crd.yaml", "kind: CustomResourceDefinition\nspec: {names: {kind: ClusterImagePolicy}}\ndata: [1]\n"),
			file("elsewhere/p.yaml", one),
		}}, ""},
		{"what lower layers had is not read", [][]ocitest.File{
			{file("release-manifests/old.yaml", one)}, {file("release-manifests/new.yaml", "kind: A\n")},
		}, ""},
	}
	for _, tc := range tests {
		for _, index := range []bool{false, true} {
			if got, err := facts(t, index, tc.layers...); err != nil || got != tc.want {
				t.Errorf("%s: got %s, %v", tc.name, got, err)
			}
		}
	}
	for name, body := range map[string]string{
		"release-manifests/a.yaml": "kind: ClusterImagePolicy\n\tx",
		"release-manifests/b.yaml": fmt.Sprintf(policy, "''", ""),
		"release-manifests/c.yaml": strings.Replace(gates, "Something", strings.Repeat("a", maxGateText), 1),
		"release-manifests/d.yaml": strings.Replace(gates, "ack-4.19-a-in-4.20", "'a b'", 1),
		"release-manifests/e.yaml": strings.Repeat(one+"---\n", maxPolicies+1),
		"release-manifests/f.yaml": "x: {{.A}} # admin-gates\n",
	} {
		got, err := facts(t, false, []ocitest.File{file(name, body)})
		var ue *oci.UnsupportedError
		if !errors.As(err, &ue) {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
}

// TestRealPolicy reads what a release of 4.22 brings.
func TestRealPolicy(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(filepath.Join("../../../../shared/data/release/cluster-update-keys/manifests.rhel", "0000_90_openshift-cluster-image-policy.yaml"))
	if err != nil {
		t.Skipf("the data of other projects is not here: %v", err)
	}
	got, err := facts(t, false, []ocitest.File{{Name: "release-manifests/p.yaml", Body: body}})
	if got != "openshift[] false" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestManyPolicies: reading ends with the first policy that is too many, or too large.
func TestManyPolicies(t *testing.T) {
	t.Parallel()
	var f Facts
	for i := range maxPolicies + 1 {
		err := f.object(fmt.Appendf(nil, "kind: ClusterImagePolicy\nmetadata: {name: p%d}\n", i))
		if (err != nil) != (i == maxPolicies) {
			t.Fatalf("policy %d: %v", i, err)
		}
	}
	if err := (&Facts{}).object([]byte("kind: ClusterImagePolicy\nmetadata: {name: " + strings.Repeat("a", maxPolicy) + "}\n")); err == nil {
		t.Error("a large policy is kept")
	}
}
