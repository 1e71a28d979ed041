package oci

import (
	"encoding/json"
	"fmt"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// manifestBody has the fields of every kind of manifest that tell one from another.
type manifestBody struct {
	SchemaVersion int              `json:"schemaVersion"`
	MediaType     string           `json:"mediaType"`
	Config        *Descriptor      `json:"config"`
	Layers        []Descriptor     `json:"layers"`
	Manifests     []Descriptor     `json:"manifests"`
	FSLayers      *json.RawMessage `json:"fsLayers"`
}

// Children lists what the manifest body names, in its own order: for an index
// its manifests, else its config and layers. The body must be of d's media type
// and of no other, or registry and reader would disagree about what it is. The
// error is an *[UnsupportedError].
func Children(d Descriptor, body []byte) ([]Descriptor, error) {
	m, err := parseManifest(d, body)
	if err != nil {
		return nil, err
	}
	children := m.Manifests
	if !IsIndex(d.MediaType) {
		children = append([]Descriptor{*m.Config}, m.Layers...)
	}
	for _, c := range children {
		if err := CheckDescriptor(c); err != nil {
			return nil, fmt.Errorf("in manifest %s: %w", d.Digest, err)
		}
	}
	return children, nil
}

func parseManifest(d Descriptor, body []byte) (*manifestBody, error) {
	refuse := func(format string, args ...any) error {
		return &UnsupportedError{"manifest " + d.Digest.String(), fmt.Sprintf(format, args...)}
	}
	if !IsManifest(d.MediaType) {
		return nil, refuse("its media type %q is not one of an image, an index or an artifact", d.MediaType)
	}
	var m manifestBody
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, refuse("it is not valid JSON: %v", err)
	}
	index := IsIndex(d.MediaType)
	switch {
	case m.SchemaVersion == 1 || m.FSLayers != nil:
		return nil, refuse("it is a Docker schema 1 manifest, which no current registry stores unchanged; rebuild or re-push the image")
	case m.SchemaVersion != 2:
		return nil, refuse("its schemaVersion is %d, not 2", m.SchemaVersion)
	case m.MediaType != "" && m.MediaType != d.MediaType:
		return nil, refuse("its body says media type %q, the registry or its index %q", m.MediaType, d.MediaType)
	case index && (m.Config != nil || m.Layers != nil):
		return nil, refuse("it is an index that has a config or layers")
	case !index && m.Manifests != nil:
		return nil, refuse("it is an image manifest that lists manifests")
	case !index && m.Config == nil:
		return nil, refuse("it is an image manifest without a config")
	}
	return &m, nil
}

// IsPlatform reports whether a text is a platform as an inventory has it,
// os/architecture[/variant].
func IsPlatform(s string) bool { return platformPattern.MatchString(s) }

// PlatformString writes a platform as os/arch[/variant], "" for none.
func PlatformString(p *ispec.Platform) string {
	if p == nil || p.OS == "" && p.Architecture == "" {
		return ""
	}
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}
