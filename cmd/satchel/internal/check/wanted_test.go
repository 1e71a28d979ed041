package check

import (
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// TestSharedRepository: where one repository has all of releases, a payload is asked for by the name of
// payloads alone, and what it names by the other.
func TestSharedRepository(t *testing.T) {
	t.Parallel()
	origins := []oci.Origin{manifests.OriginRelease}
	payload, part := digest.FromString("payload"), digest.FromString("part")
	const parts = "quay.io/openshift-release-dev/ocp-v4.0-art-dev"
	for name, tc := range map[string]struct {
		shared string
		want   []string
	}{
		"one for all": {"ocp4/openshift4", []string{releaseRepository + "@" + payload.String(), parts + "@" + part.String()}},
		"apart":       {"", []string{releaseRepository + "@" + payload.String(), releaseRepository + "@" + part.String(), parts + "@" + payload.String(), parts + "@" + part.String()}},
	} {
		r := &receipt.Receipt{
			Mirror:       oci.Mirror{Host: "m.example", Namespace: "ocp4/openshift4", Shared: oci.Shared{Repository: tc.shared, Paths: [2]string{manifests.PathRelease, manifests.PathComponents}}},
			Repositories: []receipt.Repository{{Name: "ocp4/openshift4", Sources: []receipt.SourceRepository{{Name: releaseRepository, Origins: origins}, {Name: parts, Origins: origins}}}},
			Images: []receipt.Image{
				{Repo: "ocp4/openshift4", Digest: payload, Origins: origins, Tags: []receipt.Tag{{Name: "4.20.1-x86_64"}}},
				{Repo: "ocp4/openshift4", Digest: part, Origins: origins, Tags: []receipt.Tag{{Name: "4.20.1-x86_64-cli"}}},
			},
		}
		var got []string
		for _, w := range carriedOf([]*receipt.Receipt{r}, nil).wanted {
			got = append(got, w.Ref.String())
		}
		slices.Sort(got)
		slices.Sort(tc.want)
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
