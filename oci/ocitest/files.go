package ocitest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

// CatalogLabel names the directory of a file-based catalog in its image
// (operator-registry, "File-Based Catalogs").
const CatalogLabel = "operators.operatorframework.io.index.configs.v1"

// File is one entry of a layer: a regular file, unless Header says something else.
type File struct {
	Name string
	Body []byte
	// Header is the entry as it stands, for links, directories and devices;
	// Name and the length of Body replace what it says of those.
	Header *tar.Header
}

// Files adds a layer with these entries, in this order: Layer's media types.
func (c *Content) Files(mediaType string, files ...File) (oci.Descriptor, error) {
	var raw bytes.Buffer
	tw := tar.NewWriter(&raw)
	for _, f := range files {
		h := tar.Header{Typeflag: tar.TypeReg, Mode: 0o644, ModTime: time.Unix(1767225600, 0)}
		if f.Header != nil {
			h = *f.Header
		}
		h.Name, h.Size = f.Name, int64(len(f.Body))
		if err := tw.WriteHeader(&h); err != nil {
			return oci.Descriptor{}, fmt.Errorf("layer entry %s: %w", f.Name, err)
		}
		if _, err := tw.Write(f.Body); err != nil {
			return oci.Descriptor{}, fmt.Errorf("layer entry %s: %w", f.Name, err)
		}
	}
	if err := tw.Close(); err != nil {
		return oci.Descriptor{}, err
	}
	body, err := compressed(raw.Bytes(), mediaType)
	if err != nil {
		return oci.Descriptor{}, err
	}
	d := c.Blob(body, mediaType)
	c.diffs[d.Digest] = oci.Digest(raw.Bytes())
	return d, nil
}

func compressed(raw []byte, mediaType string) ([]byte, error) {
	var out bytes.Buffer
	var w io.WriteCloser
	switch mediaType {
	case LayerGzip, LayerDocker:
		w = gzip.NewWriter(&out)
	case LayerZstd:
		z, err := zstd.NewWriter(&out)
		if err != nil {
			return nil, err
		}
		w = z
	default:
		return raw, nil
	}
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	err := w.Close()
	return out.Bytes(), err
}

// Labelled is [Content.ImageFor] with labels in its config.
func (c *Content) Labelled(arch string, docker bool, labels map[string]string, layers ...oci.Descriptor) oci.Descriptor {
	return c.Running(arch, docker, ispec.ImageConfig{Labels: labels}, layers...)
}

// Running is [Content.ImageFor] with what its config says of how it runs.
func (c *Content) Running(arch string, docker bool, run ispec.ImageConfig, layers ...oci.Descriptor) oci.Descriptor {
	c.run = run
	d := c.ImageFor(arch, docker, layers...)
	c.run = ispec.ImageConfig{}
	return d
}

// imageStream is the part of an ImageStream that a payload has
// (image.openshift.io/v1).
type imageStream struct {
	Kind       string     `json:"kind"`
	APIVersion string     `json:"apiVersion"`
	Metadata   streamMeta `json:"metadata"`
	Spec       struct {
		Tags []streamTag `json:"tags"`
	} `json:"spec"`
}

type streamMeta struct {
	Name string `json:"name"`
}

type streamTag struct {
	Name string `json:"name"`
	From struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"from"`
}

// Payload adds a release image as oc adm release new lays it out: the layers
// below, and on top one with release-manifests/image-references, which names
// each component's image, and release-metadata.
func (c *Content) Payload(version, arch string, components map[string]string, below ...oci.Descriptor) (oci.Descriptor, error) {
	references, metadata := payloadFiles(version, components)
	return c.PayloadOf(arch, references, metadata, below...)
}

// payloadFiles are image-references and release-metadata; updates lead to it from previous.
func payloadFiles(version string, components map[string]string, previous ...string) (references, metadata []byte) {
	stream := imageStream{Kind: "ImageStream", APIVersion: "image.openshift.io/v1", Metadata: streamMeta{version}}
	for _, name := range slices.Sorted(maps.Keys(components)) {
		t := streamTag{Name: name}
		t.From.Kind, t.From.Name = "DockerImage", components[name]
		stream.Spec.Tags = append(stream.Spec.Tags, t)
	}
	return encode(stream), encode(map[string]any{"kind": "cincinnati-metadata-v0", "version": version, "previous": append([]string{}, previous...)})
}

// PayloadOf is Payload with the two files as they are.
func (c *Content) PayloadOf(arch string, references, metadata []byte, below ...oci.Descriptor) (oci.Descriptor, error) {
	return c.payload(arch, references, metadata, nil, below)
}

// PayloadAfter is PayloadWith of a release that updates lead to from others.
func (c *Content) PayloadAfter(previous []string, version, arch string, components map[string]string, more ...File) (oci.Descriptor, error) {
	references, metadata := payloadFiles(version, components, previous...)
	return c.payload(arch, references, metadata, more, nil)
}

// PayloadWith is Payload with more files in release-manifests.
func (c *Content) PayloadWith(version, arch string, components map[string]string, more ...File) (oci.Descriptor, error) {
	references, metadata := payloadFiles(version, components)
	return c.payload(arch, references, metadata, more, nil)
}

func (c *Content) payload(arch string, references, metadata []byte, more []File, below []oci.Descriptor) (oci.Descriptor, error) {
	files := []File{
		{Name: "release-manifests/", Header: &tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}},
		{Name: "release-manifests/image-references", Body: references},
		{Name: "release-manifests/release-metadata", Body: metadata},
	}
	for _, f := range more {
		f.Name = "release-manifests/" + f.Name
		files = append(files, f)
	}
	top, err := c.Files(LayerGzip, files...)
	if err != nil {
		return top, err
	}
	return c.Labelled(arch, true, map[string]string{"io.openshift.release": "made-up"}, append(slices.Clone(below), top)...), nil
}

// CatalogRun is how a catalog image runs, as opm generate dockerfile has it.
func CatalogRun() ispec.ImageConfig {
	return ispec.ImageConfig{Entrypoint: []string{"/bin/opm"}, Cmd: []string{"serve", "/configs", "--cache-dir=/tmp/cache"},
		Labels: map[string]string{CatalogLabel: "/configs"}}
}

// Catalog adds an image with a file-based catalog under /configs: files maps a
// path below it to its content.
func (c *Content) Catalog(arch string, files map[string][]byte, below ...oci.Descriptor) (oci.Descriptor, error) {
	var entries []File
	for _, name := range slices.Sorted(maps.Keys(files)) {
		entries = append(entries, File{Name: path.Join("configs", name), Body: files[name]})
	}
	top, err := c.Files(LayerGzip, entries...)
	if err != nil {
		return top, err
	}
	return c.Running(arch, true, CatalogRun(), append(slices.Clone(below), top)...), nil
}

// IndexFor adds an index, or a Docker manifest list, of images for those
// architectures of linux, in this order.
func (c *Content) IndexFor(docker bool, archs []string, images ...oci.Descriptor) oci.Descriptor {
	m := manifest{SchemaVersion: 2, MediaType: oci.MediaTypeIndex}
	if docker {
		m.MediaType = oci.MediaTypeDockerList
	}
	for i, d := range images {
		d.Platform = &ispec.Platform{OS: "linux", Architecture: archs[i]}
		m.Manifests = append(m.Manifests, d)
	}
	return c.Blob(encode(m), m.MediaType)
}
