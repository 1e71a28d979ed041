package handover

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/oci"
)

// Minor is a minor version of OpenShift, such as 4.16.
type Minor struct{ Major, Minor uint64 }

// MinorOf is the minor version of a version.
func MinorOf(v semver.Version) Minor { return Minor{v.Major, v.Minor} }

// Compare orders minor versions.
func (m Minor) Compare(o Minor) int {
	return cmp.Or(cmp.Compare(m.Major, o.Major), cmp.Compare(m.Minor, o.Minor))
}

func (m Minor) String() string { return fmt.Sprintf("%d.%d", m.Major, m.Minor) }

// Minor is the minor version that the cluster runs; known is false if that is not known.
func (h *Handover) Minor() (m Minor, known bool) {
	v, ok := h.Site.Cluster.Running()
	return MinorOf(v), ok
}

// Since reports whether the cluster is known to run a minor version of 4, or a later one.
func (h *Handover) Since(of4 uint64) bool {
	m, known := h.Minor()
	return known && m.Compare(Minor{4, of4}) >= 0
}

// OlderThan reports whether the cluster is known to run an earlier version than a minor one of 4.
func (h *Handover) OlderThan(of4 uint64) bool {
	m, known := h.Minor()
	return known && m.Compare(Minor{4, of4}) < 0
}

// Okd reports whether the cluster is known to run OKD.
func (h *Handover) Okd() bool {
	is, known := h.Site.Cluster.OKD()
	return known && is
}

// Hosted reports whether the cluster's control plane is a hosted one, elsewhere.
func (h *Handover) Hosted() bool { return h.Site.Cluster.Topology() == "External" }

// indexTag is the tag of a catalog for one minor version, such as v4.16 or v4.16-1711601986.
var indexTag = regexp.MustCompile(`^v?([45])\.([0-9]{1,2})(?:-|$)`)

// IndexMinor is the minor version that a catalog is for, by its tag.
func IndexMinor(img oci.Image) (m Minor, known bool) {
	return TaggedMinor(append([]string{img.Source.Tag}, img.Tags...)...)
}

// TaggedMinor is the minor version that the first of some tags with one names.
func TaggedMinor(tags ...string) (m Minor, known bool) {
	for _, tag := range tags {
		if found := indexTag.FindStringSubmatch(tag); found != nil {
			m.Major, _ = strconv.ParseUint(found[1], 10, 64) // digits
			m.Minor, _ = strconv.ParseUint(found[2], 10, 64)
			return m, true
		}
	}
	return m, false
}
