package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// fakeOC answers as oc does: from files RESOURCE.yaml, with an empty list where there is none, and
// with an error for what it is told to refuse.
const fakeOC = `#!/bin/sh
if [ "$1 $2" != "get $2" ]; then echo "error: $*" >&2; exit 1; fi
case "$2" in
crd) cat "$CLUSTER/crds"; exit;;
configmap) cat "$CLUSTER/$3.yaml" 2>/dev/null; exit 0;;
esac
if grep -qx "$2" "$CLUSTER/refused" 2>/dev/null; then echo "Error from server (Forbidden): $2" >&2; exit 1; fi
name=$2; case "$3 $4" in "-n "*) name=$2-$4;; esac
if [ -f "$CLUSTER/$name.yaml" ]; then cat "$CLUSTER/$name.yaml"; else printf 'apiVersion: v1\nitems: []\nkind: List\nmetadata:\n  resourceVersion: ""\n'; fi
`

// ask runs the line in a shell and gives what it wrote, and its errors.
func ask(t *testing.T, files map[string]string) (out, errs string) {
	t.Helper()
	dir := t.TempDir()
	if files["crds"] == "" {
		for _, k := range kinds {
			if !k.own && k.kind != "ImageDigestMirrorSet" {
				files["crds"] += "customresourcedefinition.apiextensions.k8s.io/" + k.name() + "\n"
			}
		}
	}
	files["oc"] = fakeOC
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := proctest.Command(t, "sh", "-c", Query("out.txt"))
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "CLUSTER=" + dir}
	stderr := &strings.Builder{}
	cmd.Stderr = stderr
	_ = cmd.Run() // as a person sees it: by what was written
	body, err := os.ReadFile(filepath.Join(dir, "out.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(body), stderr.String()
}

func listOf(items ...string) string {
	return "apiVersion: v1\nitems:\n- " + strings.Join(items, "\n- ") + "\nkind: List\n"
}

const oneVersion = `{apiVersion: config.openshift.io/v1, kind: ClusterVersion, metadata: {name: version}, spec: {clusterID: one}, status: {desired: {version: 4.16.9, image: 'q.io/r@sha256:1111111111111111111111111111111111111111111111111111111111111111'}, history: [{state: Completed, version: 4.16.9, image: q.io/r@sha256:1111111111111111111111111111111111111111111111111111111111111111}]}}`

// TestQuery: what the line fetches is read, and what was not answered is told from what is not there.
func TestQuery(t *testing.T) {
	t.Parallel()
	pod := func(ns string) string {
		return fmt.Sprintf("{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: %s}, spec: {containers: [{name: c, image: 'q.io/a/b:1'}]}}", ns)
	}
	out, errs := ask(t, map[string]string{
		"clusterversions.config.openshift.io.yaml": listOf(oneVersion),
		"pods.yaml":                        listOf(pod("openshift-a")),
		"refused":                          "nodes\nsubscriptions.operators.coreos.com\n",
		"configmaps-openshift-config.yaml": listOf("{apiVersion: v1, kind: ConfigMap, metadata: {name: admin-acks, namespace: openshift-config}, data: {a: 'true'}}", "{apiVersion: v1, kind: ConfigMap, metadata: {name: other, namespace: openshift-config}, data: {a: secret}}"),
		"admin-gates.yaml":                 "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: admin-gates, namespace: openshift-config-managed}\ndata: {ack-4.16: text}\n",
	})
	if !strings.Contains(errs, "Forbidden") {
		t.Errorf("what the cluster refused is not seen: %s", errs)
	}
	s, err := Read("one", strings.NewReader(out))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for kind, want := range map[string]bool{
		"ClusterVersion": true, "ImageContentSourcePolicy": true, "ImageDigestMirrorSet": true, "ConfigMap": true, // no such CRD is an answer
		"Node": false, "Subscription": false, "Secret": false,
	} {
		if s.Known(kind) != want {
			t.Errorf("%s: known %v", kind, !want)
		}
	}
	if !s.Unserved("ImageDigestMirrorSet") || s.Unserved("ImageContentSourcePolicy") || s.Unserved("ClusterVersion") || s.Unserved("Subscription") || s.Unserved("Secret") {
		t.Error("what the cluster does not serve is not told from what it has none of")
	}
	if notes := s.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "nodes, subscriptions.operators.coreos.com") {
		t.Errorf("notes %q", notes)
	}
	if !s.Applications() || !slices.Equal(s.Namespaces(), []string{"openshift-a"}) || len(s.Images) != 1 {
		t.Errorf("a cluster without applications: %v, %q, %v", s.Applications(), s.Namespaces(), s.Images)
	}
	maps := s.Of("ConfigMap")
	if len(maps) != 2 || maps[0].Name != "admin-acks" || maps[1].Name != "admin-gates" {
		t.Errorf("ConfigMaps %v", maps)
	}
	if v, ok := s.Running(); !ok || v.Patch != 9 || s.ID() != "one" || len(s.Use.Releases) != 1 {
		t.Errorf("version %v, %q, %v", v, s.ID(), s.Use.Releases)
	}
	for name, wrong := range map[string]string{
		"stopped":        out[:strings.LastIndex(out, "---\nkind: SatchelQuery")],
		"stopped, whole": strings.Replace(out, "end: true", "asked: x", 1),
		"no grep":        "---\nkind: SatchelQuery\nversion: 2\n---\n" + oneVersion + "\n---\nkind: SatchelQuery\nend: true\n",
		"newer":          strings.Replace(out, "version: 3\n", "version: 4\n", 1),
	} {
		if _, err := Read("one", strings.NewReader(wrong)); err == nil {
			t.Errorf("%s: it was read", name)
		}
	}
}

// TestQueryOlder: what the line of an older satchel did not ask for is not known, and all else is.
func TestQueryOlder(t *testing.T) {
	t.Parallel()
	out, _ := ask(t, map[string]string{"clusterversions.config.openshift.io.yaml": listOf(oneVersion), "crds": "customresourcedefinition.apiextensions.k8s.io/clusterversions.config.openshift.io\n"})
	for _, tc := range []struct {
		version         string
		known, operator bool // MachineConfiguration, OperatorCondition
		notes           int
	}{{"3", true, true, 0}, {"2", true, false, 1}, {"1", false, false, 1}} {
		s, err := Read("one", strings.NewReader(strings.Replace(out, "version: 3\n", "version: "+tc.version+"\n", 1)))
		if err != nil {
			t.Fatal(err)
		}
		if s.Known("OperatorCondition") != tc.operator {
			t.Errorf("version %s: OperatorCondition known %v", tc.version, !tc.operator)
		}
		if s.Known("MachineConfiguration") != tc.known || !s.Known("ClusterVersion") || !s.Known("PinnedImageSet") || len(s.Notes()) != tc.notes {
			t.Errorf("version %s: MachineConfiguration known %v, notes %q", tc.version, !tc.known, s.Notes())
		}
	}
}

// TestQueryLine: no Secret is asked for, and nothing is changed.
func TestQueryLine(t *testing.T) {
	t.Parallel()
	line := Query("f")
	if strings.Contains(strings.ToLower(line), "secret") || strings.Contains(line, "machineconfigs.") || strings.Contains(line, "\n") || len(line) > 3500 {
		t.Error(line)
	}
	if strings.Contains(line, "installplans") || strings.Contains(line, "apirequestcounts") {
		t.Error("what is too large is asked for")
	}
	for part := range strings.SplitSeq(line, "oc ") {
		if !strings.HasPrefix(part, "get ") && part != "(c=$(" {
			t.Errorf("a command that does more than read: %s", part)
		}
	}
}
