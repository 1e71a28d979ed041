package manifests

import (
	"io"
	"io/fs"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/draft"
	"github.com/satchel-airgap/satchel/manifests/internal/needed"
)

// What one cluster is.
type (
	// Cluster is what one cluster is: its version, its objects, the images in use. nil knows nothing.
	Cluster = cluster.State
	// ClusterImage is an image that pods of a cluster run, or that their owners would run.
	ClusterImage = cluster.ImageUse
)

// UnknownApplicationsError says that nobody knows which releases clusters run, or what their
// applications run.
type UnknownApplicationsError = needed.UnknownError

// ApplicationsKnown gives an *[UnknownApplicationsError] if for some cluster only the namespaces of
// the platform were read, as a must-gather has them, or not even the release is known.
func ApplicationsKnown(clusters []*Cluster) error { return needed.Applications(clusters) }

// DraftError says that no configuration can be written for clusters.
type DraftError = draft.VersionError

// Draft writes the ImageSetConfiguration that clusters need: the releases that they run, or with a
// version the way there, the operators that they have installed, and the images of applications. The
// notes say what is not in it, a line each. The same clusters always give the same bytes.
func Draft(clusters []*Cluster, version string) (body []byte, notes []string, err error) {
	return draft.Write(clusters, version)
}

// ClusterQuery is the line that fetches what [ReadCluster] reads into a file, for a shell in which
// oc is logged in to the cluster.
func ClusterQuery(file string) string { return cluster.Query(file) }

// ReadCluster reads what one cluster is from the file that the line of [ClusterQuery] wrote, or
// from other objects as oc prints them. name is what the cluster is called. Errors are
// *[ClusterFileError]s and those of r.
func ReadCluster(name string, r io.Reader) (*Cluster, error) { return cluster.Read(name, r) }

// ReadClusterDir reads the same from a directory: a must-gather, what oc adm inspect wrote, or such
// files.
func ReadClusterDir(name string, fsys fs.FS) (*Cluster, error) { return cluster.ReadDir(name, fsys) }

// PlatformNamespace reports whether a namespace belongs to the platform: a default must-gather has
// those and no others.
func PlatformNamespace(name string) bool { return cluster.Platform(name) }
