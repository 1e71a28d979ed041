package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"io"

	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

// Base says of what kind a probe's own manifests are; the zero value is OCI.
type Base struct {
	Docker bool
	List   bool // what names missing platforms is a Docker list
}

func (b Base) image() string {
	if b.Docker {
		return oci.MediaTypeDockerManifest
	}
	return oci.MediaTypeManifest
}

func (b Base) index() string {
	if b.Docker || b.List {
		return oci.MediaTypeDockerList
	}
	return oci.MediaTypeIndex
}

// Content is what a probe pushes; it is an [oci.Source].
type Content struct {
	Config, Image, Untagged, Sparse oci.Descriptor
	Layers                          []oci.Descriptor // of Docker's manifests: some registries take none without
	Lacking                         bool             // Sparse names what is missing

	bodies map[string][]byte
}

// New makes the content of a probe, whose index names also sparse. It is the same in every run:
// where tags are immutable, or nothing can be deleted, what is left of one run must not stand in
// the way of the next.
func New(b Base, sparse []oci.Descriptor) (*Content, error) {
	c := &Content{bodies: map[string][]byte{}, Lacking: len(sparse) > 0}
	if err := c.addConfig(b); err != nil {
		return nil, err
	}
	for _, note := range []string{"tagged", "untagged"} {
		m := ispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: b.image(), Config: c.Config,
			Layers: append([]oci.Descriptor{}, c.Layers...), Annotations: map[string]string{ispec.AnnotationTitle: "satchel probe, " + note}}
		body, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		c.Image, c.Untagged = c.Untagged, c.add(b.image(), body)
	}
	child := c.Image // distribution 3.1 fails on a child without a platform
	child.Platform = &ispec.Platform{OS: "unknown", Architecture: "unknown"}
	children := append([]oci.Descriptor{child}, sparse...)
	body, err := json.Marshal(ispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: b.index(), Manifests: children})
	if err != nil {
		return nil, err
	}
	c.Sparse = c.add(b.index(), body)
	return c, nil
}

// addConfig adds the config, and for Docker a layer.
func (c *Content) addConfig(b Base) (err error) {
	if !b.Docker {
		c.Config = c.add(ispec.MediaTypeImageConfig, []byte(`{"architecture":"unknown","os":"unknown","author":"satchel probe","rootfs":{"type":"layers","diff_ids":[]}}`))
		return nil
	}
	c.Config, err = c.imageConfig(1)
	c.Config.MediaType = mediaTypeDockerConfig
	c.Layers = []oci.Descriptor{c.add(mediaTypeDockerLayer, []byte(probeLayer))}
	return err
}

// Single makes content that is one blob.
func Single(body []byte) (*Content, oci.Descriptor) {
	c := &Content{bodies: map[string][]byte{}}
	return c, c.add("application/octet-stream", body)
}

func (c *Content) add(mediaType string, body []byte) oci.Descriptor {
	d := oci.Descriptor{MediaType: mediaType, Digest: oci.Digest(body), Size: int64(len(body))}
	c.bodies[d.Digest.String()] = body
	return d
}

// Body gives the bytes of a part of the content.
func (c *Content) Body(d oci.Descriptor) []byte { return c.bodies[d.Digest.String()] }

// Open gives the probe's content.
func (c *Content) Open(_ context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(c.Body(d)[off:])), nil
}

// Own reports whether nothing else has these bytes, so that they may be removed.
func (c *Content) Own(d oci.Descriptor) bool { return len(c.Body(d)) > len("{}") }
