package unpack_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// other is a mirror that another tool has filled with what a bundle carries.
type other struct {
	*jobtest.Bench
	reader *bundle.Reader
	mirror *registrytest.Proxy
	target string // the registry itself
}

// newOther packs what looks like a release, a component and an operator's image.
func newOther(t *testing.T, seed uint64) *other {
	t.Helper()
	b := jobtest.New(t, seed)
	c := b.Content
	layer := c.Layer(100<<10, ocitest.LayerGzip)
	payload, component := c.Image(true, layer), c.Image(true, layer, c.Layer(80<<10, ocitest.LayerGzip))
	operand := c.Index(false, c.Image(false, layer), c.ImageFor("arm64", false, layer))
	set := "  additionalImages:\n"
	for _, img := range []struct {
		root                    oci.Descriptor
		repo, tag, path, become string
	}{
		{payload, "openshift-release-dev/ocp-release", "4.18.1-x86_64", "openshift/release-images", "4.18.1-x86_64"},
		{component, "openshift-release-dev/ocp-v4.0-art-dev", "x", "openshift/release", "4.18.1-x86_64-etcd"},
		{operand, "acme/team/tool", "x", "", ""},
	} {
		ref, _, _ := strings.Cut(b.Push(img.root, img.repo, img.tag), ":"+img.tag)
		set += fmt.Sprintf("  - name: %s@%s\n", ref, img.root.Digest)
		if img.path != "" {
			set += fmt.Sprintf("    targetRepo: %s\n    targetTag: %s\n", img.path, img.become)
		}
	}
	done, err := pack.Run(t.Context(), b.Pack(b.Prepare(set), "drive"))
	if err != nil {
		t.Fatal(err)
	}
	target := registrytest.StartV3(t, false, "", "").Host
	return &other{b, b.Open(done.Dir), registrytest.StartProxy(t, target), target}
}

// fill pushes every image to where a tool puts it.
func (o *other) fill(t *testing.T, to func(oci.Image) (repository, tag string)) {
	t.Helper()
	for _, img := range o.reader.Inventory().Images {
		repository, tag := to(img)
		if err := ocitest.Push(t.Context(), o.Content, img.Root, "http://"+o.target, repository, tag); err != nil {
			t.Fatal(err)
		}
	}
}

func (o *other) options(t *testing.T, place oci.Mirror) unpack.Options {
	t.Helper()
	place.Host = o.mirror.Host
	out, err := outdir.Open(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	return unpack.Options{To: o.To(), Parallel: 2, Site: manifests.Site{Mirror: place}, Out: out}
}

// TestTakesOverOcMirror: oc-mirror v2 has filled the mirror, with its tag sha256-HEX for what is
// known by digest alone. No blob is pushed.
func TestTakesOverOcMirror(t *testing.T) {
	t.Parallel()
	o := newOther(t, 61)
	o.fill(t, func(img oci.Image) (string, string) {
		if len(img.Tags) > 0 {
			return "in/" + img.MirrorPath(), img.Tags[0]
		}
		return "in/" + img.MirrorPath(), "sha256-" + img.Root.Digest.Encoded()
	})
	if err := unpack.Run(t.Context(), o.reader, jobtest.Client(), o.options(t, oci.Mirror{Namespace: "in"})); err != nil {
		t.Fatal(err)
	}
	if n := o.mirror.SentBytes(); n > 64<<10 { // manifests, and what the probe pushes
		t.Errorf("%d bytes were pushed again", n)
	}
}

// TestTakesOverOc: "oc adm release mirror" and "oc adm catalog mirror" have filled the mirror. That
// is seen, nothing is pushed, and with that layout nothing needs to be.
func TestTakesOverOc(t *testing.T) {
	t.Parallel()
	o := newOther(t, 62)
	o.fill(t, func(img oci.Image) (string, string) {
		if len(img.Tags) > 0 {
			return "ocp4/openshift4", img.Tags[0]
		}
		return "ocp4/openshift4-acme-team-tool", "1a2b3c4d"
	})
	place := oci.Mirror{Host: o.mirror.Host, Namespace: "ocp4/openshift4"}
	theirs, err := manifests.Layout{Tool: manifests.LayoutOc}.On(place, false)
	if err != nil {
		t.Fatal(err)
	}
	plain := o.options(t, place)
	plain.Layouts = []unpack.Layout{{Name: "oc", Tools: "oc", Mirror: theirs}}
	var seen *unpack.LayoutError
	for name, run := range map[string]func() error{
		"unpack": func() error { return unpack.Run(t.Context(), o.reader, jobtest.Client(), plain) },
		"render": func() error { return unpack.Render(t.Context(), o.reader, jobtest.Client(), plain) },
	} {
		if err := run(); !errors.As(err, &seen) || seen.Layout.Name != "oc" || !strings.HasPrefix(seen.Place.Repository, "ocp4/openshift4/") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := o.mirror.SentBytes(); n > 0 {
		t.Errorf("%d bytes were pushed into a mirror with another layout", n)
	}
	dry := plain
	dry.DryRun, dry.Out = true, nil
	if err := unpack.Run(t.Context(), o.reader, jobtest.Client(), dry); err != nil || !strings.Contains(o.Log.String(), "the layout oc would fit it") {
		t.Errorf("a dry run: %v, %s", err, o.Log)
	}
	o.mirror.Reset()
	if err := unpack.Run(t.Context(), o.reader, jobtest.Client(), o.options(t, theirs)); err != nil {
		t.Fatal(err)
	}
	if n := o.mirror.SentBytes(); n > 64<<10 {
		t.Errorf("%d bytes were pushed again", n)
	}
	if strings.Contains(strings.Join(o.mirror.Requests(), "\n"), "openshift4/openshift/release") {
		t.Error("something else than the layout was asked for")
	}
}

// TestOtherLayoutOnlyWhereItIs: an empty mirror, and one that has the images in both places, are filled as usual.
func TestOtherLayoutOnlyWhereItIs(t *testing.T) {
	t.Parallel()
	o := newOther(t, 63)
	place := oci.Mirror{Host: o.mirror.Host, Namespace: "in"}
	theirs, err := manifests.Layout{Tool: manifests.LayoutOc}.On(place, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"empty", "filled"} {
		to := o.options(t, place)
		to.Layouts = []unpack.Layout{{Name: "oc", Tools: "oc", Mirror: theirs}}
		if err := unpack.Run(t.Context(), o.reader, jobtest.Client(), to); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		o.fill(t, func(img oci.Image) (string, string) { return theirs.Repo(img).Repository, "x" })
	}
}

// TestOtherLayoutByTag: last week's image stands under the tag in the other layout.
func TestOtherLayoutByTag(t *testing.T) {
	t.Parallel()
	o := newOther(t, 64)
	place := oci.Mirror{Host: o.mirror.Host, Namespace: "in"}
	theirs, err := manifests.Layout{Tool: manifests.LayoutOc}.On(place, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := ocitest.Push(t.Context(), o.Content, o.Content.Image(false), "http://"+o.target, "in", "4.18.1-x86_64"); err != nil {
		t.Fatal(err)
	}
	to := o.options(t, place)
	to.Layouts = []unpack.Layout{{Name: "oc", Tools: "oc", Mirror: theirs}}
	var seen *unpack.LayoutError
	if err := unpack.Run(t.Context(), o.reader, jobtest.Client(), to); !errors.As(err, &seen) || seen.Place.Repository != "in/openshift/release-images" {
		t.Errorf("%v", err)
	}
}

// TestOtherLayoutByRules: the releases are in a repository that only the cluster's rules name.
func TestOtherLayoutByRules(t *testing.T) {
	t.Parallel()
	o := newOther(t, 65)
	o.fill(t, func(img oci.Image) (string, string) {
		if len(img.Tags) > 0 {
			return "ocp4/openshift4", img.Tags[0]
		}
		return "olm/acme/team/tool", "x"
	})
	place := oci.Mirror{Host: o.mirror.Host, Namespace: "olm"}
	theirs, err := manifests.Layout{Tool: manifests.LayoutOc}.On(place, false)
	if err != nil {
		t.Fatal(err)
	}
	to := o.options(t, place)
	to.Layouts = []unpack.Layout{{Name: "oc", Tools: "oc", Mirror: theirs}}
	to.Site.PresentRules, err = manifests.ParsePresentRules("rules", fmt.Appendf(nil, "apiVersion: operator.openshift.io/v1alpha1\nkind: ImageContentSourcePolicy\nmetadata: {name: example}\nspec: {repositoryDigestMirrors: [{source: '%s/openshift-release-dev/ocp-release', mirrors: ['%s/ocp4/openshift4']}]}\n", o.Proxy.Host, o.mirror.Host))
	if err != nil {
		t.Fatal(err)
	}
	var seen *unpack.LayoutError
	if err := unpack.Run(t.Context(), o.reader, jobtest.Client(), to); !errors.As(err, &seen) || seen.Layout.Name != "oc=ocp4/openshift4" {
		t.Errorf("%v", err)
	}
}
