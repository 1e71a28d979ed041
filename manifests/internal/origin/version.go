package origin

import (
	"cmp"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/oci"
)

func PayloadName(img oci.Image) string {
	if len(img.Tags) > 0 {
		return strings.Join(img.Tags, ", ")
	}
	return img.Source.String()
}

// CompareVersions orders tags by the version that they are, as v4.9 before v4.16;
// what is no version comes before all versions, in the order of its text.
func CompareVersions(a, b string) int {
	va, errA := semver.ParseTolerant(a)
	vb, errB := semver.ParseTolerant(b)
	switch {
	case errA != nil && errB != nil:
		return cmp.Compare(a, b)
	case errA != nil:
		return -1
	case errB != nil:
		return 1
	}
	return cmp.Or(va.Compare(vb), cmp.Compare(a, b))
}

// PayloadVersion is a payload's version: its tag is VERSION-ARCHITECTURE.
func PayloadVersion(img oci.Image) string {
	tag := img.Source.Tag
	if len(img.Tags) > 0 {
		tag = img.Tags[0]
	}
	for _, arch := range []string{"x86_64", "aarch64", "ppc64le", "s390x", "multi"} {
		tag = strings.TrimSuffix(tag, "-"+arch)
	}
	return tag
}
