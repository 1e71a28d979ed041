package page

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// A chain runs to the end, or to what fails; it says so then, and the shell goes on.
func TestChain(t *testing.T) {
	for read, want := range map[string]string{"A=1": "1 set\nnext\n", "A=$(false)": "\nnext\n"} {
		lines := append(Chain(read, Or(`[ -z "$A" ]`, `printf '%s ' "$A"`), "echo set"), "echo next")
		out, err := proctest.Command(t, "sh", "-c", strings.Join(lines, "\n")).Output()
		if got := string(out); err != nil || !strings.HasSuffix(got, want) || strings.HasPrefix(got, "STOP: ") != (read != "A=1") {
			t.Errorf("%s: %v: %q, want %q", read, err, got, want)
		}
	}
}

// A page numbers its steps, and says what a command does to the nodes that are there.
func TestPage(t *testing.T) {
	for alone, want := range map[bool]string{
		false: "## 1. The rules\n\n**Nodes: a new rule drains every node, one after the other** (but never a single-node cluster). Pods are moved to other nodes meanwhile.\n\n```\noc get nodes\n```\n\n## 2. Look\n\n- a\n- b\n",
		true:  "## 1. The rules\n\nNodes: no drain and no reboot, because this is a single-node cluster. (A new rule drains every node of a larger one.)\n\n```\noc get nodes\n```\n\n## 2. Look\n\n- a\n- b\n",
	} {
		p := New(alone)
		p.Nothing("the pull secret")
		p.Step("The rules")
		p.Drains("a new rule")
		p.Run("oc get nodes")
		p.Step("Look")
		p.List([]string{"a", "b"})
		if got := string(p.Bytes()); got != want || p.Count() != 2 || len(p.IdleParts()) != 1 {
			t.Errorf("alone: %t: got\n%s\nwant\n%s", alone, got, want)
		}
	}
}

// What comes from elsewhere is no markup and no command.
func TestHarmless(t *testing.T) {
	for in, want := range map[string][2]string{
		"quay.io/a:1":  {"quay.io/a:1", "quay.io/a:1"},
		"[::1]:5000/a": {`\[::1]:5000/a`, "'[::1]:5000/a'"},
		"a'b`rm`":      {"a'b'rm'", `'a'\''b` + "`rm`'"},
		"<b>":          {`\<b>`, "'<b>'"},
	} {
		if got := [2]string{Markdown(in), Shell(in)}; got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

// TestEachOfFails: a loop of a chain fails with the first of its turns that does, though later ones work.
func TestEachOfFails(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{`[ "$v" = b ]`: "STOP", `[ -n "$v" ]`: ""} {
		script := "oc() { echo crd; }\n" + strings.Join(Chain(EachOf("v", "things", "printf 'a b'", command)...), "\n")
		out, _ := proctest.Command(t, "bash", "-c", script).CombinedOutput() // it fails as the chain does
		if stops := strings.Contains(string(out), "STOP"); stops != (want != "") {
			t.Errorf("%s: %s", command, out)
		}
	}
}
