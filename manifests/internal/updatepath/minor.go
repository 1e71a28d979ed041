package updatepath

import (
	"fmt"

	"github.com/blang/semver/v4"
)

// Minor is a minor version, such as 4.16.
type Minor struct{ Major, Minor uint64 }

// MinorOf gives the minor version of a release.
func MinorOf(v semver.Version) Minor { return Minor{v.Major, v.Minor} }

func (m Minor) String() string { return fmt.Sprintf("%d.%d", m.Major, m.Minor) }

// Before reports whether a minor version is older.
func (m Minor) Before(o Minor) bool {
	return m.Major < o.Major || m.Major == o.Major && m.Minor < o.Minor
}

// Follows reports whether the version operator goes from one minor version to another, which
// is newer, in one update (its gianthop.go). 4.23 and 5.0 are one release under two names:
// 4.22 leads to either, and both lead to 5.1 (operator-lifecycle-manager, versionutils).
func Follows(from, to Minor) bool {
	switch {
	case from.Major == to.Major:
		return to.Minor == from.Minor+1
	case from.Major != 4 || to.Major != 5:
		return false
	}
	return from.Minor == 22 && to.Minor == 0 || from.Minor == 23 && to.Minor == 1
}

// mostMinors bounds the minor versions of a way: there are fewer, whatever a file says.
const mostMinors = 100

// Way lists the minor versions that a cluster comes through from one to another, that one among
// them; ok is false where no updates lead there. From 4.22 on it takes the names of 5.
func Way(from, to Minor) (list []Minor, ok bool) {
	for at := from; at != to; {
		next := Minor{at.Major, at.Minor + 1}
		if seam := (Minor{5, at.Minor - 22}); at.Major < to.Major && Follows(at, seam) {
			next = seam
		}
		if to.Before(next) || len(list) == mostMinors {
			return nil, false
		}
		list, at = append(list, next), next
	}
	return list, true
}

// Skips reports whether the worker nodes may wait while the control plane goes from one minor
// version over the next to the one after it: "Control Plane Only" updates, before called EUS to
// EUS, lead from even versions to even ones.
func Skips(from, to Minor) bool {
	return from.Major == 4 && to.Major == 4 && from.Minor%2 == 0 && to.Minor == from.Minor+2
}
