package written_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/written"
)

const conf = `unqualified-search-registries = ["docker.io"]
[[registry]]
  prefix = ""
  location = "q.example/a"
  [[registry.mirror]]
    location = "m.example:5000/in/a"
    insecure = true
    pull-from-mirror = "digest-only"
`

func files(more map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, body := range map[string]string{
		"registries.conf":                     conf,
		"icsp-generic.yaml":                   "apiVersion: operator.openshift.io/v1alpha1\nkind: ImageContentSourcePolicy\nmetadata: {name: satchel-generic-1}\nspec:\n  repositoryDigestMirrors:\n  - {source: q.example/a, mirrors: ['m.example:5000/in/a']}\n",
		"configmap-registry-ca-patch.yaml":    "data:\n  m.example..5000: PEM\n  updateservice-registry: PEM\n",
		"catalogsource-x.yaml":                "apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\nmetadata: {name: x}\nspec: {sourceType: grpc, image: 'm.example:5000/in/cat:v4'}\n",
		"clustercatalog-y.yaml":               "kind: ClusterCatalog\nmetadata: {name: y, labels: {a: b}}\nspec: {priority: -100, source: {type: Image, image: {ref: 'm.example:5000/in/cat:v4'}}}\n",
		"operatorhub-patch.yaml":              "spec: {disableAllDefaultSources: true}\n",
		"clustercatalogs-off.yaml":            "spec: {availabilityMode: Unavailable}\n",
		"updateservice.yaml":                  "kind: UpdateService\nmetadata: {name: s}\nspec: {graphDataImage: 'm.example:5000/in/graph:1', releases: m.example:5000/in/r}\n",
		"updateservice-namespace.yaml":        "kind: Namespace\nmetadata: {name: n}\nspec: {finalizers: [kubernetes]}\n",
		"updateservice-subscription.yaml":     "kind: Subscription\nmetadata: {name: n}\nspec: {source: x}\n",
		"secrets/mirror.dockerconfigjson":     `{"auths":{"m.example:5000":{"auth":"bm9kZTpzZWNyZXQ="}}}`,
		"restore/icsp-old.yaml":               "not looked at",
		"release-signature-sha256-abcde.yaml": "not looked at",
	} {
		fsys[name] = &fstest.MapFile{Data: []byte(body), Mode: 0o600}
	}
	for name, body := range more {
		if body == "" {
			delete(fsys, name)
			continue
		}
		fsys[name] = &fstest.MapFile{Data: []byte(body), Mode: 0o600}
	}
	return fsys
}

// TestPage: what APPLY.md applies must be there, and the cluster that it names be the one that is checked.
func TestPage(t *testing.T) {
	t.Parallel()
	const page = "**For the cluster x (its ID: `256f375f-6920`).**\n\noc apply -f icsp-generic.yaml -f catalogsource-gone.yaml\noc apply -f satchel-before.yaml\noc patch image.config --type=merge --patch-file image-config-patch.yaml\noc replace -f secrets/pull-secret-new.json\n"
	f, err := written.Read(files(map[string]string{"APPLY.md": page}))
	if err != nil || !slices.Equal(f.Lacking, []string{"catalogsource-gone.yaml", "image-config-patch.yaml"}) {
		t.Errorf("%v, %q", err, f.Lacking)
	}
	if f.For("256f375f-6920") != nil || f.For("") != nil || f.For("other") == nil {
		t.Errorf("for %q", f.Cluster)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	f, err := written.Read(files(nil))
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, n := range f.Named {
		named = append(named, n.String()+" "+n.Image.String())
		if n.Kind == "ClusterCatalog" && (n.Labels["a"] != "b" || n.Priority != -100) || !f.CatalogsOff || !f.SourcesOff {
			t.Errorf("%+v, off: %v", n, f.CatalogsOff)
		}
	}
	if !slices.Equal(named, []string{"CatalogSource x m.example:5000/in/cat:v4", "ClusterCatalog y m.example:5000/in/cat:v4", "UpdateService s m.example:5000/in/graph:1"}) {
		t.Errorf("named %q", named)
	}
	if len(f.Rules) != 1 || f.Whole || f.Hosted || len(f.Authorities) != 1 || f.Authorities["m.example:5000"] != "PEM" {
		t.Errorf("%+v", f)
	}
	if _, ok := f.Secret.Covers("m.example:5000/in/a"); !ok {
		t.Error("no credential for the mirror")
	}
	n, err := written.NodesOf(f, nil)
	if err != nil || len(n.Differs)+len(n.Notes) > 0 || !slices.Equal(n.Pull("q.example/a"), []string{"m.example:5000/in/a", "q.example/a"}) || !slices.Equal(n.Scopes, []string{"q.example/a"}) {
		t.Errorf("%v: %+v\n%s", err, n, n.TOML)
	}
	if !strings.Contains(string(n.TOML), "insecure = true") {
		t.Errorf("it uses TLS:\n%s", n.TOML)
	}
}

// TestReadHosted: a hosted cluster gets its rules and authorities by its HostedCluster.
func TestReadHosted(t *testing.T) {
	t.Parallel()
	f, err := written.Read(files(map[string]string{"icsp-generic.yaml": "", "configmap-registry-ca-patch.yaml": "", "hostedcluster/rules.txt": "q.example/a m.example:5000/in/a\n", "hostedcluster/ca-bundle.crt": "PEM"}))
	if err != nil || !f.Hosted || f.Authorities[""] != "PEM" {
		t.Fatalf("%v: %+v", err, f)
	}
	if n, err := written.NodesOf(f, nil); err != nil || len(n.Differs) > 0 || len(n.Pull("q.example/a")) != 2 {
		t.Errorf("%v: %+v", err, n)
	}
}

// TestReadRefuses: files that cannot be used are named, with the line, and nothing of a secret is said.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		more map[string]string
		want string
	}{
		"no files":         {map[string]string{"registries.conf": ""}, "registries.conf"},
		"several clusters": {map[string]string{"registries.conf": "", "icsp-generic.yaml": "", "one/registries.conf": conf}, "directories below it have files for clusters: one"},
		"other rules":      {map[string]string{"icsp-generic.yaml": "kind: Pod\n"}, "icsp-generic.yaml:1:"},
		"left from before": {map[string]string{"icsp-generic-2.yaml": "apiVersion: operator.openshift.io/v1alpha1\nkind: ImageContentSourcePolicy\nmetadata: {name: satchel-generic-1}\n"}, "is in another file too"},
		"a bad image":      {map[string]string{"catalogsource-x.yaml": "kind: CatalogSource\nmetadata: {name: x}\nspec: {image: 'NO PLACE'}\n"}, "catalogsource-x.yaml:1:1"},
		"a bad field":      {map[string]string{"catalogsource-x.yaml": "kind: CatalogSource\nspec: {image: [a]}\n"}, "catalogsource-x.yaml:2:"},
		"a secret":         {map[string]string{"secrets/mirror.dockerconfigjson": `{"auths":{"m":"hidden"}}`}, "secrets/mirror.dockerconfigjson:1:"},
		"registries.conf":  {map[string]string{"registries.conf": "[[registry\n"}, "registries.conf:1:1"},
		"hosted":           {map[string]string{"icsp-generic.yaml": "", "hostedcluster/rules.txt": "q.example/a\n"}, "hostedcluster/rules.txt:1:1"},
	} {
		_, err := written.Read(files(c.more))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", name, err)
		}
	}
	var wrong *written.Error
	if _, err := written.Read(fstest.MapFS{}); !errors.As(err, &wrong) || wrong.Hint() == "" {
		t.Errorf("an empty directory: %v", err)
	}
}

// TestNodesDiffer: a registries.conf that does not fit its rules is said, and the rules count.
func TestNodesDiffer(t *testing.T) {
	t.Parallel()
	f, err := written.Read(files(map[string]string{"idms-generic.yaml": "apiVersion: config.openshift.io/v1\nkind: ImageDigestMirrorSet\nmetadata: {name: y}\nspec:\n  imageDigestMirrors:\n  - {source: q.example/b, mirrors: [m.example/b]}\n"}))
	if err != nil {
		t.Fatal(err)
	}
	n, err := written.NodesOf(f, nil)
	if err != nil || !slices.Equal(n.Differs, []string{"no rule for q.example/b"}) || len(n.Pull("q.example/b")) != 2 {
		t.Errorf("%v: %+v", err, n)
	}
	present, err := cluster.Read("c", strings.NewReader("kind: List\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop}, spec: {containers: [{image: 'q.io/a:1'}]}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := written.NodesOf(f, present); err != nil || len(n.Notes) != 1 {
		t.Errorf("rules of the cluster that are not known: %v, %q", err, n.Notes)
	}
}

// TestReadWithoutRegistries: files of a cluster without registries.conf are told from a directory above some.
func TestReadWithoutRegistries(t *testing.T) {
	t.Parallel()
	_, err := written.Read(files(map[string]string{"registries.conf": "", "install/registries.conf": conf}))
	if wrong := (*written.Error)(nil); !errors.As(err, &wrong) || !strings.Contains(wrong.Msg, "is missing") || !strings.Contains(wrong.Hint(), "render") {
		t.Errorf("%v", err)
	}
}
