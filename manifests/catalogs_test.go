package manifests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// catalogHost has catalogs in made-up content; every other reference is one image.
type catalogHost struct {
	*fakeImages
	content *ocitest.Content
	roots   map[string]oci.Descriptor
	fail    error // of layers

	reading sync.Mutex
	opened  []string // media types that were read
}

func newCatalogHost() *catalogHost {
	return &catalogHost{fakeImages: newFakeImages(), content: ocitest.New(7), roots: map[string]oci.Descriptor{}}
}

func (h *catalogHost) catalog(t *testing.T, ref string, files map[string]string) oci.Descriptor {
	t.Helper()
	in := map[string][]byte{}
	for name, body := range files {
		in[name] = []byte(body)
	}
	var images []oci.Descriptor
	for _, arch := range []string{"arm64", "amd64"} {
		d, err := h.content.Catalog(arch, in)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, d)
	}
	h.roots[ref] = h.content.IndexFor(true, []string{"arm64", "amd64"}, images...)
	return h.roots[ref]
}

func (h *catalogHost) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	h.reading.Lock()
	h.opened = append(h.opened, d.MediaType)
	h.reading.Unlock()
	if h.fail != nil && d.MediaType == ocitest.LayerDocker {
		return nil, h.fail
	}
	return h.content.Open(ctx, d, off)
}

func (h *catalogHost) Resolve(_ context.Context, ref oci.Ref) (oci.Descriptor, oci.Source, error) {
	if d, ok := h.roots[ref.String()]; ok {
		return d, h, nil
	}
	if strings.HasPrefix(ref.Registry, "none.") {
		return oci.Descriptor{}, nil, errors.New("manifest unknown")
	}
	note := ref.String()
	if ref.Digest != "" {
		note = "operand" // the one image that is asked for by digest
	}
	h.reading.Lock()
	defer h.reading.Unlock()
	return h.image("linux/amd64", note), oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		h.reading.Lock()
		defer h.reading.Unlock()
		return h.fakeImages.Open(ctx, d, off)
	}), nil
}

// The catalog of the tests: etcd with two channels, one bundle in both; prometheus
// with one channel; and old bundles in each.
const testCatalog = "example.com/cat/index:v1"

func fbc(pkg string, channels map[string]string, bundles map[string]string) string {
	out := fmt.Sprintf("---\nschema: olm.package\nname: %s\ndefaultChannel: stable\n", pkg)
	for _, name := range sortedKeys(channels) {
		out += fmt.Sprintf("---\nschema: olm.channel\npackage: %s\nname: %s\nentries:\n", pkg, name)
		for _, e := range strings.Fields(channels[name]) { // VERSION[>VERSION]
			v, old, _ := strings.Cut(e, ">")
			out += fmt.Sprintf("- name: %s.v%s\n", pkg, v)
			if old != "" {
				out += fmt.Sprintf("  replaces: %s.v%s\n", pkg, old)
			}
		}
	}
	for _, v := range sortedKeys(bundles) {
		out += fmt.Sprintf("---\nschema: olm.bundle\npackage: %s\nname: %s.v%s\nimage: example.com/%s:%s\nproperties: [{type: olm.package, value: {packageName: %s, version: %s}}]\nrelatedImages:\n- {name: bundle, image: 'example.com/%s:%s'}\n- {name: gone, image: ''}\n",
			pkg, pkg, v, pkg, v, pkg, v, pkg, v)
		for _, r := range strings.Fields(bundles[v]) {
			out += fmt.Sprintf("- {name: r, image: '%s'}\n", r)
		}
	}
	return out
}

func sortedKeys(m map[string]string) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

func testFiles() map[string]string {
	d := newFakeImages().image("linux/amd64", "operand").Digest.String()
	return map[string]string{
		"etcd/catalog.yaml": fbc("etcd", map[string]string{"stable": "1.0.0 1.1.0>1.0.0", "alpha": "2.0.0>1.1.0 1.1.0", "next": "2.0.0"},
			map[string]string{"1.0.0": "example.com/etcd/server:1.0", "1.1.0": "example.com/etcd/server:1.1", "2.0.0": "example.com/etcd/server@" + d + " example.com/proxy:v3@" + d + " busybox"}),
		"prometheus.json": fbc("prometheus", map[string]string{"stable": "0.5.0"}, map[string]string{"0.5.0": "example.com/proxy:v1 quay.io/untagged", "0.4.0": ""}),
	}
}

func parsed(t *testing.T, operators string) *Config {
	t.Helper()
	c, err := Parse("f.yaml", []byte(head+"mirror:\n  operators:\n"+operators))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
