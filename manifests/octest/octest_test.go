package octest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/octest"
)

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

// TestClient: a command gets its arguments, its directory and what is piped in as they are, and what
// it prints and its exit code arrive as they are.
func TestClient(t *testing.T) {
	t.Parallel()
	c, dir := octest.New(t, 16, "apiVersion: v1\nkind: Node\nmetadata: {name: a}\n"), t.TempDir()
	out := "\x00 and no end of the line" + strings.Repeat("x", 1<<17)
	var got []string
	c.Debug = func(dir string, command []string) (string, int) {
		got = append(command, filepath.Base(dir))
		return out, 7
	}
	page := "mkdir sub && cd sub\noc debug node/a -- chroot /host 'two\nlines' '' ' ü%s\\n' -"
	if b := c.Page(t, dir, []byte("```\n"+page+" < /dev/null\n```\n"))[0]; b.Output != out || b.Err == nil || b.Err.Error() != "exit status 7" {
		t.Errorf("%v, %d bytes", b.Err, len(b.Output))
	}
	if want := []string{"two\nlines", "", ` ü%s\n`, "-", "sub"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	page = "for n in 1 2; do\nprintf \"apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: m$n, namespace: ns}\\ndata: {a: '%0100000d'}\\n\" 0 | oc apply -f - || exit\ndone\noc get cm -n ns -o name | xargs -n 1 oc get -n ns -o 'jsonpath={.metadata.name}{\"\\n\"}'"
	if b := c.Page(t, dir, []byte("```\n"+page+"\n```\n"))[0]; b.Err != nil || !strings.HasSuffix(b.Output, "created\nm1\nm2\n") {
		t.Errorf("%v: %s", b.Err, b.Output)
	}
	if b := c.Page(t, dir, []byte("```\noc get cm -n ns -o yaml | head -n 1; oc get nothing 2>/dev/null || echo \"$?\"\n```\n"))[0]; b.Err != nil || b.Output != "apiVersion: v1\n1\n" {
		t.Errorf("%v: %s", b.Err, b.Output)
	}
}
