package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func hexDigest(c string) string { return "sha256:" + strings.Repeat(c, 64) }

func toYAML(t *testing.T, in string) string {
	t.Helper()
	out, err := yaml.JSONToYAML([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestNames finds what is named wherever it stands, and nothing that is only stored or offered.
func TestNames(t *testing.T) {
	t.Parallel()
	in := `{"apiVersion":"v1","kind":"List","items":[
	{"kind":"Pod","metadata":{"name":"p","namespace":"n","managedFields":[{"x":"q.io/no/no@` + hexDigest("9") + `"}]},
	 "spec":{"containers":[{"image":"q.io/a/b:v1","args":["--image=q.io/x/y@` + hexDigest("1") + `"],"env":[{"name":"RELATED_IMAGE_X","value":"q.io/a/e@` + hexDigest("2") + `"}]}],
	  "initContainers":[{"image":"busybox"}],"ephemeralContainers":[{"image":"m.example:5000/ns/a/b:v2"}],
	  "volumes":[{"image":{"reference":"q.io/v/v:3"}}]},
	 "status":{"phase":"Running","containerStatuses":[{"image":"q.io/a/b:v1","imageID":"docker-pullable://q.io/a/b@` + hexDigest("3") + `","containerID":"cri-o://` + strings.Repeat("8", 64) + `"}]}},
	{"kind":"Pod","metadata":{"name":"done","namespace":"n"},"spec":{"containers":[{"image":"q.io/a/job@` + hexDigest("4") + `"}]},"status":{"phase":"Succeeded"}},
	{"kind":"CronJob","metadata":{"name":"c","namespace":"o"},"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"image":"q.io/cron/job:v1"}]}}}}}},
	{"kind":"CatalogSource","metadata":{"name":"redhat-operators","namespace":"openshift-marketplace"},"spec":{"image":"m.example:5000/redhat/index:v4.16"}},
	{"kind":"Secret","metadata":{"name":"s"},"data":{"x":"q.io/secret/thing:v1","token":"sha256:` + strings.Repeat("7", 64) + `"}},
	{"kind":"Node","metadata":{"name":"node"},"status":{"images":[{"names":["q.io/old/old@` + hexDigest("6") + `"]}]}}]}`
	for name, body := range map[string]string{"JSON": in, "YAML": toYAML(t, in)} {
		var u Use
		if err := u.ReadPods("pods.json", strings.NewReader(body)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := []string{hexDigest("1"), hexDigest("2"), hexDigest("3"), hexDigest("4")}
		if got := slices.Sorted(maps.Keys(u.Digests)); !slices.Equal(got, want) {
			t.Errorf("%s: digests %q", name, got)
		}
		tags := []string{"docker.io/library/busybox:latest", "m.example:5000/ns/a/b:v2", "m.example:5000/redhat/index:v4.16", "q.io/a/b:v1", "q.io/cron/job:v1", "q.io/v/v:3"}
		if got := slices.Sorted(maps.Keys(u.Tags)); !slices.Equal(got, tags) {
			t.Errorf("%s: tags %q", name, got)
		}
		if got := u.Digests[hexDigest("3")]; got != (Name{"pod n/p", true}) {
			t.Errorf("%s: %+v", name, got)
		}
		if got := u.Digests[hexDigest("4")]; got != (Name{"pod n/done", false}) {
			t.Errorf("%s: a pod that has ended: %+v", name, got)
		}
		if len(u.Namespaces) != 1 {
			t.Errorf("%s: namespaces %v", name, u.Namespaces)
		}
	}
}

func versions(u *Use) (list []string) {
	for _, r := range u.Releases {
		list = append(list, r.Why+" "+r.Version)
	}
	return list
}

// TestClusterVersion takes what runs, what is wanted and what was begun, and of what was
// before only what nodes of a paused pool may have; never what is only offered.
func TestClusterVersion(t *testing.T) {
	t.Parallel()
	cv := func(desired string, history ...string) string {
		var list []string
		for i, h := range history {
			state, version, _ := strings.Cut(h, " ")
			list = append(list, fmt.Sprintf(`{"state":%q,"version":%q,"image":"q.io/rel@sha256:%064x"}`, state, version, i+1))
		}
		return `{"kind":"ClusterVersion","metadata":{"name":"version"},"spec":{"desiredUpdate":{"version":"` + desired + `"}},"status":{"desired":{"version":"4.16.9","image":"q.io/rel@sha256:` + strings.Repeat("0", 63) + `1"},
		"availableUpdates":[{"version":"4.16.20","image":"q.io/rel@` + hexDigest("a") + `"}],
		"conditionalUpdates":[{"release":{"version":"4.16.21","image":"q.io/rel@` + hexDigest("b") + `"}}],"history":[` + strings.Join(list, ",") + `]}}`
	}
	for name, tc := range map[string]struct {
		in   string
		want []string
	}{
		"finished":     {cv("", "Completed 4.16.9", "Completed 4.16.3", "Partial 4.16.2", "Completed 4.16.1"), []string{"desired 4.16.9"}},
		"updating":     {cv("", "Partial 4.16.9", "Completed 4.16.3", "Completed 4.16.1"), []string{"desired 4.16.9", "present 4.16.3"}},
		"ordered":      {cv("4.16.12", "Completed 4.16.9"), []string{"desired 4.16.12", "desired 4.16.9"}},
		"two at once":  {cv("", "Partial 4.16.9", "Partial 4.15.20", "Completed 4.14.30", "Completed 4.14.1"), []string{"desired 4.16.9", "begun 4.15.20", "present 4.14.30"}},
		"paused pools": {cv("", "Completed 4.16.9", "Partial 4.15.20", "Completed 4.14.30", "Completed 4.14.1", "Completed 4.13.9"), []string{"desired 4.16.9", "before 4.14.30"}},
		"another name": {cv("", "Completed 5.0.2", "Completed 4.22.3", "Completed 4.21.9", "Completed 4.20.9"), []string{"desired 4.16.9", "present 5.0.2", "before 4.22.3", "before 4.21.9"}},
		"no history":   {cv(""), []string{"desired 4.16.9"}},
	} {
		var u Use
		if err := u.ReadClusterVersion("cv.yaml", strings.NewReader(tc.in)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := versions(&u); !slices.Equal(got, tc.want) || len(u.Digests) > 0 {
			t.Errorf("%s: %q, want %q; %v", name, got, tc.want, u.Digests)
		}
	}
	var u Use
	for _, file := range []string{"a.yaml", "b.yaml"} {
		if err := u.ReadClusterVersion(file, strings.NewReader(cv("", "Completed 4.16.9"))); err != nil {
			t.Fatal(err)
		}
	}
	if len(u.Releases) != 2 || u.Releases[1].From != "b.yaml" {
		t.Errorf("two clusters: %+v", u.Releases)
	}
}

// TestClusterVersions reads those of several clusters from one file, and counts the clusters.
func TestClusterVersions(t *testing.T) {
	t.Parallel()
	cv := func(id, version string) string {
		return fmt.Sprintf(`{"kind":"ClusterVersion","metadata":{"name":"version"},"spec":{"clusterID":%q},"status":{"desired":{"version":%[2]q},"history":[{"state":"Completed","version":%[2]q}]}}`, id, version)
	}
	hosted := `{"apiVersion":"hypershift.openshift.io/v1beta1","kind":"HostedCluster","metadata":{"name":"h"},"spec":{"clusterID":"c","release":{"image":"q.io/rel@` + hexDigest("a") + `"}}}`
	for name, tc := range map[string]struct {
		list     []string
		clusters int
		releases string
	}{
		"the same version":   {[]string{cv("a", "4.16.9"), cv("b", "4.16.9")}, 2, "desired 4.16.9"},
		"the same twice":     {[]string{cv("a", "4.16.9"), cv("a", "4.16.9")}, 1, "desired 4.16.9"},
		"no IDs":             {[]string{cv("", "4.16.9"), cv("", "4.16.9")}, 2, "desired 4.16.9"},
		"different":          {[]string{cv("a", "4.16.9"), cv("b", "4.16.8")}, 2, "desired 4.16.9, desired 4.16.8"},
		"one that is hosted": {[]string{cv("a", "4.16.9"), hosted}, 2, "desired 4.16.9"},
	} {
		var u Use
		if err := u.ReadClusterVersion("cv.json", strings.NewReader(`{"kind":"List","items":[`+strings.Join(tc.list, ",")+`]}`)); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.Join(versions(&u), ", "); len(u.Clusters) != tc.clusters || got != tc.releases {
			t.Errorf("%s: %v, %s", name, u.Clusters, got)
		}
		if _, named := u.Digests[hexDigest("a")]; named != (tc.list[1] == hosted) {
			t.Errorf("%s: %v", name, u.Digests)
		}
	}
	var u Use
	if err := u.ReadClusterVersion("cv.json", strings.NewReader(cv("a", "4.16.9")+"\n"+cv("b", ""))); err == nil || !strings.Contains(err.Error(), "names no release") {
		t.Errorf("one without a release, after another one: %v", err)
	}
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	sub := func(name, installed, current string) string {
		return fmt.Sprintf(`{"apiVersion":"operators.coreos.com/v1alpha1","kind":"Subscription","metadata":{"name":%q,"namespace":"n"},"spec":{"name":%q,"startingCSV":"x.v0"},"status":{"installedCSV":%q,"currentCSV":%q}}`, name, name, installed, current)
	}
	in := `{"kind":"List","items":[` + strings.Join([]string{
		sub("a", "a.v1", "a.v1"), sub("b", "b.v1", "b.v2"), sub("c", "", "c.v1"), sub("d", "", ""),
		`{"apiVersion":"messaging.knative.dev/v1","kind":"Subscription","metadata":{"name":"k"},"spec":{"name":"k"}}`,
		`{"kind":"ClusterExtension","metadata":{"name":"e"},"spec":{"source":{"catalog":{"packageName":"e"}}},"status":{"install":{"bundle":{"name":"e.v1"}}}}`,
	}, ",") + `]}`
	var u Use
	if err := u.ReadSubscriptions("subs.yaml", strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range u.Operators {
		got = append(got, o.Package+" "+o.Bundle+" "+o.Why)
	}
	want := []string{"a a.v1 installed", "b b.v1 installed", "b b.v2 to be installed", "c  to be installed", "c c.v1 to be installed", "d  to be installed", "d x.v0 to be installed", "e e.v1 installed"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRefused: each says what is wrong, and nothing of the content.
func TestRefused(t *testing.T) {
	t.Parallel()
	const secret = "dont-tell-anybody"
	for name, tc := range map[string]struct{ in, want string }{
		"nothing":            {"", "it is empty"},
		"blank":              {"\n \n", "it is empty"},
		"UTF-16":             {"\xff\xfea\x00p\x00i\x00", "it is UTF-16"},
		"UTF-16, no mark":    {"a\x00p\x00i\x00", "it is UTF-16"},
		"PEM":                {"-----BEGIN CERTIFICATE-----\n" + secret + "\n", "it is a PEM file, such as a certificate or a key"},
		"table":              {"NAMESPACE   NAME   READY\nopenshift " + secret + "  1/1\n", "it is a table"},
		"table of two":       {"NAME  VERSION\nversion 4.16\n", "it is a table"},
		"words":              {secret + " and more\n", "it has no objects"},
		"a list of values":   {"items:\n- " + secret + "\nkind: List\n", "fields of another type"},
		"empty list":         {"apiVersion: v1\nitems: []\nkind: List\n", "there is no pod in it"},
		"other objects":      {"kind: Secret\nmetadata: {name: " + secret + "}\nstringData: {a: " + secret + "}\n", "there is no pod in it"},
		"cut JSON":           {`{"items":[{"kind":"Pod","metadata":{"name":"` + secret, "in the middle"},
		"cut YAML":           {"apiVersion: v1\nitems:\n- kind: Pod\n  metadata: {name: p}\n", "not whole"},
		"cut in a YAML line": {"apiVersion: v1\nitems:\n- kind: Pod\n  metadata: {name: " + secret, "it has no objects"},
		"a wrong field":      {"kind: Pod\nmetadata: [" + secret + "]\n", "fields of another type"},
	} {
		var u Use
		err := u.ReadPods("file", strings.NewReader(tc.in))
		var known *Error
		if !errors.As(err, &known) || !strings.Contains(known.Why, tc.want) || !known.Permanent() || known.Hint() == "" {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the content is in the error: %v", name, err)
		}
	}
	var u Use
	if err := u.ReadPods("bom", strings.NewReader("\xef\xbb\xbfkind: Pod\nmetadata: {name: p, namespace: ns}\nspec: {containers: [{image: 'q.io/a:v1'}]}\n")); err != nil || len(u.Tags) != 1 {
		t.Errorf("a byte order mark: %v, %v", err, u.Tags)
	}
	broken := errors.New("the drive is gone")
	if err := u.ReadPods("x", io.MultiReader(strings.NewReader(`{"items":[`), failing{broken})); !errors.Is(err, broken) {
		t.Errorf("an error of the drive: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestMemory reads 40 MB of pods.
func TestMemory(t *testing.T) {
	pod := `{"kind":"Pod","metadata":{"name":"p","namespace":"n"},"spec":{"containers":[{"image":"q.io/a:v1"}]},"pad":"` + strings.Repeat("x", 200<<10) + `"}`
	in := io.MultiReader(strings.NewReader(`{"kind":"List","items":[`), strings.NewReader(strings.Repeat(pod+",", 200)+pod+`]}`))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var u Use
	if err := u.ReadPods("x", in); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 8<<20 {
		t.Errorf("%d bytes are held", held)
	}
}

// TestRealCluster reads what a real cluster printed.
func TestRealCluster(t *testing.T) {
	t.Parallel()
	dir := "../../../../shared/data/cluster/sno-ocp-4.13.0-ec.4"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("shared data is not here")
	}
	var u Use
	for name, read := range map[string]func(string, io.Reader) error{"pods-A.json": u.ReadPods, "clusterversions.yaml": u.ReadClusterVersion} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(read(name, f), f.Close()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if len(u.Releases) == 0 || u.Releases[0].Version != "4.13.0-ec.4" || u.Releases[0].Digest == "" {
		t.Fatalf("releases: %+v", u.Releases)
	}
	if got := u.Digests[u.Releases[0].Digest]; !got.Live || !strings.Contains(got.By, "openshift-cluster-version/") {
		t.Errorf("the release's own pod: %+v", got)
	}
	if len(u.Digests) < 60 || len(u.Namespaces) < 30 {
		t.Errorf("%d digests of pods in %d namespaces", len(u.Digests), len(u.Namespaces))
	}
	f, err := os.Open(filepath.Join(dir, "nodes.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var known *Error
	if err := u.ReadPods("nodes.json", f); !errors.As(err, &known) {
		t.Errorf("nodes in the place of pods: %v", err)
	}
}

// TestRealPods reads single pods of another cluster, in an older form.
func TestRealPods(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../../shared/data/cluster/insights-archive/pods/*/*.json")
	if err != nil || len(files) == 0 {
		t.Skip("shared data is not here")
	}
	var u Use
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(u.ReadPods(name, f), f.Close()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(u.Digests) < 5 || len(u.Namespaces) < 3 {
		t.Errorf("%d digests of %d files, in namespaces %v", len(u.Digests), len(files), u.Namespaces)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"kind":"ClusterVersion","status":{"desired":{"version":"4.1.2"},"history":[{"version":"x"}]}}`))
	f.Add([]byte("items:\n- kind: Subscription\n  spec: {name: a}\nkind: List\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var u Use
		for _, read := range []func(string, io.Reader) error{u.ReadPods, u.ReadClusterVersion, u.ReadSubscriptions} {
			_ = read("f", strings.NewReader(string(in)))
		}
		if _, err := json.Marshal(u); err != nil {
			t.Error(err)
		}
	})
}
