package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/operator-framework/operator-registry/alpha/declcfg"
	k8syaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inspect"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// catalogDoc is what the tests read of a document of a file-based catalog.
type catalogDoc struct {
	Schema  string
	Name    string
	Package string
	Image   string
	Entries []struct {
		Name, Replaces string
		Skips          []string
	}
	RelatedImages []struct{ Image string }
}

// fbc is a catalog of the data beside the project, on its way into an image.
type fbc struct {
	ref      string            // as configurations name it
	dirs     []string          // below the data's fbc, each with one package
	selected []string          // the packages that the configuration names; none: no list
	files    map[string][]byte // by their path below /configs
	root     oci.Descriptor
}

// read takes up the catalog's files, each directory as it is.
func (c *fbc) read(t testing.TB) {
	t.Helper()
	c.files = map[string][]byte{}
	for _, dir := range c.dirs {
		top := shared(t, "fbc/"+dir)
		err := filepath.WalkDir(top, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			c.files[path.Join(path.Base(dir), filepath.Base(name))] = readFile(t, name)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// docs reads all documents: JSON objects one after another, or YAML.
func (c *fbc) docs(t testing.TB) (list []catalogDoc) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		dec := k8syaml.NewYAMLOrJSONDecoder(bytes.NewReader(c.files[name]), 4<<10)
		for {
			var d catalogDoc
			err := dec.Decode(&d)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			list = append(list, d)
		}
	}
	return list
}

// heads lists the images of every channel's head, of the packages that are
// selected: a head is an entry that no other one replaces or skips.
func (c *fbc) heads(t testing.TB) (images []string) {
	t.Helper()
	docs := c.docs(t)
	wanted := map[string]bool{} // package/bundle
	for _, d := range docs {
		if d.Schema != "olm.channel" || len(c.selected) > 0 && !slices.Contains(c.selected, d.Package) {
			continue
		}
		below := map[string]bool{}
		for _, e := range d.Entries {
			below[e.Replaces] = true
			for _, s := range e.Skips {
				below[s] = true
			}
		}
		for _, e := range d.Entries {
			if !below[e.Name] {
				wanted[d.Package+"/"+e.Name] = true
			}
		}
	}
	for _, d := range docs {
		if d.Schema == "olm.bundle" && wanted[d.Package+"/"+d.Name] {
			delete(wanted, d.Package+"/"+d.Name)
			images = append(images, d.Image)
			for _, r := range d.RelatedImages {
				images = append(images, r.Image)
			}
		}
	}
	if len(wanted) > 0 {
		t.Fatalf("%s has no bundles %v", c.ref, wanted)
	}
	slices.Sort(images)
	return slices.DeleteFunc(slices.Compact(images), func(s string) bool { return s == "" })
}

// publish makes up the images of the heads, puts their digests into the catalog's
// files instead of the real ones, and publishes images and catalog. No other
// image that the catalog names is available.
func (o *outside) publishCatalog(t testing.TB, c *fbc, made map[string]oci.Descriptor) {
	t.Helper()
	c.read(t)
	var swap []string
	for _, image := range c.heads(t) {
		name, old, pinned := strings.Cut(image, "@sha256:")
		key := image
		if pinned {
			key = old
		}
		root, ok := made[key]
		if !ok {
			root = o.small(1 << 10)
			made[key] = root
		}
		if pinned {
			swap = append(swap, old, root.Digest.Encoded())
			image = name + "@" + root.Digest.String()
		}
		full, err := reference.ParseNormalizedNamed(image)
		if err != nil {
			t.Fatal(err)
		}
		o.publish(t, full.String(), root)
	}
	r := strings.NewReplacer(swap...)
	for name, body := range c.files {
		c.files[name] = []byte(r.Replace(string(body)))
	}
	var err error
	if c.root, err = o.content.Catalog("amd64", c.files, o.base[0]); err != nil {
		t.Fatal(err)
	}
	o.publish(t, c.ref, c.root)
}

// operatorSet is the configuration that carries the catalogs.
func operatorSet(list []*fbc) string {
	var b strings.Builder
	b.WriteString("  operators:\n")
	for _, c := range list {
		fmt.Fprintf(&b, "    - catalog: %s\n", c.ref)
		for i, p := range c.selected {
			if i == 0 {
				b.WriteString("      packages:\n")
			}
			fmt.Fprintf(&b, "        - name: %s\n", p)
		}
	}
	return b.String()
}

// everything lists where a mirror's namespace must have all that was published.
func (o *outside) everything(t testing.TB, ns string) (list []mirrored) {
	t.Helper()
	for name, ref := range o.refs(t) {
		root, tag := o.images[name], ref.Tag
		if ref.Digest != "" { // also an operator's image that has a tag beside it
			tag = "satchel-" + root.Digest.Encoded()
		}
		list = append(list, mirrored{ns + "/" + ref.Repository, tag, root})
	}
	return list
}

// carriesExactly holds what inspect lists against what was published.
func (o *outside) carriesExactly(t testing.TB, got inspect.Report, catalogs []*fbc) {
	t.Helper()
	want := map[string]bool{}
	for name, ref := range o.refs(t) {
		want[ref.WithDigest(o.images[name].Digest).String()] = true
	}
	for _, ref := range originals(got) {
		if !want[ref] {
			t.Errorf("%s is carried and no head needs it", ref)
		}
		delete(want, ref)
	}
	for ref := range want {
		t.Errorf("%s is not carried", ref)
	}
	for _, img := range got.Images {
		origin := manifests.OriginOperator
		for _, c := range catalogs {
			if img.Source.String() == c.ref {
				origin = manifests.OriginCatalog
			}
		}
		if img.Origin != origin {
			t.Errorf("%s is carried as %s", img.Source, img.Origin)
		}
	}
}

// TestCatalogs carries real catalogs with the heads of packages that the
// configuration names, and pulls all of it inside by its original names.
func TestCatalogs(t *testing.T) {
	t.Parallel()
	const community = "community-v4.18/"
	catalogs := []*fbc{
		{ref: "registry.redhat.io/redhat/redhat-operator-index:v4.18",
			dirs:     []string{"redhat/aws-load-balancer-operator", "redhat/node-observability-operator", "redhat-multi-file/lightspeed-catalog-4.18"},
			selected: []string{"aws-load-balancer-operator", "lightspeed-operator"}},
		{ref: "registry.redhat.io/redhat/community-operator-index:v4.18",
			dirs: []string{community + "clusterpulse", community + "dell-csm-operator", community + "infinispan", community + "kubevirt-wol", community + "libredb-studio-operator",
				community + "rabbitmq-messaging-topology-operator", community + "sailoperator", community + "trident-operator"},
			selected: []string{"clusterpulse", "dell-csm-operator", "infinispan", "kubevirt-wol", "rabbitmq-messaging-topology-operator", "trident-operator"}},
		{ref: "registry.redhat.io/redhat/community-operator-index:v4.16",
			dirs:     []string{"community-v4.16/shipwright-operator", "community-v4.16/trident-operator"},
			selected: []string{"shipwright-operator", "trident-operator"}},
		{ref: "registry.redhat.io/redhat/community-operator-index:v4.12",
			dirs: []string{"community-v4.12/patterns-operator"}, selected: []string{"patterns-operator"}},
		{ref: "quay.io/okderators/catalog-index:testing-4.16",
			dirs: []string{"okd-multi-file/oadp-operator", "okd-multi-file/odf-operator"}, selected: []string{"odf-operator", "oadp-operator"}},
		{ref: "quay.io/olmqe/odd-index:v1",
			dirs:     []string{"custom-schema", "deprecations/nginx70050-valid.yaml", "deprecations/example-operator.v0.2.0-deprecations.yaml"},
			selected: []string{"test-custom-pkg", "nginx70050", "test-package"}},
	}
	testCatalogs(t, 421, registrytest.Start(t).Host, catalogs, 90)
}

// TestCatalogWithoutPackages names catalogs alone.
func TestCatalogWithoutPackages(t *testing.T) {
	t.Parallel()
	testCatalogs(t, 422, newMirror(t), []*fbc{
		{ref: "quay.io/okderators/catalog-index:testing-4.16", dirs: []string{"okd-multi-file/oadp-operator", "okd-multi-file/odf-operator"}},
		{ref: "registry.redhat.io/redhat/redhat-operator-index:v4.14", dirs: []string{"redhat/aws-load-balancer-operator", "redhat/node-observability-operator"}},
	}, 20)
}

func testCatalogs(t *testing.T, seed uint64, mirror string, catalogs []*fbc, least int) {
	t.Helper()
	o := newOutside(seed)
	made := map[string]oci.Descriptor{}
	for _, c := range catalogs {
		o.publishCatalog(t, c, made)
	}
	if len(o.images) < least {
		t.Fatalf("only %d images", len(o.images))
	}
	w := newWorld(t)
	w.imageset(operatorSet(catalogs))
	w.packed(t, o)
	got := w.inspected()
	for _, c := range catalogs { // what is carried of a catalog is another image
		i := slices.IndexFunc(got.Images, func(img report.Image) bool { return img.Source.String() == c.ref })
		if i < 0 || got.Images[i].Digest == c.root.Digest {
			t.Fatalf("%s is not carried, or not filtered", c.ref)
		}
		c.root.Digest = got.Images[i].Digest
		o.images[c.ref] = c.root
	}
	o.carriesExactly(t, got, catalogs)

	out := filepath.Join(w.dir, "out")
	var named []string
	for i, c := range catalogs {
		named = append(named, "--catalog-name", fmt.Sprintf("%s=catalog-%d", c.ref, i))
	}
	w.run(w.unpackSite(mirror+"/ocp", out, named...)...).want(exitOK)
	refs := originals(got)
	for _, c := range catalogs {
		checkFiltered(t, mirror, c, refs)
		delete(o.images, c.ref)
		refs = slices.DeleteFunc(refs, func(ref string) bool { return strings.HasSuffix(ref, c.root.Digest.String()) })
	}
	compareMirrored(t, o.content, mirror, o.everything(t, "ocp"))
	checkSources(t, out, mirror+"/ocp", catalogs)

	n := newNode(t, mirror, out)
	n.skopeo(t, sample(refs, 5))
	n.podman(t, sample(refs, 1))
	n.unreachable(t, refs[0])
}

// checkFiltered holds a catalog in the mirror, with all that is in its image, against
// what was chosen: all of it is carried, and operator-registry takes it.
func checkFiltered(t *testing.T, host string, c *fbc, carried []string) {
	t.Helper()
	ref, err := oci.ParseRef(c.ref)
	if err != nil {
		t.Fatal(err)
	}
	p, dir := mirroredRepo{host, "ocp/" + ref.Repository}, t.TempDir()
	root := p.root(t, ref.Tag)
	if root.Digest != c.root.Digest {
		t.Errorf("%s in the mirror is %s", c.ref, root.Digest)
	}
	p.unpacked(t, p.images(t, root)[0], dir)
	cfg, err := declcfg.LoadFS(t.Context(), os.DirFS(filepath.Join(dir, "configs")))
	if err != nil {
		t.Fatal(err)
	}
	var packages, images []string
	for _, p := range cfg.Packages {
		packages = append(packages, p.Name)
	}
	for _, b := range cfg.Bundles {
		images = append(images, b.Image)
		for _, r := range b.RelatedImages {
			images = append(images, r.Image)
		}
	}
	slices.Sort(packages)
	if want := slices.Sorted(slices.Values(c.selected)); len(want) > 0 && !slices.Equal(packages, want) {
		t.Errorf("%s has the packages %q, not %q", c.ref, packages, want)
	}
	slices.Sort(images)
	if got := slices.DeleteFunc(slices.Compact(images), func(s string) bool { return s == "" }); !slices.Equal(got, c.heads(t)) {
		t.Errorf("%s names the images %q, not %q", c.ref, got, c.heads(t))
	}
	for _, image := range images {
		if _, d, ok := strings.Cut(image, "@"); ok && !slices.ContainsFunc(carried, func(s string) bool { return strings.HasSuffix(s, d) }) {
			t.Errorf("%s names %s, which is not carried", c.ref, image)
		}
	}
	if _, err := declcfg.ConvertToModel(*cfg); err != nil {
		t.Errorf("%s: %v", c.ref, err)
	}
}

// checkSources wants a CatalogSource for each catalog, of its image in the mirror.
func checkSources(t *testing.T, out, mirror string, catalogs []*fbc) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(out, "catalogsource-*.yaml"))
	if err != nil || len(found) != len(catalogs) {
		t.Errorf("%d CatalogSources for %d catalogs: %v, %v", len(found), len(catalogs), found, err)
	}
	images := map[string]string{}
	for _, name := range found {
		var cs struct {
			Kind     string
			Metadata struct{ Name, Namespace string }
			Spec     struct{ Image string }
		}
		if err := yaml.Unmarshal(readFile(t, name), &cs); err != nil || cs.Kind != "CatalogSource" || cs.Metadata.Namespace != "openshift-marketplace" {
			t.Errorf("%s: %+v, %v", name, cs, err)
		}
		images[cs.Metadata.Name] = cs.Spec.Image
	}
	for i, c := range catalogs {
		ref, err := oci.ParseRef(c.ref)
		if err != nil {
			t.Fatal(err)
		}
		image := images[fmt.Sprintf("catalog-%d", i)]
		if image != mirror+"/"+ref.Repository+":"+ref.Tag && image != mirror+"/"+ref.Repository+"@"+c.root.Digest.String() {
			t.Errorf("catalog-%d serves %q", i, image)
		}
	}
}
