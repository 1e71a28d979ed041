package imageset

import (
	"cmp"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// Running is a release that a cluster runs.
type Running struct {
	Ref oci.Ref `json:"ref"` // of its payload
	Why string  `json:"-"`   // such as "cluster east", or the pod that shows it
}

// Installed is an operator that a cluster has, or is about to have.
type Installed struct {
	Package string `json:"package"`
	Bundle  string `json:"bundle,omitempty"`  // the name of its ClusterServiceVersion; empty: nothing is installed yet
	Version string `json:"version,omitempty"` // of that, as far as it is known
	Channel string `json:"channel,omitempty"` // of its Subscription; empty is the default channel
	// Catalog is the repository of the catalog that it comes from, with the registry; empty if
	// that is not known.
	Catalog string `json:"catalog,omitempty"`
	Image   string `json:"-"` // of that catalog, as it is outside; empty if it is not known
	// Mirrored says that Catalog and Image are in a mirror, and where they came from is not known.
	Mirrored bool   `json:"-"`
	Cluster  string `json:"-"` // which has it, for messages
	By       string `json:"-"` // the objects that ask for it, with their clusters, for messages
}

// String names what is installed, for messages.
func (i Installed) String() string {
	name := i.Package
	if v := cmp.Or(i.Version, i.Bundle); v != "" {
		name += " " + v
	}
	return name
}

// Serves reports whether a catalog of the configuration is the one of this repository: the same, or
// the same in a mirror. Nothing is known of an empty one.
func (o *Operator) Serves(repository string) bool {
	ref, err := o.Ref()
	if err != nil {
		return false
	}
	if repository == "" || repository == ref.Name() {
		return true
	}
	_, path, _ := strings.Cut(repository, "/")
	return "/"+path == "/"+cmp.Or(o.TargetCatalog, ref.Repository) || strings.HasSuffix(path, "/"+cmp.Or(o.TargetCatalog, ref.Repository))
}
