package manifests_test

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// TestLayouts: where oc-mirror v2, "oc adm release mirror --to" and "oc adm catalog mirror" put
// images (openshift/oc, pkg/cli/admin/release/mirror.go, catalog/mirrorer.go).
func TestLayouts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		layout, to             string
		nested                 int
		keep                   bool
		release, part, related string
	}{
		{"oc-mirror", "m:5000/ocp", 0, false, "m:5000/ocp/openshift/release-images", "m:5000/ocp/openshift/release", "m:5000/ocp/acme/team/tool"},
		{"oc", "m:5000/ocp4/openshift4", 0, false, "m:5000/ocp4/openshift4", "m:5000/ocp4/openshift4", "m:5000/ocp4/openshift4-acme-team-tool"},
		{"oc", "m:5000/ocp", 0, false, "m:5000/ocp", "m:5000/ocp", "m:5000/ocp/acme-team-tool"},
		{"oc", "m:5000/ocp", 3, false, "m:5000/ocp", "m:5000/ocp", "m:5000/ocp/acme/team-tool"},
		{"oc", "m:5000/ocp", 0, true, "m:5000/ocp", "m:5000/ocp", "m:5000/ocp/acme/team/tool"},
		{"oc=ocp4/openshift4", "m:5000/olm", 0, false, "m:5000/ocp4/openshift4", "m:5000/ocp4/openshift4", "m:5000/olm/acme-team-tool"},
		{"oc=ocp4/openshift4/release", "m:5000", 0, false, "m:5000/ocp4/openshift4/release", "m:5000/ocp4/openshift4/release", "m:5000/acme/team-tool"},
	} {
		layout, err := manifests.ParseLayout(c.layout)
		if err != nil {
			t.Fatal(err)
		}
		mirror, err := oci.ParseMirror(c.to)
		if err != nil {
			t.Fatal(err)
		}
		mirror.MaxNestedPaths = c.nested
		if mirror, err = layout.On(mirror, c.keep); err != nil {
			t.Fatal(err)
		}
		source := oci.Ref{Registry: "quay.io", Repository: "acme/team/tool"}
		for path, want := range map[string]string{"openshift/release-images": c.release, "openshift/release": c.part, "": c.related} {
			if got := mirror.Repo(oci.Image{Source: source, Path: path}).Name(); got != want {
				t.Errorf("%s to %s: %q is in %s, want %s", c.layout, c.to, path, got, want)
			}
		}
		if layout.String() != c.layout {
			t.Errorf("%s is written as %s", c.layout, layout)
		}
	}
	for _, s := range []string{"", "ocm", "oc=", "oc=A/B", "oc=a:b", "oc-mirror=a", "oc=a=b"} {
		if l, err := manifests.ParseLayout(s); err == nil {
			t.Errorf("%q is taken for %v", s, l)
		}
	}
	if _, err := (manifests.Layout{Tool: manifests.LayoutOc}).On(oci.Mirror{Host: "m"}, false); err == nil || !strings.Contains(err.Error(), "namespace") {
		t.Errorf("no namespace: %v", err)
	}
}
