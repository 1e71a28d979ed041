package manifests

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// multi stores an index of an image for each platform.
func (f *fakeImages) multi(note string, platforms ...string) oci.Descriptor {
	var children []string
	for _, p := range platforms {
		d := f.image(p, note)
		goos, arch, _ := strings.Cut(p, "/")
		children = append(children, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"platform":{"os":%q,"architecture":%q}}`, d.MediaType, d.Digest, d.Size, goos, arch))
	}
	return f.put(oci.MediaTypeIndex, fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, oci.MediaTypeIndex, strings.Join(children, ",")))
}

// sparse writes an inventory as "SOURCE PLATFORMS -N", N manifests being left out.
func sparse(t *testing.T, inv *oci.Inventory) string {
	t.Helper()
	if err := inv.Validate(); err != nil {
		t.Error(err)
	}
	var list []string
	for _, img := range inv.Images {
		source, _, _ := strings.Cut(img.Source.String(), "@")
		list = append(list, fmt.Sprintf("%s %s -%d", source, strings.Join(img.Platforms, " "), len(img.Omitted)))
	}
	return strings.Join(list, "\n")
}

const (
	onAmd = "platforms: [{os: linux, architecture: amd64}]"
	onArm = "platforms: [{os: linux, architecture: arm64}]"
)

func TestPlatforms(t *testing.T) {
	f := newFakeImages()
	f.refs["a.io/three:v1"] = f.multi("three", "linux/amd64", "linux/arm64", "linux/s390x")
	f.refs["a.io/three:v2"] = f.refs["a.io/three:v1"]
	f.refs["a.io/three@"+f.refs["a.io/three:v1"].Digest.String()] = f.refs["a.io/three:v1"]
	f.refs["a.io/next:v1"] = f.multi("three", "linux/amd64", "linux/ppc64le") // has a child that three has
	f.refs["a.io/one:arm"], f.refs["a.io/one:amd"] = f.image("linux/arm64", "one"), f.image("linux/amd64", "one")
	digest := "@" + f.refs["a.io/three:v1"].Digest.String()
	const note = "platforms: 1 image is for another one alone, and carried as such: a.io/one:arm (linux/arm64)"
	const less = "platforms: 2 images are not for all that are asked for: a.io/next:v1 (not linux/arm64, linux/s390x), a.io/one:amd (not linux/arm64, linux/s390x)"
	const three = "platforms: [{os: linux, architecture: s390x}, {os: linux, architecture: amd64}, {os: linux, architecture: arm64}]"
	for _, tc := range []struct {
		name, images, want, notes string
		along                     map[string]string
	}{
		{"all", "- name: a.io/three:v1\n", "a.io/three:v1 linux/amd64 linux/arm64 linux/s390x -0", "", nil},
		{"one", "- {name: 'a.io/three:v1', " + onAmd + "}\n", "a.io/three:v1 linux/amd64 -2", "", nil},
		{"one is the union", "- {name: 'a.io/three:v1', " + onAmd + "}\n  - {name: 'a.io/three:v1', " + onArm + ", targetTag: x}\n", "a.io/three:v1 linux/amd64 linux/arm64 -1", "", nil},
		{"who wants all has it", "- {name: 'a.io/three:v1', " + onAmd + "}\n  - {name: 'a.io/three:v1', targetTag: x}\n", "a.io/three:v1 linux/amd64 linux/arm64 linux/s390x -0", "", nil},
		{"by two tags", "- {name: 'a.io/three:v1', " + onAmd + "}\n  - {name: 'a.io/three:v2', " + onArm + "}\n", "a.io/three:v1 linux/amd64 linux/arm64 -1\na.io/three:v2 linux/amd64 linux/arm64 -1", "", map[string]string{"a.io/three:v1": "; with linux/arm64, as its repository gets that for a.io/three:v2", "a.io/three:v2": "; with linux/amd64, as its repository gets that for a.io/three:v1"}},
		{"by tag and digest", "- {name: 'a.io/three:v1', " + onAmd + "}\n  - {name: 'a.io/three" + digest + "'}\n", "a.io/three:v1 linux/amd64 linux/arm64 linux/s390x -0\na.io/three linux/amd64 linux/arm64 linux/s390x -0", "", map[string]string{"a.io/three:v1": "; with linux/arm64, linux/s390x, as its repository gets that for a.io/three" + digest}},
		{"elsewhere", "- {name: 'a.io/three:v1', " + onAmd + "}\n  - {name: 'a.io/three:v1', targetRepo: x/y}\n", "a.io/three:v1 linux/amd64 -2\na.io/three:v1 linux/amd64 linux/arm64 linux/s390x -0", "", nil},
		{"another index brings a child", "- {name: 'a.io/three:v1', " + onArm + "}\n  - {name: 'a.io/next:v1', targetRepo: three, " + onAmd + "}\n", "a.io/next:v1 linux/amd64 -1\na.io/three:v1 linux/amd64 linux/arm64 -1", "", map[string]string{"a.io/three:v1": "; with linux/amd64, as its repository gets that for a.io/next:v1"}},
		{"another whole index brings a child", "- {name: 'a.io/three:v1', " + onArm + "}\n  - {name: 'a.io/next:v1', targetRepo: three}\n", "a.io/next:v1 linux/amd64 linux/ppc64le -0\na.io/three:v1 linux/amd64 linux/arm64 -1", "", map[string]string{"a.io/three:v1": "; with linux/amd64, as its repository gets that for a.io/next:v1"}},
		{"no choice", "- {name: 'a.io/one:arm', " + onAmd + "}\n  - {name: 'a.io/one:amd', " + onAmd + "}\n", "a.io/one:amd linux/amd64 -0\na.io/one:arm linux/arm64 -0", note, nil},
		{"not all", "- {name: 'a.io/next:v1', " + three + "}\n  - {name: 'a.io/three:v1', " + three + "}\n  - {name: 'a.io/one:amd', " + three + "}\n", "a.io/next:v1 linux/amd64 -1\na.io/one:amd linux/amd64 -0\na.io/three:v1 linux/amd64 linux/arm64 linux/s390x -0", less, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f.notes = nil
			c, err := Parse("f.yaml", []byte(head+"mirror:\n  additionalImages:\n  "+tc.images))
			if err != nil {
				t.Fatal(err)
			}
			inv, err := Resolve(t.Context(), c, f)
			if err != nil {
				t.Fatal(err)
			}
			if got := sparse(t, inv); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
			if got := strings.Join(f.notes, "\n"); got != tc.notes {
				t.Errorf("notes %q", got)
			}
			for _, img := range inv.Images {
				if why, want := strings.Join(oci.Words(img.Reasons), "; "), tc.along[img.Source.String()]; why != "additionalImages"+want {
					t.Errorf("%s: why %q", img.Source, why)
				}
			}
		})
	}
}

// TestPlatformsNotThere has one image without the platform beside one with it.
func TestPlatformsNotThere(t *testing.T) {
	f := newFakeImages()
	f.refs["a.io/arm:v1"], f.refs["a.io/both:v1"] = f.multi("a", "linux/arm64", "linux/s390x"), f.multi("b", "linux/amd64", "linux/arm64")
	c, err := Parse("f.yaml", []byte(head+"mirror:\n  additionalImages:\n  - {name: 'a.io/arm:v1', "+onAmd+"}\n  - {name: 'a.io/both:v1', "+onAmd+"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	inv, err := Resolve(t.Context(), c, f)
	gaps, ok := oci.Gaps(err)
	var fault *oci.UnsupportedError
	if !ok || len(gaps) != 1 || !errors.As(gaps[0].Err, &fault) || fault.Why != "it has no image for linux/amd64; it has linux/arm64, linux/s390x" {
		t.Fatalf("got %v", err)
	}
	if got := sparse(t, inv); got != "a.io/both:v1 linux/amd64 -1" {
		t.Errorf("got %s", got)
	}
}

// TestPlatformsOfPods has pods use what is asked for of one platform, at its own place
// or another, or of one that it does not have.
func TestPlatformsOfPods(t *testing.T) {
	f := newFakeImages()
	d := f.multi("a", "linux/amd64", "linux/arm64")
	byDigest := oci.Ref{Registry: "a.io", Repository: "x", Digest: d.Digest}
	both := byDigest
	both.Tag = "v1"
	f.refs["a.io/x:v1"], f.refs[byDigest.String()] = d, d
	for _, name := range []string{"a.io/x:v1", byDigest.String(), both.String()} {
		for _, how := range []string{onAmd, onAmd + ", targetRepo: y/z", onAmd + ", targetRepo: y/z, targetTag: v2", strings.ReplaceAll(onAmd, "amd64", "s390x")} {
			for _, pod := range []PodImage{{Ref: byDigest}, {Ref: byDigest, Tag: "v1"}, {Ref: byDigest, Tag: "v2"}, {Ref: byDigest.WithTag("v1"), Tag: "v1"}} {
				c, err := Parse("f.yaml", []byte(head+"mirror:\n  additionalImages:\n  - {name: '"+name+"', "+how+"}\n"))
				if err != nil {
					t.Fatal(err)
				}
				c.Extra.Pods = []PodImage{pod}
				inv, err := Resolve(t.Context(), c, f)
				if err != nil {
					t.Fatal(err)
				}
				for _, img := range inv.Images {
					if len(img.Omitted) > 0 || !slices.Equal(img.Platforms, []string{"linux/amd64", "linux/arm64"}) {
						t.Errorf("%s, %s, pods by %+v: %+v", name, how, pod, img)
					}
				}
			}
		}
	}
}

// TestPlatformsOfPodsOfARelease has the version operator's pod name the payload, and
// another a component: both go to places of their own.
func TestPlatformsOfPodsOfARelease(t *testing.T) {
	m := newMade()
	root := m.multiRelease(t, "4.12.0")
	m.at("quay.io/ocp/rel:m", root)
	by := m.at("quay.io/ocp/rel@"+root.Digest.String(), root)
	const platforms = "    platforms: [{os: linux, architecture: arm64}]\n"
	inv, err := Resolve(t.Context(), releaseConfig(t, "quay.io/ocp/rel:m", platforms), m)
	if err != nil || len(inv.Images) != 2 {
		t.Fatalf("%v, %v", inv, err)
	}
	c := releaseConfig(t, "quay.io/ocp/rel:m", platforms)
	c.Extra.Pods = gathered(t, podList("openshift-cluster-version/cvo "+by+" "+by, "openshift-etcd/etcd "+inv.Images[0].Source.String()+" "+inv.Images[0].Source.String())).Pods
	if inv, err = Resolve(t.Context(), c, m); err != nil {
		t.Fatal(err)
	}
	if got := sparse(t, inv); got != "quay.io/ocp/art linux/amd64 linux/arm64 linux/s390x -0\nquay.io/ocp/rel:m linux/amd64 linux/arm64 -0" {
		t.Errorf("got\n%s", got)
	}
}

func TestPlatformsOfCharts(t *testing.T) {
	f := chartSite(t)
	f.refs["a.io/web:one"] = f.multi("web", "linux/amd64", "linux/arm64")
	f.refs["a.io/db:one"] = f.multi("db", "linux/amd64", "linux/arm64")
	c, err := Parse("f.yaml", []byte(head+"mirror: {helm: {repositories: [{url: 'https://charts.io/repo/', charts: [{name: web, version: 1.0.0, "+onArm+"}]}, {url: 'oci://reg.io/charts', charts: [{name: db, version: 0.1.0}]}]}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	inv, err := Resolve(t.Context(), c, f)
	if err != nil {
		t.Fatal(err)
	}
	if got := sparse(t, inv); got != "a.io/db:one linux/amd64 linux/arm64 -0\na.io/web:one linux/arm64 -1\ncharts.io/repo/web:1.0.0  -0\nreg.io/charts/db:0.1.0  -0" {
		t.Errorf("got\n%s", got)
	}
}

// TestPlatformsOfOperators has a catalog that is carried whole, and images that its
// bundles name.
func TestPlatformsOfOperators(t *testing.T) {
	run := func(platforms string) (*oci.Inventory, error) {
		h := newCatalogHost()
		h.catalog(t, testCatalog, testFiles())
		return Resolve(t.Context(), parsed(t, "  - catalog: "+testCatalog+"\n    full: true\n    "+platforms+"\n"), h)
	}
	inv, err := run(onArm)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(inv.Images, func(img oci.Image) bool { return img.Origin == origin.Catalog })
	if img := inv.Images[i]; img.Built || len(img.Omitted) != 1 || !slices.Equal(img.Platforms, []string{"linux/arm64"}) || len(inv.Images) != 13 {
		t.Errorf("%d images, the catalog %+v", len(inv.Images), img)
	}
	_, err = run("platforms: [{os: linux, architecture: s390x}]")
	gaps, ok := oci.Gaps(err)
	if !ok || len(gaps) != 1 || gaps[0].Image.Origin != origin.Catalog || !strings.HasSuffix(err.Error(), "it has no image for linux/s390x; it has linux/amd64, linux/arm64") {
		t.Errorf("got %v", err)
	}
}

// multiRelease makes a payload for several architectures with one component that
// is an index too; the payload says so.
func (m *made) multiRelease(t *testing.T, version string) oci.Descriptor {
	t.Helper()
	etcd := m.IndexFor(false, []string{"amd64", "arm64", "s390x"}, m.ImageFor("amd64", false, m.base), m.ImageFor("arm64", false, m.base), m.ImageFor("s390x", false, m.base))
	parts := map[string]string{"etcd": m.at(art+"@"+etcd.Digest.String(), etcd)}
	return m.IndexFor(true, []string{"arm64", "amd64"}, m.payload(t, version, "arm64", parts), m.payload(t, version, "amd64", parts))
}

func TestPlatformsOfReleases(t *testing.T) {
	m := newMade()
	root := m.multiRelease(t, "4.12.0")
	m.at("quay.io/ocp/rel:m", root)
	by := m.at("quay.io/ocp/rel@"+root.Digest.String(), root)
	m.files = map[string][]byte{graphLink(graphServer, "multi", "stable-4.12"): []byte(`{"version":1,"nodes":[{"version":"4.12.0","payload":"` + by + `"}],"edges":[]}`)}
	const want = "quay.io/ocp/art linux/%[1]s -2\nquay.io/ocp/rel%[2]s linux/%[1]s -1"
	for _, arch := range []string{"amd64", "arm64"} {
		platforms := "    platforms: [{os: linux, architecture: " + arch + "}]\n"
		for tag, c := range map[string]*Config{":m": releaseConfig(t, "quay.io/ocp/rel:m", platforms), "": channelConfig(t, "{name: stable-4.12}", platforms)} {
			m.opened = nil
			inv, err := Resolve(t.Context(), c, m)
			if err != nil {
				t.Fatal(err)
			}
			if got := sparse(t, inv); got != fmt.Sprintf(want, arch, tag) {
				t.Errorf("%s%s: got\n%s", arch, tag, got)
			}
			if !slices.Equal(inv.Images[1].Tags, []string{"4.12.0-multi"}) {
				t.Errorf("tags %q", inv.Images[1].Tags)
			}
		}
	}
	// A component for one platform, of a payload that has another.
	_, err := Resolve(t.Context(), releaseConfig(t, "quay.io/ocp/rel:m", "    platforms: [{os: linux, architecture: s390x}]\n"), m)
	if _, ok := oci.Gaps(err); !ok || !strings.HasSuffix(err.Error(), "it has no image for linux/s390x; it has linux/amd64, linux/arm64") {
		t.Errorf("got %v", err)
	}
}

// TestPlatformsOfKubeVirt takes the disks of the platforms, and of an index its parts.
func TestPlatformsOfKubeVirt(t *testing.T) {
	m := newMade()
	disk := func(d oci.Descriptor) string { return m.at(art+"@"+d.Digest.String(), d) }
	one := disk(m.ImageFor("s390x", true, m.Layer(2048, ocitest.LayerGzip)))
	both := disk(m.IndexFor(false, []string{"amd64", "arm64"}, m.ImageFor("amd64", false, m.Layer(2048, ocitest.LayerGzip)), m.ImageFor("arm64", false, m.Layer(2048, ocitest.LayerGzip))))
	m.at("quay.io/ocp/rel:v", m.bootPayload(t, "amd64", "multi", map[string]string{"x86_64": both, "aarch64": both, "s390x": one}))
	for arch, want := range map[string]string{"amd64": "4.18.1-multi-kube-virt-container-x86_64 -1", "s390x": "4.18.1-multi-kube-virt-container-s390x -0"} {
		inv, err := Resolve(t.Context(), releaseConfig(t, "quay.io/ocp/rel:v", "    kubeVirtContainer: true\n    platforms: [{os: linux, architecture: "+arch+"}]\n"), m)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, img := range inv.Images {
			if strings.Contains(strings.Join(img.Tags, " "), "kube-virt") {
				got = append(got, fmt.Sprintf("%s -%d", strings.Join(img.Tags, " "), len(img.Omitted)))
			}
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%s: got %q", arch, got)
		}
	}
}
