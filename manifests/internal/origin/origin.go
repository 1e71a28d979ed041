package origin

import "github.com/satchel-airgap/satchel/oci"

// The origins that an image can have.
const (
	Release    oci.Origin = "release"
	Catalog    oci.Origin = "catalog"
	Operator   oci.Origin = "operator"
	Additional oci.Origin = "additional"
	Chart      oci.Origin = "chart"
	Pod        oci.Origin = "pod"
)

// Kinds of reasons; see [oci.Reason].
const (
	KindRelease    = "release"     // Name is VERSION ARCHITECTURE, Part the component
	KindChannel    = "channel"     // a release channel, Name
	KindPath       = "update path" // Name is "from VERSION to VERSION"
	KindSignature  = "signed by"   // Name is the key that signed the release
	KindCatalog    = "catalog"     // Name is the directory of one that is in a directory
	KindOperator   = "operator"    // Name is PACKAGE VERSION, Part what of it
	KindChart      = "chart"       // Name is CHART VERSION, Part the object that names the image
	KindRunning    = "runs in"     // of a release; Name is the cluster
	KindPod        = "pod"         // Name is NAMESPACE/POD CONTAINER
	KindConfigured = "platform.release"
	KindGraph      = "platform.graph"
	KindAdditional = "additionalImages"
)
