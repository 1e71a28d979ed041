package origin

import (
	"github.com/satchel-airgap/satchel/oci"
)

// PathCharts is where the mirror has charts that do not come from a registry.
const PathCharts = "charts/"

// LocalCharts stands in references for the host of charts from this one.
const LocalCharts = "charts.local"

// LocalCatalogs stands in references for the host of catalogs in directories of
// this one. Such a catalog is an image like others, with the digest that it has
// there ([oci.Image].Made is false); only no registry has it, so no rule leads
// there, and nothing attached to it is looked for.
const LocalCatalogs = "catalogs.local"

// IsLocalCatalog reports whether an image is a catalog of a directory.
func IsLocalCatalog(img oci.Image) bool {
	return img.Origin == Catalog && img.Source.Registry == LocalCatalogs
}

// PathGraph is where the mirror has the graph image (oc-mirror v2's name); in its
// reference, localGraph stands for a host: it is built here.
const PathGraph = "openshift/graph-image"

const LocalGraph = "graph-data.local"

// IsGraph reports whether a reference is that of the graph image.
func IsGraph(ref oci.Ref) bool { return ref.Registry == LocalGraph && ref.Repository == PathGraph }

// Repositories of the mirror that oc-mirror v2 keeps releases in.
const (
	PathPayload    = "openshift/release-images"
	PathComponents = "openshift/release"
)
