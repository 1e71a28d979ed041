package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inspect"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// ocpRelease is a payload whose components are made up.
type ocpRelease struct {
	name       string // <version>-<arch>
	source     string // of the payload, as the configuration names it
	payload    oci.Descriptor
	components map[string]oci.Descriptor
}

// mirrored lists where a mirror's namespace must have the release.
func (r ocpRelease) mirrored(ns string) []mirrored {
	list := []mirrored{{ns + "/openshift/release-images", r.name, r.payload}}
	for name, root := range r.components {
		list = append(list, mirrored{ns + "/openshift/release", r.name + "-" + name, root})
	}
	return list
}

// streamOf reads the names and references of a payload's components.
func streamOf(t testing.TB, references []byte) map[string]string {
	t.Helper()
	var stream struct {
		Spec struct {
			Tags []struct {
				Name string
				From struct{ Kind, Name string }
			}
		}
	}
	if err := json.Unmarshal(references, &stream); err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for _, tag := range stream.Spec.Tags {
		if tag.From.Kind != "DockerImage" || list[tag.Name] != "" {
			t.Fatalf("component %q of kind %q", tag.Name, tag.From.Kind)
		}
		list[tag.Name] = tag.From.Name
	}
	return list
}

// releaseOf publishes a payload with the two files of a real one. Each
// component is a made-up image under its real name, and its digest stands in
// for the real one.
func (o *outside) releaseOf(t testing.TB, references, metadata []byte) ocpRelease {
	t.Helper()
	var about struct{ Version string }
	if err := json.Unmarshal(metadata, &about); err != nil || about.Version == "" {
		t.Fatalf("release-metadata says version %q: %v", about.Version, err)
	}
	r := ocpRelease{name: about.Version + "-x86_64", components: map[string]oci.Descriptor{}}
	for name, ref := range streamOf(t, references) {
		repo, old, ok := strings.Cut(ref, "@sha256:")
		if !ok {
			t.Fatalf("component %s is %s, not named by digest", name, ref)
		}
		root := o.small(2 << 10)
		references = bytes.ReplaceAll(references, []byte(old), []byte(root.Digest.Encoded()))
		r.components[name] = root
		o.publish(t, repo+"@"+root.Digest.String(), root)
	}
	r.source = "quay.io/openshift-release-dev/ocp-release:" + r.name
	var err error
	if r.payload, err = o.content.PayloadOf("amd64", references, metadata, o.base[0]); err != nil {
		t.Fatal(err)
	}
	o.publish(t, r.source, r.payload)
	return r
}

// ocp412 and ocp410 are real payloads; of the older one, a nightly build, the
// metadata is not at hand.
func (o *outside) ocp412(t testing.TB) ocpRelease {
	t.Helper()
	dir := shared(t, "release/ocp-4.12.0-x86_64")
	return o.releaseOf(t, readFile(t, filepath.Join(dir, "image-references")), readFile(t, filepath.Join(dir, "release-metadata")))
}

func (o *outside) ocp410(t testing.TB) ocpRelease {
	t.Helper()
	references := readFile(t, filepath.Join(shared(t, "release/ocp-4.10"), "image-references"))
	return o.releaseOf(t, references, []byte(`{"kind":"cincinnati-metadata-v0","version":"4.10.0-0.nightly-2021-11-14-184249","previous":[],"metadata":{}}`))
}

// smallRelease publishes one that has few components, with size bytes in a
// layer of each.
func (o *outside) smallRelease(t testing.TB, components, size int) ocpRelease {
	t.Helper()
	return o.madeRelease(t, "4.99.1-x86_64", components, func() oci.Descriptor { return o.small(size) }, func(names map[string]string) (oci.Descriptor, error) {
		return o.content.Payload("4.99.1", "amd64", names, o.base[0])
	})
}

// multiRelease publishes one whose payload and components are for two architectures.
func (o *outside) multiRelease(t testing.TB, components int) ocpRelease {
	t.Helper()
	archs := []string{"amd64", "arm64"}
	component := func() oci.Descriptor {
		layer := func() oci.Descriptor { return o.content.Layer(2<<10, ocitest.LayerGzip) }
		return o.content.IndexFor(true, archs, o.content.ImageFor("amd64", true, o.base[0], layer()), o.content.ImageFor("arm64", true, o.base[1], layer()))
	}
	return o.madeRelease(t, "4.99.1-multi", components, component, func(names map[string]string) (oci.Descriptor, error) {
		var list []oci.Descriptor
		for i, arch := range archs {
			d, err := o.content.Payload("4.99.1", arch, names, o.base[i])
			if err != nil {
				return d, err
			}
			list = append(list, d)
		}
		return o.content.IndexFor(true, archs, list...), nil
	})
}

func (o *outside) madeRelease(t testing.TB, name string, components int, component func() oci.Descriptor, payload func(map[string]string) (oci.Descriptor, error)) ocpRelease {
	t.Helper()
	r := ocpRelease{name: name, source: "quay.io/openshift-release-dev/ocp-release:" + name, components: map[string]oci.Descriptor{}}
	names := map[string]string{}
	for i := range components {
		name, root := fmt.Sprintf("component-%d", i), component()
		r.components[name] = root
		names[name] = "quay.io/openshift-release-dev/ocp-v4.0-art-dev@" + root.Digest.String()
		o.publish(t, names[name], root)
	}
	var err error
	if r.payload, err = payload(names); err != nil {
		t.Fatal(err)
	}
	o.publish(t, r.source, r.payload)
	return r
}

// imageset writes a configuration; mirror is the text below that key.
func (w *world) imageset(mirror string) {
	w.t.Helper()
	text := "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror:\n" + mirror
	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// releaseConfig is the configuration that carries a release.
func releaseConfig(r ocpRelease) string { return "  platform:\n    release: " + r.source + "\n" }

// packed packs the set onto the drive from a source that is gone afterwards. What
// plan reported of it before must be so.
func (w *world) packed(t *testing.T, o *outside, more ...string) {
	t.Helper()
	if !t.Run("pack", func(t *testing.T) {
		conf := o.conf(t, o.serve(t))
		planned, _ := w.in(t).plan(exitOK, "--registries-conf", conf)
		began := time.Now()
		w.in(t).run(w.pack(append(more, "--registries-conf", conf)...)...).want(exitOK)
		t.Logf("packed in %.1fs", time.Since(began).Seconds())
		have, c := w.inspected(), planned.Carried
		if c.Bytes != have.BlobBytes || c.Manifests+c.Blobs != have.Blobs || len(planned.Images) != len(have.Images) {
			t.Errorf("plan carries %+v; the bundle has %d images, %d blobs of %d bytes", c, len(have.Images), have.Blobs, have.BlobBytes)
		}
		if fmt.Sprint(planned.Catalogs) != fmt.Sprint(have.Catalogs) {
			t.Errorf("plan says of the catalogs\n%+v, and inspect\n%+v", planned.Catalogs, have.Catalogs)
		}
	}) {
		t.FailNow()
	}
}

// inspected is what inspect says of the drive.
func (w *world) inspected() inspect.Report {
	w.t.Helper()
	var got inspect.Report
	if err := json.Unmarshal([]byte(w.run("inspect", "-i", w.key, "-o", "json", w.drive).want(exitOK).stdout), &got); err != nil {
		w.t.Fatal(err)
	}
	return got
}

// TestOCP412 carries the 183 components of OpenShift 4.12.0 and pulls them
// inside by their original names.
func TestOCP412(t *testing.T) {
	t.Parallel()
	o := newOutside(401)
	r := o.ocp412(t)
	if len(r.components) != 183 {
		t.Fatalf("%d components", len(r.components))
	}
	testRelease(t, o, r, newMirror(t), func(w *world, mirror, out string) {
		n := newNode(t, mirror, out)
		refs := originals(w.inspected())
		if len(refs) != 184 {
			t.Errorf("%d images are carried", len(refs))
		}
		n.skopeo(t, sample(refs, 6))
		n.podman(t, sample(refs, 1))
		n.unreachable(t, refs[0])
	})
}

// TestOCP410 carries the 146 components of a nightly build of 4.10.
func TestOCP410(t *testing.T) {
	t.Parallel()
	o := newOutside(402)
	r := o.ocp410(t)
	if len(r.components) != 146 {
		t.Fatalf("%d components", len(r.components))
	}
	testRelease(t, o, r, newMirror(t), func(w *world, _, _ string) {
		for _, img := range w.inspected().Images {
			if img.Origin != manifests.OriginRelease {
				t.Errorf("%s is carried as %s", img.Source, img.Origin)
			}
		}
	})
}

// TestSmallRelease pulls every image of a release by podman too.
func TestSmallRelease(t *testing.T) {
	t.Parallel()
	o := newOutside(403)
	r := o.smallRelease(t, 10, 20<<10)
	testRelease(t, o, r, registrytest.Start(t).Host, func(w *world, mirror, out string) {
		n := newNode(t, mirror, out)
		refs := originals(w.inspected())
		n.unreachable(t, sample(refs, 4)...)
		n.unreachableByPodman(t, refs[0])
		n.podman(t, sample(refs, 3))
	})
}

// TestMultiRelease pulls a release for two architectures, both of them.
func TestMultiRelease(t *testing.T) {
	t.Parallel()
	o := newOutside(405)
	testRelease(t, o, o.multiRelease(t, 4), registrytest.Start(t).Host, func(w *world, mirror, out string) {
		n := newNode(t, mirror, out)
		refs := originals(w.inspected())
		n.skopeo(t, sample(refs, 5))
		n.podman(t, sample(refs, 2))
	})
}

func testRelease(t *testing.T, o *outside, r ocpRelease, mirror string, inside func(w *world, mirror, out string)) {
	t.Helper()
	w := newWorld(t)
	w.imageset(releaseConfig(r))
	w.packed(t, o)
	out := filepath.Join(w.dir, "out")
	began := time.Now()
	w.run(w.unpackSite(mirror+"/ocp", out)...).want(exitOK)
	t.Logf("unpacked in %.1fs", time.Since(began).Seconds())
	began = time.Now()
	compareMirrored(t, o.content, mirror, r.mirrored("ocp"))
	t.Logf("compared in %.1fs", time.Since(began).Seconds())
	inside(w, mirror, out)
}

// sample takes about n of a list, the first and the last among them; when
// soaking all.
func sample(list []string, n int) (some []string) {
	if os.Getenv("SATCHEL_SOAK") != "" || len(list) <= n {
		return list
	}
	for i := range n {
		some = append(some, list[i*(len(list)-1)/max(n-1, 1)])
	}
	return slices.Compact(some)
}

// TestKillRelease kills the pack of a release in all its parts; what is on the
// drive in the end is what a run that nothing befell leaves.
func TestKillRelease(t *testing.T) {
	rnd := seeded(t)
	o := newOutside(404)
	r := o.smallRelease(t, 40, 2<<10)
	if os.Getenv("SATCHEL_SOAK") != "" {
		r = o.ocp410(t)
	}
	for i := range 6 { // enough bytes to be killed among
		ref := fmt.Sprintf("quay.io/example/large-%d:v1", i)
		o.publish(t, ref, o.small(5<<20))
	}
	set := releaseConfig(r) + "  additionalImages:\n"
	for i := range 6 {
		set += fmt.Sprintf("    - name: quay.io/example/large-%d:v1\n", i)
	}
	proxy := registrytest.StartProxy(t, o.serve(t))
	k := &tap{kind: "GET blob", rate: 32 << 20}
	k.through(proxy)
	conf := o.conf(t, proxy.Host)

	whole := newWorld(t)
	whole.imageset(set)
	before, asked := k.passed(), len(proxy.Requests())
	whole.run(whole.pack("--registries-conf", conf)...).want(exitOK)
	total, requests := k.passed()-before, len(proxy.Requests())-asked
	want := whole.inspected()

	w := newWorld(t)
	w.releases = whole.releases // the same signature
	w.imageset(set)
	pack := w.pack("--registries-conf", conf, "--segment-size", "2MiB")
	kills := 0
	for _, at := range []float64{0.05, 0.15, 0.3} { // of the requests: the payload, the components, their blobs; what one run read, the next has in the cache
		if _, ended := w.killed(k, 0, int(at*float64(requests)), 0, pack...); !ended {
			kills++
		}
	}
	for range 4 {
		if _, ended := w.killed(k, 1+rnd.Int64N(total/10), 0, 0, pack...); !ended {
			kills++
		}
	}
	if kills < 3 {
		t.Errorf("only %d of 7 runs were killed", kills)
	}
	w.run(pack...).want(exitOK)
	got := w.inspected()
	if want.Blobs != got.Blobs || want.BlobBytes != got.BlobBytes || fmt.Sprint(want.Images) != fmt.Sprint(got.Images) {
		t.Errorf("killed %d times, it holds %d blobs of %d bytes in %d images, whole %d of %d in %d", kills,
			got.Blobs, got.BlobBytes, len(got.Images), want.Blobs, want.BlobBytes, len(want.Images))
	}
	a := whole.run("inspect", "--manifests", "-i", whole.key, whole.drive).want(exitOK).stdout
	b := w.run("inspect", "--manifests", "-i", w.key, w.drive).want(exitOK).stdout
	if a != b || !strings.Contains(a, "ImageContentSourcePolicy") {
		t.Errorf("the cluster's YAML in the bundles differs or is not there:\n%s\n%s", a, b)
	}
	mirror := newMirror(t)
	w.run(w.unpack(mirror + "/ocp")...).want(exitOK)
	compareMirrored(t, o.content, mirror, r.mirrored("ocp"))
}
