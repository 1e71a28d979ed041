package probe

import (
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// Shape is what manifests have in common as far as a registry may look at it.
type Shape struct {
	mediaType, artifactType, config string
	parts                           string // media types of an image's layers, or of an index's manifests, each once
	subject                         bool
}

// Marks of a manifest that an index names, after its media type.
const (
	markBare = "!" // it has no platform
	markBlob = "#" // it is no manifest
)

// shapeOf reads the shape of a manifest. known gives the media types of the manifests that
// are carried below it, nil for an image.
func shapeOf(d oci.Descriptor, body []byte, known map[digest.Digest]string) (Shape, error) {
	m, err := oci.ParseManifest(d, body)
	if err != nil {
		return Shape{}, err
	}
	s := Shape{mediaType: d.MediaType, artifactType: m.ArtifactType, subject: m.Subject != nil}
	if m.Config != nil {
		s.config = m.Config.MediaType
	}
	var parts []string
	for _, l := range m.Layers {
		if !oci.IsForeign(l.MediaType) { // whether those are taken depends on their addresses
			parts = append(parts, l.MediaType)
		}
	}
	for _, c := range m.Manifests {
		is, carried := known[c.Digest]
		part := c.MediaType
		switch {
		case !carried, is != "" && is != c.MediaType: // the probe cannot have the like of it
			continue
		case is == "":
			part += markBlob
		case c.Platform == nil:
			part += markBare
		}
		parts = append(parts, part)
	}
	slices.Sort(parts)
	s.parts = strings.Join(slices.Compact(parts), " ")
	return s, nil
}

// String describes it for an error.
func (s Shape) String() string {
	list := []string{s.mediaType}
	add := func(what, name string) {
		if name != "" {
			list = append(list, what+" "+reply.OneLine(name))
		}
	}
	add("artifact type", s.artifactType)
	add("config", s.config)
	if oci.IsIndex(s.mediaType) {
		add("of", strings.NewReplacer(markBare, " without a platform", markBlob, " that is no manifest", " ", ", ").Replace(s.parts))
	} else {
		add("layers", strings.ReplaceAll(s.parts, " ", ", "))
	}
	if s.subject {
		list = append(list, "with a subject")
	}
	return strings.Join(list, ", ")
}

// plain is the shape of an ordinary image, or index of one.
func plain(mediaType string) Shape {
	switch mediaType {
	case oci.MediaTypeDockerManifest:
		return Shape{mediaType: mediaType, config: mediaTypeDockerConfig, parts: mediaTypeDockerLayer}
	case oci.MediaTypeDockerList:
		return Shape{mediaType: mediaType, parts: oci.MediaTypeDockerManifest}
	case oci.MediaTypeIndex:
		return Shape{mediaType: mediaType, parts: oci.MediaTypeManifest}
	}
	return Shape{mediaType: oci.MediaTypeManifest, config: ispec.MediaTypeImageConfig, parts: ispec.MediaTypeImageLayerGzip}
}
