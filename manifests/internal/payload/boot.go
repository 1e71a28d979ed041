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

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/oci"
)

// bootImages is the file of the installer that names the images machines boot from.
const bootImages = dir + "/0000_50_installer_coreos-bootimages.yaml"

const maxBootFile = 4 << 20 // bytes; that of 5.0 has 36 KiB

// streamName is what may stand in a tag.
var streamName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`) })

// BootImage is a disk image in a container image, for machines of KubeVirt.
type BootImage struct {
	Arch   string  `json:"arch"`             // as releases write it, such as x86_64
	Stream string  `json:"stream,omitempty"` // of several; empty for the release's own
	Image  oci.Ref `json:"image"`            // only by digest
}

// KubeVirt reads which images a payload has for machines of KubeVirt, in the order
// of their streams and architectures. Releases before KubeVirt have none.
func KubeVirt(ctx context.Context, src oci.Source, image oci.Descriptor) ([]BootImage, error) {
	body, err := readBoot(ctx, src, image)
	if err != nil || body == nil {
		return nil, err
	}
	list, err := parseBoot(body)
	if err != nil {
		return nil, &oci.UnsupportedError{What: "payload " + image.Digest.String(), Why: bootImages + ": " + err.Error()}
	}
	return list, nil
}

// readBoot reads the file of boot images; nil for a release that has none.
func readBoot(ctx context.Context, src oci.Source, image oci.Descriptor) ([]byte, error) {
	var body []byte
	err := layers.Walk(ctx, src, image, dir, func(name string, size int64, r io.Reader) (err error) {
		if name != bootImages {
			return nil
		}
		if size > maxBootFile {
			return &oci.UnsupportedError{What: "payload " + image.Digest.String(), Why: fmt.Sprintf("its %s has %d bytes, more than the %d that one may have", name, size, maxBootFile)}
		}
		if body, err = io.ReadAll(r); err != nil {
			return err
		}
		return layers.Stop
	})
	if err != nil {
		return nil, fmt.Errorf("read the payload: %w", err)
	}
	return body, nil
}

// coreStream is CoreOS stream metadata (coreos/stream-metadata-go), as far as it matters.
type coreStream struct {
	Architectures map[string]struct {
		Images struct {
			KubeVirt struct {
				DigestRef string `json:"digest-ref"`
			} `json:"kubevirt"`
		} `json:"images"`
	} `json:"architectures"`
}

// parseBoot reads the ConfigMap: its key stream has the release's own stream, its
// key streams, from 5.0 on, that and others by name.
func parseBoot(body []byte) ([]BootImage, error) {
	var cm struct {
		Kind string `json:"kind"`
		Data struct {
			Stream  string `json:"stream"`
			Streams string `json:"streams"`
		} `json:"data"`
	}
	if err := yaml.Unmarshal(body, &cm); err != nil {
		return nil, fmt.Errorf("it is not valid YAML: %w", err)
	}
	if cm.Kind != "ConfigMap" || cm.Data.Stream == "" {
		return nil, errors.New("it is no ConfigMap with a key stream")
	}
	var own coreStream
	if err := json.Unmarshal([]byte(cm.Data.Stream), &own); err != nil {
		return nil, fmt.Errorf("its key stream is not valid JSON: %w", err)
	}
	list, err := own.images("")
	if err != nil || cm.Data.Streams == "" {
		return list, err
	}
	var others map[string]coreStream
	if err := json.Unmarshal([]byte(cm.Data.Streams), &others); err != nil {
		return nil, fmt.Errorf("its key streams is not valid JSON: %w", err)
	}
	known := slices.Clone(list)
	for name, s := range others {
		more, err := s.images(name)
		if err != nil {
			return nil, err
		}
		for _, b := range more {
			if !slices.ContainsFunc(known, func(k BootImage) bool { return k.Arch == b.Arch && k.Image == b.Image }) {
				list = append(list, b)
			}
		}
	}
	slices.SortFunc(list, func(a, b BootImage) int { return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Arch, b.Arch)) })
	return list, nil
}

// images lists the images of one stream, by architecture.
func (s coreStream) images(name string) ([]BootImage, error) {
	var list []BootImage
	for arch, a := range s.Architectures {
		text := a.Images.KubeVirt.DigestRef
		if text == "" {
			continue
		}
		if !streamName().MatchString(arch) || name != "" && !streamName().MatchString(name) {
			return nil, fmt.Errorf("architecture %.64q of stream %.64q cannot be part of a tag", arch, name)
		}
		if len(text) > maxRef {
			return nil, fmt.Errorf("the name of its image for %s has %d bytes", arch, len(text))
		}
		ref, err := oci.ParseRef(text)
		if err == nil && ref.Digest == "" {
			err = fmt.Errorf("%s is named by a tag, which could move, and not by digest", ref)
		}
		if err != nil {
			return nil, fmt.Errorf("its image for %s: %w", arch, err)
		}
		list = append(list, BootImage{arch, name, ref.WithDigest(ref.Digest)})
	}
	slices.SortFunc(list, func(a, b BootImage) int { return cmp.Compare(a.Arch, b.Arch) })
	return list, nil
}
