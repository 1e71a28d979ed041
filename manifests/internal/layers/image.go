package layers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

const (
	mediaTypeDockerConfig = "application/vnd.docker.container.image.v1+json"

	maxConfig  = 16 << 20 // bytes of an image config
	maxDepth   = 8        // indexes within indexes
	maxIndexes = 64       // indexes read for one image
)

// Pick gives the image that is read for root: root itself if it is an image; of
// an index the first child for linux/amd64, else the first for linux, in the
// order in which the index and those nested in it name them; with platforms in
// only, each as os/architecture, the same among those alone, else their first. An
// index that has none, or is nested too deep, is an *[oci.UnsupportedError].
func Pick(ctx context.Context, src oci.Source, root oci.Descriptor, only ...string) (oci.Descriptor, error) {
	if !oci.IsIndex(root.MediaType) {
		return root, nil
	}
	p := picker{src: src, only: only}
	if err := p.index(ctx, root, 0); err != nil {
		return oci.Descriptor{}, err
	}
	switch {
	case p.best != nil:
		return plain(*p.best), nil
	case len(only) > 0:
		return oci.Descriptor{}, unsupported("index", root, "it names no image for %s", strings.Join(only, ", "))
	}
	return oci.Descriptor{}, unsupported("index", root, "it names no image for linux")
}

type picker struct {
	src   oci.Source
	only  []string
	best  *oci.Descriptor // so far
	linux bool            // it is for linux
	found bool            // and for amd64: nothing is better
	read  int
}

func (p *picker) index(ctx context.Context, d oci.Descriptor, depth int) error {
	if p.read++; depth > maxDepth || p.read > maxIndexes {
		return unsupported("index", d, "too many indexes are nested in each other")
	}
	children, err := children(ctx, p.src, d)
	if err != nil {
		return err
	}
	for _, c := range children {
		switch {
		case p.found:
			return nil
		case oci.IsIndex(c.MediaType):
			if err := p.index(ctx, c, depth+1); err != nil {
				return err
			}
		case oci.IsManifest(c.MediaType) && c.Platform != nil:
			p.image(c)
		}
	}
	return nil
}

// image takes an image if it is better than the best so far.
func (p *picker) image(c oci.Descriptor) {
	linux := c.Platform.OS == "linux"
	if len(p.only) == 0 && !linux || len(p.only) > 0 && !slices.Contains(p.only, c.Platform.OS+"/"+c.Platform.Architecture) {
		return
	}
	p.found = linux && c.Platform.Architecture == "amd64"
	if p.found || p.best == nil || linux && !p.linux {
		p.best, p.linux = &c, linux
	}
}

// Config reads and verifies the config of an image. That of an artifact, and one
// that is not JSON, is an *[oci.UnsupportedError].
func Config(ctx context.Context, src oci.Source, image oci.Descriptor) (ispec.Image, error) {
	var img ispec.Image
	list, err := imageParts(ctx, src, image)
	if err != nil {
		return img, err
	}
	d := list[0]
	if d.MediaType != ispec.MediaTypeImageConfig && d.MediaType != mediaTypeDockerConfig {
		return img, unsupported("manifest", image, "its config is a %q, not that of an image", d.MediaType)
	}
	body, err := oci.ReadBlob(ctx, src, d, maxConfig)
	if err != nil {
		return img, fmt.Errorf("read image config: %w", err)
	}
	if err := json.Unmarshal(body, &img); err != nil {
		return img, unsupported("image config", d, "it is not valid JSON: %v", err)
	}
	return img, nil
}

// Of lists the layers of an image, which is no index, from the lowest up.
func Of(ctx context.Context, src oci.Source, image oci.Descriptor) ([]oci.Descriptor, error) {
	list, err := imageParts(ctx, src, image)
	if err != nil {
		return nil, err
	}
	return list[1:], nil
}

// imageParts lists config and layers of an image that is no index.
func imageParts(ctx context.Context, src oci.Source, image oci.Descriptor) ([]oci.Descriptor, error) {
	if oci.IsIndex(image.MediaType) {
		return nil, unsupported("manifest", image, "it is an index, not an image")
	}
	return children(ctx, src, image)
}

func children(ctx context.Context, src oci.Source, d oci.Descriptor) ([]oci.Descriptor, error) {
	list, err := oci.ReadChildren(ctx, src, d)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	return list, nil
}

// plain is a descriptor as a registry would give it.
func plain(d oci.Descriptor) oci.Descriptor {
	return oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

func unsupported(kind string, d oci.Descriptor, format string, args ...any) error {
	return &oci.UnsupportedError{What: kind + " " + d.Digest.String(), Why: fmt.Sprintf(format, args...)}
}
