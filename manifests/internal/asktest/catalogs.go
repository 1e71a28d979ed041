package asktest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// Catalogs has catalogs in made-up content; every other reference is one image.
type Catalogs struct {
	*Images
	Content *ocitest.Content
	Roots   map[string]oci.Descriptor
	Fail    error // of layers

	reading sync.Mutex
	Opened  []string // media types that were read
}

func NewCatalogs() *Catalogs {
	return &Catalogs{Images: NewImages(), Content: ocitest.New(7), Roots: map[string]oci.Descriptor{}}
}

func (h *Catalogs) PutCatalog(t *testing.T, ref string, files map[string]string) oci.Descriptor {
	t.Helper()
	in := map[string][]byte{}
	for name, body := range files {
		in[name] = []byte(body)
	}
	var images []oci.Descriptor
	for _, arch := range []string{"arm64", "amd64"} {
		d, err := h.Content.Catalog(arch, in)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, d)
	}
	h.Roots[ref] = h.Content.IndexFor(true, []string{"arm64", "amd64"}, images...)
	return h.Roots[ref]
}

func (h *Catalogs) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	h.reading.Lock()
	h.Opened = append(h.Opened, d.MediaType)
	h.reading.Unlock()
	if h.Fail != nil && d.MediaType == ocitest.LayerDocker {
		return nil, h.Fail
	}
	return h.Content.Open(ctx, d, off)
}

func (h *Catalogs) Resolve(_ context.Context, ref oci.Ref) (oci.Descriptor, oci.Source, error) {
	if d, ok := h.Roots[ref.String()]; ok {
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
	return h.PutImage("linux/amd64", note), oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		h.reading.Lock()
		defer h.reading.Unlock()
		return h.Images.Open(ctx, d, off)
	}), nil
}

// TestCatalog is the catalog of the tests: etcd with two channels, one bundle in both; prometheus
// with one channel; and old bundles in each.
const TestCatalog = "example.com/cat/index:v1"

func FBC(pkg string, channels map[string]string, bundles map[string]string) string {
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

func TestFiles() map[string]string {
	d := NewImages().PutImage("linux/amd64", "operand").Digest.String()
	return map[string]string{
		"etcd/catalog.yaml": FBC("etcd", map[string]string{"stable": "1.0.0 1.1.0>1.0.0", "alpha": "2.0.0>1.1.0 1.1.0", "next": "2.0.0"},
			map[string]string{"1.0.0": "example.com/etcd/server:1.0", "1.1.0": "example.com/etcd/server:1.1", "2.0.0": "example.com/etcd/server@" + d + " example.com/proxy:v3@" + d + " busybox"}),
		"prometheus.json": FBC("prometheus", map[string]string{"stable": "0.5.0"}, map[string]string{"0.5.0": "example.com/proxy:v1 quay.io/untagged", "0.4.0": ""}),
	}
}

func ParseOperators(t *testing.T, operators string) *imageset.Config {
	t.Helper()
	c, err := imageset.Parse("f.yaml", []byte(Head+"mirror:\n  operators:\n"+operators))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Written writes contents as "CATALOG WHOLE VERSIONS; PACKAGE default DEFAULT: CHANNEL HEAD VERSIONS, ...; ..."
func Written(list []documents.CatalogContents) string {
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "%s %t %s", c.Catalog, c.Whole, c.Versions)
		for _, p := range c.Packages {
			fmt.Fprintf(&b, "; %s default %s", p.Name, p.DefaultChannel)
			if p.Dependency {
				b.WriteString(" required")
			}
			for _, ch := range p.Channels {
				fmt.Fprintf(&b, ", %s %s", ch.Name, ch.Head)
				for _, v := range ch.Versions {
					fmt.Fprintf(&b, " %s=%s", v.Version, v.Bundle)
				}
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// Entry is one of a layer.
func Entry(name, body string) ocitest.File {
	f := ocitest.File{Name: name, Body: []byte(body)}
	if strings.HasSuffix(name, "/") {
		f.Header = &tar.Header{Typeflag: tar.TypeDir, Mode: 0o700}
	}
	return f
}

func (h *Catalogs) PutLayer(t *testing.T, files ...ocitest.File) oci.Descriptor {
	t.Helper()
	d, err := h.Content.Files(ocitest.LayerGzip, files...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Stack publishes an index of catalog images that have these layers.
func (h *Catalogs) Stack(ref string, docker bool, run ispec.ImageConfig, list ...oci.Descriptor) oci.Descriptor {
	images := []oci.Descriptor{h.Content.Running("arm64", docker, run, list...), h.Content.Running("amd64", docker, run, list...)}
	h.Roots[ref] = h.Content.IndexFor(docker, []string{"arm64", "amd64"}, images...)
	return h.Roots[ref]
}

// EntriesOf lists the entries of a layer that was made, and gives its diff ID and files.
func (h *Catalogs) EntriesOf(t *testing.T, d oci.Descriptor) (list []string, diff string, files map[string]string) {
	t.Helper()
	body, err := oci.ReadBlob(t.Context(), &h.Stored, d, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	for tr := tar.NewReader(bytes.NewReader(raw)); ; {
		e, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return list, oci.Digest(raw).String(), files
		}
		if err != nil {
			t.Fatal(err)
		}
		if !e.ModTime.Equal(time.Unix(0, 0)) || e.Uid != 0 || e.Gid != 0 || e.Uname != "" || e.Gname != "" || len(e.PAXRecords) > 0 {
			t.Errorf("%s: %+v", e.Name, e)
		}
		text, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		list, files[e.Name] = append(list, fmt.Sprintf("%c %o %s", e.Typeflag, e.Mode, e.Name)), string(text)
	}
}

// LayersOfTheTest are a program, a catalog, a cache that does not fit, a layer that
// takes some of the catalog away, and one that has something else too.
func LayersOfTheTest(t *testing.T, h *Catalogs) []oci.Descriptor {
	t.Helper()
	var configs []ocitest.File
	for _, name := range sortedKeys(TestFiles()) {
		configs = append(configs, Entry("configs/"+name, TestFiles()[name]))
	}
	return []oci.Descriptor{
		h.PutLayer(t, Entry("bin/opm", "cache-enforce-integrity")),
		h.PutLayer(t, append([]ocitest.File{Entry("etc/", ""), Entry("configs/", "")}, configs...)...),
		h.PutLayer(t, Entry("tmp/", ""), Entry("tmp/cache/digest", "stale"), Entry("tmp/cache/pogreb.v1/db", "x")),
		h.PutLayer(t, Entry("configs/.wh.none", "")),
		h.PutLayer(t, Entry("configs/.wh.gone", ""), Entry("etc/release", "4.18")),
	}
}
