package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// skopeoLayout has skopeo copy an image of a registry into a layout.
func skopeoLayout(t testing.TB, ref, dir string) {
	t.Helper()
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not installed")
	}
	if out, err := proctest.Command(t, "skopeo", "--insecure-policy", "copy", "-q", "--all", "--src-tls-verify=false", "docker://"+ref, "oci:"+dir).CombinedOutput(); err != nil {
		t.Fatalf("skopeo copy %s: %v\n%s", ref, err, out)
	}
}

// rootOf is the image of a layout that has one.
func rootOf(t testing.TB, dir, name string) oci.Descriptor {
	t.Helper()
	l, err := oci.OpenLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Image(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestCatalogDirectory carries real catalogs that skopeo copied into directories, and
// pulls them inside.
func TestCatalogDirectory(t *testing.T) {
	t.Parallel()
	o := newOutside(431)
	made := map[string]oci.Descriptor{}
	one := &fbc{ref: "registry.redhat.io/redhat/redhat-operator-index:v4.14", dirs: []string{"redhat/aws-load-balancer-operator", "redhat/node-observability-operator"}}
	two := &fbc{ref: "quay.io/okderators/catalog-index:testing-4.16", dirs: []string{"okd-multi-file/odf-operator"}}
	o.publishCatalog(t, one, made)
	o.publishCatalog(t, two, made)
	w := newWorld(t)
	source := o.serve(t)
	for ref, dir := range map[string]string{one.ref: "Red.Hat", two.ref: "okd:v1"} {
		parsed, err := oci.ParseRef(ref)
		if err != nil {
			t.Fatal(err)
		}
		skopeoLayout(t, source+"/"+repoOf(parsed)+":"+parsed.Tag, filepath.Join(w.dir, dir))
		delete(o.images, ref)
	}
	roots := map[string]oci.Descriptor{"red.hat": rootOf(t, filepath.Join(w.dir, "Red.Hat"), ""), "okd/index": rootOf(t, filepath.Join(w.dir, "okd"), "v1")}
	w.imageset("  operators:\n  - catalog: oci://" + w.dir + "/Red.Hat\n    full: true\n    packages: [{name: node-observability-operator}]\n" +
		"  - {catalog: 'oci://./okd:v1', targetCatalog: okd/index, targetTag: v9, targetCatalogSourceTemplate: t.yaml}\n")
	template := "apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\nspec: {displayName: Ours}\n"
	if err := os.WriteFile(filepath.Join(w.dir, "t.yaml"), []byte(template), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := o.conf(t, source)
	planned, _ := w.plan(exitOK, "--registries-conf", conf)
	w.run(w.pack("--registries-conf", conf)...).want(exitOK)
	have := w.inspected()
	if planned.Carried.Bytes != have.BlobBytes || len(planned.Images) != len(have.Images) {
		t.Errorf("plan carries %+v, inspect says %d bytes", planned.Carried, have.BlobBytes)
	}
	checkDirectoryCopies(t, w, roots)
	digests := map[string]string{}
	for _, i := range have.Images {
		if i.Origin == manifests.OriginCatalog && i.Source.Registry == "catalogs.local" {
			digests[i.Source.Repository] = i.Digest.String()
		}
	}
	if len(digests) != 2 {
		t.Errorf("catalogs %v", digests)
	}

	mirror, out := newMirror(t), filepath.Join(w.dir, "out")
	w.run(w.unpackSite(mirror+"/ocp", out, "--catalog-name", "catalogs.local/okd/index:v9=okd", "--catalog-name", "oci://"+w.dir+"/Red.Hat=ours")...).want(exitOK)
	checkDirectorySource(t, filepath.Join(out, "catalogsource-ours.yaml"), mirror+"/ocp/red.hat", "latest", digests["red.hat"])
	checkDirectorySource(t, filepath.Join(out, "catalogsource-okd.yaml"), mirror+"/ocp/okd/index", "v9", digests["okd/index"])
	found, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found {
		if base := filepath.Base(name); (strings.HasPrefix(base, "icsp-") || base == "registries.conf") && bytes.Contains(readFile(t, name), []byte("catalogs.local")) {
			t.Errorf("%s has a rule for what no registry has", base)
		}
	}
	n := newNode(t, mirror, out)
	n.skopeo(t, slices.DeleteFunc(originals(have), func(ref string) bool { return strings.HasPrefix(ref, "catalogs.local/") }))
	n.podman(t, []string{mirror + "/ocp/red.hat:latest", mirror + "/ocp/okd/index:v9"})
}

// checkDirectorySource wants a CatalogSource of an image that the mirror has under its tag.
func checkDirectorySource(t *testing.T, file, repo, tag, digest string) {
	t.Helper()
	if text := readFile(t, file); !bytes.Contains(text, []byte("image: "+repo+"@"+digest+"\n")) {
		t.Errorf("%s does not serve %s@%s:\n%s", file, repo, digest, text)
	}
	out, err := proctest.Command(t, "skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", "docker://"+repo+":"+tag).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != digest {
		t.Errorf("%s:%s is %s, %v", repo, tag, out, err)
	}
}

// checkDirectoryCopies wants no layer of the catalogs in the cache.
func checkDirectoryCopies(t *testing.T, w *world, roots map[string]oci.Descriptor) {
	t.Helper()
	for name, dir := range map[string]string{"red.hat": "Red.Hat", "okd/index": "okd"} {
		l, err := oci.OpenLayout(filepath.Join(w.dir, dir))
		if err != nil {
			t.Fatal(err)
		}
		err = oci.Walk(t.Context(), l, roots[name], func(d oci.Descriptor, _ []byte) error {
			if strings.Contains(d.MediaType, "layer") && exists(filepath.Join(w.dir, "cache", "satchel", "content", "sha256", d.Digest.Encoded())) {
				t.Errorf("%s of %s was copied into the cache", d.Digest, name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// dirSet is a catalog in a directory, of one bundle whose image a registry has, and
// an image beside it.
type dirSet struct {
	c           *ocitest.Content
	source      *registrytest.Proxy
	dir         string // of the layout
	root        oci.Descriptor
	layer, base oci.Descriptor // the layer with the catalog, and one below
}

func newDirSet(t *testing.T, w *world, base, beside int) *dirSet {
	t.Helper()
	s := &dirSet{c: ocitest.New(433), source: registrytest.StartProxy(t, newSource(t)), dir: filepath.Join(w.dir, "catalog")}
	push(t, s.c, s.c.Image(false, small(t, s.c, 1, 2<<10)...), s.source.Host, "app/bundle", "v1")
	push(t, s.c, s.c.Image(false, small(t, s.c, 1, beside)...), s.source.Host, "app/beside", "v1")
	s.base = small(t, s.c, 1, base)[0]
	s.root, s.layer = s.catalog(t, "1.0.0")
	if err := s.c.WriteLayout(s.dir, s.root); err != nil {
		t.Fatal(err)
	}
	w.imageset("  operators:\n  - catalog: oci://" + s.dir + "\n    full: true\n  additionalImages: [{name: '" + s.source.Host + "/app/beside:v1'}]\n")
	return s
}

func (s *dirSet) catalog(t *testing.T, version string) (root, layer oci.Descriptor) {
	t.Helper()
	text := fmt.Sprintf("---\nschema: olm.package\nname: app\ndefaultChannel: stable\n---\nschema: olm.channel\npackage: app\nname: stable\nentries: [{name: app.v%s}]\n"+
		"---\nschema: olm.bundle\npackage: app\nname: app.v%[1]s\nimage: %s/app/bundle:v1\nproperties: [{type: olm.package, value: {packageName: app, version: %[1]s}}]\n", version, s.source.Host)
	root, err := s.c.Catalog("amd64", map[string][]byte{"app/catalog.yaml": []byte(text)}, s.base)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range s.c.All() {
		if d.MediaType == ocitest.LayerGzip {
			layer = d // the last one that was made
		}
	}
	return root, layer
}

func (s *dirSet) blob(d oci.Descriptor) string {
	return filepath.Join(s.dir, "blobs", "sha256", d.Digest.Encoded())
}

// TestCatalogDirectoryDamage has directories that do not have what they must.
func TestCatalogDirectoryDamage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newDirSet(t, w, 60<<10, 1000)
	whole := filepath.Join(w.dir, "whole")
	if err := os.Rename(s.dir, whole); err != nil {
		t.Fatal(err)
	}
	do := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	link := func(name string) { do(os.Remove(name)); do(os.Symlink(w.key, name)) }
	flip := func(name string) {
		body := readFile(t, name)
		body[len(body)/2] ^= 1
		do(os.WriteFile(name, body, 0o600))
	}
	index := func(body string) { do(os.WriteFile(filepath.Join(s.dir, "index.json"), []byte(body), 0o600)) }
	const at = "imageset.yaml:5:14: mirror.operators[0].catalog: "
	tests := []struct {
		name   string
		damage func()
		code   int
		says   string
		gap    bool // with --keep-going
	}{
		{"no directory", func() { do(os.RemoveAll(s.dir)) }, exitUsage, at + "open " + s.dir + ": no such file or directory", false},
		{"no layout", func() { do(os.Remove(filepath.Join(s.dir, "oci-layout"))) }, exitUsage, at + "oci-layout in " + s.dir + ": it is missing", false},
		{"several images", func() {
			index(fmt.Sprintf(`{"manifests":[{"mediaType":%q,"digest":%q,"size":%d},{"digest":"sha256:x"}]}`, s.root.MediaType, s.root.Digest, s.root.Size))
		}, exitUsage, at + "index.json in " + s.dir + ": it lists 2 images: one without a name", false},
		{"a huge index", func() { index(strings.Repeat(" ", 5<<20)) }, exitUsage, at + "index.json in " + s.dir + ": it has more than", false},
		{"no manifest", func() { do(os.Remove(s.blob(s.root))) }, exitUsage, s.root.Digest.Encoded() + " in " + s.dir + ": it is missing", true},
		{"no layer", func() { do(os.Remove(s.blob(s.layer))) }, exitUsage, s.layer.Digest.Encoded() + " in " + s.dir + ": it is missing", true},
		{"no layer below", func() { do(os.Remove(s.blob(s.base))) }, exitUsage, s.base.Digest.Encoded() + " in " + s.dir + ": it is missing", true},
		{"a layer cut off", func() { do(os.Truncate(s.blob(s.base), 7)) }, exitUsage, s.base.Digest.Encoded() + " in " + s.dir + ": it has 7 bytes, not ", true},
		{"a layer elsewhere", func() { link(s.blob(s.base)) }, exitUsage, s.base.Digest.Encoded() + " in " + s.dir + ": a link leads out", true},
		{"a flipped bit in the catalog", func() { flip(s.blob(s.layer)) }, exitFailed, "the bytes received for " + s.layer.Digest.String(), true},
		{"a flipped bit below", func() { flip(s.blob(s.base)) }, exitFailed, "the bytes received for " + s.base.Digest.String(), true},
		{"a flipped bit in the manifest", func() { flip(s.blob(s.root)) }, exitFailed, "the bytes received for " + s.root.Digest.String(), true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			do(os.RemoveAll(s.dir))
			do(os.RemoveAll(filepath.Join(w.dir, "cache")))
			do(os.RemoveAll(w.drive))
			do(os.CopyFS(s.dir, os.DirFS(whole)))
			tc.damage()
			w := w.in(t)
			w.run(w.pack()...).want(tc.code).says(tc.says, "hint: ")
			if !tc.gap {
				w.run(w.pack("--keep-going")...).want(tc.code).says(tc.says)
				return
			}
			list := w.gaps(w.run(w.pack("--restart", "--keep-going", "--gaps", "gaps.json")...))
			if len(list.Images) != 1 || list.Images[0].Image.Source.String() != "catalogs.local/catalog:latest" || !strings.Contains(list.Images[0].Reason(), tc.says) {
				t.Errorf("gaps: %+v", list.Images)
			}
			// What is missing comes later.
			do(os.RemoveAll(s.dir))
			do(os.RemoveAll(w.drive))
			do(os.CopyFS(s.dir, os.DirFS(whole)))
			w.run(w.pack("--only", "gaps.json")...).want(exitOK)
			if got := w.inspected(); !slices.ContainsFunc(got.Images, func(i report.Image) bool { return i.Digest == s.root.Digest }) {
				t.Errorf("the bundle has %+v", got.Images)
			} else if got.Catalogs != nil { // of which a part is here
				t.Errorf("it says of catalogs %+v", got.Catalogs)
			}
		})
	}
}

// TestCatalogDirectoryResume kills pack, and has the directory changed before it
// resumes: what was pinned is carried.
func TestCatalogDirectoryResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newDirSet(t, w, 6<<20, 12<<20)
	k := &tap{kind: "GET blob", rate: 32 << 20}
	k.through(s.source)
	pack := w.pack("--segment-size", "1MiB", "--lanes", "1", "--parallel-layers", "1")
	if _, ended := w.killed(k, 3<<20, 0, 0, pack...); ended { // the largest blob comes first
		t.Fatal("pack was not killed")
	}
	other, _ := s.catalog(t, "2.0.0")
	if err := s.c.WriteLayout(s.dir, other); err != nil {
		t.Fatal(err)
	}
	file := s.blob(s.base)
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	w.run(pack...).want(exitUsage).says("image catalogs.local/catalog:latest: blobs/sha256/"+s.base.Digest.Encoded()+" in "+s.dir+": it is missing", "hint: copy the catalog into its directory again")
	if err := os.Rename(s.dir, s.dir+".away"); err != nil {
		t.Fatal(err)
	}
	w.run(pack...).want(exitUsage).says("imageset.yaml:5:14: mirror.operators[0].catalog: open " + s.dir)
	if err := os.Rename(s.dir+".away", s.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".away", file); err != nil {
		t.Fatal(err)
	}
	w.run(pack...).want(exitOK).says("resuming bundle")
	mirror := newMirror(t)
	w.run(w.unpack(mirror + "/ns")...).want(exitOK)
	compareMirrored(t, s.c, mirror, []mirrored{{"ns/catalog", "latest", s.root}})
	for _, r := range s.source.Requests() {
		if strings.Contains(r, "catalogs.local") || strings.Contains(r, s.root.Digest.Encoded()) {
			t.Errorf("a registry was asked for a catalog in a directory: %s", r)
		}
	}
	w.run(pack...).want(exitUsage).says("the configuration names other content now", "catalogs.local/catalog:latest")
	if err := os.RemoveAll(s.dir); err != nil { // a finished bundle needs it no more, to be compared it does
		t.Fatal(err)
	}
	w.run(pack...).want(exitUsage).says("could not be compared", s.dir)
}
