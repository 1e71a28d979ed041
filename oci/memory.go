package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci/text"
)

// Memory is content that satchel generated itself, small enough for memory. It is a
// [Source]. Calls that add to it must not run at the same time as others.
type Memory struct {
	bodies map[digest.Digest][]byte
	order  []Descriptor
}

// Add keeps body and gives its descriptor.
func (m *Memory) Add(mediaType string, body []byte) Descriptor {
	d := Descriptor{MediaType: mediaType, Digest: Digest(body), Size: int64(len(body))}
	if _, ok := m.bodies[d.Digest]; ok {
		return d
	}
	if m.bodies == nil {
		m.bodies = map[digest.Digest][]byte{}
	}
	m.bodies[d.Digest] = body
	m.order = append(m.order, d)
	return d
}

// ArtifactFile is a file of an artifact.
type ArtifactFile struct {
	Title     string
	MediaType string
	Body      []byte
}

// Artifact adds an OCI artifact with one layer a text file, in this order, each
// with its title (OCI image-spec, "Guidelines for Artifact Usage"). What
// [ReadArtifact] would not read is an *[UnsupportedError].
func (m *Memory) Artifact(artifactType string, files []ArtifactFile) (Descriptor, error) {
	config := m.Add(ispec.MediaTypeEmptyJSON, []byte("{}"))
	manifest := ispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: MediaTypeManifest,
		ArtifactType: artifactType, Config: config, Layers: []Descriptor{},
	}
	if err := checkFiles(artifactType, files); err != nil {
		return Descriptor{}, err
	}
	for _, f := range files {
		layer := m.Add(f.MediaType, f.Body)
		layer.MediaType = f.MediaType // the same bytes may stand there as another kind of file
		layer.Annotations = map[string]string{ispec.AnnotationTitle: f.Title}
		manifest.Layers = append(manifest.Layers, layer)
	}
	body, err := json.Marshal(manifest)
	if err != nil {
		return Descriptor{}, fmt.Errorf("write manifest: %w", err)
	}
	if len(body) > MaxManifestSize {
		return Descriptor{}, &UnsupportedError{"artifact " + artifactType, "it has too many files for one manifest"}
	}
	return m.Add(MediaTypeManifest, body), nil
}

// Descriptors lists what was added, in that order: children before parents.
func (m *Memory) Descriptors() []Descriptor { return slices.Clone(m.order) }

// Open gives content from offset off on; an error for what was not added wraps
// fs.ErrNotExist.
func (m *Memory) Open(_ context.Context, d Descriptor, off int64) (io.ReadCloser, error) {
	body, ok := m.bodies[d.Digest]
	if !ok || off < 0 || off > int64(len(body)) {
		return nil, fmt.Errorf("read generated content %s from byte %d: %w", d.Digest, off, fs.ErrNotExist)
	}
	return io.NopCloser(bytes.NewReader(body[off:])), nil
}

func checkFiles(artifactType string, files []ArtifactFile) error {
	total := 0
	for _, f := range files {
		total += len(f.Body)
		if len(f.Body) > maxArtifactFile || total > maxArtifactBytes || len(files) > maxArtifactFiles {
			return &UnsupportedError{"artifact " + artifactType, "its files are too large, or too many"}
		}
		if !text.IsPlain(f.Body) {
			return &UnsupportedError{"artifact " + artifactType, fmt.Sprintf("its file %q is not plain text", f.Title)}
		}
	}
	return nil
}

// Bounds of what [ReadArtifact] takes.
const (
	maxArtifactFile  = 4 << 20
	maxArtifactBytes = 16 << 20
	maxArtifactFiles = 4096
)

// ReadArtifact reads an artifact as [Memory.Artifact] makes it. Titles are as
// untrusted as the source: clean relative paths, each once, are all that is taken.
func ReadArtifact(ctx context.Context, src Source, root Descriptor, artifactType string) ([]ArtifactFile, error) {
	body, err := ReadManifest(ctx, src, root)
	if err != nil {
		return nil, err
	}
	var m ispec.Manifest
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, &UnsupportedError{"artifact " + root.Digest.String(), fmt.Sprintf("it is not valid JSON: %v", err)}
	}
	if m.ArtifactType != artifactType || len(m.Layers) > maxArtifactFiles {
		return nil, &UnsupportedError{"artifact " + root.Digest.String(), fmt.Sprintf("it is %q, not %q, or has too many files", m.ArtifactType, artifactType)}
	}
	var files []ArtifactFile
	seen, total := map[string]bool{}, int64(0)
	for _, l := range m.Layers {
		title := l.Annotations[ispec.AnnotationTitle]
		if !fs.ValidPath(title) || title == "." || seen[title] || !text.IsASCII(title) {
			return nil, &UnsupportedError{"artifact " + root.Digest.String(), fmt.Sprintf("it has a file with the title %q", title)}
		}
		seen[title] = true
		if total += l.Size; l.Size < 0 || total > maxArtifactBytes {
			return nil, &UnsupportedError{"artifact " + root.Digest.String(), "its files are too large"}
		}
		body, err := ReadBlob(ctx, src, l, maxArtifactFile)
		if err != nil {
			return nil, fmt.Errorf("read file %s of an artifact: %w", title, err)
		}
		if !text.IsPlain(body) {
			return nil, &UnsupportedError{"artifact " + root.Digest.String(), fmt.Sprintf("its file %q is not plain text", title)}
		}
		files = append(files, ArtifactFile{Title: title, MediaType: l.MediaType, Body: body})
	}
	return files, nil
}
