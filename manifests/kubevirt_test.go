package manifests

import (
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

func TestKubeVirtContainer(t *testing.T) {
	m := asktest.NewRegistry()
	disk := func(arch string) string {
		d := m.ImageFor(arch, true, m.Layer(2048, ocitest.LayerGzip))
		return m.At(asktest.Art+"@"+d.Digest.String(), d)
	}
	x, z := disk("amd64"), disk("s390x")
	both := map[string]string{"x86_64": x, "s390x": z}
	child := m.PutBootPayload(t, "amd64", "multi", both)
	tests := []struct {
		name string
		root oci.Descriptor
		more string
		want string // tags below openshift/release
		note string
	}{
		{"not asked for", m.PutBootPayload(t, "amd64", "", both), "", "4.18.1-x86_64-etcd", ""},
		{"one", m.PutBootPayload(t, "amd64", "", both), "true", "4.18.1-x86_64-etcd 4.18.1-x86_64-kube-virt-container", ""},
		{"another", m.PutBootPayload(t, "s390x", "", both), "true", "4.18.1-s390x-etcd 4.18.1-s390x-kube-virt-container", ""},
		{"none", m.PutBootPayload(t, "arm64", "", both), "true", "4.18.1-aarch64-etcd", "mirror.platform.kubeVirtContainer: release 4.18.1 aarch64 has no image for machines of KubeVirt"},
		{"all", m.IndexFor(true, []string{"amd64", "arm64"}, child, m.PutBootPayload(t, "arm64", "multi", both)), "true",
			"4.18.1-multi-etcd 4.18.1-multi-kube-virt-container-s390x 4.18.1-multi-kube-virt-container-x86_64", ""},
		{"one of all", child, "true", "4.18.1-multi-etcd 4.18.1-multi-kube-virt-container-s390x 4.18.1-multi-kube-virt-container-x86_64", ""},
		{"all, which are one", m.PutBootPayload(t, "amd64", "multi", map[string]string{"x86_64": x}), "true", "4.18.1-multi-etcd 4.18.1-multi-kube-virt-container", ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			m.Notes = nil
			m.At("quay.io/ocp/rel:v", tc.root)
			if tc.more != "" {
				tc.more = "    kubeVirtContainer: " + tc.more + "\n"
			}
			c := asktest.ReleaseConfig(t, "quay.io/ocp/rel:v", tc.more)
			for range 2 { // read, and as stored
				inv, err := Resolve(t.Context(), c, m)
				if err != nil {
					t.Fatal(err)
				}
				var tags []string
				for _, i := range inv.Images {
					if i.Origin != origin.Release {
						t.Errorf("%s is a %s", i.Source, i.Origin)
					}
					if i.Path == origin.PathComponents {
						tags = append(tags, i.Tags...)
					}
				}
				slices.Sort(tags)
				if got := strings.Join(tags, " "); got != tc.want {
					t.Errorf("got %s, want %s", got, tc.want)
				}
			}
			if got := strings.Join(slices.Compact(m.Notes), "\n"); got != tc.note {
				t.Errorf("notes %q", got)
			}
		})
	}
}
