package manifests

import (
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

const goodTemplate = `---
apiVersion: operators.coreos.com/v1alpha1
kind: CatalogSource
metadata:
  name: elsewhere
  namespace: elsewhere
  annotations: {olm.catalogImageTemplate: "evil.example/x:{kube_major_version}"}
spec:
  sourceType: grpc
  image: evil.example/x:y
  displayName: Our operators
  priority: 7
  grpcPodConfig: {securityContextConfig: restricted}
  updateStrategy: {registryPoll: {interval: 30m0s}}
`

func templateConfig(t *testing.T, body string) (*Config, error) {
	t.Helper()
	c := asktest.ParseOperators(t, "  - catalog: a.io/catalog:v1\n    targetCatalogSourceTemplate: t.yaml\n")
	return c, c.ReadTemplates(func(name string) ([]byte, error) {
		if name != "t.yaml" {
			t.Errorf("%s is read", name)
		}
		if body == "" {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return []byte(body), nil
	})
}

func TestTemplate(t *testing.T) {
	c, err := templateConfig(t, goodTemplate)
	if err != nil {
		t.Fatal(err)
	}
	h := asktest.NewCatalogs()
	h.PutCatalog(t, "a.io/catalog:v1", asktest.TestFiles())
	inv, err := Resolve(t.Context(), c, h)
	if err != nil {
		t.Fatal(err)
	}
	root, ok := inv.Document(DocumentTemplates)
	if !ok {
		t.Fatal("there is no document")
	}
	files, err := oci.ReadArtifact(t.Context(), &h.Stored, root, ArtifactTemplates)
	if err != nil {
		t.Fatal(err)
	}
	list, err := ParseTemplates(files)
	if err != nil || !reflect.DeepEqual(list, c.Extra.Templates) {
		t.Fatalf("got %v, %v", list, err)
	}
	inv.Images = slices.DeleteFunc(inv.Images, func(i oci.Image) bool { return i.Origin != origin.Catalog })
	out, _, err := Emit(inv, Site{Mirror: oci.Mirror{Host: "m.example"}, Templates: list})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(out, func(f File) bool { return f.Name == "catalogsource-catalog.yaml" })
	if i < 0 {
		t.Fatal("no CatalogSource was written")
	}
	// What the template says stays; what default catalogs have beside that is added.
	for _, want := range []string{
		"\nspec:\n  displayName: Our operators\n  grpcPodConfig:\n    nodeSelector:\n", "\n    priorityClassName: system-cluster-critical\n    securityContextConfig: restricted\n",
		"\n  image: m.example/catalog@" + inv.Images[0].Root.Digest.String() + "\n  priority: 7\n  sourceType: grpc\n  updateStrategy:\n    registryPoll:\n      interval: 30m0s\n",
	} {
		if !strings.Contains(string(out[i].Body), want) {
			t.Errorf("it lacks %q:\n%s", want, out[i].Body)
		}
	}

	other, err := templateConfig(t, strings.Replace(goodTemplate, "priority: 7", "priority: 8", 1))
	if err != nil || other.Digest() == c.Digest() {
		t.Errorf("another template makes no other job, %v", err)
	}
	c.Extra.Templates = nil
	if _, err := Resolve(t.Context(), c, h); err == nil || !strings.Contains(err.Error(), "0 of 1 templates") {
		t.Errorf("got %v", err)
	}
}

func TestTemplateRefused(t *testing.T) {
	const at = "f.yaml:6:34: mirror.operators[0].targetCatalogSourceTemplate: "
	for name, tc := range map[string]struct{ body, want string }{
		"absent":      {"", "open t.yaml: file does not exist"},
		"kind":        {strings.Replace(goodTemplate, "kind: Cat", "kind: Dog", 1), `it is a "DogalogSource" of "operators.coreos.com/v1alpha1"; a template is`},
		"version":     {strings.Replace(goodTemplate, "v1alpha1", "v1", 1), `it is a "CatalogSource" of "operators.coreos.com/v1"; `},
		"source type": {strings.Replace(goodTemplate, "grpc\n", "configmap\n", 1), `its spec.sourceType is "configmap"`},
		"config map":  {goodTemplate + "  configMap: x\n", "its spec has a configMap"},
		"two":         {goodTemplate + goodTemplate, "it has several documents"},
		"no YAML":     {"a: [", "yaml"},
		"no object":   {"- a\n", "cannot unmarshal"},
		"large":       {goodTemplate + strings.Repeat("#", imageset.MaxTemplate), "more than 65536 bytes"},
	} {
		_, err := templateConfig(t, tc.body)
		var ce *ConfigError
		if !errors.As(err, &ce) || !strings.HasPrefix(err.Error(), at) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
	for body, want := range map[string]string{
		`[{"catalog":"a","spec":{"configMap":"x"}}]`: "configMap", `[{"catalog":"a","spec":{"sourceType":7}}]`: "sourceType", `{`: "unexpected end", `[{"spec":[]}]`: "cannot unmarshal",
	} {
		_, err := ParseTemplates([]oci.ArtifactFile{{Title: documents.FileTemplates, Body: []byte(body)}})
		var ue *oci.UnsupportedError
		if !errors.As(err, &ue) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", body, err)
		}
	}
	if _, err := ParseTemplates([]oci.ArtifactFile{{Title: "other"}}); err == nil {
		t.Error("another file is taken")
	}
}
