package origin_test

import (
	"slices"
	"testing"

	"github.com/blang/semver/v4"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// TestReleasesOrder lists releases by version for every architecture that
// releases have: x86_64 has an underscore, which a semantic version has not.
func TestReleasesOrder(t *testing.T) {
	t.Parallel()
	versions := []string{"4.9.0-fc.1", "4.9.0-rc.2", "4.9.0-rc.10", "4.9.0", "4.18.9", "4.18.10_build.7", "4.18.10", "5.0.0"}
	for _, arch := range []string{"x86_64", "aarch64", "ppc64le", "s390x", "multi", "riscv64"} {
		var want []string
		inv := &oci.Inventory{}
		for _, v := range versions {
			tag := v + "-" + arch
			want = append(want, tag)
			inv.Images = append(inv.Images, oci.Image{Origin: origin.Release, Source: oci.Ref{Registry: "quay.io", Repository: "rel", Tag: v},
				Root: oci.Descriptor{Digest: digest.FromString(tag)}, Path: origin.PathPayload, Tags: []string{tag}})
		}
		// versions that differ in their build alone are in the order of their text
		slices.SortFunc(want[5:7], func(a, b string) int { return slices.Compare([]byte(a), []byte(b)) })
		slices.Reverse(inv.Images)
		var got []string
		for _, r := range origin.Releases(inv) {
			got = append(got, r.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		slices.SortFunc(inv.Images, origin.ComparePayloads)
		for i, img := range inv.Images {
			if img.Tags[0] != want[i] {
				t.Errorf("payload %d is %s, not %s", i, img.Tags[0], want[i])
			}
		}
	}
}

// TestReleasesOfArchitectures lists the architectures of one version together.
func TestReleasesOfArchitectures(t *testing.T) {
	t.Parallel()
	want := []string{"latest", "satchel-none", "4.18.9-aarch64", "4.18.9-x86_64", "4.18.10-aarch64", "4.18.10-multi", "4.18.10-x86_64"}
	got := slices.Clone(want)
	slices.Sort(got)
	slices.SortFunc(got, origin.CompareReleaseTags)
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestCompareReleases: OKD's candidates come before its releases, and all else is as in semantic
// versions.
func TestCompareReleases(t *testing.T) {
	t.Parallel()
	want := []string{"4.15.0-0.okd-2024-03-10-010116", "4.19.0-okd-scos.16", "4.20.0-ec.3", "4.20.0-okd-scos.ec.2", "4.20.0-okd-scos.ec.14", "4.20.0-okd-scos.3", "4.20.0-okd-scos.16", "4.20.0-rc.1", "4.20.0"}
	var got []semver.Version
	for _, v := range slices.Backward(want) {
		got = append(got, semver.MustParse(v))
	}
	slices.SortFunc(got, origin.CompareReleases)
	for i, v := range got {
		if v.String() != want[i] {
			t.Errorf("place %d is %s, not %s", i, v, want[i])
		}
	}
}

func TestCompareVersions(t *testing.T) {
	t.Parallel()
	want := []string{"", "latest", "v4.9", "v4.16.0-1", "v4.16", "v4.18.9_2", "v4.18.10_1"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, origin.CompareVersions)
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
