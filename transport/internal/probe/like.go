package probe

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

const (
	mediaTypeDockerConfig = "application/vnd.docker.container.image.v1+json"
	mediaTypeDockerLayer  = "application/vnd.docker.image.rootfs.diff.tar.gzip"

	// probeLayer is a layer without files, and emptyTar the digest of what is compressed
	// in it. No other image has these bytes, so they may be removed.
	probeLayer = "\x1f\x8b\x08\x10\x00\x00\x00\x00\x00\xffsatchel probe\x00c`\x18\x05\xa3`\x14\x8cT\x00\x00.\xaf\xb5\xef\x00\x04\x00\x00"
	emptyTar   = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
)

// Like adds a manifest of that shape, and what it needs: the blobs, and the manifests in
// their order, the last of which is it. subject is what it is attached to, if to anything.
func (c *Content) Like(s Shape, subject oci.Descriptor) (blobs, manifests []oci.Descriptor, err error) {
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
func (c *Content) likeImage(s Shape, m map[string]any) (blobs []oci.Descriptor, err error) {
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

func (c *Content) imageConfig(layers int) (oci.Descriptor, error) {
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
func (c *Content) likeIndex(s Shape, m map[string]any) (blobs, manifests []oci.Descriptor, err error) {
	list := []oci.Descriptor{}
	for part := range strings.FieldsSeq(s.parts) {
		if mediaType, ok := strings.CutSuffix(part, markBlob); ok {
			blob := c.add(ispec.MediaTypeImageLayerGzip, []byte(probeLayer))
			blobs, blob.MediaType = append(blobs, blob), mediaType
			list = append(list, blob)
			continue
		}
		mediaType, bare := strings.CutSuffix(part, markBare)
		more, below, err := c.Like(plain(mediaType), oci.Descriptor{})
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
