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

// maxConfig is the largest config of a chart, in bytes: a manifest repeats some of it.
const maxConfig = 1 << 20

// Tag is the tag that Helm gives a version: a tag cannot have a plus.
func Tag(version string) string { return strings.ReplaceAll(version, "+", "_") }

// Facts are what the chart says of itself.
func (c *Chart) Facts() (Facts, error) {
	config, err := json.Marshal(c.chart.Metadata)
	if err != nil {
		return Facts{}, fmt.Errorf("write config: %w", err)
	}
	if len(config) > maxConfig {
		return Facts{}, fmt.Errorf("its Chart.yaml is more than %d MiB", maxConfig>>20)
	}
	return Facts{Name: c.Name, Version: c.Version, Library: c.IsLibrary(), Description: c.chart.Metadata.Description, Config: config}, nil
}

// Artifact gives the manifest of the chart with this archive as "helm push" makes it, but for the
// time; keep takes its config, its archive, and then the manifest.
func (f *Facts) Artifact(archive []byte, keep func(mediaType string, body []byte) (oci.Descriptor, error)) (desc oci.Descriptor, err error) {
	manifest := ispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeManifest,
		Annotations: map[string]string{ispec.AnnotationTitle: f.Name, ispec.AnnotationVersion: f.Version},
	}
	if f.Description != "" {
		manifest.Annotations[ispec.AnnotationDescription] = f.Description
	}
	if manifest.Config, err = keep(MediaTypeConfig, f.Config); err != nil {
		return oci.Descriptor{}, err
	}
	layer, err := keep(MediaTypeArchive, archive)
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
