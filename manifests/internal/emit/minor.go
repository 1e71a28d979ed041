package emit

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/oci"
)

// minor is a minor version of OpenShift, such as 4.16.
type minor struct{ major, minor uint64 }

func minorOf(v semver.Version) minor { return minor{v.Major, v.Minor} }

func (m minor) compare(o minor) int {
	return cmp.Or(cmp.Compare(m.major, o.major), cmp.Compare(m.minor, o.minor))
}

func (m minor) String() string { return fmt.Sprintf("%d.%d", m.major, m.minor) }

// minor is the minor version that the cluster runs; known is false if that is not known.
func (e *emission) minor() (m minor, known bool) {
	v, ok := e.site.Cluster.Running()
	return minorOf(v), ok
}

// since reports whether the cluster is known to run a minor version of 4, or a later one.
func (e *emission) since(of4 uint64) bool {
	m, known := e.minor()
	return known && m.compare(minor{4, of4}) >= 0
}

// olderThan reports whether the cluster is known to run an earlier version than a minor one of 4.
func (e *emission) olderThan(of4 uint64) bool {
	m, known := e.minor()
	return known && m.compare(minor{4, of4}) < 0
}

// okd reports whether the cluster is known to run OKD.
func (e *emission) okd() bool {
	is, known := e.site.Cluster.OKD()
	return known && is
}

// hosted reports whether the cluster's control plane is a hosted one, elsewhere.
func (e *emission) hosted() bool { return e.site.Cluster.Topology() == "External" }

// indexTag is the tag of a catalog for one minor version, such as v4.16 or v4.16-1711601986.
var indexTag = regexp.MustCompile(`^v?([45])\.([0-9]{1,2})(?:-|$)`)

// indexMinor is the minor version that a catalog is for, by its tag.
func indexMinor(img oci.Image) (m minor, known bool) {
	for _, tag := range append([]string{img.Source.Tag}, img.Tags...) {
		if found := indexTag.FindStringSubmatch(tag); found != nil {
			m.major, _ = strconv.ParseUint(found[1], 10, 64) // digits
			m.minor, _ = strconv.ParseUint(found[2], 10, 64)
			return m, true
		}
	}
	return m, false
}
