package manifests

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// lines writes an inventory as "ORIGIN SOURCE PATH TAGS WHY", the digests of
// images that have a name by that name.
func lines(t *testing.T, inv *oci.Inventory, names map[string]string) []string {
	t.Helper()
	if err := inv.Validate(); err != nil {
		t.Error(err)
	}
	if err := (oci.Mirror{Host: "mirror.invalid"}).CheckCollisions(inv); err != nil {
		t.Error(err)
	}
	var list []string
	for _, i := range inv.Images {
		source := i.Source.String()
		if i.Source.Digest != "" {
			source = i.Source.Name() + "@" + names[i.Root.Digest.String()]
		}
		list = append(list, fmt.Sprintf("%s %s %s [%s] [%s]", i.Origin, source, i.Path, strings.Join(i.Tags, " "), strings.Join(oci.Words(i.Reasons), ", ")))
	}
	slices.Sort(list)
	return list
}

// releaseCase is a payload and the images that it makes, as lines writes them.
type releaseCase struct {
	name, ref, asked string // asked: as the registry is asked
	root             oci.Descriptor
	more             string // of the configuration
	want             []string
}

// releases makes payloads of four components, two of which are one image, and
// names their digests.
func releases(t *testing.T, m *asktest.Registry) ([]releaseCase, map[string]string) {
	parts := m.Components("etcd-1", "cli-2", "tools-2", "installer-3")
	names := map[string]string{}
	for name, ref := range parts {
		names[strings.TrimPrefix(ref, asktest.Art+"@")] = name[len(name)-1:]
	}
	amd, arm := m.PutPayload(t, "4.12.0", "amd64", parts), m.PutPayload(t, "4.12.0", "arm64", parts)
	ppc := m.PutPayload(t, "4.12.0+build.5", "ppc64le", parts)
	both, one := m.IndexFor(true, []string{"arm64", "amd64"}, arm, amd), m.IndexFor(true, []string{"arm64"}, arm)
	for _, d := range []oci.Descriptor{amd, arm, ppc, both, one} {
		names[d.Digest.String()] = "payload"
	}
	images := func(version, tag, arch, source string) []string {
		tag += "-" + arch
		why := "release " + version + " " + arch
		return []string{
			"release " + asktest.Art + "@1 openshift/release [" + tag + "-etcd-1] [" + why + ": etcd-1]",
			"release " + asktest.Art + "@2 openshift/release [" + tag + "-cli-2 " + tag + "-tools-2] [" + why + ": cli-2, " + why + ": tools-2]",
			"release " + asktest.Art + "@3 openshift/release [" + tag + "-installer-3] [" + why + ": installer-3]",
			"release " + source + " openshift/release-images [" + tag + "] [" + why + "]",
		}
	}
	const rel = "quay.io/ocp/rel"
	armDigest, ppcDigest := "@"+arm.Digest.String(), "@"+ppc.Digest.String()
	return []releaseCase{
		{"by tag", rel + ":4.12.0", rel + ":4.12.0", amd, "", images("4.12.0", "4.12.0", "x86_64", rel+":4.12.0")},
		{"by digest", rel + armDigest, rel + armDigest, arm, "    architectures: [arm64]\n", images("4.12.0", "4.12.0", "aarch64", rel+"@payload")},
		{"by both", rel + ":x" + ppcDigest, rel + ppcDigest, ppc, "", images("4.12.0+build.5", "4.12.0_build.5", "ppc64le", rel+"@payload")},
		{"multi", rel + ":m", rel + ":m", both, "    architectures: [multi]\n", images("4.12.0", "4.12.0", "multi", rel+":m")},
		{"list of one", rel + ":m", rel + ":m", one, "", images("4.12.0", "4.12.0", "aarch64", rel+":m")},
		{"and as an additional image", rel + ":v", rel + ":v", amd, "  additionalImages: [{name: '" + parts["etcd-1"] + "'}, {name: '" + rel + ":v'}]\n",
			append(images("4.12.0", "4.12.0", "x86_64", rel+":v"), "additional "+asktest.Art+"@1  [] [additionalImages]", "additional "+rel+":v  [v] [additionalImages]")},
	}, names
}

func TestRelease(t *testing.T) {
	m := asktest.NewRegistry()
	cases, names := releases(t, m)
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			m.At(tc.asked, tc.root)
			m.Asked, m.Opened = nil, nil
			inv, err := Resolve(t.Context(), asktest.ReleaseConfig(t, tc.ref, tc.more), m)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(tc.want)
			if got := lines(t, inv, names); !slices.Equal(got, tc.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
			if len(m.Asked) != 4 {
				t.Errorf("asked for %q", m.Asked)
			}
			if slices.Contains(m.Opened, m.Base.Digest) {
				t.Error("a layer below those of the manifests was read")
			}
			again, err := Resolve(t.Context(), asktest.ReleaseConfig(t, tc.ref, tc.more), m)
			if err != nil || !reflect.DeepEqual(inv, again) {
				t.Errorf("the second time gave %+v, %v", again, err)
			}
		})
	}
	if len(m.Parsed) != 2*3 { // components, and facts; the multi-arch one is read as the one for amd64
		t.Errorf("kept %d payloads", len(m.Parsed))
	}
}

// TestReleaseParsedOnce reads a payload whose layers are gone from what was kept.
func TestReleaseParsedOnce(t *testing.T) {
	m := asktest.NewRegistry()
	d := m.PutPayload(t, "4.12.0", "amd64", m.Components("etcd-1"))
	m.At("quay.io/ocp/rel:v", d)
	count := func() (n int) {
		for _, o := range m.Opened {
			if l := m.All(); slices.ContainsFunc(l, func(d oci.Descriptor) bool { return d.Digest == o && d.MediaType == ocitest.LayerGzip }) {
				n++
			}
		}
		return n
	}
	for _, want := range []int{4, 0} { // the top one three times: for components, and by each of two directories
		m.Opened = nil
		if _, err := Resolve(t.Context(), asktest.ReleaseConfig(t, "quay.io/ocp/rel:v"), m); err != nil || count() != want {
			t.Errorf("opened %d layers, not %d; %v", count(), want, err)
		}
	}
}

// TestReleaseGaps has components that is not available, and payloads.
func TestReleaseGaps(t *testing.T) {
	m := asktest.NewRegistry()
	parts := m.Components("etcd-1", "cli-2", "tools-2")
	m.At("quay.io/ocp/rel:v", m.PutPayload(t, "4.12.0", "s390x", parts))
	delete(m.Refs, parts["cli-2"])
	inv, err := Resolve(t.Context(), asktest.ReleaseConfig(t, "quay.io/ocp/rel:v", "  additionalImages: [{name: 'a.io/none:v1'}]\n"), m)
	gaps, ok := oci.Gaps(err)
	if !ok || len(gaps) != 2 || len(inv.Images) != 2 {
		t.Fatalf("got %d images, %v", len(inv.Images), err)
	}
	g := gaps[1].Image
	want := oci.Image{Origin: origin.Release, Source: g.Source, Path: "openshift/release",
		Tags: []string{"4.12.0-s390x-cli-2", "4.12.0-s390x-tools-2"}, Reasons: asktest.Reasons("release 4.12.0 s390x: cli-2", "release 4.12.0 s390x: tools-2")}
	if gaps[0].Image.Source.String() != "a.io/none:v1" || g.Source.String() != parts["cli-2"] || !reflect.DeepEqual(g, want) {
		t.Errorf("got %+v", g)
	}

	inv, err = Resolve(t.Context(), asktest.ReleaseConfig(t, "quay.io/ocp/none:v", "  additionalImages: [{name: 'quay.io/ocp/rel:v'}]\n"), m)
	gaps, ok = oci.Gaps(err)
	if !ok || len(gaps) != 1 || len(inv.Images) != 1 || inv.Images[0].Origin != origin.Additional {
		t.Fatalf("got %+v, %v", inv, err)
	}
	want = oci.Image{Origin: origin.Release, Source: oci.Ref{Registry: "quay.io", Repository: "ocp/none", Tag: "v"}, Path: "openshift/release-images", Reasons: asktest.Reasons("platform.release")}
	if !reflect.DeepEqual(gaps[0].Image, want) || err.Error() != "image quay.io/ocp/none:v: manifest unknown" {
		t.Errorf("got %+v: %v", gaps[0].Image, err)
	}
}

func TestReleaseArchitecture(t *testing.T) {
	m := asktest.NewRegistry()
	m.At("quay.io/ocp/rel:v", m.PutPayload(t, "4.12.0", "arm64", m.Components("etcd-1")))
	_, err := Resolve(t.Context(), asktest.ReleaseConfig(t, "quay.io/ocp/rel:v", "    architectures: [amd64]\n"), m)
	var ce *ConfigError
	if want := "f.yaml:6:21: mirror.platform.architectures asks for amd64; the payload quay.io/ocp/rel:v is for arm64"; !errors.As(err, &ce) || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// TestReleaseRefuses has what is no payload.
func TestReleaseRefuses(t *testing.T) {
	long := strings.Repeat("x", 120)
	m := asktest.NewRegistry()
	ref := m.Components("etcd-1")["etcd-1"]
	payload := func(version, arch string, components map[string]string) oci.Descriptor {
		return m.PutPayload(t, version, arch, components)
	}
	file := func(entries ...ocitest.File) oci.Descriptor {
		d, err := m.Content.Files(ocitest.LayerGzip, entries...)
		if err != nil {
			t.Fatal(err)
		}
		return m.Image(true, d)
	}
	tests := []struct {
		name string
		root oci.Descriptor
		want string // what follows "payload sha256:...: "
	}{
		{"no payload", m.Image(true, m.Base), "it has no file release-manifests/image-references; is it a release payload?"},
		{"half a payload", file(ocitest.File{Name: "release-manifests/image-references", Body: []byte("{}")}), "it has no file release-manifests/release-metadata; is it a release payload?"},
		{"large file", file(ocitest.File{Name: "release-manifests/image-references", Body: make([]byte, 16<<20+1)}), "its release-manifests/image-references has 16777217 bytes, more than the 16777216 that one may have"},
		{"version", payload("4.12", "amd64", map[string]string{"a": ref}), `release-manifests/release-metadata: its version "4.12" is not a semantic version; is it a release payload?`},
		{"no components", payload("4.12.0", "amd64", nil), "release-manifests/image-references: it names 0 components; is it a release payload?"},
		{"by tag", payload("4.12.0", "amd64", map[string]string{"a": asktest.Art + ":v1"}), `release-manifests/image-references: component "a": its image quay.io/ocp/art:v1 is named by a tag, which could move, and not by digest; is it a release payload?`},
		{"bad name", payload("4.12.0", "amd64", map[string]string{"a/b": ref}), `release-manifests/image-references: component "a/b": the name cannot be part of a tag; is it a release payload?`},
		{"long tag", payload("4.12.0", "amd64", map[string]string{long: ref}), `"4.12.0-x86_64-` + long + `", the tag in the mirror of its ` + ref + `, would have 134 characters; a tag has at most 128`},
		{"architecture", payload("4.12.0", "x y", map[string]string{"a": ref}), `its architecture is "x y"`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			m.At("quay.io/ocp/rel:v", tc.root)
			_, err := Resolve(t.Context(), asktest.ReleaseConfig(t, "quay.io/ocp/rel:v"), m)
			var ue *oci.UnsupportedError
			if _, ok := oci.Gaps(err); !ok || !errors.As(err, &ue) || ue.Why != tc.want || !strings.HasPrefix(ue.What, "payload ") {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
	if _, err := Parse("f.yaml", []byte(asktest.Head+"mirror:\n  platform:\n    release: ocp-release\n")); err == nil ||
		err.Error() != `f.yaml:5:14: mirror.platform.release: image reference "ocp-release" has no registry host; did you mean "docker.io/library/ocp-release:latest"?` {
		t.Errorf("a bad reference: got %v", err)
	}
}

// named lists "TAG: IMAGE" of each component in image-references, as the mirror has it.
func namedIn(t *testing.T, references []byte, tag string) []string {
	t.Helper()
	var stream struct {
		Spec struct {
			Tags []struct {
				Name string
				From struct{ Name string }
			}
		}
	}
	if err := json.Unmarshal(references, &stream); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, s := range stream.Spec.Tags {
		list = append(list, tag+"-"+s.Name+": "+s.From.Name)
	}
	slices.Sort(list)
	return list
}

// TestRealReleases reads the payload files of real releases.
func TestRealReleases(t *testing.T) {
	for _, tc := range []struct {
		references, metadata []byte
		tag                  string
		components           int
	}{
		{asktest.RealFile(t, "ocp-4.12.0-x86_64/image-references"), asktest.RealFile(t, "ocp-4.12.0-x86_64/release-metadata"), "4.12.0-x86_64", 183},
		{asktest.RealFile(t, "ocp-4.10/image-references"), []byte(`{"kind":"cincinnati-metadata-v0","version":"4.10.0-0.nightly-2021-11-14-184249"}`), "4.10.0-0.nightly-2021-11-14-184249-x86_64", 146},
	} {
		m := asktest.NewRegistry()
		d, err := m.PayloadOf("amd64", tc.references, tc.metadata, m.Base)
		if err != nil {
			t.Fatal(err)
		}
		m.At("quay.io/ocp/rel:v", d)
		// The components' images are not here, so each is a gap that has all but its manifest.
		_, err = Resolve(t.Context(), asktest.ReleaseConfig(t, "quay.io/ocp/rel:v"), m)
		gaps, ok := oci.Gaps(err)
		if !ok || len(gaps) != tc.components {
			t.Fatalf("%s: %d components, %v", tc.tag, len(gaps), err)
		}
		var got []string
		for _, g := range gaps {
			for _, tag := range g.Image.Tags {
				got = append(got, tag+": "+g.Image.Source.String())
			}
		}
		if slices.Sort(got); !slices.Equal(got, namedIn(t, tc.references, tc.tag)) {
			t.Errorf("%s: got %q", tc.tag, got)
		}
	}
}

// TestRealNoRelease has files of the kind that oc adm release new does not write:
// image-references is YAML and names no component.
func TestRealNoRelease(t *testing.T) {
	m := asktest.NewRegistry()
	d, err := m.PayloadOf("amd64", asktest.RealFile(t, "cvo-payloads/release-manifests/image-references"), asktest.RealFile(t, "cvo-payloads/release-manifests/release-metadata"))
	if err != nil {
		t.Fatal(err)
	}
	m.At("quay.io/ocp/rel:v", d)
	_, err = Resolve(t.Context(), asktest.ReleaseConfig(t, "quay.io/ocp/rel:v"), m)
	if err == nil || !strings.Contains(err.Error(), "release-manifests/image-references: it is not valid JSON: ") {
		t.Errorf("got %v", err)
	}
}
