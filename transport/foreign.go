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
	Err      error // what the registry said
}

func (e *ForeignError) Error() string {
	return "it has foreign layers, which this registry may not take: " + e.Err.Error()
}

func (e *ForeignError) Unwrap() error { return e.Err }

// ifForeign says of a manifest that was refused that foreign layers may be why.
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
