package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestCheck: a whole mirror ends with 0; what is not in it with 3, by image and rule; one that is away
// with 7. The source is stopped before.
func TestCheck(t *testing.T) {
	t.Parallel()
	source, mirror := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host), registrytest.StartV3(t, false, "", "")
	c := ocitest.New(91)
	root := c.Image(false, c.Layer(1<<10, ocitest.LayerGzip))
	ref := push(t, c, root, source.Host, "team/app", "v1")
	ref = strings.TrimSuffix(ref, ":v1") + "@" + root.Digest.String()
	w := newWorld(t)
	w.images(ref)
	out := filepath.Join(w.dir, "out")
	w.run(w.pack()...).want(exitOK)
	w.run(w.unpackSite(mirror.Host+"/in", out)...).want(exitOK)
	source.Reset()

	w.run("check", "--output-dir", out, "--deep=bytes").want(exitOK).prints("images       1 of 1, pulled as nodes do", "nothing was found that would fail", "importer pods")
	w.run("check", out, "--offline", "-o", "json").want(exitOK).prints(`"offline": true`, ref)
	w.run("check", "--output-dir", out, "-i", w.key, w.drive, "--to", mirror.Host+"/in", "--tls-verify=false").want(exitOK).prints("images       1 of 1")
	w.run("check").want(exitUsage).says("--output-dir OUTDIR")
	w.run("check", "--output-dir", w.dir).want(exitUsage).says("directories below it have files for clusters: out", "hint: name one of them")
	w.run("check", "--output-dir", t.TempDir()).want(exitUsage).says("registries.conf", "hint: name the directory that was given to unpack or render")
	bad := filepath.Join(t.TempDir(), "node.conf")
	if err := os.WriteFile(bad, []byte("[[registry]]\nlocation = 'a'\n[[registry]]\nlocation = 'a'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run("check", "--output-dir", out, "--registries-conf", bad).want(exitUsage).says("is there twice", "hint: copy the node's file again")
	w.run("check", "--output-dir", out, "--inside", "http://x").want(exitUsage).says("--inside http://x: it is not a registry")
	w.run("check", "--output-dir", out, "--deep=all").want(exitUsage).says("neither layers nor bytes")

	manifest := filepath.Join(mirror.Dir, "docker/registry/v2/repositories/in/team/app/_manifests/revisions/sha256", root.Digest.Encoded())
	if err := os.Rename(manifest, manifest+".away"); err != nil {
		t.Fatal(err)
	}
	w.run("check", "--output-dir", out).want(exitGaps).prints("FAILS missing", ref, "by the rule for "+source.Host+"/team/app", "asked "+mirror.Host+"/in/team/app: it answered 404", "what to do: push it again", "1 thing would fail").says("hint: push it again")
	var said check.Report
	if err := json.Unmarshal([]byte(w.run("check", "--output-dir", out, "-o", "json").want(exitGaps).stdout), &said); err != nil || said.Fails != 1 || len(said.Findings) != 1 || said.Findings[0].Image != ref {
		t.Errorf("%v: %+v", err, said)
	}
	if asked := source.Requests(); len(asked) > 0 {
		t.Errorf("the source was asked: %v", asked)
	}
	conf := filepath.Join(out, "registries.conf")
	if err := os.WriteFile(conf, []byte(strings.ReplaceAll(string(readFile(t, conf)), mirror.Host, "127.0.0.1:9")), 0o600); err != nil {
		t.Fatal(err)
	}
	rules := filepath.Join(out, "icsp-generic.yaml")
	if err := os.WriteFile(rules, []byte(strings.ReplaceAll(string(readFile(t, rules)), mirror.Host, "127.0.0.1:9")), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run("check", "--output-dir", out, "--retry-times=0").want(exitRegistry).says("reach the mirror as nodes do: 127.0.0.1:9", "hint: run this where the mirror can be reached")
}
