package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Manifest is what is read of a manifest: of an index its manifests, else config and
// layers. What the bytes say beyond that is carried and not looked at.
type Manifest struct {
	MediaType    string // as its own bytes say; may be empty
	ArtifactType string
	Config       *Descriptor
	Layers       []Descriptor
	Manifests    []Descriptor
	Subject      *Descriptor // nil for none
	Annotations  map[string]string

	// Odd says where the manifest departs from its specification in a way that some
	// registries refuse; "" for nowhere.
	Odd string
}

// mediaTypeBytes is what a blob gets whose media type is that of a manifest.
const mediaTypeBytes = "application/octet-stream"

// ParseManifest reads a manifest of d's media type. What only describes (annotations,
// artifactType, subject, platform) may be of any kind: what is not as the OCI image-spec
// has it counts as absent, and Odd says so. What a descriptor is for, its place says:
// config and layers are blobs whatever their media type. The error is an
// *[UnsupportedError].
func ParseManifest(d Descriptor, body []byte) (*Manifest, error) {
	m, err := parseManifest(d, body)
	var unfit *UnsupportedError // what it names
	switch {
	case errors.As(err, &unfit):
		return nil, fmt.Errorf("in manifest %s: %w", d.Digest, err)
	case err != nil:
		return nil, &UnsupportedError{"manifest " + d.Digest.String(), err.Error()}
	}
	return m, nil
}

// Children lists what the manifest body names, in its own order: for an index
// its manifests, else its config and layers. The body must be of d's media type
// and of no other, or registry and reader would disagree about what it is. The
// error is an *[UnsupportedError].
func Children(d Descriptor, body []byte) ([]Descriptor, error) {
	m, err := ParseManifest(d, body)
	if err != nil {
		return nil, err
	}
	return m.children(), nil
}

// ReadChildren reads a manifest from src and lists its [Children], those of an index by
// what they are: see [Walk]. Errors are as those of [ReadManifest] and [ParseManifest].
func ReadChildren(ctx context.Context, src Source, d Descriptor) ([]Descriptor, error) {
	body, err := ReadManifest(ctx, src, d)
	if err != nil {
		return nil, err
	}
	m, err := ParseManifest(d, body)
	if err != nil {
		return nil, err
	}
	return m.typed(ctx, src)
}

func (m *Manifest) children() []Descriptor {
	if m.Config == nil {
		return m.Manifests
	}
	return append([]Descriptor{*m.Config}, m.Layers...)
}

// typed is children, where each of an index has the media type that it is pushed with.
func (m *Manifest) typed(ctx context.Context, src Source) ([]Descriptor, error) {
	if m.Config != nil {
		return m.children(), nil
	}
	list := slices.Clone(m.Manifests)
	for i, c := range list {
		var err error
		if list[i].MediaType, err = lookUp(ctx, src, c); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// manifestBody has the fields of every kind of manifest that tell one from another.
type manifestBody struct {
	SchemaVersion int              `json:"schemaVersion"`
	MediaType     string           `json:"mediaType"`
	ArtifactType  json.RawMessage  `json:"artifactType"`
	Config        json.RawMessage  `json:"config"`
	Layers        json.RawMessage  `json:"layers"`
	Manifests     json.RawMessage  `json:"manifests"`
	Subject       json.RawMessage  `json:"subject"`
	Annotations   json.RawMessage  `json:"annotations"`
	FSLayers      *json.RawMessage `json:"fsLayers"`
}

func parseManifest(d Descriptor, body []byte) (*Manifest, error) {
	if !IsManifest(d.MediaType) {
		return nil, fmt.Errorf("its media type %q is not one of an image, an index or an artifact", d.MediaType)
	}
	if err := unambiguous(body, "schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject", "annotations", "fsLayers"); err != nil {
		return nil, err
	}
	var b manifestBody
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, fmt.Errorf("it is not valid JSON: %w", err)
	}
	index := IsIndex(d.MediaType)
	switch {
	case b.SchemaVersion == 1 || b.FSLayers != nil:
		return nil, fmt.Errorf("it is a Docker schema 1 manifest, which no current registry stores unchanged; rebuild or re-push the image")
	case b.SchemaVersion != 2:
		return nil, fmt.Errorf("its schemaVersion is %d, not 2", b.SchemaVersion)
	case b.MediaType != "" && b.MediaType != d.MediaType:
		return nil, fmt.Errorf("its body says media type %q, the registry or its index %q", b.MediaType, d.MediaType)
	case index && (there(b.Config) || there(b.Layers)):
		return nil, fmt.Errorf("it is an index that has a config or layers")
	case !index && there(b.Manifests):
		return nil, fmt.Errorf("it is an image manifest that lists manifests")
	case !index && !there(b.Config):
		return nil, fmt.Errorf("it is an image manifest without a config")
	}
	return b.read(d.MediaType)
}

// read takes the fields apart.
func (b *manifestBody) read(mediaType string) (m *Manifest, err error) {
	m = &Manifest{MediaType: b.MediaType}
	odd := &oddities{}
	if b.MediaType == "" && mediaType != MediaTypeManifest && mediaType != MediaTypeIndex {
		odd.add("a Docker manifest without a mediaType of its own")
	}
	m.ArtifactType = odd.text("artifactType", b.ArtifactType)
	m.Annotations = odd.annotations("annotations", b.Annotations)
	m.Subject = odd.subject(b.Subject)
	if m.Manifests, err = odd.children("manifests", b.Manifests, false); err != nil {
		return nil, err
	}
	if there(b.Config) {
		config, err := odd.child("config", b.Config, true)
		if err != nil {
			return nil, err
		}
		m.Config = &config
	}
	m.Layers, err = odd.children("layers", b.Layers, true)
	m.Odd = odd.first
	return m, err
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
