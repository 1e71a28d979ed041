package octest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/octest"
)

func TestMain(m *testing.M) {
	octest.Main()
	os.Exit(m.Run())
}

const mine = `
apiVersion: v1
kind: ConfigMap
metadata: {name: mine, namespace: ns}
data: {a: one, b: two}
`

// TestApply: each way of applying takes away what it set itself, and nothing of others.
func TestApply(t *testing.T) {
	t.Parallel()
	c := octest.New(t, 16, mine)
	dir := t.TempDir()
	files := map[string]string{
		"first.yaml":  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ours, namespace: ns}\ndata: {k: one, l: two}\n",
		"second.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ours, namespace: ns}\ndata: {l: three}\n",
		"theirs.yaml": "data: {m: four}\n",
		"server.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine, namespace: ns}\ndata: {c: five}\n",
		"less.yaml":   "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine, namespace: ns}\ndata: {d: six}\n",
		"clash.yaml":  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine, namespace: ns}\ndata: {a: seven}\n",
	}
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(commands string) octest.Block {
		t.Helper()
		return c.Page(t, dir, []byte("# step\n```\n"+commands+"\n```\n"))[0]
	}
	ok := func(commands, want string) {
		t.Helper()
		if b := run(commands); b.Err != nil || !strings.Contains(b.Output, want) {
			t.Fatalf("%s: %v: %s, want %q", commands, b.Err, b.Output, want)
		}
	}
	fails := func(commands, want string) {
		t.Helper()
		if b := run(commands); b.Err == nil || !strings.Contains(b.Output, want) {
			t.Fatalf("%s: %v: %s, want it to fail with %q", commands, b.Err, b.Output, want)
		}
	}
	ok("oc apply -f first.yaml", "created")
	ok("oc apply -f first.yaml", "unchanged")
	ok("oc patch configmap/ours -n ns --type=merge --patch-file theirs.yaml", "patched (configured)")
	ok("oc apply -f second.yaml", "configured")
	ok("oc get cm ours -n ns -o jsonpath='{.data}'", `{"l":"three","m":"four"}`)
	ok("oc apply --server-side --field-manager=satchel -f server.yaml", "configured")
	ok("oc apply --server-side --field-manager=satchel -f less.yaml", "configured")
	ok("oc get cm mine -n ns -o jsonpath='{.data}'", `{"a":"one","b":"two","d":"six"}`)
	ok("oc patch configmap mine -n ns --type=merge -p '{\"data\":{\"a\":\"0\"}}'", "configured")
	fails("oc apply --server-side --field-manager=satchel -f clash.yaml", "conflict")
	ok("oc apply --server-side --force-conflicts --field-manager=satchel -f clash.yaml", "configured")
	ok("oc get configmaps -n ns -o custom-columns=NAME:.metadata.name", "NAME\nmine\nours\n")
	fails("oc apply --wrong-flag -f first.yaml", "unknown flag")
	fails("oc get imagedigestmirrorset nothing", "not found")
	fails("oc get clustercatalogs", "the server doesn't have a resource type")
	fails("oc delete configmap nothing -n ns", "NotFound")
	ok("oc delete configmap ours -n ns\noc delete configmap ours -n ns --ignore-not-found", "deleted")
	if log := c.Log(); !slices.Contains(log, "deleted ConfigMap ns/ours") || len(c.Snapshot()) != 1 {
		t.Errorf("the log is %q", log)
	}
}
