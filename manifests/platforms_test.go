package manifests

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

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
	f := asktest.NewImages()
	f.Refs["a.io/three:v1"] = f.PutIndex("three", "linux/amd64", "linux/arm64", "linux/s390x")
	f.Refs["a.io/three:v2"] = f.Refs["a.io/three:v1"]
	f.Refs["a.io/three@"+f.Refs["a.io/three:v1"].Digest.String()] = f.Refs["a.io/three:v1"]
	f.Refs["a.io/next:v1"] = f.PutIndex("three", "linux/amd64", "linux/ppc64le") // has a child that three has
	f.Refs["a.io/one:arm"], f.Refs["a.io/one:amd"] = f.PutImage("linux/arm64", "one"), f.PutImage("linux/amd64", "one")
	digest := "@" + f.Refs["a.io/three:v1"].Digest.String()
	const note = "platforms: 1 image is only for another platform, and carried for that one: a.io/one:arm (linux/arm64)"
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
			f.Notes = nil
			c, err := Parse("f.yaml", []byte(asktest.Head+"mirror:\n  additionalImages:\n  "+tc.images))
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
			if got := strings.Join(f.Notes, "\n"); got != tc.notes {
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
	f := asktest.NewImages()
	f.Refs["a.io/arm:v1"], f.Refs["a.io/both:v1"] = f.PutIndex("a", "linux/arm64", "linux/s390x"), f.PutIndex("b", "linux/amd64", "linux/arm64")
	c, err := Parse("f.yaml", []byte(asktest.Head+"mirror:\n  additionalImages:\n  - {name: 'a.io/arm:v1', "+onAmd+"}\n  - {name: 'a.io/both:v1', "+onAmd+"}\n"))
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
	f := asktest.NewImages()
	d := f.PutIndex("a", "linux/amd64", "linux/arm64")
	byDigest := oci.Ref{Registry: "a.io", Repository: "x", Digest: d.Digest}
	both := byDigest
	both.Tag = "v1"
	f.Refs["a.io/x:v1"], f.Refs[byDigest.String()] = d, d
	for _, name := range []string{"a.io/x:v1", byDigest.String(), both.String()} {
		for _, how := range []string{onAmd, onAmd + ", targetRepo: y/z", onAmd + ", targetRepo: y/z, targetTag: v2", strings.ReplaceAll(onAmd, "amd64", "s390x")} {
			for _, pod := range []PodImage{{Ref: byDigest}, {Ref: byDigest, Tag: "v1"}, {Ref: byDigest, Tag: "v2"}, {Ref: byDigest.WithTag("v1"), Tag: "v1"}} {
				c, err := Parse("f.yaml", []byte(asktest.Head+"mirror:\n  additionalImages:\n  - {name: '"+name+"', "+how+"}\n"))
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
	m := asktest.NewRegistry()
	root := m.PutMultiRelease(t, "4.12.0")
	m.At("quay.io/ocp/rel:m", root)
	by := m.At("quay.io/ocp/rel@"+root.Digest.String(), root)
	const platforms = "    platforms: [{os: linux, architecture: arm64}]\n"
	inv, err := Resolve(t.Context(), asktest.ReleaseConfig(t, "quay.io/ocp/rel:m", platforms), m)
	if err != nil || len(inv.Images) != 2 {
		t.Fatalf("%v, %v", inv, err)
	}
	c := asktest.ReleaseConfig(t, "quay.io/ocp/rel:m", platforms)
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
	f.Refs["a.io/web:one"] = f.PutIndex("web", "linux/amd64", "linux/arm64")
	f.Refs["a.io/db:one"] = f.PutIndex("db", "linux/amd64", "linux/arm64")
	c, err := Parse("f.yaml", []byte(asktest.Head+"mirror: {helm: {repositories: [{url: 'https://charts.io/repo/', charts: [{name: web, version: 1.0.0, "+onArm+"}]}, {url: 'oci://reg.io/charts', charts: [{name: db, version: 0.1.0}]}]}}\n"))
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
		h := asktest.NewCatalogs()
		h.PutCatalog(t, asktest.TestCatalog, asktest.TestFiles())
		return Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    full: true\n    "+platforms+"\n"), h)
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

func TestPlatformsOfReleases(t *testing.T) {
	m := asktest.NewRegistry()
	root := m.PutMultiRelease(t, "4.12.0")
	m.At("quay.io/ocp/rel:m", root)
	by := m.At("quay.io/ocp/rel@"+root.Digest.String(), root)
	m.Published = map[string][]byte{asktest.GraphLink(asktest.GraphServer, "multi", "stable-4.12"): []byte(`{"version":1,"nodes":[{"version":"4.12.0","payload":"` + by + `"}],"edges":[]}`)}
	const want = "quay.io/ocp/art linux/%[1]s -2\nquay.io/ocp/rel%[2]s linux/%[1]s -1"
	for _, arch := range []string{"amd64", "arm64"} {
		platforms := "    platforms: [{os: linux, architecture: " + arch + "}]\n"
		for tag, c := range map[string]*Config{":m": asktest.ReleaseConfig(t, "quay.io/ocp/rel:m", platforms), "": asktest.ChannelConfig(t, "{name: stable-4.12}", platforms)} {
			m.Opened = nil
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
	_, err := Resolve(t.Context(), asktest.ReleaseConfig(t, "quay.io/ocp/rel:m", "    platforms: [{os: linux, architecture: s390x}]\n"), m)
	if _, ok := oci.Gaps(err); !ok || !strings.HasSuffix(err.Error(), "it has no image for linux/s390x; it has linux/amd64, linux/arm64") {
		t.Errorf("got %v", err)
	}
}

// TestPlatformsOfKubeVirt takes the disks of the platforms, and of an index its parts.
func TestPlatformsOfKubeVirt(t *testing.T) {
	m := asktest.NewRegistry()
	disk := func(d oci.Descriptor) string { return m.At(asktest.Art+"@"+d.Digest.String(), d) }
	one := disk(m.ImageFor("s390x", true, m.Layer(2048, ocitest.LayerGzip)))
	both := disk(m.IndexFor(false, []string{"amd64", "arm64"}, m.ImageFor("amd64", false, m.Layer(2048, ocitest.LayerGzip)), m.ImageFor("arm64", false, m.Layer(2048, ocitest.LayerGzip))))
	m.At("quay.io/ocp/rel:v", m.PutBootPayload(t, "amd64", "multi", map[string]string{"x86_64": both, "aarch64": both, "s390x": one}))
	for arch, want := range map[string]string{"amd64": "4.18.1-multi-kube-virt-container-x86_64 -1", "s390x": "4.18.1-multi-kube-virt-container-s390x -0"} {
		inv, err := Resolve(t.Context(), asktest.ReleaseConfig(t, "quay.io/ocp/rel:v", "    kubeVirtContainer: true\n    platforms: [{os: linux, architecture: "+arch+"}]\n"), m)
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
