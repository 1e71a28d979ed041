package helm

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

// Media types of a chart in a registry (helm.sh, "Use OCI-based registries").
const (
	MediaTypeConfig  = "application/vnd.cncf.helm.config.v1+json"
	MediaTypeArchive = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// Tag is the tag that Helm gives a version: a tag cannot have a plus.
func Tag(version string) string { return strings.ReplaceAll(version, "+", "_") }

// Artifact gives the manifest of the chart as "helm push" makes it, but for the
// time; keep takes its config, its archive, and then the manifest.
func (c *Chart) Artifact(keep func(mediaType string, body []byte) (oci.Descriptor, error)) (oci.Descriptor, error) {
	config, err := json.Marshal(c.chart.Metadata)
	if err != nil {
		return oci.Descriptor{}, fmt.Errorf("write config: %w", err)
	}
	manifest := ispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeManifest,
		Annotations: map[string]string{ispec.AnnotationTitle: c.Name, ispec.AnnotationVersion: c.Version},
	}
	if d := c.chart.Metadata.Description; d != "" {
		manifest.Annotations[ispec.AnnotationDescription] = d
	}
	if manifest.Config, err = keep(MediaTypeConfig, config); err != nil {
		return oci.Descriptor{}, err
	}
	layer, err := keep(MediaTypeArchive, c.Archive)
	if err != nil {
		return oci.Descriptor{}, err
	}
	manifest.Layers = []oci.Descriptor{layer}
	body, err := json.Marshal(manifest)
	if err != nil {
		return oci.Descriptor{}, fmt.Errorf("write manifest: %w", err)
	}
	return keep(oci.MediaTypeManifest, body)
}

// ArchiveOf finds the archive in the manifest of a chart in a registry. A
// manifest of anything else is an *[oci.UnsupportedError].
func ArchiveOf(root oci.Descriptor, body []byte) (oci.Descriptor, error) {
	m, err := oci.ParseManifest(root, body)
	if err != nil {
		return oci.Descriptor{}, err
	}
	if m.Config != nil && m.Config.MediaType == MediaTypeConfig {
		for _, l := range m.Layers {
			if l.MediaType == MediaTypeArchive {
				return oci.Descriptor{MediaType: l.MediaType, Digest: l.Digest, Size: l.Size}, nil
			}
		}
	}
	return oci.Descriptor{}, &oci.UnsupportedError{What: "manifest " + root.Digest.String(), Why: "it is not that of a Helm chart"}
}
