package origin

import (
	"cmp"
	"regexp"
	"strings"
	"sync"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/oci"
)

// ReleaseTag is the tag of a payload in the mirror, VERSION-ARCHITECTURE, as
// oc-mirror v2 writes it: 4.18.10-x86_64.
type ReleaseTag struct {
	Version semver.Version
	Arch    string // as releases write it: x86_64, aarch64, multi
}

var archPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9_]{1,32}$`) })

// ParseReleaseTag reads a tag. A version's plus is an underscore in it, because a tag
// cannot have a plus.
func ParseReleaseTag(tag string) (ReleaseTag, bool) {
	i := strings.LastIndexByte(tag, '-')
	if i < 0 || !archPattern().MatchString(tag[i+1:]) {
		return ReleaseTag{}, false
	}
	v, err := semver.Parse(strings.Replace(tag[:i], "_", "+", 1))
	return ReleaseTag{v, tag[i+1:]}, err == nil
}

// CompareReleases orders the versions of releases as those who make them do. In OKD's a word
// where another has a number is a candidate, which comes before: 4.20.0-okd-scos.ec.14 is older
// than 4.20.0-okd-scos.3. A semantic version alone has it the other way round.
func CompareReleases(a, b semver.Version) int {
	if !isOKD(a) || !isOKD(b) || a.FinalizeVersion() != b.FinalizeVersion() {
		return a.Compare(b)
	}
	for i := range min(len(a.Pre), len(b.Pre)) {
		switch x, y := a.Pre[i], b.Pre[i]; {
		case x.IsNum && !y.IsNum:
			return 1
		case !x.IsNum && y.IsNum:
			return -1
		case x.Compare(y) != 0:
			return x.Compare(y)
		}
	}
	return cmp.Compare(len(a.Pre), len(b.Pre))
}

// isOKD reports whether a version has the form of OKD's since 4.16, as 4.20.0-okd-scos.3.
func isOKD(v semver.Version) bool {
	return len(v.Pre) > 0 && strings.HasPrefix(v.Pre[0].VersionStr, "okd")
}

// CompareReleaseTags orders the tags of payloads by version, then by architecture.
// What is no such tag comes first, in the order of its text.
func CompareReleaseTags(a, b string) int {
	ta, okA := ParseReleaseTag(a)
	tb, okB := ParseReleaseTag(b)
	switch {
	case !okA && !okB:
		return cmp.Compare(a, b)
	case !okA:
		return -1
	case !okB:
		return 1
	}
	return cmp.Or(CompareReleases(ta.Version, tb.Version), cmp.Compare(ta.Arch, tb.Arch), cmp.Compare(a, b))
}

// ComparePayloads orders payloads by their tags, as [CompareReleaseTags] does.
func ComparePayloads(a, b oci.Image) int { return CompareReleaseTags(payloadTag(a), payloadTag(b)) }

func payloadTag(img oci.Image) string {
	if len(img.Tags) > 0 {
		return img.Tags[0]
	}
	return img.Source.Tag
}

// NameRunning is the name, in a reason of kind [KindRelease], of the release that a cluster runs and
// that is not carried.
func NameRunning(version string) string { return version + " that runs" }

// PayloadName is what people call a payload: its tags in the mirror.
func PayloadName(img oci.Image) string {
	if len(img.Tags) > 0 {
		return strings.Join(img.Tags, ", ")
	}
	return img.Source.String()
}

// CompareVersions orders the tags of catalogs by the version that they are, as v4.9
// before v4.16; what is no version comes first, in the order of its text.
func CompareVersions(a, b string) int {
	va, errA := semver.ParseTolerant(strings.Replace(a, "_", "+", 1))
	vb, errB := semver.ParseTolerant(strings.Replace(b, "_", "+", 1))
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
