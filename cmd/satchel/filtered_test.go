package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// filteredSet is a catalog of two platforms with two operators, on a base layer.
type filteredSet struct {
	c      *ocitest.Content
	source *registrytest.Proxy
	root   oci.Descriptor
	base   oci.Descriptor // the layer with the program, which stays
}

func newFilteredSet(t *testing.T) *filteredSet {
	t.Helper()
	s := &filteredSet{c: ocitest.New(611), source: registrytest.StartProxy(t, newSource(t))}
	files := map[string][]byte{}
	for _, name := range []string{"one", "two"} {
		d := s.c.Image(false, s.c.Layer(3<<20, ocitest.LayerGzip))
		push(t, s.c, d, s.source.Host, "op/"+name, "v1")
		files[name+"/catalog.json"] = fmt.Appendf(nil, `{"schema":"olm.package","name":%[1]q,"defaultChannel":"stable"}
{"schema":"olm.channel","package":%[1]q,"name":"stable","entries":[{"name":"%[1]s.v1.0.0"}]}
{"schema":"olm.bundle","package":%[1]q,"name":"%[1]s.v1.0.0","image":"%[2]s/op/%[1]s@%[3]s","properties":[{"type":"olm.package","value":{"packageName":%[1]q,"version":"1.0.0"}}]}
`, name, s.source.Host, d.Digest)
	}
	s.root = catalogImages(t, s.c, true, []byte(strings.Repeat("program ", 1000)), ocitest.CatalogRun(), files)
	push(t, s.c, s.root, s.source.Host, "cat/index", "v1")
	p := mirroredRepo{s.source.Host, "cat/index"}
	var m struct{ Layers []oci.Descriptor }
	p.read(t, p.images(t, s.root)[0], &m)
	s.base = m.Layers[0]
	return s
}

func (s *filteredSet) config(w *world, catalog string) {
	w.imageset("  operators:\n    - catalog: " + catalog + "\n      packages: [{name: one}]\n")
}

// inMirror wants the catalog in the mirror, whole and with one operator.
func (s *filteredSet) inMirror(t *testing.T, host, tag string) oci.Descriptor {
	t.Helper()
	p := mirroredRepo{host, "cat/index"}
	root := p.root(t, tag)
	images := p.images(t, root)
	if root.Digest == s.root.Digest || len(images) != 2 {
		t.Errorf("the mirror has %s, of %d images", root.Digest, len(images))
	}
	for _, image := range images {
		dir := t.TempDir()
		p.unpacked(t, image, dir)
		list, err := filepath.Glob(filepath.Join(dir, "configs", "*", "*"))
		if err != nil || len(list) != 1 || !strings.HasSuffix(list[0], "/configs/one/catalog.json") {
			t.Errorf("the catalog has %q, %v", list, err)
		}
		if old, err := os.Stat(filepath.Join(dir, "tmp/cache/pogreb.v1")); err == nil {
			t.Errorf("it has a cache that does not fit: %s", old.Name())
		}
	}
	return root
}

// TestFilteredResumed kills a pack of a filtered catalog, and unpack; the same goes
// on without what was read for it.
func TestFilteredResumed(t *testing.T) {
	t.Parallel()
	s, mirror, w := newFilteredSet(t), newMirror(t), newWorld(t)
	s.config(w, s.source.Host+"/cat/index:v1")
	planned, output := w.plan(exitOK)
	output.says(": 1 of 2 packages, 1 of 2 versions are carried")
	made := planned.Images[slices.IndexFunc(planned.Images, func(i plan.Image) bool { return i.Origin == manifests.OriginCatalog })].Digest
	k := &tap{kind: "GET blob"}
	k.through(s.source)
	for i, n := range []int64{1, 1 << 20, 2 << 20} {
		w.disturbed(k, n, 0, func(p *os.Process) { _ = p.Kill() }, w.pack()...)
		if i != 1 { // what was made for the bundle is kept with it
			if err := os.RemoveAll(filepath.Join(w.dir, "cache")); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.run(w.pack()...).want(exitOK)
	w.run("verify", w.drive).want(exitOK)
	if left, err := filepath.Glob(filepath.Join(w.dir, "*", "satchel", "bundles", "*", "made")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	images := w.inspected().Images
	if i := slices.IndexFunc(images, func(i report.Image) bool { return i.Origin == manifests.OriginCatalog }); len(images) != 2 || images[i].Digest != made {
		t.Errorf("carried %+v, planned %s", images, made)
	}
	w.run(w.unpack(mirror)...).want(exitOK)
	if got := s.inMirror(t, mirror, "v1"); got.Digest != made {
		t.Errorf("the mirror has %s, not %s", got.Digest, made)
	}
}

// TestFilteredLost has what was made for a bundle gone, or damaged, in the cache and
// beside the journal: nobody else is asked for it, and it is no gap.
func TestFilteredLost(t *testing.T) {
	t.Parallel()
	s, w := newFilteredSet(t), newWorld(t)
	s.config(w, s.source.Host+"/cat/index:v1")
	w.plan(exitOK) // so that what is fetched from here on is written
	k := &tap{kind: "GET blob"}
	k.through(s.source)
	w.disturbed(k, 1<<20, 0, func(p *os.Process) { _ = p.Kill() }, w.pack("--keep-going")...)
	if err := os.RemoveAll(filepath.Join(w.dir, "cache")); err != nil {
		t.Fatal(err)
	}
	made, err := filepath.Glob(filepath.Join(w.dir, "state", "satchel", "bundles", "*", "made", "sha256", "*"))
	if err != nil || len(made) < 5 {
		t.Fatalf("what was made is in %q, %v", made, err)
	}
	for _, file := range made {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gzip.NewReader(bytes.NewReader(body)); err != nil { // no layer
			continue
		}
		body[len(body)/2] ^= 1
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.run(w.pack("--keep-going")...).want(exitFailed).says("is no longer on this host", "start (--restart)")
	w.run(w.pack("--keep-going", "--restart")...).want(exitOK)
}

// TestFilteredGaps goes without a catalog of which a layer is refused, and brings it,
// and nothing else, later.
func TestFilteredGaps(t *testing.T) {
	t.Parallel()
	for _, byDigest := range []bool{false, true} {
		for _, before := range []bool{false, true} { // whether the layer was read before
			t.Run(fmt.Sprint(byDigest, before), func(t *testing.T) {
				s, mirror, w := newFilteredSet(t), newMirror(t), newWorld(t)
				ref, tag := s.source.Host+"/cat/index:v1", "v1"
				if byDigest {
					ref = s.source.Host + "/cat/index@" + s.root.Digest.String()
				}
				s.config(w, ref)
				if before {
					w.plan(exitOK)
				}
				var fixed atomic.Bool
				s.source.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
					if fixed.Load() || !strings.HasSuffix(r.URL.Path, s.base.Digest.String()) {
						return false
					}
					http.NotFound(rw, r)
					return true
				}
				var list gaps.List
				if before {
					list = w.gaps(w.run(w.pack("--keep-going", "--gaps", "gaps.json")...))
				} else { // and then nothing is known of its operators
					if w.run(w.pack("--keep-going")...).code != exitRegistry {
						t.Error("nothing is left to carry, and it did not fail")
					}
					w.imageset("  operators:\n    - catalog: " + ref + "\n      packages: [{name: one}]\n  additionalImages: [{name: " + s.source.Host + "/op/two:v1}]\n")
					list = w.gaps(w.run(w.pack("--keep-going", "--gaps", "gaps.json", "--restart")...))
				}
				if len(list.Images) != 1 || list.Images[0].Image.Origin != manifests.OriginCatalog || list.Images[0].Image.Source.String() != ref || len(list.Incomplete) != 1 || list.Incomplete[0].Kind != "catalog" {
					t.Fatalf("gaps %+v", list)
				}
				w.run(w.unpack(mirror)...).want(exitOK)

				fixed.Store(true)
				w.drive += "-later"
				w.run(w.pack("--only", "gaps.json")...).want(exitOK)
				images := w.inspected().Images
				if want := map[bool]int{true: 1, false: 2}[before]; len(images) != want {
					t.Errorf("later it carries %+v", images)
				}
				if byDigest {
					i := slices.IndexFunc(images, func(i report.Image) bool { return i.Origin == manifests.OriginCatalog })
					tag = "satchel-" + images[i].Digest.Encoded()
				}
				w.run(w.unpack(mirror)...).want(exitOK)
				s.inMirror(t, mirror, tag)
			})
		}
	}
}

// TestFilteredGapOfTwo brings later, of two entries of one catalog, the one that a list
// names, by the reference that the configuration has.
func TestFilteredGapOfTwo(t *testing.T) {
	t.Parallel()
	s, w := newFilteredSet(t), newWorld(t)
	ref := s.source.Host + "/cat/index:v1@" + s.root.Digest.String()
	w.imageset("  operators:\n    - {catalog: '" + ref + "', targetCatalog: ours/a, packages: [{name: one}]}\n    - {catalog: '" + ref + "', targetCatalog: ours/b, packages: [{name: two}]}\n")
	if output := w.run("plan", "-c", w.config, "--tls-verify=false"); output.code != exitOK ||
		!strings.Contains(output.stdout, "catalog      "+ref+" as ours/a:v1, chosen") || !strings.Contains(output.stdout, "catalog      "+ref+" as ours/b:v1, chosen") {
		t.Errorf("exit %d\n%s%s", output.code, output.stdout, output.stderr)
	}
	var fixed atomic.Bool
	s.source.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		if fixed.Load() || !strings.HasSuffix(r.URL.Path, s.base.Digest.String()) {
			return false
		}
		http.NotFound(rw, r)
		return true
	}
	list := w.gaps(w.run(w.pack("--keep-going", "--gaps", "gaps.json")...))
	if len(list.Images) != 2 || list.Images[0].Image.Source.String() != ref || list.Images[1].Image.Source.String() != ref || list.Images[0].Image.Path == list.Images[1].Image.Path {
		t.Fatalf("gaps %+v", list)
	}
	fixed.Store(true)
	list.Images = slices.DeleteFunc(list.Images, func(g oci.Gap) bool { return g.Image.Path == "ours/a" })
	list.Images[0].Image.Root.Digest = oci.Digest([]byte("what an older satchel made"))
	body, err := json.Marshal(list)
	if err == nil {
		err = os.WriteFile(filepath.Join(w.dir, "gaps.json"), body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.drive += "-later"
	w.run(w.pack("--only", "gaps.json")...).want(exitOK)
	if images := w.inspected().Images; len(images) != 1 || images[0].Path != "ours/b" {
		t.Errorf("later it carries %+v", images)
	}
}
