package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func asFiles(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, body := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(body)}
	}
	return fsys
}

func below(dir string, files map[string]string) map[string]string {
	all := map[string]string{}
	for name, body := range files {
		all[filepath.Join(dir, name)] = body
	}
	return all
}

// gathered is a must-gather as oc adm inspect lays it out: lists, single objects, and pods in
// directories of their own.
func gathered() map[string]string {
	config := "cluster-scoped-resources/config.openshift.io/"
	return map[string]string{
		"version":                               "openshift/must-gather\n4.16.0-1\n",
		config + "clusterversions.yaml":         "apiVersion: config.openshift.io/v1\nitems:\n- " + strings.ReplaceAll(oneVersion, "apiVersion: config.openshift.io/v1, kind: ClusterVersion, ", "") + "\nkind: ClusterVersionList\n",
		config + "clusterversions/version.yaml": "---\n" + oneVersion,
		config + "imagedigestmirrorsets.yaml":   "apiVersion: config.openshift.io/v1\nitems: []\nkind: ImageDigestMirrorSetList\n",
		config + "images.yaml":                  listOf("{apiVersion: config.openshift.io/v1, kind: Image, metadata: {name: cluster}, spec: {additionalTrustedCA: {name: company}}}"),
		config + "secrets.yaml":                 listOf("{apiVersion: v1, kind: Secret, metadata: {name: s}}"),
		"cluster-scoped-resources/operator.openshift.io/imagecontentsourcepolicies/mine.yaml": "---\napiVersion: operator.openshift.io/v1alpha1\nkind: ImageContentSourcePolicy\nmetadata: {name: mine}\n",
		"cluster-scoped-resources/core/nodes/a.yaml":                                          "apiVersion: v1\nkind: Node\nmetadata: {name: a}\nstatus: {images: [{names: ['q.io/old@" + hexDigest("6") + "']}]}\n",
		"cluster-scoped-resources/imageregistry.operator.openshift.io/configs/cluster.yaml":   "apiVersion: imageregistry.operator.openshift.io/v1\nkind: Config\nmetadata: {name: cluster}\n",
		"namespaces/openshift-config/core/configmaps.yaml":                                    "apiVersion: v1\nitems:\n- {metadata: {name: company, namespace: openshift-config}, data: {a: pem}}\n- {metadata: {name: other, namespace: openshift-config}}\nkind: ConfigMapList\n",
		"namespaces/openshift-config/core/secrets.yaml":                                       "apiVersion: v1\nitems:\n- {metadata: {name: pull-secret, namespace: openshift-config}, data: {x: hidden}}\nkind: SecretList\n",
		"namespaces/openshift-config-managed/core/configmaps.yaml":                            "apiVersion: v1\nitems:\n- {metadata: {name: admin-gates, namespace: openshift-config-managed}}\nkind: ConfigMapList\n",
		"namespaces/openshift-a/core/pods.yaml":                                               "apiVersion: v1\nitems:\n- metadata: {name: p, namespace: openshift-a}\n  spec: {containers: [{name: c, image: q.io/a/b:1}]}\nkind: PodList\n",
		"namespaces/openshift-a/pods/p/p.yaml":                                                "apiVersion: v1\nkind: Pod\nmetadata: {name: never, namespace: openshift-a}\nspec: {containers: [{name: c, image: 'q.io/never:1'}]}\n",
		"namespaces/openshift-b/pods/q/q.yaml":                                                "apiVersion: v1\nkind: Pod\nmetadata: {name: q, namespace: openshift-b}\nspec: {containers: [{name: c, image: 'q.io/q:1'}]}\n",
		"namespaces/openshift-b/pods/q/c/c/logs/current.log":                                  "\x00",
		"namespaces/app/operators.coreos.com/subscriptions/s.yaml":                            "apiVersion: operators.coreos.com/v1alpha1\nkind: Subscription\nmetadata: {name: s, namespace: app}\nspec: {name: etcd}\nstatus: {installedCSV: etcd.v1}\n",
		"namespaces/app/apps.open-cluster-management.io/subscriptions/s.yaml":                 "apiVersion: apps.open-cluster-management.io/v1\nkind: Subscription\nmetadata: {name: no, namespace: app}\n",
		"namespaces/app/apps/deployments.yaml":                                                "apiVersion: apps/v1\nitems: [{metadata: {name: down, namespace: app}, spec: {replicas: 0, template: {spec: {containers: [{name: c, image: 'q.io/down:1'}]}}}}]\nkind: DeploymentList\n",
	}
}

// TestReadDir reads a must-gather from any level above it, beside the query's file, and what is in
// it counts as known only as far as it was asked for.
func TestReadDir(t *testing.T) {
	t.Parallel()
	whole := "must-gather.local.1/quay-io-openshift-sha256-1"
	line, _ := ask(t, map[string]string{
		"clusterversions.config.openshift.io.yaml": listOf(strings.ReplaceAll(oneVersion, "name: version", "name: version, resourceVersion: '9'")),
		"pods.yaml": listOf("{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop}, spec: {containers: [{name: c, image: 'q.io/shop:1'}]}}"),
	})
	for name, files := range map[string]map[string]string{
		"itself": gathered(), "below": below("quay-io-x", gathered()), "two below": below(whole, gathered()),
	} {
		s, err := ReadDir("x", asFiles(files))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if v, ok := s.Running(); !ok || v.Minor != 16 || s.Applications() || !slices.Equal(s.Namespaces(), []string{"openshift-a", "openshift-b"}) || len(s.Notes()) != 0 {
			t.Errorf("%s: %v, %v, %q, %q", name, v, s.Applications(), s.Namespaces(), s.Notes())
		}
		for kind, want := range map[string]string{
			"ClusterVersion": "version", "ImageDigestMirrorSet": "", "ImageContentSourcePolicy": "mine", "ConfigMap": "company admin-gates", "Subscription": "s", "Node": "a", "Image": "cluster",
		} {
			var got []string
			for _, o := range s.Of(kind) {
				got = append(got, o.Name)
			}
			if strings.Join(got, " ") != want || s.Known(kind) == (kind == "Subscription") || s.Seen(kind) != (want != "") {
				t.Errorf("%s: %s: %q, known %v, seen %v", name, kind, got, s.Known(kind), s.Seen(kind))
			}
		}
		if s.Known("CatalogSource") || s.Known("Secret") || s.Known("Config") || len(s.Of("Config")) > 0 {
			t.Errorf("%s: more is known than was asked for", name)
		}
		var images []string
		for _, u := range s.Images {
			images = append(images, u.Kind+" "+u.Image)
		}
		if got := strings.Join(images, ", "); got != "Deployment q.io/down:1, Pod q.io/a/b:1, Pod q.io/q:1" {
			t.Errorf("%s: %s", name, got)
		}
		if len(s.Use.Releases) != 1 || len(s.Use.Operators) != 1 || len(s.Use.Digests) != 0 {
			t.Errorf("%s: %+v", name, s.Use)
		}
	}
	both := below(whole, gathered())
	both["cluster.yaml"] = line
	s, err := ReadDir("x", asFiles(both))
	if err != nil || !s.Applications() || !slices.Contains(s.Namespaces(), "shop") || len(s.Of("ImageContentSourcePolicy")) != 0 || !slices.Equal(s.Namespaces(), []string{"shop"}) {
		t.Errorf("with the query's file, which is newer: %v, %v", err, s)
	}
	both[whole+"/cluster-scoped-resources/operator.openshift.io/imagecontentsourcepolicies/mine.yaml"] = "apiVersion: operator.openshift.io/v1alpha1\nkind: ImageContentSourcePolicy\nmetadata: {name: mine, resourceVersion: '10'}\n"
	s, err = ReadDir("x", asFiles(both))
	if err != nil || !s.Applications() || len(s.Of("ImageContentSourcePolicy")) != 1 || s.Name != "x" || len(s.Notes()) != 1 || !strings.Contains(s.Notes()[0], "cluster.yaml and what else is in the directory are of one cluster (ID one): what else is in the directory was written later") {
		t.Errorf("with the query's file, which is older: %v, %q", err, s.Notes())
	}
	both["cluster.yaml"] = strings.ReplaceAll(line, "clusterID: one", "clusterID: two")
	if _, err := ReadDir("x", asFiles(both)); err == nil || !strings.Contains(err.Error(), "another cluster") {
		t.Errorf("two clusters: %v", err)
	}
}

// TestReadDirDamaged: what cannot be read of a must-gather is noted and not known; nothing leads out
// of it, and nothing of its content is said.
func TestReadDirDamaged(t *testing.T) {
	t.Parallel()
	files := gathered()
	files["cluster-scoped-resources/config.openshift.io/proxies.yaml"] = "a: [hidden"
	files["cluster-scoped-resources/config.openshift.io/operatorhubs.yaml"] = "apiVersion: config.openshift.io/v1\nitems:\n- {apiVersion: config.openshift.io/v1, kind: OperatorHub, metadata: {name: 7}}\nkind: OperatorHubList\n"
	files["namespaces/app/apps/statefulsets.yaml"] = "apiVersion: apps/v1\nitems:\n- kind: StatefulSet\n  apiVersion: apps/v1\n  metadata: {name: x}\n  spec: hidden\nkind: StatefulSetList\n"
	s, err := ReadDir("x", asFiles(files))
	if err != nil {
		t.Fatal(err)
	}
	if notes := s.Notes(); len(notes) != 3 || strings.Contains(strings.Join(notes, ""), "hidden") || s.Known("Proxy") || s.Known("OperatorHub") || !s.Known("Image") {
		t.Errorf("notes %q", notes)
	}
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "pods.yaml")
	for name, body := range gathered() {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(body), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	links := errors.Join(os.WriteFile(outside, []byte(listOf("{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: out}, spec: {containers: [{image: 'q.io/out:1'}]}}")), 0o644),
		os.MkdirAll(filepath.Join(dir, "namespaces/out/core"), 0o755), os.Symlink(outside, filepath.Join(dir, "namespaces/out/core/pods.yaml")),
		os.Symlink(filepath.Dir(outside), filepath.Join(dir, "namespaces/linked")))
	if links != nil {
		t.Fatal(links)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s, err = ReadDir("x", root.FS())
	if err != nil || slices.Contains(s.Namespaces(), "out") || len(s.Notes()) != 1 || !strings.Contains(s.Notes()[0], "2 links are") {
		t.Errorf("links: %v, %q, %q", err, s.Namespaces(), s.Notes())
	}
}

// repeated gives a head, items, and a tail.
func repeated(head, item, tail string, times int) io.Reader {
	parts := []io.Reader{strings.NewReader(head)}
	for i := range times {
		parts = append(parts, strings.NewReader(strings.ReplaceAll(item, "NUMBER", fmt.Sprint(i))))
	}
	return io.MultiReader(append(parts, strings.NewReader(tail))...)
}

// TestReadRefuses: files that are no such objects, or have more than fits, end with what is wrong, and
// say nothing of the content.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("hidden ", 100<<10/7)
	for name, tc := range map[string]struct {
		in   io.Reader
		want string
	}{
		"nothing":        {strings.NewReader(""), "empty"},
		"a table":        {strings.NewReader("NAME   VERSION\nversion 4.16\n"), "table"},
		"no YAML":        {strings.NewReader("a: [hidden"), "no objects in YAML"},
		"compressed":     {strings.NewReader("\x1f\x8b\x08\x00\x00"), "compressed"},
		"other objects":  {strings.NewReader(listOf("{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: hidden}}")), "no object of a cluster"},
		"cut":            {strings.NewReader("apiVersion: v1\nitems:\n- " + oneVersion + "\n"), "not whole"},
		"a cut query":    {strings.NewReader("kind: SatchelQuery\nversion: 2\n---\napiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: hidd"), "not whole"},
		"dense":          {strings.NewReader(`{"items":[{"kind":"Pod","apiVersion":"v1","spec":{"x":[` + strings.Repeat("[],", 700000) + `[]]}}],"kind":"List"}`), "no objects in YAML"},
		"too much":       {repeated("apiVersion: v1\nitems:\n", "- {apiVersion: config.openshift.io/v1, kind: Image, metadata: {name: nNUMBER}, spec: {x: '"+big+"'}}\n", "kind: List\n", 130), "more than 24 MiB"},
		"a long name":    {strings.NewReader(listOf("{apiVersion: v1, kind: Pod, metadata: {name: " + strings.Repeat("x", 1000) + "}}")), "a name that no object can have"},
		"a shell's name": {strings.NewReader(listOf("{apiVersion: v1, kind: ConfigMap, metadata: {name: 'a; hidden', namespace: openshift-config}}")), "a name that no API server takes"},
		"a namespace":    {strings.NewReader(listOf("{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: '$(hidden)'}}")), "a name that no API server takes"},
		"other types":    {strings.NewReader(listOf("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: hidden}}")), "fields of another type"},
	} {
		_, err := Read("x", tc.in)
		var known *Error
		if err == nil || !strings.Contains(err.Error(), tc.want) || !errors.As(err, &known) || known.Hint() == "" || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestReadMemory: of many pods only what is different stays.
func TestReadMemory(t *testing.T) {
	item := "- apiVersion: v1\n  kind: Pod\n  metadata: {name: pNUMBER, namespace: shop}\n  spec: {containers: [{name: c, image: 'q.io/a:1', env: [{name: X, value: '" + strings.Repeat("x", 20<<10) + "'}]}]}\n"
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s, err := Read("x", repeated("apiVersion: v1\nitems:\n", item, "kind: List\n", 500))
	if err != nil || len(s.Images) != 1 || s.Images[0].Name != "p0" {
		t.Fatalf("%v", err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 4<<20 {
		t.Errorf("%d bytes are held", held)
	}
	runtime.KeepAlive(s)
}

// TestKnownEverywhere: a must-gather makes a kind of namespaces known only if it has a list of it for
// each namespace of the cluster; an inspected object makes none known.
func TestKnownEverywhere(t *testing.T) {
	t.Parallel()
	namespaces := listOf("{apiVersion: v1, kind: Namespace, metadata: {name: app}}", "{apiVersion: v1, kind: Namespace, metadata: {name: openshift-a}}", "{apiVersion: v1, kind: Namespace, metadata: {name: openshift-b}}")
	const list = "cluster-scoped-resources/core/namespaces.yaml"
	const olm = "cluster-scoped-resources/operators.coreos.com/olmconfigs/cluster.yaml"
	pods := "apiVersion: v1\nitems: []\nkind: PodList\n"
	for name, tc := range map[string]struct {
		more map[string]string
		want string
	}{
		"no list of namespaces": {nil, "Node ImageContentSourcePolicy"},
		"some namespaces":       {map[string]string{list: namespaces}, "Node ImageContentSourcePolicy"},
		"all namespaces":        {map[string]string{list: namespaces, "namespaces/app/core/pods.yaml": pods, "namespaces/openshift-b/core/pods.yaml": pods}, "Pod Node ImageContentSourcePolicy"},
		"only inspected":        {map[string]string{"version": ""}, ""},
		"OLM was inspected":     {map[string]string{olm: "apiVersion: operators.coreos.com/v1\nkind: OLMConfig\nmetadata: {name: cluster}\n"}, "Subscription Node ImageContentSourcePolicy"},
		"OLM alone":             {map[string]string{olm: "", "version": ""}, ""},
	} {
		files := gathered()
		for file, body := range tc.more {
			files[file] = body
		}
		s, err := ReadDir("x", asFiles(files))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, kind := range []string{"Pod", "Deployment", "Subscription", "Node", "ImageContentSourcePolicy"} {
			if s.Known(kind) {
				got = append(got, kind)
			}
		}
		if strings.Join(got, " ") != tc.want || s.Applications() {
			t.Errorf("%s: known are %q, want %s; applications %v", name, got, tc.want, s.Applications())
		}
	}
}

// TestKnown: objects that stand alone, or in a list of whatever namespaces, make no kind known; a
// kind that the cluster lacks for want of a capability is.
func TestKnown(t *testing.T) {
	t.Parallel()
	sub := func(ns string) string {
		return "{apiVersion: operators.coreos.com/v1alpha1, kind: Subscription, metadata: {name: s, namespace: " + ns + "}, spec: {name: etcd}}"
	}
	rule := "{apiVersion: operator.openshift.io/v1alpha1, kind: ImageContentSourcePolicy, metadata: {name: mine}}"
	for name, tc := range map[string]struct{ in, want string }{
		"alone":                   {oneVersion + "\n---\n" + sub("a") + "\n---\n" + rule, "ClusterVersion"},
		"of two namespaces":       {listOf(oneVersion, sub("a"), sub("b")), "ClusterVersion"},
		"a list":                  {listOf(oneVersion, rule), "ClusterVersion"}, // oc get icsp mine -o yaml, of several names, prints one too
		"a list of the kind":      {oneVersion + "\n---\napiVersion: operator.openshift.io/v1alpha1\nitems: [" + rule + "]\nkind: ImageContentSourcePolicyList\n", "ClusterVersion ImageContentSourcePolicy"},
		"alone, before a list":    {rule + "\n---\n" + listOf(oneVersion), "ClusterVersion"},
		"without the capability":  {strings.Replace(oneVersion, "status: {", "status: {capabilities: {enabledCapabilities: [Storage], knownCapabilities: [Build, Storage]}, ", 1), "ClusterVersion BuildConfig"},
		"unknown to that version": {strings.Replace(oneVersion, "status: {", "status: {capabilities: {enabledCapabilities: [Storage], knownCapabilities: [Storage]}, ", 1), "ClusterVersion"},
	} {
		s, err := Read("x", strings.NewReader("---\n"+tc.in))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, kind := range []string{"ClusterVersion", "Subscription", "ImageContentSourcePolicy", "BuildConfig", "DeploymentConfig"} {
			if s.Known(kind) {
				got = append(got, kind)
			}
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: known are %q, want %s", name, got, tc.want)
		}
	}
}

// TestReadDirOther: a directory that has nothing to be read says what to do; something compressed beside
// what is read is noted.
func TestReadDirOther(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		files      []string
		want, hint string
	}{
		"empty":            {nil, "the directory is empty", "name a must-gather"},
		"something else":   {[]string{"thesis.tex", "a/b.pdf"}, "no object of a cluster", "name a must-gather"},
		"an archive":       {[]string{"must-gather.tar.gz"}, "must-gather.tar.gz is compressed", "unpack it first"},
		"compressed files": {[]string{"x/cluster-scoped-resources/config.openshift.io/clusterversions.yaml.gz"}, "clusterversions.yaml.gz is compressed", "unpack it first"},
	} {
		files := map[string]string{}
		for _, file := range tc.files {
			files[file] = "\x1f\x8b"
		}
		_, err := ReadDir("x", asFiles(files))
		var known *Error
		if !errors.As(err, &known) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(known.Hint(), tc.hint) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	s, err := ReadDir("x", asFiles(map[string]string{"cluster.yaml": "---\n" + oneVersion, "old.tar.gz": "\x1f\x8b", "log.gz": "\x1f\x8b"}))
	if err != nil || len(s.Notes()) != 1 || !strings.Contains(s.Notes()[0], "old.tar.gz is compressed and was not read") {
		t.Errorf("beside: %v, %q", err, s.Notes())
	}
	tar := strings.Repeat("x", 100) + strings.Repeat("\x00", 157) + "ustar\x00" + strings.Repeat("\x00", 249)
	for _, head := range []string{"\x1f\x8b\x08", "\xfd7zXZ\x00", "\x28\xb5\x2f\xfd", "PK\x03\x04", tar} {
		var known *Error
		if _, err := Read("x", strings.NewReader(head)); !errors.As(err, &known) || known.Error() != "it is compressed" || !strings.Contains(known.Hint(), "unpack it first") {
			t.Errorf("%.4q: got %v", head, err)
		}
	}
}

// TestOutputBeside: what satchel wrote for a cluster is not what the cluster has.
func TestOutputBeside(t *testing.T) {
	t.Parallel()
	const rule = "apiVersion: config.openshift.io/v1\nkind: ImageDigestMirrorSet\nmetadata: {name: %s, labels: {app.kubernetes.io/managed-by: satchel}%s}\n"
	s, err := ReadDir("east", asFiles(map[string]string{
		"cluster.yaml": fmt.Sprintf(rule, "applied", ", uid: u") + "---\n" + oneVersion,
		"idms.yaml":    fmt.Sprintf(rule, "written", ""),
	}))
	if err != nil {
		t.Fatal(err)
	}
	if list := s.Of("ImageDigestMirrorSet"); len(list) != 1 || list[0].Name != "applied" {
		t.Errorf("got %v", list)
	}
}
