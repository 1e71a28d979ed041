package payload

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sync"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/oci"
)

const (
	dir        = "release-manifests"
	references = dir + "/image-references"
	metadata   = dir + "/release-metadata"

	maxFile       = 16 << 20 // bytes of each of the two; that of 4.12 has 160 KiB
	maxComponents = 4096     // a release has about 200
	maxRef        = 1 << 10  // bytes of an image's name
)

// componentName is what may stand at the end of a tag (OCI distribution-spec,
// "Pulling manifests").
var componentName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\w.-]{1,128}$`) })

// Payload is what a release is made of.
type Payload struct {
	Version    string      `json:"version"`    // a semantic version
	Components []Component `json:"components"` // by name, each once, never none
	// Architecture is multi in each payload of one for several architectures, and
	// empty in others.
	Architecture string `json:"architecture,omitempty"`
}

// Component is one image of a release.
type Component struct {
	Name  string  `json:"name"`
	Image oci.Ref `json:"image"` // only by digest
}

// Read reads the payload in image, which is one manifest, not an index.
func Read(ctx context.Context, src oci.Source, image oci.Descriptor) (*Payload, error) {
	files := map[string][]byte{}
	err := layers.Walk(ctx, src, image, dir, func(name string, size int64, r io.Reader) error {
		if name != references && name != metadata {
			return nil
		}
		if size > maxFile {
			return &oci.UnsupportedError{What: "payload " + image.Digest.String(), Why: fmt.Sprintf("its %s has %d bytes, more than the %d that one may have", name, size, maxFile)}
		}
		body, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if files[name] = body; len(files) == 2 {
			return layers.Stop
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the payload: %w", err)
	}
	p, err := parse(files)
	if err != nil {
		return nil, &oci.UnsupportedError{What: "payload " + image.Digest.String(), Why: err.Error() + "; is it a release payload?"}
	}
	return p, nil
}

func parse(files map[string][]byte) (*Payload, error) {
	for _, name := range []string{references, metadata} {
		if files[name] == nil {
			return nil, fmt.Errorf("it has no file %s", name)
		}
	}
	version, arch, err := parseMetadata(files[metadata])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", metadata, err)
	}
	components, err := parseReferences(files[references])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", references, err)
	}
	return &Payload{version, components, arch}, nil
}

// parseMetadata reads the version and the architecture. The file is the release's part of the update
// graph, and its kind is named after the graph's protocol, Cincinnati.
func parseMetadata(body []byte) (version, arch string, err error) {
	var m struct {
		Kind     string `json:"kind"`
		Version  string `json:"version"`
		Metadata struct {
			Architecture string `json:"release.openshift.io/architecture"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return "", "", fmt.Errorf("it is not valid JSON: %w", err)
	}
	if m.Kind != "cincinnati-metadata-v0" {
		return "", "", fmt.Errorf("its kind is %.64q, not cincinnati-metadata-v0", m.Kind)
	}
	if _, err := semver.Parse(m.Version); err != nil {
		return "", "", fmt.Errorf("its version %.64q is not a semantic version", m.Version)
	}
	return m.Version, m.Metadata.Architecture, nil
}

func parseReferences(body []byte) ([]Component, error) {
	var stream struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
		Spec       struct {
			Tags []tag `json:"tags"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(body, &stream); err != nil {
		return nil, fmt.Errorf("it is not valid JSON: %w", err)
	}
	if stream.Kind != "ImageStream" || stream.APIVersion != "image.openshift.io/v1" {
		return nil, fmt.Errorf("it is a %.64q of %.64q, not an ImageStream of image.openshift.io/v1", stream.Kind, stream.APIVersion)
	}
	if n := len(stream.Spec.Tags); n == 0 || n > maxComponents {
		return nil, fmt.Errorf("it names %d components", n)
	}
	var list []Component
	for _, t := range stream.Spec.Tags {
		ref, err := t.image()
		if err != nil {
			return nil, fmt.Errorf("component %.64q: %w", t.Name, err)
		}
		list = append(list, Component{t.Name, ref})
	}
	slices.SortFunc(list, func(a, b Component) int { return cmp.Compare(a.Name, b.Name) })
	for i := range list[1:] {
		if list[i].Name == list[i+1].Name {
			return nil, fmt.Errorf("component %q is there twice", list[i].Name)
		}
	}
	return list, nil
}

// tag is one of an ImageStream (openshift/api, image/v1, TagReference).
type tag struct {
	Name string `json:"name"`
	From *struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"from"`
}

func (t tag) image() (oci.Ref, error) {
	switch {
	case !componentName().MatchString(t.Name):
		return oci.Ref{}, errors.New("the name cannot be part of a tag")
	case t.From == nil:
		return oci.Ref{}, errors.New("it names no image")
	case t.From.Kind != "DockerImage":
		return oci.Ref{}, fmt.Errorf("it comes from a %.64q, not from a DockerImage", t.From.Kind)
	case len(t.From.Name) > maxRef:
		return oci.Ref{}, fmt.Errorf("the name of its image has %d bytes", len(t.From.Name))
	}
	ref, err := oci.ParseRef(t.From.Name)
	if err != nil {
		return oci.Ref{}, err
	}
	if ref.Digest == "" {
		return oci.Ref{}, fmt.Errorf("its image %s is named by a tag, which could move, and not by digest", ref)
	}
	return ref.WithDigest(ref.Digest), nil
}
