package ocitest

import (
	"encoding/json"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/satchel-airgap/satchel/oci"
)

const mediaTypeDockerConfig = "application/vnd.docker.container.image.v1+json"

// platforms is the order in which an index names its images' architectures.
var platforms = []string{"amd64", "arm64", "ppc64le", "s390x"}

// manifest has the fields that OCI and Docker manifests share, in their usual order.
type manifest struct {
	SchemaVersion int              `json:"schemaVersion"`
	MediaType     string           `json:"mediaType"`
	ArtifactType  string           `json:"artifactType,omitempty"`
	Config        *oci.Descriptor  `json:"config,omitempty"`
	Layers        []oci.Descriptor `json:"layers,omitempty"`
	Manifests     []oci.Descriptor `json:"manifests,omitempty"`
}

// Image adds an image for linux/amd64: its config and its manifest, OCI or
// Docker v2s2. The layers must have been made by c. For a Docker image they are
// named by Docker's media type, so images of both kinds can share gzip layers.
func (c *Content) Image(docker bool, layers ...oci.Descriptor) oci.Descriptor {
	return c.ImageFor("amd64", docker, layers...)
}

// ImageFor is Image for another architecture.
func (c *Content) ImageFor(arch string, docker bool, layers ...oci.Descriptor) oci.Descriptor {
	m := manifest{SchemaVersion: 2, MediaType: oci.MediaTypeManifest}
	configType := ispec.MediaTypeImageConfig
	if docker {
		m.MediaType, configType = oci.MediaTypeDockerManifest, mediaTypeDockerConfig
	}
	config := c.Blob(encode(c.config(arch, layers)), configType)
	m.Config = &config
	for _, l := range layers {
		switch {
		case docker && l.MediaType == LayerGzip:
			l.MediaType = LayerDocker
		case !docker && l.MediaType == LayerDocker:
			l.MediaType = LayerGzip
		}
		m.Layers = append(m.Layers, l)
	}
	return c.Blob(encode(m), m.MediaType)
}

// config is what an image says about itself. A layer that c did not make counts
// as its own plain tar.
func (c *Content) config(arch string, layers []oci.Descriptor) ispec.Image {
	created := time.Unix(1767225600, 0).UTC()
	img := ispec.Image{Created: &created, Platform: ispec.Platform{Architecture: arch, OS: "linux"}}
	if img.Config = c.run; img.Config.Cmd == nil {
		img.Config.Cmd = []string{"/data"}
	}
	img.RootFS = ispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}
	for _, l := range layers {
		diff := c.diffs[l.Digest]
		if diff == "" {
			diff = l.Digest
		}
		img.RootFS.DiffIDs = append(img.RootFS.DiffIDs, diff)
		img.History = append(img.History, ispec.History{Created: &created, CreatedBy: "ocitest"})
	}
	return img
}

// Index adds an index, or a Docker manifest list, of the children. Those that
// are images get the platforms linux/amd64, arm64, ppc64le and s390x in turn,
// nested indexes none (Docker's lists cannot nest).
func (c *Content) Index(docker bool, children ...oci.Descriptor) oci.Descriptor {
	m := manifest{SchemaVersion: 2, MediaType: oci.MediaTypeIndex}
	if docker {
		m.MediaType = oci.MediaTypeDockerList
	}
	images := 0
	for _, d := range children {
		if !oci.IsIndex(d.MediaType) {
			d.Platform = &ispec.Platform{OS: "linux", Architecture: platforms[images%len(platforms)]}
			images++
		}
		m.Manifests = append(m.Manifests, d)
	}
	return c.Blob(encode(m), m.MediaType)
}

// Artifact adds an OCI 1.1 artifact with the empty config. Without blobs it has
// the empty blob as its one layer (image-spec, "Guidelines for Artifact Usage").
func (c *Content) Artifact(artifactType string, blobs ...oci.Descriptor) oci.Descriptor {
	empty := c.Blob([]byte("{}"), ispec.MediaTypeEmptyJSON)
	if len(blobs) == 0 {
		blobs = []oci.Descriptor{empty}
	}
	m := manifest{SchemaVersion: 2, MediaType: oci.MediaTypeManifest, ArtifactType: artifactType, Config: &empty, Layers: blobs}
	return c.Blob(encode(m), m.MediaType)
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only for types that JSON cannot hold
	}
	return b
}
