package check_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestOtherMirror: an image that only another mirror of the cluster has is got, and it is said that nobody knows
// whether that one is there after the cut.
func TestOtherMirror(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 271, kind{})
	other := registrytest.StartOlareg(t).Host
	image := w.Content.Image(false, w.Content.Layer(500, ocitest.LayerGzip))
	if err := ocitest.Push(t.Context(), w.Content, image, "http://"+other, "x/app", "v1"); err != nil {
		t.Fatal(err)
	}
	o := w.options()
	o.Cluster = clusterWith(t, fmt.Sprintf(deployments, "a", "old.example/x/app@"+image.Digest.String()),
		"{apiVersion: config.openshift.io/v1, kind: Image, metadata: {name: cluster}, spec: {registrySources: {insecureRegistries: ['"+other+"']}}}",
		"{apiVersion: operator.openshift.io/v1alpha1, kind: ImageContentSourcePolicyList, items: [{apiVersion: operator.openshift.io/v1alpha1, kind: ImageContentSourcePolicy, metadata: {name: old}, spec: {repositoryDigestMirrors: [{source: old.example/x, mirrors: ['"+other+"/x']}]}}]}",
		"{apiVersion: config.openshift.io/v1, kind: ImageDigestMirrorSetList, items: []}", "{apiVersion: config.openshift.io/v1, kind: ImageTagMirrorSetList, items: []}")
	says := func() bool {
		r, _ := w.run(o)
		i := slices.IndexFunc(r.Images, func(i *check.Image) bool { return strings.HasPrefix(i.Image, "old.example/x/app") })
		if i < 0 || !strings.HasPrefix(r.Images[i].Place, other) {
			t.Fatalf("%q %q %+v", r.Notes, r.Rules, r.Findings)
		}
		return slices.ContainsFunc(r.Notes, func(n string) bool { return strings.HasPrefix(n, "1 image came from "+other) })
	}
	if !says() {
		t.Error("nothing is said of the other mirror")
	}
	if o.Audit.Inside = []string{other}; says() {
		t.Error("it is said of one that nodes reach")
	}
}
