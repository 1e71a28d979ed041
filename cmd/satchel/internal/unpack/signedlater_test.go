package unpack_test

import (
	"errors"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/transport"
)

// TestDemandedLater: a cluster has a policy that it did not have when a bundle was packed. Packing
// again does not say that nothing has changed: it names what is not signed, and carries the
// signatures once they are there.
func TestDemandedLater(t *testing.T) {
	t.Parallel()
	v := newVendor(t, 66)
	v.release("4.20.9", nil, "cli", "etcd", "both", "payload")
	demands := false
	run := func(dir string) (*pack.Result, error) {
		t.Helper()
		o := v.Prepare(v.config)
		o.Config.Extra.IgnoreReleaseSignature = true
		o.Client = transport.NewClient(transport.Config{RegistriesConf: v.conf})
		if demands {
			policy, err := yaml.YAMLToJSON(v.policy)
			if err != nil {
				t.Fatal(err)
			}
			const version = `{"apiVersion":"config.openshift.io/v1","kind":"ClusterVersion","metadata":{"name":"version"},"status":{"desired":{"version":"4.20.9"}}}`
			c, err := manifests.ReadCluster("prod", strings.NewReader(`{"apiVersion":"v1","kind":"List","items":[`+string(policy)+","+version+"]}"))
			if err != nil {
				t.Fatal(err)
			}
			o.Clusters = []*manifests.Cluster{c}
		}
		return pack.Run(t.Context(), v.Pack(o, dir))
	}
	if done, err := run("drive"); err != nil || len(done.Gaps.Images) != 0 {
		t.Fatalf("without a policy: %+v, %v", done, err)
	}
	demands = true
	again, err := run("drive")
	if err != nil {
		t.Fatal(err)
	}
	if !again.Unchanged || len(again.Gaps.Images) != 5 {
		t.Errorf("unchanged %t, gaps %v\n%s", again.Unchanged, again.Gaps.Images, v.Log.String())
	}
	for _, g := range again.Gaps.Images {
		name := components
		if strings.HasPrefix(g.Image.Source.String(), releases) {
			name = releases
		}
		v.sign(g.Image.Subject, name)
	}
	var changed *pack.ChangedError
	if _, err := run("drive"); !errors.As(err, &changed) {
		t.Errorf("signed since: %v", err)
	}
	later, err := run("drive2")
	if err != nil {
		t.Fatal(err)
	}
	carried := 0
	for _, img := range later.Graph.Images {
		if img.Subject != "" && strings.HasSuffix(img.Source.Tag, ".sig") {
			carried++
		}
	}
	if len(later.Gaps.Images) != 0 || carried != 6 { // one is of an index
		t.Errorf("%d signatures, gaps %v", carried, later.Gaps.Images)
	}
}
