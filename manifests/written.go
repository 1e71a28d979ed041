package manifests

import (
	"io/fs"

	"github.com/satchel-airgap/satchel/manifests/internal/written"
)

// What was written for a cluster, read back.
type (
	// Handover is what [Emit] gave, as it lies in a directory now.
	Handover = written.Files
	// NamedImage is an image that an object for the cluster names.
	NamedImage = written.Named
	// NodeRules is what nodes have of rules once the files were applied.
	NodeRules = written.NodeRules
	// HandoverError says that a directory is not one that was written for a cluster.
	HandoverError = written.Error
)

// ReadHandover reads the files of a directory that [Emit] filled: those that are applied, and not
// what another file says of them. The error joins [*ConfigError]s without what a secret has, or is
// a *[HandoverError] where these are no such files.
func ReadHandover(fsys fs.FS) (*Handover, error) { return written.Read(fsys) }

// NodeRulesOf finds out what nodes have of rules once the files were applied to a cluster. Either may
// be nil: without files, what the cluster has counts alone.
func NodeRulesOf(h *Handover, c *Cluster) (*NodeRules, error) { return written.NodesOf(h, c) }
