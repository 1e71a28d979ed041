package emit

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/operatorhub"
	"github.com/satchel-airgap/satchel/manifests/internal/update"
)

// crds are the definitions of what is written, by kind.
var crds = map[string]string{
	"ImageContentSourcePolicy": "0000_10_config-operator_01_imagecontentsourcepolicies.crd.yaml",
	"ImageDigestMirrorSet":     "0000_10_config-operator_01_imagedigestmirrorsets.crd.yaml",
	"ImageTagMirrorSet":        "0000_10_config-operator_01_imagetagmirrorsets.crd.yaml",
	"CatalogSource":            "operators.coreos.com_catalogsources.yaml",
	"UpdateService":            "updateservice.operator.openshift.io_updateservices.yaml",
	"Image":                    "0000_10_config-operator_01_images.crd.yaml",
	"ClusterCatalog":           "olm.operatorframework.io_clustercatalogs.yaml",
}

const sharedData = "../../../../shared/data"

// sharedFile reads a file that the tests are given, or skips.
func sharedFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(sharedData, name))
	if err != nil {
		t.Skipf("the data that is not part of the project is not here: %v", err)
	}
	return b
}

// schemaErrors checks an object as the cluster's API server does: unknown fields,
// structural schema, rules in CEL.
func schemaErrors(t *testing.T, kind string, body []byte) []string {
	t.Helper()
	var crd apiextv1.CustomResourceDefinition
	must(t, yaml.Unmarshal(sharedFile(t, "crds/"+crds[kind]), &crd))
	var obj map[string]any
	must(t, yaml.UnmarshalStrict(body, &obj))
	if group, version, _ := strings.Cut(obj["apiVersion"].(string), "/"); obj["kind"] != kind || group != crd.Spec.Group || !serves(crd, version) {
		t.Fatalf("%s is no %s of %s", obj["kind"], kind, crd.Spec.Group)
	}
	var props apiextensions.JSONSchemaProps
	must(t, apiextv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, &props, nil))
	structural, err := schema.NewStructural(&props)
	must(t, err)
	validator, _, err := validation.NewSchemaValidator(&props)
	must(t, err)

	var found []string
	for _, e := range validation.ValidateCustomResource(nil, obj, validator) {
		found = append(found, e.Error())
	}
	if v := cel.NewValidator(structural, true, 1_000_000); v != nil {
		errs, _ := v.Validate(context.Background(), field.NewPath(""), structural, obj, nil, 10_000_000)
		for _, e := range errs {
			found = append(found, e.Error())
		}
	}
	unknown := pruning.PruneWithOptions(obj, structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, f := range unknown {
		found = append(found, "unknown field "+f)
	}
	return found
}

func serves(crd apiextv1.CustomResourceDefinition, version string) bool {
	return slices.ContainsFunc(crd.Spec.Versions, func(v apiextv1.CustomResourceDefinitionVersion) bool { return v.Name == version && v.Served })
}

// checkObjects holds every object that was written against what the cluster takes.
func checkObjects(t *testing.T, files []handover.File) {
	t.Helper()
	if _, err := os.Stat(sharedData); err != nil {
		t.Logf("objects are not compared with their schemas: %v", err)
		return
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name, ".yaml") || isGitOps(f.Name) {
			continue
		}
		if strings.Contains(string(f.Body), "creationTimestamp") || strings.Contains(string(f.Body), "status:") {
			t.Errorf("%s has what only the cluster writes", f.Name)
		}
		switch kind := kindOf(t, f.Body); {
		case kind == "ConfigMap":
			strictly(t, f, &corev1.ConfigMap{})
		case kind == "Namespace":
			strictly(t, f, &corev1.Namespace{})
		case f.Name == fileInstallConfig || f.Name == fileInstallConfig413:
			strictly(t, f, &installConfig{})
		case f.Name == handover.FileHostedCluster:
			strictly(t, f, &hostedPatch{})
		case kind == "PinnedImageSet":
			strictly(t, f, &update.PinnedImageSet{})
		case kind == "ClusterImageSet":
			strictly(t, f, &clusterImageSet{})
		case kind == "OperatorGroup": // no schema of it is at hand
			strictly(t, f, &update.OperatorGroup{})
		case kind == "Subscription":
			strictly(t, f, &update.SubscriptionObject{})
		case kind == "Secret":
			checkSecret(t, f)
		case strings.HasSuffix(f.Name, "image-config-patch.yaml"):
			patched := "apiVersion: config.openshift.io/v1\nkind: Image\nmetadata: {name: cluster}\n" + string(f.Body)
			if !strings.Contains(patched, "additionalTrustedCA: null") { // null takes the field away
				noErrors(t, f.Name, schemaErrors(t, "Image", []byte(patched)))
			}
		case f.Name == handover.FileCAPatch:
			strictly(t, f, &kube.DataPatch{})
		case f.Name == operatorhub.FileCatalogsOn:
			strictly(t, f, &kube.AvailabilityPatch{})
		case f.Name == operatorhub.FileCatalogsOff:
			patched := "apiVersion: olm.operatorframework.io/v1\nkind: ClusterCatalog\nmetadata: {name: a}\n" + string(f.Body) + "  source: {type: Image, image: {ref: 'a.example/b:c'}}\n"
			noErrors(t, f.Name, schemaErrors(t, "ClusterCatalog", []byte(patched)))
		case f.Name == operatorhub.FileHelmOff || f.Name == operatorhub.FileHelmOn:
			strictly(t, f, &kube.HelmPatch{})
		case strings.HasSuffix(f.Name, "operatorhub-patch.yaml"):
			strictly(t, f, &kube.HubPatch{})
		case crds[kind] != "":
			noErrors(t, f.Name, schemaErrors(t, kind, f.Body))
		default:
			t.Errorf("%s: no schema for kind %q", f.Name, kind)
		}
	}
}

func noErrors(t *testing.T, name string, errs []string) {
	t.Helper()
	for _, e := range errs {
		t.Errorf("%s: %s", name, e)
	}
}

func kindOf(t *testing.T, body []byte) string {
	t.Helper()
	var obj struct {
		Kind string `json:"kind"`
	}
	must(t, yaml.Unmarshal(body, &obj))
	return obj.Kind
}

func strictly(t *testing.T, f handover.File, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(f.Body, into); err != nil {
		t.Errorf("%s: %v", f.Name, err)
	}
}

func checkSecret(t *testing.T, f handover.File) {
	t.Helper()
	var s corev1.Secret
	strictly(t, f, &s)
	if s.Name != "pull-secret" || s.Namespace != "openshift-config" || s.Type != corev1.SecretTypeDockerConfigJson || !json.Valid(s.Data[corev1.DockerConfigJsonKey]) {
		t.Errorf("%s is not the pull secret", f.Name)
	}
	if f.Mode != 0o600 {
		t.Errorf("%s has mode %o", f.Name, f.Mode)
	}
}

// TestSchemaErrors: the check finds what it is there to find.
func TestSchemaErrors(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: operator.openshift.io/v1alpha1\nkind: ImageContentSourcePolicy\nmetadata: {name: x}\n"
	for body, want := range map[string]string{
		head + "spec: {repositoryDigestMirrors: [{source: a, mirrors: [b]}]}":       "",
		head + "spec: {repositoryDigestMirrors: [{source: a, mirrors: [b], x: 1}]}": "unknown field",
		head + "spec: {repositoryDigestMirrors: [{mirrors: [b]}]}":                  "Required value",
		head + "spec: {repositoryDigestMirrors: [{source: a, mirrors: b}]}":         "Invalid value",
	} {
		got := strings.Join(schemaErrors(t, "ImageContentSourcePolicy", []byte(body)), "; ")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}
