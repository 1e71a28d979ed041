package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/clusteryaml"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestRender writes the cluster's YAML in every way there is: into the bundle,
// by unpack, by render with and without asking the mirror.
func TestRender(t *testing.T) {
	t.Parallel()
	source, mirror := newSource(t), newMirror(t)
	c := ocitest.New(81)
	image := c.Image(false, c.Layer(1<<20, ocitest.LayerGzip))
	ref := push(t, c, image, source, "team/app", "v1")
	w := newWorld(t)
	w.images(ref)
	to := mirror + "/in/side"
	w.run(w.pack("--to", to)...).want(exitOK)

	out := filepath.Join(w.dir, "out")
	render := func(more ...string) []string {
		return append([]string{"render", "-i", w.key, "--tls-verify=false", "--to", to, "--output-dir", out, w.drive}, more...)
	}
	lacking := w.run(render()...).want(exitFailed).says(", the only image of this bundle; no cluster YAML was written", "first (satchel unpack)", "hint: or write the YAML without asking the mirror (satchel render --offline)")
	if _, err := os.Stat(out); err == nil || lacking.stdout != "" {
		t.Errorf("it wrote %v, %q", held(t, out), lacking.stdout)
	}
	w.run(render("--offline")...).want(exitOK)
	offline := held(t, out)
	if err := os.RemoveAll(out); err != nil {
		t.Fatal(err)
	}
	w.run(w.unpack(to, "--output-dir", out, "--dry-run")...).want(exitOK)
	if _, err := os.Stat(out); err == nil {
		t.Errorf("a dry run wrote %v", held(t, out))
	}
	w.run(w.unpack(to, "--output-dir", out)...).want(exitOK).says("APPLY.md")
	pushed := held(t, out)
	if !strings.Contains(offline["APPLY.md"], "did not check") || strings.Contains(pushed["APPLY.md"], "did not check") {
		t.Error("APPLY.md does not say whether the mirror was asked")
	}
	if !maps.Equal(rules(pushed), rules(offline)) || len(pushed) < 4 {
		t.Errorf("unpack wrote %d files, render --offline %d others", len(pushed), len(offline))
	}
	w.run(render()...).want(exitOK)
	w.run(w.unpack(to, "--output-dir", out)...).want(exitOK).says("nothing to do", "APPLY.md")
	if again := held(t, out); !maps.Equal(again, pushed) {
		t.Error("written again, it is another set")
	}
	rule := "source: " + source + "/team/app"
	if all := joined(offline); !strings.Contains(all, rule) || !strings.Contains(all, to+"/team/app") {
		t.Errorf("no rule %q in\n%s", rule, all)
	}
	checkDocument(t, w, offline)
	checkReplaced(t, w, render, out)
}

// rules are the files but for those that say whether the mirror was asked, and whether it
// answered over plain HTTP.
func rules(files map[string]string) map[string]string {
	files = maps.Clone(files)
	for _, name := range []string{"APPLY.md", outList, "registries.conf", "restore/README.md", "receipt.json"} {
		delete(files, name)
	}
	return files
}

func joined(files map[string]string) string {
	var b strings.Builder
	for name, body := range files {
		b.WriteString(name + "\n" + body + "\n")
	}
	return b.String()
}

// checkDocument compares what the bundle carries with what render wrote for the
// same mirror.
func checkDocument(t *testing.T, w *world, want map[string]string) {
	t.Helper()
	var got manifestsReport
	if err := json.Unmarshal([]byte(w.run("inspect", "--manifests", "-o", "json", "-i", w.key, w.drive).want(exitOK).stdout), &got); err != nil {
		t.Fatal(err)
	}
	carried := map[string]string{outList: want[outList], "hub.json": want["hub.json"]} // this is of a mirror, not for a cluster
	text := w.run("inspect", "--manifests", "-i", w.key, w.drive).want(exitOK).stdout
	for _, f := range got.Files {
		carried[f.Name] = f.Body
		if !strings.Contains(text, "# "+f.Name+"\n") || filepath.Ext(f.Name) == ".yaml" && !strings.Contains(text, f.Body) {
			t.Errorf("the text lacks %s", f.Name)
		}
	}
	for i, doc := range strings.Split(text, "---\n") {
		var object any
		if err := yaml.Unmarshal([]byte(doc), &object); err != nil {
			t.Errorf("document %d is not YAML: %v", i, err)
		}
	}
	if !maps.Equal(carried, want) {
		t.Errorf("the bundle carries\n%s\nrender wrote\n%s", joined(carried), joined(want))
	}
	w.run("inspect", "-i", w.key, w.drive).want(exitOK).prints("inspect --manifests")
	if list := w.run("inspect", "-o", "json", "-i", w.key, w.drive).want(exitOK).stdout; !strings.Contains(list, "cluster-yaml") {
		t.Errorf("no document in %s", list)
	}
}

// checkReplaced replaces a set by one that has less of it, which is said.
func checkReplaced(t *testing.T, w *world, render func(...string) []string, out string) {
	t.Helper()
	secret := filepath.Join(w.dir, "pull-secret.json")
	if err := os.WriteFile(secret, []byte(`{"auths":{"q.example":{"auth":"ZmFrZTpmYWtl"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run(render("--pull-secret", secret)...).want(exitOK)
	w.run(render()...).want(exitOK).says("files of an earlier run were deleted from", "gitops/secrets/pull-secret.yaml")
	if _, ok := held(t, out)["gitops/secrets/pull-secret.yaml"]; ok {
		t.Error("a secret of the earlier set is still there")
	}
}

// TestPlaceholderMirror packs without --to: the YAML in the bundle is for no
// mirror that there is, and a bundle for another mirror is another one.
func TestPlaceholderMirror(t *testing.T) {
	t.Parallel()
	source := newSource(t)
	c := ocitest.New(82)
	ref := push(t, c, c.Image(true, c.Layer(1<<16, ocitest.LayerGzip)), source, "team/app", "v1")
	w := newWorld(t)
	w.images(ref)
	w.run(w.pack()...).want(exitOK)
	w.run("inspect", "--manifests", "-i", w.key, w.drive).want(exitOK).prints("- "+clusteryaml.Placeholder+"/team/app", "source: "+source+"/team/app")
	w.run(w.pack()...).want(exitOK).says("nothing has changed since")
	w.run(w.pack("--to", "mirror.example/in")...).want(exitUsage)
}

// prints wants each text on stdout.
func (r result) prints(texts ...string) result {
	r.t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.stdout, text) {
			r.t.Errorf("%s does not print %q:\n%s", strings.Join(r.args, " "), text, r.stdout)
		}
	}
	return r
}

// TestRenderAsksAsPuller has a mirror that wants a login: a refusal is said to be
// one, and is not taken for a lack of images.
func TestRenderAsksAsPuller(t *testing.T) {
	t.Parallel()
	source, mirror := newSource(t), registrytest.StartAuth(t, "puller", "secret")
	c := ocitest.New(84)
	ref := push(t, c, c.Image(true, c.Layer(1<<16, ocitest.LayerGzip)), source, "team/app", "v1")
	w := newWorld(t)
	w.images(ref)
	w.run(w.pack()...).want(exitOK)
	out := filepath.Join(w.dir, "out")
	w.run("render", "-i", w.key, "--tls-verify=false", "--to", mirror.Host+"/in", "--output-dir", out, w.drive).
		want(exitRegistry).says("hint: check that there are credentials")
	if _, err := os.Stat(out); err == nil {
		t.Errorf("it wrote %v", held(t, out))
	}
}

// TestOutDirOnTheDrive refuses to write the YAML where the bundle is.
func TestOutDirOnTheDrive(t *testing.T) {
	t.Parallel()
	c := ocitest.New(83)
	source := newSource(t)
	ref := push(t, c, c.Image(true, c.Layer(1<<16, ocitest.LayerGzip)), source, "team/app", "v1")
	w := newWorld(t)
	w.images(ref)
	w.run(w.pack()...).want(exitOK)
	before := listing(t, w.drive)
	link := filepath.Join(w.dir, "link")
	if err := os.Symlink(w.drive, link); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{w.drive, filepath.Join(w.drive, "cluster"), filepath.Join(link, "a", "b")} {
		w.run("render", "--offline", "-i", w.key, "--to", "mirror.example", "--output-dir", out, w.drive).want(exitUsage)
	}
	if after := listing(t, w.drive); !slices.Equal(before[1:], after[1:]) {
		t.Errorf("it changed the drive:\n%s", strings.Join(after, "\n"))
	}
	w.run("verify", w.drive).want(exitOK)
}

// held reads a directory: content by name.
func held(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		body, err := os.ReadFile(path)
		all[filepath.ToSlash(name)] = string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The list of a set of YAML in an output directory, and the head of the list.
const outList = ".satchel-set"
