package manifests

import (
	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
)

// Version is that of a release.
type Version = semver.Version

// ParseVersion reads a version as oc get clusterversion prints it, such as 4.18.21.
func ParseVersion(s string) (Version, error) { return semver.Parse(s) }

// ReleaseVersion is the version of the release whose payload has a tag in the mirror; ok is false
// for another tag.
func ReleaseVersion(tag string) (v Version, ok bool) {
	t, ok := origin.ParseReleaseTag(tag)
	return t.Version, ok
}

// CompareReleases orders versions of releases as those who make them do: candidates of OKD come
// before its releases.
func CompareReleases(a, b Version) int { return origin.CompareReleases(a, b) }

// MinorsBetween counts the minor versions that a cluster comes through from one release to another,
// that of the other among them; ok is false where no updates lead there.
func MinorsBetween(from, to Version) (n int, ok bool) {
	way, ok := updatepath.Way(updatepath.MinorOf(from), updatepath.MinorOf(to))
	return len(way), ok
}
