package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestLayout takes over a mirror that "oc adm catalog mirror" has filled, and joins its rules
// with those that the cluster has.
func TestLayout(t *testing.T) {
	t.Parallel()
	source, mirror := newSource(t), newMirror(t)
	c := ocitest.New(82)
	image := c.Image(false, c.Layer(10<<10, ocitest.LayerGzip))
	ref := push(t, c, image, source, "team/sub/app", "v1")
	if err := ocitest.Push(t.Context(), c, image, "http://"+mirror, "ns/team-sub-app", "1a2b"); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.images(ref)
	to := mirror + "/ns"
	w.run(w.pack("--to", to, "--layout", "oc")...).want(exitOK)
	w.run("inspect", "--manifests", "-i", w.key, w.drive).want(exitOK).prints("    - " + to + "/team-sub-app\n")

	out := filepath.Join(w.dir, "out")
	rules := filepath.Join(w.dir, "rules.yaml")
	body := "apiVersion: operator.openshift.io/v1alpha1\nkind: ImageContentSourcePolicy\nmetadata: {name: index-0, labels: {operators.openshift.org/catalog: 'true'}}\n" +
		"spec: {repositoryDigestMirrors: [{source: " + source + "/team/sub/app, mirrors: [" + to + "/team-sub-app]}, {source: q.example/x, mirrors: [" + to + "/x]}]}\n"
	if err := os.WriteFile(rules, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run(w.unpack(to, "--output-dir", out)...).want(exitUsage).says("looks as if another tool has filled it", "hint: ", "--layout oc, or --max-nested-paths 2", "--layout oc-mirror")
	w.run(w.unpack(to, "--output-dir", out, "--layout", "oc", "--present-rules", rules)...).want(exitOK).says("no blob to push", "1 object with rules can be deleted")
	all := joined(held(t, out))
	for _, want := range []string{"name: satchel-operator-1\n", "    - " + to + "/team-sub-app\n    source: " + source + "/team/sub/app\n", "    source: q.example/x\n", "oc made it: `keep rules-imagecontentsourcepolicy-index-0.yaml oc get imagecontentsourcepolicy/index-0 -o yaml && oc delete imagecontentsourcepolicy index-0`. Nodes: no drain"} {
		if !strings.Contains(all, want) {
			t.Errorf("the files lack %q", want)
		}
	}
}
