package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// object wants one JSON object on stdout, and nothing else, with the exit status in it.
func (r result) object(code int) map[string]any {
	r.t.Helper()
	r.want(code)
	dec := json.NewDecoder(strings.NewReader(r.stdout))
	var got map[string]any
	if err := dec.Decode(&got); err != nil {
		r.t.Fatalf("%s: %v:\n%s", strings.Join(r.args, " "), err, r.stdout)
	}
	if dec.More() {
		r.t.Errorf("%s: more than one object:\n%s", strings.Join(r.args, " "), r.stdout)
	}
	if got["command"] != r.args[1] || got["exit"] != float64(code) || (got["error"] != nil) != (code != exitOK) {
		r.t.Errorf("%s: command %v, exit %v, error %v", strings.Join(r.args, " "), got["command"], got["exit"], got["error"])
	}
	return got
}

// at follows keys into an object.
func at(t *testing.T, v any, keys ...string) any {
	t.Helper()
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("no %v in %v", keys, v)
		}
		v = m[k]
	}
	return v
}

// TestOutcome: pack, verify and unpack end with one object of what they did, or why they did not.
func TestOutcome(t *testing.T) {
	t.Parallel()
	source, mirror, w := newSource(t), newMirror(t), newWorld(t)
	c := ocitest.New(17)
	root := c.Image(true, c.Layer(100<<10, ocitest.LayerGzip))
	push(t, c, root, source, "team/app", "v1")
	w.images(source+"/team/app:v1", source+"/team/gone:v1")

	failed := w.run(w.pack("-o", "json")...).object(exitRegistry)
	if !strings.Contains(failed["error"].(string), "team/gone:v1") || len(failed["hints"].([]any)) == 0 || failed["bundle"] != nil {
		t.Errorf("%v", failed)
	}
	p := w.run(w.pack("-o", "json", "--keep-going")...).object(exitGaps)
	finger, _ := p["fingerprint"].(string)
	if len(finger) != 64 || p["dir"] != w.drive || at(t, p, "carried", "images") != 1.0 || at(t, p, "carried", "blobs") != 2.0 || at(t, p, "stream", "name") != "imageset" || p["sequence"] != 1.0 {
		t.Errorf("%v", p)
	}
	if images := p["images"].([]any); len(images) != 1 || at(t, images[0], "digest") != root.Digest.String() {
		t.Errorf("%v", images)
	}
	gaps := at(t, p, "gaps", "images").([]any)
	if len(gaps) != 1 || at(t, gaps[0], "source") != source+"/team/gone:v1" || at(t, gaps[0], "why") == nil {
		t.Errorf("%v", gaps)
	}
	if _, err := os.Stat(at(t, p, "gaps", "file").(string)); err != nil {
		t.Error(err)
	}

	if v := w.run("verify", "-o", "json", w.drive).object(exitOK); v["fingerprint"] != finger || v["ok"] != true || len(v["faults"].([]any)) != 0 {
		t.Errorf("%v", v)
	}
	other := strings.Repeat("0", 64)
	if v := w.run("verify", "-o", "json", "--expect", other, w.drive).object(exitDamaged); v["ok"] == true {
		t.Errorf("%v", v)
	}

	dry := w.run(w.unpack(mirror, "-o", "json", "--dry-run")...).object(exitOK)
	if dry["dryRun"] != true || dry["pushed"] != nil || at(t, dry, "missing", "blobs") != 2.0 || at(t, dry["images"].([]any)[0], "state") != "missing" {
		t.Errorf("%v", dry)
	}
	out := filepath.Join(w.dir, "out")
	u := w.run(w.unpack(mirror, "-o", "json", "--output-dir", out)...).object(exitOK)
	image := u["images"].([]any)[0]
	if u["bundle"] != p["bundle"] || u["fingerprint"] != finger || u["mirror"] != mirror || at(t, u, "pushed", "blobs") != 2.0 || at(t, u, "pushed", "images") != 1.0 ||
		at(t, image, "repository") != mirror+"/team/app" || at(t, image, "digest") != root.Digest.String() || at(t, image, "state") != "pushed" {
		t.Errorf("%v", u)
	}
	if files := u["files"].([]any); u["outputDir"] != out || len(files) < 2 || files[0] != "APPLY.md" || !slices.Contains(files, any("receipt.json")) {
		t.Errorf("%v", files)
	}
	if len(at(t, u, "gaps", "images").([]any)) != 1 {
		t.Errorf("%v", u["gaps"])
	}
	again := w.run(w.unpack(mirror, "-o", "json")...).object(exitOK)
	if at(t, again, "missing", "images") != 0.0 || at(t, again, "pushed", "blobs") != 0.0 || at(t, again["images"].([]any)[0], "state") != "present" {
		t.Errorf("%v", again)
	}
	if full := w.run("unpack", "--to", mirror, "--tls-verify=false", "--verify", "full", "-o", "json").object(exitOK); full["bundle"] != p["bundle"] || at(t, full["images"].([]any)[0], "state") != "present" {
		t.Errorf("without the drive: %v", full)
	}
	away := w.run(w.unpack("127.0.0.1:1", "-o", "json", "--retry-times", "0")...).object(exitRegistry)
	if away["bundle"] != p["bundle"] || away["images"] != nil {
		t.Errorf("%v", away)
	}
}

// TestOutcomeOfMistakes: what was typed wrongly is in the object too, also where the
// arguments could not be read.
func TestOutcomeOfMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, args := range [][]string{
		{"pack", "-o", "json", "--bogus", w.drive}, {"pack", "--bogus", "-ojson", w.drive}, {"pack", "--bogus", "--output=json"}, {"unpack", "--dry-run", "--nothing", "--output", "json", "x"},
		{"verify", "-o", "json"}, {"missing", "-o", "json", "a", "b"}, {"unpack", "-o", "json"}, {"pack", "-o", "json", w.drive}, {"verify", "--log-level", "loud", "-o", "json", w.drive},
	} {
		w.run(args...).object(exitUsage)
	}
	for _, args := range [][]string{{"pack", "--bogus", "-o", "table"}, {"unpack", "--output-dir", "json", "x"}, {"inspect", "-o", "json", "--bogus"}, {"pack", "-o", "xml", w.drive}} {
		if r := w.run(args...).want(exitUsage); r.stdout != "" {
			t.Errorf("%v: %s", args, r.stdout)
		}
	}
	if r := w.run("verify", "-o", "yaml", w.dir+"/none"); !strings.Contains(r.stdout, "\nexit: ") || strings.Count(r.stdout, "command: verify") != 1 {
		t.Errorf("YAML:\n%s", r.stdout)
	}
}

// TestOutcomeUnwritten: an object that cannot be written is a failure.
func TestOutcomeUnwritten(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	if code := run([]string{"verify", "-o", "json", t.TempDir()}, nil, full, &stderr); code == exitOK || !strings.Contains(stderr.String(), "no space left on device") {
		t.Errorf("exit %d\n%s", code, stderr.String())
	}
}

// TestOutcomeInterrupted: the object of an interrupted run says how to go on.
func TestOutcomeInterrupted(t *testing.T) {
	t.Parallel()
	c := ocitest.New(23)
	s := newShelf(c)
	proxy, k := s.slow(t, sourceRate)
	s.tag("x:v1", c.Image(false, c.Layer(8<<20, ocitest.LayerGzip)))
	w := newWorld(t)
	w.images(proxy.Host + "/x:v1")
	r := w.interrupted(k, 2<<20, w.pack("-o", "json")...)
	if got := r.object(exitInterrupted); !strings.HasPrefix(at(t, got, "hints").([]any)[0].(string), "resume with: satchel pack ") {
		t.Errorf("%v", got)
	}
}
