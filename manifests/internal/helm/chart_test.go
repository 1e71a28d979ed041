package helm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
)

const chartYAML = "apiVersion: v2\nname: web\nversion: 1.2.3\n"

// tgz writes an archive of files by name below web/.
func tgz(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	w := tar.NewWriter(gz)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Name: "web/" + name, Mode: 0o644, Size: int64(len(files[name])), ModTime: time.Unix(1, 0)}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// found lists "WHERE = REF" of all that a chart runs.
func found(t testing.TB, archive []byte, paths []string, values ...string) ([]string, error) {
	t.Helper()
	c, err := Load(archive)
	if err != nil {
		return nil, err
	}
	q := Request{Paths: paths}
	for _, v := range values {
		q.Values = append(q.Values, Values{c.Name, []byte(v)}, Values{"other", []byte("tag: none")})
	}
	a, err := Renderer(nil).Chart(t.Context(), archive, q)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, img := range a.Images {
		list = append(list, img.Where+" = "+img.Ref)
	}
	slices.Sort(list)
	return list, nil
}

func pod(kind, inner string) string {
	return "kind: " + kind + "\nmetadata: {name: app}\n" + inner + "\n"
}

func TestImages(t *testing.T) {
	t.Parallel()
	const spec = "{containers: [{name: c, image: a.io/c:1}], initContainers: [{name: i, image: a.io/i:1}], ephemeralContainers: [{name: e, image: a.io/e:1}], volumes: [{name: v, image: {reference: 'a.io/v:1'}}]}"
	all := func(kind string) []string {
		return []string{kind + "/app container c = a.io/c:1", kind + "/app ephemeral container e = a.io/e:1", kind + "/app image volume v = a.io/v:1", kind + "/app init container i = a.io/i:1"}
	}
	tests := map[string]struct {
		files  map[string]string
		values []string
		paths  []string
		want   []string
	}{
		"pod":               {files: map[string]string{"templates/a.yaml": pod("Pod", "spec: "+spec)}, want: all("Pod")},
		"cron job":          {files: map[string]string{"templates/a.yaml": pod("CronJob", "spec: {jobTemplate: {spec: {template: {spec: "+spec+"}}}}")}, want: all("CronJob")},
		"pod template":      {files: map[string]string{"templates/a.yaml": pod("PodTemplate", "template: {spec: "+spec+"}")}, want: all("PodTemplate")},
		"a kind of its own": {files: map[string]string{"templates/a.yaml": pod("Rollout", "spec: {template: {spec: "+spec+"}}")}, want: all("Rollout")},
		"list":              {files: map[string]string{"templates/a.yaml": "kind: List\nitems:\n- {kind: Pod, metadata: {name: app}, spec: " + spec + "}\n"}, want: all("Pod")},
		"hook and test": {files: map[string]string{
			"templates/hook.yaml":       "kind: Job\nmetadata: {name: app, annotations: {helm.sh/hook: pre-install}}\nspec: {template: {spec: {containers: [{name: h, image: a.io/h:1}]}}}\n",
			"templates/tests/test.yaml": "kind: Pod\nmetadata: {name: app, annotations: {helm.sh/hook: test}}\nspec: {containers: [{name: t, image: a.io/t:1}]}\n",
		}, want: []string{"Job/app container h = a.io/h:1", "Pod/app container t = a.io/t:1"}},
		"several in a file, and none": {files: map[string]string{
			"templates/a.yaml":    "# first\n---\n" + pod("Pod", "spec: {containers: [{name: c, image: a.io/c:1}]}") + "---\n" + pod("DeploymentConfig", "spec: {template: {spec: {containers: [{name: c, image: ' '}, {name: d}]}}}"),
			"templates/NOTES.txt": "image: not.io/yaml:1 : :",
			"templates/cm.yaml":   "kind: ConfigMap\nmetadata: {name: app}\ndata: {image: 'a.io/not:1'}\n",
			"crds/crd.yaml":       pod("Pod", "spec: "+spec),
		}, want: []string{"Pod/app container c = a.io/c:1"}},
		"values": {files: map[string]string{"values.yaml": "image: a.io/c\ntag: one\n", "templates/a.yaml": pod("Pod", "spec: {containers: [{name: c, image: '{{.Values.image}}:{{.Values.tag}}'}]}")},
			values: []string{"tag: two\n", "tag: three\n"}, want: []string{"Pod/app container c = a.io/c:three"}},
		"paths": {files: map[string]string{"templates/a.yaml": "kind: Thing\nmetadata: {name: app}\nspec: {image: a.io/x:1, more: [{image: a.io/y:1}, {image: a.io/z:1}], list: [a.io/l:1, a.io/m:1]}\n---\nkind: Other\nmetadata: {name: o}\n"},
			paths: []string{"{.spec.image}", ".spec.more[*].image", "spec.list", "$.spec.none"},
			want: []string{"Thing/app imagePaths .spec.more[*].image = a.io/y:1", "Thing/app imagePaths .spec.more[*].image = a.io/z:1",
				"Thing/app imagePaths spec.list = a.io/l:1", "Thing/app imagePaths spec.list = a.io/m:1", "Thing/app imagePaths {.spec.image} = a.io/x:1"}},
		"aliases and conditions": {files: map[string]string{
			"Chart.yaml":                  chartYAML + "dependencies:\n- {name: sub, version: 1.0.0, repository: '', alias: first}\n- {name: sub, version: 1.0.0, repository: '', alias: second, condition: second.enabled}\n- {name: opt, version: 1.0.0, repository: '', condition: opt.enabled}\n",
			"values.yaml":                 "first: {tag: one}\nsecond: {tag: two, enabled: true}\nopt: {enabled: false}\n",
			"charts/sub/Chart.yaml":       "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
			"charts/sub/values.yaml":      "tag: none\n",
			"charts/sub/templates/a.yaml": "kind: Pod\nmetadata: {name: '{{.Chart.Name}}'}\nspec: {containers: [{name: c, image: 'a.io/sub:{{.Values.tag}}'}]}\n",
			"charts/opt/Chart.yaml":       "apiVersion: v2\nname: opt\nversion: 1.0.0\n",
			"charts/opt/templates/a.yaml": pod("Pod", "spec: "+spec),
		}, want: []string{"Pod/first container c = a.io/sub:one", "Pod/second container c = a.io/sub:two"}},
		"switched on by values": {files: map[string]string{
			"Chart.yaml":                  chartYAML + "dependencies:\n- {name: opt, version: 1.0.0, repository: '', condition: opt.enabled}\n",
			"values.yaml":                 "opt: {enabled: false}\n",
			"charts/opt/Chart.yaml":       "apiVersion: v2\nname: opt\nversion: 1.0.0\n",
			"charts/opt/templates/a.yaml": pod("Pod", "spec: {containers: [{name: c, image: a.io/opt:1}]}"),
		}, values: []string{"opt: {enabled: true}\n"}, want: []string{"Pod/app container c = a.io/opt:1"}},
		"names at random": {files: map[string]string{
			"templates/a.yaml": "kind: Pod\nmetadata: {name: 'x-{{ randAlphaNum 9 | lower }}'}\nspec: {containers: [{name: c, image: a.io/c:1}]}\n---\n" + pod("Pod", "spec: {containers: [{name: d, image: a.io/d:1}]}"),
		}, want: []string{"Pod/(name at random) container c = a.io/c:1", "Pod/app container d = a.io/d:1"}},
		"no cluster and no network": {files: map[string]string{
			"values.schema.json": `{"$ref": "http://127.0.0.1:1/schema.json"}`,
			"templates/a.yaml":   "{{ if or (lookup \"v1\" \"Secret\" \"a\" \"b\") (getHostByName \"localhost\") (semverCompare \"<1.30-0\" .Capabilities.KubeVersion.Version) }}{{ fail \"asked\" }}{{ end }}\n{{ if .Capabilities.APIVersions.Has \"route.openshift.io/v1\" }}\n" + pod("Pod", "spec: {containers: [{name: c, image: a.io/c:1}]}") + "{{ end }}",
		}, want: []string{"Pod/app container c = a.io/c:1"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.files["Chart.yaml"] == "" {
				tc.files["Chart.yaml"] = chartYAML
			}
			got, err := found(t, tgz(t, tc.files), tc.paths, tc.values...)
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("got  %q, %v\nwant %q", got, err, tc.want)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		files map[string]string
		paths []string
		want  string
	}{
		"required value":    {files: map[string]string{"templates/a.yaml": `{{ required "say who" .Values.who }}`}, want: "execution error at (web/templates/a.yaml:1:3): say who"},
		"fail":              {files: map[string]string{"templates/a.yaml": `{{ fail "never" }}`}, want: "execution error at (web/templates/a.yaml:1:3): never"},
		"no template":       {files: map[string]string{"templates/a.yaml": `{{ if }}`}, want: "parse error at (web/templates/a.yaml:1)"},
		"no YAML":           {files: map[string]string{"templates/a.yaml": "a: b: c\n"}, want: "template web/templates/a.yaml: "},
		"no object":         {files: map[string]string{"templates/a.yaml": "text\n"}, want: "template web/templates/a.yaml: it gives a string where an object belongs"},
		"without sub-chart": {files: map[string]string{"Chart.yaml": chartYAML + "dependencies: [{name: sub, version: 1.0.0, repository: 'https://a.io'}]\n"}, want: "it needs charts that are not in its charts directory: sub"},
		"no name":           {files: map[string]string{"Chart.yaml": "apiVersion: v2\nversion: 1.0.0\n"}, want: "it is not a chart: validation: chart.metadata.name is required"},
		"path in a name":    {files: map[string]string{"Chart.yaml": "apiVersion: v2\nname: a/b\nversion: 1.0.0\n"}, want: "it is not a chart: validation: "},
		"path to no name":   {files: map[string]string{"templates/a.yaml": "kind: Thing\nmetadata: {name: app}\nspec: {a: {b: c}}\n"}, paths: []string{"{.spec.a}"}, want: "imagePaths {.spec.a} points at something in Thing/app that is not the name of an image"},
		"broken path":       {files: map[string]string{"templates/a.yaml": "kind: Thing\n"}, paths: []string{"{.spec[}"}, want: "unterminated"},
		"large file":        {files: map[string]string{"values.yaml": strings.Repeat("a", 5<<20+1)}, want: "larger than the maximum file size"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.files["Chart.yaml"] == "" {
				tc.files["Chart.yaml"] = chartYAML
			}
			got, err := found(t, tgz(t, tc.files), tc.paths)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %q, %v; want %s", got, err, tc.want)
			}
		})
	}
	if _, err := Load([]byte("no gzip")); err == nil {
		t.Error("what is no archive is read")
	}
}

// TestReal renders the charts of other projects. The lists were written down by
// reading their templates and values.
func TestReal(t *testing.T) {
	t.Parallel()
	const hook = "ingress-nginx-admission-"
	const certgen = "registry.k8s.io/ingress-nginx/kube-webhook-certgen:v1.5.2@sha256:e8825994b7a2c7497375a9b945f386506ca6a3eda80b89b74ef2db743f66a5ea"
	redis := "Deployment/release-name-podinfo-redis container redis = redis:6.0.1"
	podinfo := []string{
		"Deployment/release-name-podinfo container podinfo = ghcr.io/stefanprodan/podinfo:5.0.0",
		"Pod/(name at random) container grpc-health-probe = stefanprodan/grpc_health_probe:v0.3.0",
		"Pod/(name at random) container tools = giantswarm/tiny-tools",
		"Pod/(name at random) container curl = curlimages/curl:7.69.0",
	}
	tests := []struct {
		file, values string
		want         []string
	}{
		{"test-mirror-helm-0.3.0.tgz", "", []string{"Deployment/nginx-ingress container nginx = quay.io/nginx/nginx-ingress:latest"}},
		{"podinfo-5.0.0.tgz", "", podinfo},
		{"podinfo-5.0.0.tgz", "redis: {enabled: true}", append([]string{redis}, podinfo...)},
		{"ingress-nginx-4.12.1.tgz", "", []string{
			"Deployment/release-name-ingress-nginx-controller container controller = registry.k8s.io/ingress-nginx/controller:v1.12.1@sha256:d2fbc4ec70d8aa2050dd91a91506e998765e86c96f32cffb56c503c9c34eed5b",
			"Job/release-name-" + hook + "create container create = " + certgen,
			"Job/release-name-" + hook + "patch container patch = " + certgen,
		}},
	}
	for _, tc := range tests {
		t.Run(tc.file+" "+tc.values, func(t *testing.T) {
			archive, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "shared", "data", "helm", tc.file))
			if err != nil {
				t.Skipf("the charts of other projects are not here: %v", err)
			}
			got, err := found(t, archive, nil, tc.values)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Sort(tc.want); !slices.Equal(got, tc.want) {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(tc.want, "\n     "))
			}
		})
	}
}

func TestArtifact(t *testing.T) {
	t.Parallel()
	archive := tgz(t, map[string]string{"Chart.yaml": chartYAML + "description: words\n"})
	c, err := Load(archive)
	if err != nil {
		t.Fatal(err)
	}
	var made oci.Memory
	keep := func(mediaType string, body []byte) (oci.Descriptor, error) { return made.Add(mediaType, body), nil }
	facts, err := c.Facts()
	if err != nil {
		t.Fatal(err)
	}
	root, err := facts.Artifact(archive, keep)
	if err != nil {
		t.Fatal(err)
	}
	body, err := oci.ReadManifest(t.Context(), &made, root)
	if err != nil {
		t.Fatal(err)
	}
	layer, err := ArchiveOf(root, body)
	if err != nil || layer.Digest != oci.Digest(archive) {
		t.Errorf("layer %+v, %v", layer, err)
	}
	config, err := oci.ReadBlob(t.Context(), &made, made.Descriptors()[0], 1<<10)
	if want := `{"name":"web","version":"1.2.3","description":"words","apiVersion":"v2"}`; err != nil || string(config) != want {
		t.Errorf("config %s, %v; want %s", config, err, want)
	}
	again, err := facts.Artifact(archive, keep)
	if err != nil || again.Digest != root.Digest || len(made.Descriptors()) != 3 {
		t.Errorf("made again it is %+v, %v", again, err)
	}
	if _, err := ArchiveOf(root, []byte(`{"config":{"mediaType":"application/vnd.oci.image.config.v1+json"}}`)); err == nil {
		t.Error("an image is taken for a chart")
	}
}
