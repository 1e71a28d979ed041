package rebuild

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

const (
	mediaTypeDockerConfig = "application/vnd.docker.container.image.v1+json"
	mediaTypeDockerLayer  = "application/vnd.docker.image.rootfs.diff.tar.gzip"

	maxConfig = 16 << 20 // bytes of an image config
)

// Recipe says what becomes of an image.
type Recipe struct {
	Layer   Layer
	Drop    []bool          // which of the image's layers are left out; nil for none
	Edit    func(*Settings) // nil for no change
	Comment string          // what its history says of the layer
}

// Image makes one image of another, which is no index. The result has the same kind
// of manifest.
func Image(ctx context.Context, src oci.Source, image oci.Descriptor, r Recipe, k Store) (oci.Descriptor, error) {
	m, err := readImage(ctx, src, image)
	if err != nil {
		return oci.Descriptor{}, err
	}
	body, err := oci.ReadBlob(ctx, src, m.Config, maxConfig)
	if err != nil {
		return oci.Descriptor{}, fmt.Errorf("read image config: %w", err)
	}
	c, err := parseConfig(m.Config, body, len(m.Layers))
	if err != nil {
		return oci.Descriptor{}, err
	}
	kept := make([]bool, len(m.Layers))
	var layers []oci.Descriptor
	for i, l := range m.Layers {
		if kept[i] = i >= len(r.Drop) || !r.Drop[i]; kept[i] {
			layers = append(layers, l)
		}
	}
	if err := c.change(r, kept); err != nil {
		return oci.Descriptor{}, err
	}
	if body, err = c.marshal(); err != nil {
		return oci.Descriptor{}, fmt.Errorf("write image config: %w", err)
	}
	top := r.Layer.Blob
	top.MediaType = ispec.MediaTypeImageLayerGzip
	if m.MediaType == oci.MediaTypeDockerManifest {
		top.MediaType = mediaTypeDockerLayer
	}
	m.Layers = append(layers, top)
	kind := m.Config.MediaType
	if m.Config, err = k.Put(kind, body); err != nil {
		return oci.Descriptor{}, err
	}
	m.Config.MediaType = kind
	return putManifest(k, m.MediaType, m)
}

// readImage reads the manifest of an image, as opposed to an artifact.
func readImage(ctx context.Context, src oci.Source, image oci.Descriptor) (*ispec.Manifest, error) {
	refuse := func(why string) error {
		return &oci.UnsupportedError{What: "manifest " + image.Digest.String(), Why: why}
	}
	if oci.IsIndex(image.MediaType) {
		return nil, refuse("it is an index, not an image")
	}
	body, err := oci.ReadManifest(ctx, src, image)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	read, err := oci.ParseManifest(image, body)
	if err != nil {
		return nil, err
	}
	// What refers to something else is not built here.
	m := ispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: image.MediaType, ArtifactType: read.ArtifactType,
		Config: *read.Config, Layers: read.Layers, Annotations: read.Annotations}
	if t := m.Config.MediaType; t != ispec.MediaTypeImageConfig && t != mediaTypeDockerConfig {
		return nil, refuse(fmt.Sprintf("its config is a %q, not that of an image", t))
	}
	return &m, nil
}

func putManifest(k Store, mediaType string, m any) (oci.Descriptor, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return oci.Descriptor{}, fmt.Errorf("write manifest: %w", err)
	}
	return k.Put(mediaType, body)
}
