package transport

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// shape is what manifests have in common as far as a registry may look at it.
type shape struct {
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
func shapeOf(d oci.Descriptor, body []byte, known map[digest.Digest]string) (shape, error) {
	m, err := oci.ParseManifest(d, body)
	if err != nil {
		return shape{}, err
	}
	s := shape{mediaType: d.MediaType, artifactType: m.ArtifactType, subject: m.Subject != nil}
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
func (s shape) String() string {
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
func plain(mediaType string) shape {
	switch mediaType {
	case oci.MediaTypeDockerManifest:
		return shape{mediaType: mediaType, config: mediaTypeDockerConfig, parts: mediaTypeDockerLayer}
	case oci.MediaTypeDockerList:
		return shape{mediaType: mediaType, parts: oci.MediaTypeDockerManifest}
	case oci.MediaTypeIndex:
		return shape{mediaType: mediaType, parts: oci.MediaTypeManifest}
	}
	return shape{mediaType: oci.MediaTypeManifest, config: ispec.MediaTypeImageConfig, parts: ispec.MediaTypeImageLayerGzip}
}

const (
	mediaTypeDockerConfig = "application/vnd.docker.container.image.v1+json"
	mediaTypeDockerLayer  = "application/vnd.docker.image.rootfs.diff.tar.gzip"

	// probeLayer is a layer without files, and emptyTar the digest of what is compressed
	// in it. No other image has these bytes, so they may be removed.
	probeLayer = "\x1f\x8b\x08\x10\x00\x00\x00\x00\x00\xffsatchel probe\x00c`\x18\x05\xa3`\x14\x8cT\x00\x00.\xaf\xb5\xef\x00\x04\x00\x00"
	emptyTar   = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
)

// like adds a manifest of that shape, and what it needs: the blobs, and the manifests in
// their order, the last of which is it. subject is what it is attached to, if to anything.
func (c *probeContent) like(s shape, subject oci.Descriptor) (blobs, manifests []oci.Descriptor, err error) {
	m := map[string]any{"schemaVersion": 2, "mediaType": s.mediaType}
	if s.artifactType != "" {
		m["artifactType"] = s.artifactType
	}
	if s.subject {
		m["subject"] = oci.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}
	}
	if oci.IsIndex(s.mediaType) {
		blobs, manifests, err = c.likeIndex(s, m)
	} else {
		blobs, err = c.likeImage(s, m)
	}
	if err != nil {
		return nil, nil, err
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, nil, fmt.Errorf("write a probe: %w", err)
	}
	return blobs, append(manifests, c.add(s.mediaType, body)), nil
}

// likeImage adds config and layers. Some registries read them: there is an entry of the
// config's history for each layer.
func (c *probeContent) likeImage(s shape, m map[string]any) (blobs []oci.Descriptor, err error) {
	part := c.add(ispec.MediaTypeEmptyJSON, []byte("{}"))
	config := part
	if oci.IsConfig(s.config) {
		part = c.add(ispec.MediaTypeImageLayerGzip, []byte(probeLayer))
		if config, err = c.imageConfig(len(strings.Fields(s.parts))); err != nil {
			return nil, err
		}
	}
	if s.config != "" {
		config.MediaType = s.config
	}
	layers := []oci.Descriptor{}
	for l := range strings.FieldsSeq(s.parts) {
		part.MediaType = l
		layers = append(layers, part)
	}
	m["config"], m["layers"] = config, layers
	return []oci.Descriptor{config, part}, nil
}

func (c *probeContent) imageConfig(layers int) (oci.Descriptor, error) {
	img := ispec.Image{Author: "satchel probe", Platform: ispec.Platform{OS: "unknown", Architecture: "unknown"}, RootFS: ispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}}
	for range layers {
		img.RootFS.DiffIDs = append(img.RootFS.DiffIDs, emptyTar)
		img.History = append(img.History, ispec.History{CreatedBy: "satchel probe"})
	}
	body, err := json.Marshal(img)
	if err != nil {
		return oci.Descriptor{}, fmt.Errorf("write a probe: %w", err)
	}
	return c.add(ispec.MediaTypeImageConfig, body), nil
}

// likeIndex adds an ordinary manifest of each media type that the index names.
func (c *probeContent) likeIndex(s shape, m map[string]any) (blobs, manifests []oci.Descriptor, err error) {
	list := []oci.Descriptor{}
	for part := range strings.FieldsSeq(s.parts) {
		if mediaType, ok := strings.CutSuffix(part, markBlob); ok {
			blob := c.add(ispec.MediaTypeImageLayerGzip, []byte(probeLayer))
			blobs, blob.MediaType = append(blobs, blob), mediaType
			list = append(list, blob)
			continue
		}
		mediaType, bare := strings.CutSuffix(part, markBare)
		more, below, err := c.like(plain(mediaType), oci.Descriptor{})
		if err != nil {
			return nil, nil, err
		}
		blobs, manifests = append(blobs, more...), append(manifests, below...)
		child := below[len(below)-1]
		if !bare {
			child.Platform = &ispec.Platform{OS: "unknown", Architecture: "unknown"}
		}
		list = append(list, child)
	}
	m["manifests"] = list
	return blobs, manifests, nil
}
