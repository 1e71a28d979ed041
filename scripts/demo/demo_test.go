package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

func TestRegistryTakesAndCountsTheImages(t *testing.T) {
	r, err := startRegistry(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}()
	c := ocitest.New(seed)
	var sent int64 // one image twice, under two names: its blobs are held by each repository
	kinds := c.Kinds()
	for _, name := range []string{"docker-list", "nested", "artifact"} {
		root := kinds[name]
		if err := ocitest.Push(t.Context(), c, root, r.url(), "a/"+name, "v1"); err != nil {
			t.Fatal(err)
		}
		if err := ocitest.Compare(t.Context(), c, root, r.url(), "a/"+name, "v1"); err != nil {
			t.Fatal(err)
		}
		_, n, err := count(t.Context(), c, []image{{root: root}})
		if err != nil {
			t.Fatal(err)
		}
		sent += n
	}
	if r.taken.total() != sent || r.served.total() != sent {
		t.Errorf("took %d and served %d blob bytes, want %d", r.taken.total(), r.served.total(), sent)
	}
}

func TestRegistryWasAskedForWhatItLacks(t *testing.T) {
	r, err := startRegistry(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(r.url() + "/v2/a/nothing/manifests/v1")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("answered %s", resp.Status)
	}
	if err := r.close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

func TestImages(t *testing.T) {
	d := &demo{content: ocitest.New(seed)}
	if err := d.makeImages(); err != nil {
		t.Fatal(err)
	}
	every := slices.Concat(d.images, d.left)
	digests, blobs, err := count(t.Context(), d.content, d.images)
	if err != nil {
		t.Fatal(err)
	}
	asTheyAre := slices.Clone(every)
	for i := range asTheyAre {
		asTheyAre[i].filtered = false
	}
	all, _, err := count(t.Context(), d.content, asTheyAre)
	if err != nil {
		t.Fatal(err)
	}
	if all != len(d.content.All()) || digests >= all || blobs > d.content.Size() || blobs < 200*mib {
		t.Errorf("images reach %d of %d digests, %d bytes", digests, len(d.content.All()), blobs)
	}
	places, extras := map[string]bool{}, 0
	for _, i := range every {
		if ref, err := oci.ParseRef(i.source()); err != nil || ref.Name() != i.repo {
			t.Errorf("%s: %v", i.source(), err)
		}
		places[i.mirrorRepo()+":"+i.mirrorTag()] = true
		if i.extra {
			extras++
		}
	}
	if len(places) != len(every) || len(d.left) != 8 || extras != 10 || len(d.images)-extras != 21+5 {
		t.Errorf("%d images and %d that are left, %d extras, %d places", len(d.images), len(d.left), extras, len(places))
	}
	text := imageSet(d.images)
	if n := strings.Count(text, "@sha256:"); n != 1 || strings.Count(text, "- name: quay.io/example/") != 10 {
		t.Errorf("%d images by digest, want 1:\n%s", n, text)
	}
	conf := sourceConf(d.images, "127.0.0.1:5000")
	for _, want := range []string{`location = "127.0.0.1:5000/quay.io"`, `prefix = "registry.redhat.io"`} {
		if !strings.Contains(conf, want) {
			t.Errorf("no %s in\n%s", want, conf)
		}
	}
}

// TestShowHidesSecrets wants everything but secrets on the screen.
func TestShowHidesSecrets(t *testing.T) {
	d, out := standIn(t, "")
	dir := filepath.Join(d.dir, "work", outDir)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"APPLY.md": "# one\n", "icsp-a.yaml": "kind: Rules\n", "catalogsource-b.yaml": "kind: CatalogSource\n",
		"secret.yaml": "apiVersion: v1\nkind: Secret\nhidden: yes\n", "secret.dockerconfigjson": "hidden",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.show(t.Context()); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if strings.Contains(text, "hidden") || !strings.Contains(text, "$ cat cluster/APPLY.md\n  # one\n") || !strings.Contains(text, "  kind: Rules\n") {
		t.Errorf("%s", text)
	}
	if err := os.Remove(filepath.Join(dir, "icsp-a.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := d.show(t.Context()); err == nil {
		t.Error("nothing is said of rules that are not there")
	}
}

// puller makes a program that stands for skopeo: it gets the manifest only with
// the rules.
func puller(t *testing.T, d *demo, manifest string) {
	t.Helper()
	script := "#!/bin/sh\ncase \"$2\" in cluster/*) mkdir -p pulled; printf '%s' '" + manifest + "' > pulled/manifest.json;; --version) ;; *) exit 1;; esac\n"
	if err := os.WriteFile(filepath.Join(d.dir, "skopeo"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", d.dir+":/usr/bin:/bin")
}

func TestPullBy(t *testing.T) {
	for _, tt := range []struct{ got, want string }{{"right", ""}, {"wrong", "skopeo got sha256:"}} {
		d, out := standIn(t, "")
		root := oci.Descriptor{Digest: oci.Digest([]byte("right"))}
		d.images = []image{{repo: partsRepo, root: root, byDigest: true, placeTag: release + "-etcd"}}
		puller(t, d, tt.got)
		err := d.pullBy(t.Context(), skopeo(), "cluster/registries.conf", true)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", tt.got, err)
		}
		if !strings.Contains(out.String(), "exit status 1") || !strings.Contains(out.String(), "docker://"+partsRepo+"@"+root.Digest.String()+" dir:pulled") {
			t.Errorf("%s", out)
		}
	}
}

func TestEntryOf(t *testing.T) {
	conf := "[[registry]]\n  location = \"a/b\"\n\n  [[registry.mirror]]\n    location = \"m/b\"\n\n[[registry]]\n  location = \"a/c\"\n"
	if got := entryOf(conf, "a/b"); got != "  location = \"a/b\"\n\n  [[registry.mirror]]\n    location = \"m/b\"\n" {
		t.Errorf("%q", got)
	}
	if got := entryOf(conf, "a"); got != "" {
		t.Errorf("%q", got)
	}
}

// held is the mark, 0 for none.
func (g *gate) held() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mark
}

// standIn makes a shell script that stands for satchel.
func standIn(t *testing.T, script string) (*demo, *bytes.Buffer) {
	t.Helper()
	dir, out := t.TempDir(), &bytes.Buffer{}
	if err := os.Mkdir(filepath.Join(dir, "work"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "satchel"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return &demo{dir: dir, out: out, blobBytes: 100}, out
}

func TestKilledAtTheMark(t *testing.T) {
	d, out := standIn(t, `echo "$1 started"; exec sleep 60`)
	var g gate
	g.pass(70)
	passed := make(chan bool)
	go func() {
		for g.held() == 0 {
			time.Sleep(time.Millisecond)
		}
		g.pass(49)
		g.pass(1) // waits until the process is dead
		close(passed)
	}()
	if err := d.killed(t.Context(), &g, 50, "pack", "drive/"); err != nil {
		t.Fatal(err)
	}
	<-passed
	if g.total() != 120 || !strings.Contains(out.String(), "$ satchel pack drive/\n") {
		t.Errorf("counted %d; printed %q", g.total(), out)
	}
}

func TestKilledTooLate(t *testing.T) {
	d, _ := standIn(t, "exit 0")
	if err := d.killed(t.Context(), &gate{}, 50, "pack"); err == nil || !strings.Contains(err.Error(), "ended before") {
		t.Errorf("a command that ends by itself: %v", err)
	}
}

func TestTwiceWantsResuming(t *testing.T) {
	for _, tt := range []struct {
		again int // bytes that the second run moves
		want  string
	}{{60, ""}, {100, "began again"}, {40, "fewer"}} {
		d, _ := standIn(t, `if [ -e ran ]; then until [ -e go ]; do sleep 0.01; done; else touch ran; exec sleep 60; fi`)
		var g gate
		go func() {
			for g.held() == 0 || !exists(filepath.Join(d.dir, "work", "ran")) {
				time.Sleep(time.Millisecond)
			}
			g.pass(50)
			g.pass(tt.again)
			_ = os.WriteFile(filepath.Join(d.dir, "work", "go"), nil, 0o600)
		}()
		var took time.Duration
		err := d.twice(t.Context(), "Pack", &g, &took, []string{"pack"})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("second run moves %d bytes: %v", tt.again, err)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestIndented(t *testing.T) {
	var b bytes.Buffer
	w := &indented{w: &b, start: true}
	for _, s := range []string{"one\ntw", "o\n", "three"} {
		if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	if b.String() != "  one\n  two\n  three" {
		t.Errorf("%q", b.String())
	}
}
