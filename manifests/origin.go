package manifests

import "github.com/satchel-airgap/satchel/manifests/internal/ask"

// The origins that an image can have.
const (
	OriginRelease    = ask.OriginRelease
	OriginCatalog    = ask.OriginCatalog
	OriginOperator   = ask.OriginOperator
	OriginAdditional = ask.OriginAdditional
	OriginChart      = ask.OriginChart
	OriginPod        = ask.OriginPod
)

// Kinds of reasons that wholes have; see [oci.Reason].
const (
	KindRelease = ask.KindRelease
	KindChart   = ask.KindChart
)
