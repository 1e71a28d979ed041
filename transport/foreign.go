package transport

import (
	"encoding/json"

	"github.com/satchel-airgap/satchel/oci"
)

// ForeignError says that the mirror did not take a manifest with foreign layers.
// Registries check the URLs that such layers name, or want the layers
// themselves; distribution answers 500 and no reason.
type ForeignError struct {
	Manifest oci.Descriptor
	Err      error // what the registry answered
}

func (e *ForeignError) Error() string {
	return "it has foreign layers, which this registry may not take: " + e.Err.Error()
}

func (e *ForeignError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *ForeignError) Hint() string {
	return "have the registry accept the URLs of foreign layers (distribution: validation.manifests.urls.allow in its configuration), or leave the image out"
}

// Permanent is false: what the registry answered may have another cause.
func (e *ForeignError) Permanent() bool { return false }

// ifForeign adds to a refusal of a manifest that its foreign layers may be the reason.
func ifForeign(d oci.Descriptor, body []byte, err error) error {
	var m struct {
		Layers []oci.Descriptor `json:"layers"`
	}
	if err == nil || json.Unmarshal(body, &m) != nil {
		return err
	}
	for _, l := range m.Layers {
		if oci.IsForeign(l.MediaType) {
			return &ForeignError{Manifest: d, Err: err}
		}
	}
	return err
}
