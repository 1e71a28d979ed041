package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestPlatformsOfCatalog carries one platform of a whole catalog and of all images
// that its bundles name.
func TestPlatformsOfCatalog(t *testing.T) {
	t.Parallel()
	o := newOutside(507)
	bundle := o.small(1 << 10) // one image for amd64: it offers no choice
	operand, _ := o.wide(t, "quay.io/example/unused:v1", false, 2<<10)
	const name = "quay.io/example/operator-index:v1"
	at := func(repo string, root oci.Descriptor) string {
		ref := "quay.io/example/" + repo + "@" + root.Digest.String()
		o.publish(t, ref, root)
		return ref
	}
	files := map[string][]byte{"foo/catalog.yaml": []byte("schema: olm.package\nname: foo\ndefaultChannel: stable\n---\nschema: olm.channel\nname: stable\npackage: foo\nentries: [{name: foo.v1.0.0}]\n---\n" +
		"schema: olm.bundle\nname: foo.v1.0.0\npackage: foo\nimage: " + at("foo-bundle", bundle) + "\nproperties: [{type: olm.package, value: {packageName: foo, version: 1.0.0}}]\n" +
		"relatedImages: [{name: operand, image: '" + at("foo", operand) + "'}]\n")}
	var list []oci.Descriptor
	for i, arch := range []string{"amd64", "arm64"} {
		d, err := o.content.Catalog(arch, files, o.base[i], o.content.Layer(1000, ocitest.LayerGzip))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, d)
	}
	root := o.content.IndexFor(true, []string{"amd64", "arm64"}, list...)
	o.publish(t, name, root)
	w := newWorld(t)
	w.imageset("  operators:\n  - {catalog: '" + name + "', full: true, platforms: [{os: linux, architecture: arm64}]}\n")
	w.run(w.pack("--registries-conf", o.conf(t, o.serve(t)))...).want(exitOK).says("platforms: 1 image is only for another platform, and carried for that one: quay.io/example/foo-bundle@" + bundle.Digest.String() + " (linux/amd64)")
	mirror := registrytest.StartSparse(t, "arm64")
	w.run(w.unpackSite(mirror.Host+"/ocp", filepath.Join(w.dir, "out"))...).want(exitOK)
	inv, there := w.opened(t, list[:1])
	if len(there) > 0 || len(inv.Images) != 3 {
		t.Errorf("%d images; the catalog for amd64 is in the bundle: %v", len(inv.Images), there)
	}
	for _, img := range inv.Images {
		without := map[string]int{"example/operator-index": 1, "example/foo": 3}[img.Source.Repository]
		if len(img.Omitted) != without || without > 0 && !slices.Equal(img.Platforms, []string{"linux/arm64"}) {
			t.Errorf("%+v", img)
		}
	}
	(&platformSet{outside: o}).checkSparse(t, mirror.Host, "ocp", inv, nil)
}

// TestPlatformsOfRelease carries one architecture of a release for several, by
// name and through a channel.
func TestPlatformsOfRelease(t *testing.T) {
	t.Parallel()
	o, g := newOutside(505), newGraphServer(t)
	r := o.multiRelease(t, 3)
	o.publish(t, "quay.io/openshift-release-dev/ocp-release@"+r.payload.Digest.String(), r.payload)
	body, err := json.Marshal(map[string]any{"version": 1, "nodes": []any{map[string]string{"version": "4.99.1", "payload": "quay.io/openshift-release-dev/ocp-release@" + r.payload.Digest.String()}}, "edges": []any{}})
	if err != nil {
		t.Fatal(err)
	}
	g.graphs["multi stable-4.99"] = body
	conf := o.conf(t, o.serve(t))
	for _, what := range []string{"release: " + r.source, "channels: [{name: stable-4.99}]"} {
		w := newWorld(t)
		w.imageset("  platform:\n    " + what + "\n    platforms: [{os: linux, architecture: arm64}]\n")
		w.withGraph(g.URL, w.pack("--registries-conf", conf)...).want(exitOK)
		mirror := registrytest.StartSparse(t, "arm64")
		out := filepath.Join(w.dir, "out")
		w.run(w.unpackSite(mirror.Host+"/ocp", out)...).want(exitOK)
		inv, _ := w.opened(t, nil)
		if len(inv.Images) != 4 {
			t.Errorf("%d images", len(inv.Images))
		}
		for _, img := range inv.Images {
			if len(img.Omitted) != 1 || !slices.Equal(img.Platforms, []string{"linux/arm64"}) {
				t.Errorf("%+v", img)
			}
		}
		for _, m := range r.mirrored("ocp") {
			if code, got := status(t, mirror.Host, m.repo, m.root, m.tag); code != http.StatusOK || got != m.root.Digest.String() {
				t.Errorf("%s:%s: %d, %s", m.repo, m.tag, code, got)
			}
		}
	}
}

// TestPlatformsGapOfAnother has a layer gone that an image is carried with because of
// another one: that is reported.
func TestPlatformsGapOfAnother(t *testing.T) {
	t.Parallel()
	o := newOutside(509)
	_, children := o.wide(t, "quay.io/team/app:v1", false, 2<<10)
	arm := "quay.io/team/app@" + children[1].Digest.String()
	o.publish(t, arm, children[1])
	body, err := oci.ReadManifest(t.Context(), o.content, children[1])
	if err != nil {
		t.Fatal(err)
	}
	parts, err := oci.Children(children[1], body)
	if err != nil {
		t.Fatal(err)
	}
	gone := parts[len(parts)-1].Digest.String()
	source := registrytest.StartProxy(t, o.serve(t))
	source.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, gone) {
			w.WriteHeader(http.StatusNotFound)
		}
		return strings.HasSuffix(r.URL.Path, gone)
	}
	w := newWorld(t)
	w.imageset("  additionalImages:\n  - {name: 'quay.io/team/app:v1', platforms: [{os: linux, architecture: amd64}]}\n  - name: " + arm + "\n")
	w.run(w.pack("--registries-conf", o.conf(t, source.Host))...).want(exitRegistry).says("image quay.io/team/app:v1: ", gone, "; it is carried with linux/arm64, as its repository gets that for "+arm)
}

// TestRealPlatforms carries one of four platforms of a real image.
func TestRealPlatforms(t *testing.T) {
	t.Parallel()
	dir := shared(t, "oci/layouts/multi-platform-container-latest")
	var list ispec.Index
	if err := json.Unmarshal(readFile(t, filepath.Join(dir, "index.json")), &list); err != nil {
		t.Fatal(err)
	}
	layout := oci.SourceFunc(func(_ context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		f, err := os.Open(filepath.Join(dir, "blobs", "sha256", d.Digest.Encoded()))
		if err == nil {
			_, err = f.Seek(off, io.SeekStart)
		}
		return f, err
	})
	root := oci.Descriptor{MediaType: list.Manifests[0].MediaType, Digest: list.Manifests[0].Digest, Size: list.Manifests[0].Size}
	source, mirror := registrytest.Start(t), registrytest.StartSparse(t)
	if err := ocitest.Push(t.Context(), layout, root, "http://"+source.Host, "rh_ee_aguidi/multi-platform-container", "latest"); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.imageset("  additionalImages:\n  - {name: '" + source.Host + "/rh_ee_aguidi/multi-platform-container:latest', platforms: [{os: linux, architecture: amd64}]}\n")
	w.run(w.pack()...).want(exitOK)
	w.run(w.unpack(mirror.Host + "/ocp")...).want(exitOK)
	inv, _ := w.opened(t, nil)
	img := inv.Images[0]
	if len(inv.Images) != 1 || len(img.Omitted) != 3 || !slices.Equal(img.Platforms, []string{"linux/amd64"}) {
		t.Fatalf("%+v", inv.Images)
	}
	var want, have int64
	err := oci.WalkImage(t.Context(), layout, img, func(d oci.Descriptor, _ []byte) error {
		want += d.Size
		code, _ := status(t, mirror.Host, "ocp/rh_ee_aguidi/multi-platform-container", d, d.Digest.String())
		if code == http.StatusOK {
			have += d.Size
		}
		return nil
	})
	if got := w.inspected().BlobBytes; err != nil || want != have || got != want {
		t.Errorf("%d bytes are carried, %d in the mirror, want %d, %v", got, have, want, err)
	}
	for _, d := range img.Omitted {
		if code, _ := status(t, mirror.Host, "ocp/rh_ee_aguidi/multi-platform-container", oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: d}, d.String()); code != http.StatusNotFound {
			t.Errorf("%s: %d", d, code)
		}
	}
}
