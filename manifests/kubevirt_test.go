package manifests

import (
	"archive/tar"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// bootPayload makes a payload of one component that has boot images too, and says
// that it is for an architecture, or several.
func (m *made) bootPayload(t *testing.T, arch, says string, boot map[string]string) oci.Descriptor {
	t.Helper()
	var list []string
	for a, ref := range boot {
		list = append(list, fmt.Sprintf(`%q:{"images":{"kubevirt":{"digest-ref":%q}}}`, a, ref))
	}
	slices.Sort(list)
	etcd := m.components("etcd-1")["etcd-1"]
	layer, err := m.Files(ocitest.LayerGzip,
		ocitest.File{Name: "release-manifests/", Header: &tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}},
		ocitest.File{Name: "release-manifests/0000_50_installer_coreos-bootimages.yaml", Body: []byte("kind: ConfigMap\ndata:\n  stream: '{\"architectures\":{" + strings.Join(list, ",") + "}}'\n")},
		ocitest.File{Name: "release-manifests/image-references", Body: []byte(`{"kind":"ImageStream","apiVersion":"image.openshift.io/v1","spec":{"tags":[{"name":"etcd","from":{"kind":"DockerImage","name":"` + etcd + `"}}]}}`)},
		ocitest.File{Name: "release-manifests/release-metadata", Body: []byte(`{"kind":"cincinnati-metadata-v0","version":"4.18.1","metadata":{"release.openshift.io/architecture":"` + says + `"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	return m.Labelled(arch, true, nil, m.base, layer)
}

func TestKubeVirtContainer(t *testing.T) {
	m := newMade()
	disk := func(arch string) string {
		d := m.ImageFor(arch, true, m.Layer(2048, ocitest.LayerGzip))
		return m.at(art+"@"+d.Digest.String(), d)
	}
	x, z := disk("amd64"), disk("s390x")
	both := map[string]string{"x86_64": x, "s390x": z}
	child := m.bootPayload(t, "amd64", "multi", both)
	tests := []struct {
		name string
		root oci.Descriptor
		more string
		want string // tags below openshift/release
		note string
	}{
		{"not asked for", m.bootPayload(t, "amd64", "", both), "", "4.18.1-x86_64-etcd", ""},
		{"one", m.bootPayload(t, "amd64", "", both), "true", "4.18.1-x86_64-etcd 4.18.1-x86_64-kube-virt-container", ""},
		{"another", m.bootPayload(t, "s390x", "", both), "true", "4.18.1-s390x-etcd 4.18.1-s390x-kube-virt-container", ""},
		{"none", m.bootPayload(t, "arm64", "", both), "true", "4.18.1-aarch64-etcd", "mirror.platform.kubeVirtContainer: release 4.18.1 aarch64 has no image for machines of KubeVirt"},
		{"all", m.IndexFor(true, []string{"amd64", "arm64"}, child, m.bootPayload(t, "arm64", "multi", both)), "true",
			"4.18.1-multi-etcd 4.18.1-multi-kube-virt-container-s390x 4.18.1-multi-kube-virt-container-x86_64", ""},
		{"one of all", child, "true", "4.18.1-multi-etcd 4.18.1-multi-kube-virt-container-s390x 4.18.1-multi-kube-virt-container-x86_64", ""},
		{"all, which are one", m.bootPayload(t, "amd64", "multi", map[string]string{"x86_64": x}), "true", "4.18.1-multi-etcd 4.18.1-multi-kube-virt-container", ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			m.notes = nil
			m.at("quay.io/ocp/rel:v", tc.root)
			if tc.more != "" {
				tc.more = "    kubeVirtContainer: " + tc.more + "\n"
			}
			c := releaseConfig(t, "quay.io/ocp/rel:v", tc.more)
			for range 2 { // read, and as it was kept
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
			if got := strings.Join(slices.Compact(m.notes), "\n"); got != tc.note {
				t.Errorf("notes %q", got)
			}
		})
	}
}
