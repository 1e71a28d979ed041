package emit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/blang/semver/v4"
	"github.com/opencontainers/go-digest"
	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/payload"
	"github.com/satchel-airgap/satchel/manifests/internal/sigstore"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/internal/update"
	"github.com/satchel-airgap/satchel/oci"
)

// TestPinnedImageSets: the images of the next update of the cluster's architecture alone, by digest, at most 500 an object, for
// each pool; and none for a cluster whose version has no stable PinnedImageSets.
func TestPinnedImageSets(t *testing.T) {
	t.Parallel()
	inv := &oci.Inventory{}
	for _, name := range []string{"4.19.12-x86_64", "4.19.14-x86_64", "4.19.13-aarch64"} {
		version, arch, _ := strings.Cut(name, "-")
		why := []oci.Reason{{Kind: "release", Name: version + " " + arch}}
		one := emitImage{Origin: "release", Source: "quay.io/openshift-release-dev/ocp-release:" + name, Path: "openshift/release-images", Tags: []string{name}}.image(t)
		one.Reasons = why
		inv.Images = append(inv.Images, one)
		for i := range 501 {
			d := digest.FromString(fmt.Sprint(version, i))
			img := emitImage{Origin: "release", Source: "quay.io/openshift-release-dev/ocp-v4.0-art-dev@" + d.String(), Path: "openshift/release", Tags: []string{fmt.Sprintf("%s-c%d", name, i)}}.image(t)
			img.Reasons = why
			inv.Images = append(inv.Images, img)
		}
	}
	next := inv.Images[502]
	pool := func(name string) cluster.Object { return cluster.Object{Kind: "MachineConfigPool", Name: name} }
	for _, tc := range []struct {
		version string
		files   int
		note    string

		unsigned bool
	}{
		{"4.19.12", 6, "", false},
		{"4.19.12", 0, "no PinnedImageSet is written: nodes would refuse images of 4.19.14-x86_64", true},
		{"4.19.13", 0, "satchel knows of no update from 4.19.13, which the cluster runs, to a newer release", false},
		{"4.19.11", 0, "Before 4.19.12 they are a technology preview", false},
		{"4.19.20", 0, "no release that the cluster, which runs 4.19.20, is to be updated to", false},
		{"", 0, "not known which version", false},
	} {
		given := site.Site{Mirror: oci.Mirror{Host: "mirror.example"}, PinImages: true, PayloadBytes: map[digest.Digest]int64{next.Root.Digest: 8e9}}
		given.Cluster = cluster.NewState("c", []cluster.Object{pool("master"), pool("worker"), pool("canary"), {Kind: "Node", Name: "n", Body: []byte(`{"status":{"nodeInfo":{"architecture":"amd64"}}}`)}})
		given.Cluster.Version = tc.version
		given.Payloads = []documents.PayloadFacts{{Payload: next.Root.Digest, Version: semver.MustParse("4.19.14"), Architecture: "x86_64", Facts: payload.Facts{Previous: []string{"4.19.12", "4.19.11"}}}}
		if tc.unsigned {
			given.Unsigned = []sigstore.Unsigned{{Image: next, Manifest: next.Root.Digest, Policy: "ClusterImagePolicy openshift", Err: sigstore.ErrNone}}
		}
		files, notes, err := Emit(inv, given)
		must(t, err)
		n, page := 0, ""
		for _, f := range files {
			if f.Name == handover.FileApply {
				page = string(f.Body)
			}
			if !strings.HasPrefix(f.Name, "pinnedimageset-") {
				continue
			}
			n++
			var set update.PinnedImageSet
			must(t, yaml.UnmarshalStrict(f.Body, &set))
			if len(set.Spec.PinnedImages) > 500 || strings.Contains(f.Name, "-canary-") && set.Metadata.Labels["machineconfiguration.openshift.io/role"] != "canary" {
				t.Errorf("%s: %d images, labels %v", f.Name, len(set.Spec.PinnedImages), set.Metadata.Labels)
			}
			if f.Name == "pinnedimageset-worker-2.yaml" && len(set.Spec.PinnedImages) != 2 {
				t.Errorf("%s has %d images", f.Name, len(set.Spec.PinnedImages))
			}
			if strings.Contains(string(f.Body), digest.FromString("4.19.130").Encoded()) {
				t.Errorf("%s has images of another release", f.Name)
			}
		}
		if said := strings.Contains(strings.Join(notes, "\n"), tc.note); n != tc.files || !said {
			t.Errorf("%q: %d files, notes %q", tc.version, n, notes)
		}
		if n == 0 {
			continue
		}
		first, last := strings.Index(page, "oc apply -f pinnedimageset-canary-1.yaml -f pinnedimageset-canary-2.yaml"), strings.Index(page, "oc apply -f pinnedimageset-master-1.yaml")
		away := strings.Index(page, "oc delete pinnedimageset --ignore-not-found satchel-canary-1 ")
		if !strings.Contains(page, "LOADED:.status.pinnedImageSets[*].currentGeneration") {
			t.Error("the page does not ask what a node has loaded")
		}
		if first < 0 || last < first || away < last || !strings.Contains(page, "up to 33.2 GB of free space") {
			t.Errorf("the steps: %s", page)
		}
	}
}
