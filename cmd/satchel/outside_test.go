package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// outside is what the packing side can reach: images under their original
// names, such as quay.io/..., which one registry on this machine has.
type outside struct {
	content *ocitest.Content
	base    []oci.Descriptor // layers that its small images share
	first   oci.Descriptor   // an image of them alone
	images  map[string]oci.Descriptor
}

func newOutside(seed uint64) *outside {
	c := ocitest.New(seed)
	base := []oci.Descriptor{c.Layer(600<<10, ocitest.LayerGzip), c.Layer(300<<10, ocitest.LayerGzip), c.Layer(100<<10, ocitest.LayerGzip)}
	return &outside{content: c, base: base, first: c.Image(true, base...), images: map[string]oci.Descriptor{}}
}

// small makes an image of two or three layers, all but one of them shared, and
// of size bytes in the one that is its own.
func (o *outside) small(size int) oci.Descriptor {
	n := len(o.content.All())
	layers := append(slices.Clone(o.base[:2+n%2]), o.content.Layer(size, ocitest.LayerGzip))
	return o.content.Image(n%4 < 2, layers...)
}

// publish puts an image under a reference.
func (o *outside) publish(t testing.TB, ref string, root oci.Descriptor) {
	t.Helper()
	parsed, err := oci.ParseRef(ref)
	if err != nil {
		t.Fatal(err)
	}
	if parsed.Digest != "" && parsed.Digest != root.Digest {
		t.Fatalf("%s has the digest %s", ref, root.Digest)
	}
	o.images[ref] = root
}

// serve fills a registry that runs until the test ends.
func (o *outside) serve(t testing.TB) (host string) {
	t.Helper()
	host = newSource(t)
	var g errgroup.Group
	g.SetLimit(6)
	put := func(root oci.Descriptor, repo, tag string) {
		g.Go(func() error {
			return ocitest.Push(t.Context(), o.content, root, "http://"+host, repo, tag)
		})
	}
	for name, ref := range o.refs(t) {
		root := o.images[name]
		if ref.Tag == "" {
			ref.Tag = "made-" + root.Digest.Encoded()[:16] // pushed by some name
		}
		put(root, repoOf(ref), ref.Tag)
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	return host
}

// repoOf is where the registry on this machine has the images of a repository.
func repoOf(ref oci.Ref) string {
	return strings.ReplaceAll(ref.Registry, ":", "-") + "/" + ref.Repository
}

// refs gives the references of all images, by themselves as strings.
func (o *outside) refs(t testing.TB) map[string]oci.Ref {
	t.Helper()
	all := map[string]oci.Ref{}
	for name := range o.images {
		ref, err := oci.ParseRef(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = ref
	}
	return all
}

// conf writes the registries.conf by which the original names lead to host.
func (o *outside) conf(t testing.TB, host string) (file string) {
	t.Helper()
	hosts := map[string]bool{}
	for name := range o.images {
		registry, _, _ := strings.Cut(name, "/")
		hosts[registry] = true
	}
	var text strings.Builder
	for _, h := range slices.Sorted(maps.Keys(hosts)) {
		fmt.Fprintf(&text, "[[registry]]\nprefix = %q\nlocation = %q\ninsecure = true\n\n", h, host+"/"+strings.ReplaceAll(h, ":", "-"))
	}
	file = filepath.Join(t.TempDir(), "registries.conf")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// in is the same world for a part of the test.
func (w *world) in(t testing.TB) *world {
	part := *w
	part.t = t
	return &part
}

// mirrored is what a reference in the mirror must have.
type mirrored struct {
	repo, tag string
	root      oci.Descriptor
}

// compareMirrored holds a mirror against what it must have.
func compareMirrored(t testing.TB, c *ocitest.Content, host string, want []mirrored) {
	t.Helper()
	var g errgroup.Group
	g.SetLimit(6)
	for _, m := range want {
		g.Go(func() error {
			if err := ocitest.Compare(t.Context(), c, m.root, "http://"+host, m.repo, m.tag); err != nil {
				t.Error(err)
			}
			return nil
		})
	}
	_ = g.Wait() // reported to t
}

// shared is a file or directory of the data beside the project; without it the
// test is skipped.
func shared(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "data", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the data of other projects is not here: %v", err)
	}
	return path
}
