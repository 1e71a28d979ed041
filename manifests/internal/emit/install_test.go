package emit

import (
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/internal/trust"
	"github.com/satchel-airgap/satchel/oci"
)

// TestInstall: what new clusters are installed with leads to the same places as the rules, and
// has the mirror's authorities.
func TestInstall(t *testing.T) {
	t.Parallel()
	inv := &oci.Inventory{Images: []oci.Image{
		emitImage{Origin: "release", Source: "quay.io/openshift-release-dev/ocp-release:4.18.3-x86_64", Path: "openshift/release-images", Tags: []string{"4.18.3-x86_64"}}.image(t),
		emitImage{Origin: "additional", Source: "quay.io/acme/tool:1", Tags: []string{"1"}, Platforms: []string{"linux/amd64"}}.image(t),
	}}
	given := site.Site{Mirror: oci.Mirror{Host: "mirror.example:5000", Namespace: "ocp"}, CA: []byte(testCA(t)), PullFrom: []oci.Mirror{{Host: "pull.example"}, {Host: "second.example", Namespace: "x"}}}
	files, _, err := Emit(inv, given)
	must(t, err)
	has := map[string][]byte{}
	for _, f := range files {
		has[f.Name] = f.Body
	}
	want := []imageSource{
		{Source: "quay.io/openshift-release-dev/ocp-release", Mirrors: []string{"pull.example/openshift/release-images", "second.example/x/openshift/release-images"}},
		{Source: "quay.io/acme/tool", Mirrors: []string{"pull.example/acme/tool", "second.example/x/acme/tool"}},
	}
	var now, old installConfig
	must(t, yaml.UnmarshalStrict(has[fileInstallConfig], &now))
	must(t, yaml.UnmarshalStrict(has[fileInstallConfig413], &old))
	same := func(list []imageSource) bool {
		return slices.EqualFunc(list, want, func(a, b imageSource) bool { return a.Source == b.Source && slices.Equal(a.Mirrors, b.Mirrors) })
	}
	if !same(now.ImageDigestSources) || !same(old.ImageContentSources) || now.ImageContentSources != nil || old.ImageDigestSources != nil {
		t.Errorf("sources: %s\n%s", has[fileInstallConfig], has[fileInstallConfig413])
	}
	if !trust.SameCertificates(now.AdditionalTrustBundle, testCA(t)) || !trust.SameCertificates(string(has[fileInstallCA]), testCA(t)) {
		t.Error("the authorities are not the mirror's")
	}
	conf := string(has[fileInstallRegistries])
	for _, w := range want {
		at := strings.Index(conf, `location = "`+w.Source+`"`)
		for _, m := range w.Mirrors {
			next := strings.Index(conf, `location = "`+m+`"`)
			if at < 0 || next < at {
				t.Errorf("registries.conf does not lead from %s to %s in this order: %s", w.Source, m, conf)
			}
			at = next
		}
	}
	if set := string(has["install/clusterimageset-4.18.3-x86-64.yaml"]); !strings.Contains(set, "name: img4.18.3-x86-64\n") || !strings.Contains(set, "releaseImage: pull.example/openshift/release-images@sha256:") {
		t.Errorf("the ClusterImageSet: %s", set)
	}
	if page := string(has[fileInstall]); !strings.Contains(page, "oc apply -f install/clusterimageset-4.18.3-x86-64.yaml") {
		t.Errorf("the page: %s", page)
	}
	inOrder(t, string(has[fileInstall]), "oc create configmap satchel-mirror -n multicluster-engine --dry-run=client -o yaml --from-file=registries.conf=install/registries.conf --from-file=ca-bundle.crt=install/ca-bundle.crt | oc apply", `{"spec":{"mirrorRegistryRef":{"name":"satchel-mirror"}}}`)
	// Without TLS, new clusters do not know what the cluster at hand was told.
	plain := given
	plain.PlainHTTP, plain.PresentImage = true, &site.ImageConfig{Sources: site.RegistrySources{Insecure: []string{"pull.example", "second.example"}}}
	files, _, err = Emit(inv, plain)
	must(t, err)
	if conf := string(fileOf(t, files, fileInstallRegistries).Body); strings.Count(conf, "insecure = true") != 6 || !strings.Contains(string(fileOf(t, files, fileInstall).Body), "no field for that") {
		t.Errorf("the mirror has no TLS, and registries.conf is\n%s", conf)
	}
	inv.Images = inv.Images[1:]
	files, _, err = Emit(inv, given)
	must(t, err)
	for _, f := range files {
		if strings.HasPrefix(f.Name, "install/") {
			t.Errorf("no release is carried, and %s is written", f.Name)
		}
	}
}
